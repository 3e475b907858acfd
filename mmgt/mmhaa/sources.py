"""Where a window's pose pictures and masks come from: made from poses, or given as pictures. Made when asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..draw import draw_pose
from ..errors import InputError
from ..motion_mask import Box, face_box, lip_box
from ..poses import PoseSequence
from .pictures import PictureSize, network_masks, picture_for_network


@dataclass(frozen=True)
class DrawnPoses:
    """Pose pictures of poses: frames -> [F, 3, H, W] in 0..1."""

    poses: PoseSequence
    size: PictureSize

    def __call__(self, frames: Sequence[int]) -> Tensor:
        height, width = self.size.height_px, self.size.width_px
        chosen = self.poses.sized(height, width).at(frames)
        drawn = (
            draw_pose(xy.numpy(), score.numpy(), height, width)
            for xy, score in zip(chosen.pixels, chosen.score, strict=True)
        )
        return torch.stack([picture_for_network(picture, self.size) for picture in drawn])


@dataclass(frozen=True)
class GivenPictures:
    """Pose pictures that were drawn elsewhere: images [T, H, W, 3] in 0..1 of any size."""

    images: Tensor
    size: PictureSize

    def __call__(self, frames: Sequence[int]) -> Tensor:
        chosen = (self.images[list(frames)].float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        return torch.stack([picture_for_network(picture, self.size) for picture in chosen])


@dataclass(frozen=True)
class PoseMasks:
    """Face and lip masks of poses (paper Algorithm 1), as the audio modules take them: frames -> levels."""

    poses: PoseSequence
    size: PictureSize

    def __call__(self, frames: Sequence[int]) -> tuple[Tensor, ...]:
        height, width = self.size.height_px, self.size.width_px
        chosen = self.poses.sized(height, width).at(frames)
        points = list(zip(chosen.pixels.numpy(), chosen.score.numpy(), strict=True))
        face = [face_box(xy, score, height, width) for xy, score in points]
        lips = [lip_box(xy, score, height, width) for xy, score in points]
        return network_masks(self._filled(face), self._filled(lips), *self.size.latent_shape)

    def _filled(self, boxes: Sequence[Box | None]) -> np.ndarray:
        masks = np.zeros((len(boxes), self.size.canvas_height_px, self.size.canvas_width_px), np.uint8)
        for mask, box in zip(masks, boxes, strict=True):
            if box is not None:
                x0, y0, x1, y1 = box
                mask[y0:y1, x0:x1] = 255
        return masks


@dataclass(frozen=True)
class GivenMasks:
    """Masks that were made elsewhere: face, lips [T or 1, H, W] in 0..1 of any size; one frame holds for all."""

    face: Tensor
    lips: Tensor
    size: PictureSize

    def __call__(self, frames: Sequence[int]) -> tuple[Tensor, ...]:
        return network_masks(self._canvas(self.face, frames), self._canvas(self.lips, frames), *self.size.latent_shape)

    def _canvas(self, mask: Tensor, frames: Sequence[int]) -> np.ndarray:
        import cv2

        chosen = mask[[0] * len(frames) if len(mask) == 1 else list(frames)]
        grey = (chosen.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        height, width = self.size.height_px, self.size.width_px
        if (self.size.canvas_height_px, self.size.canvas_width_px) == (height, width):
            return grey  # the whole picture: its own size does, the network's masks are 64 px
        sized = (cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR) for frame in grey)
        return np.stack([self.size.pad(frame, "constant") for frame in sized])


def check_length(name: str, num_frames: int, wanted: int, *, may_hold: bool = False) -> None:
    """Raise InputError unless something has as many frames as the video (or one, where it may hold for all)."""
    if num_frames == wanted or (may_hold and num_frames == 1):
        return
    one = " (or one frame for all)" if may_hold else ""
    raise InputError(f"{name} has {num_frames} frames, but the video has {wanted}; give as many{one}.")

"""What drives a video: pose pictures, motion masks and speech, made for a window's frames when they are asked for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..draw import draw_pose
from ..errors import InputError
from ..features import SpeechFeatures
from ..motion_mask import Box, face_box, lip_box
from ..poses import POSE_FPS, PoseSequence
from .pictures import NETWORK_PX, PictureSize, network_masks, picture_for_network

logger = logging.getLogger("mmgt")

STRENGTHS = (1.0, 1.0, 2.0)  # of the full, face and lip branch: the authors' inference


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


@dataclass(frozen=True)
class EvenMasks:
    """Where nothing says where face and lips are: the full branch acts everywhere alike, face and lips nowhere."""

    size: PictureSize

    def __call__(self, frames: Sequence[int]) -> tuple[Tensor, ...]:
        nothing = np.zeros((len(frames), NETWORK_PX, NETWORK_PX), np.uint8)
        return network_masks(nothing, nothing, *self.size.latent_shape)


class FrameSource(Protocol):
    def __call__(self, frames: Sequence[int]) -> Any: ...


@dataclass(frozen=True)
class Drive:
    """All that drives a video besides the photo: small at any length.

    pictures(frames) -> pose pictures [F, 3, H, W] of the canvas in 0..1. masks(frames) -> for each level of the
    network [3 (full, face, lip), F, h w]. speech: wav2vec2 layers [T, layers, D], or None: nothing is heard.
    strengths: of the full, face and lip branch.
    """

    num_frames: int
    size: PictureSize
    pictures: FrameSource
    masks: FrameSource
    speech: Tensor | None
    strengths: tuple[float, float, float] = STRENGTHS


def drive_video(
    size: PictureSize,
    *,
    poses: PoseSequence | None = None,
    pose_pictures: Tensor | None = None,
    face_mask: Tensor | None = None,
    lip_mask: Tensor | None = None,
    speech: SpeechFeatures | None = None,
    strengths: tuple[float, float, float] = STRENGTHS,
) -> Drive:
    """Check that the parts fit each other, and bind them.

    poses are drawn and masked; pose_pictures [T, H, W, 3] in 0..1 are shown instead of drawing, and the masks
    [T or 1, H, W] in 0..1 used instead of making them. Speech decides the length where poses are longer.
    Raises InputError.
    """
    poses = None if poses is None else poses.at_fps(POSE_FPS)
    pictures: FrameSource
    if pose_pictures is not None:
        pictures, num_frames = GivenPictures(pose_pictures[..., :3], size), len(pose_pictures)
    elif poses is not None:
        pictures, num_frames = DrawnPoses(poses, size), poses.num_frames
    else:
        raise InputError("there is nothing to move by; connect poses (MMGT_POSES or POSE_KEYPOINT) or pose_pictures.")
    if (face_mask is None) != (lip_mask is None):
        given, missing = ("face", "lips") if lip_mask is None else ("lips", "face")
        raise InputError(f"there is a {given} mask but no {missing} mask; connect both, or none to have them made.")
    if speech is not None and speech.video is None:
        raise InputError(
            "this speech was encoded without wav2vec2, which the video network listens to; choose a wav2vec2 file in "
            "Load Audio Encoder and encode again."
        )
    if num_frames == 0:
        raise InputError("the pose pictures hold 0 frames; a video needs at least one.")
    if poses is not None and pose_pictures is not None:
        _check_length("poses", poses.num_frames, num_frames)
    masks: FrameSource
    if face_mask is not None and lip_mask is not None:
        for name, mask in (("the face masks", face_mask), ("the lips masks", lip_mask)):
            _check_length(name, len(mask), num_frames, may_hold=True)
        masks = GivenMasks(face_mask, lip_mask, size)
    elif poses is not None:
        masks = PoseMasks(poses, size)
    else:
        logger.warning("pose pictures without poses or masks: the speech acts on the whole picture alike")
        masks = EvenMasks(size)
    layers = None if speech is None else speech.video
    if layers is not None and len(layers) != num_frames:
        used = min(num_frames, len(layers))
        logger.info("poses last %d frames, speech %d; the video has %d", num_frames, len(layers), used)
        num_frames = used
    return Drive(num_frames, size, pictures, masks, layers, strengths)


def _check_length(name: str, num_frames: int, wanted: int, *, may_hold: bool = False) -> None:
    """Raise InputError unless something has as many frames as the video (or one, where it may hold for all)."""
    if num_frames == wanted or (may_hold and num_frames == 1):
        return
    one = " (or one frame for all)" if may_hold else ""
    raise InputError(f"{name} have {num_frames} frames, but the video has {wanted}; give as many{one}.")

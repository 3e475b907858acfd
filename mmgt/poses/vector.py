"""PoseSequence <-> the 402-channel vectors that SMGA diffuses.

A vector interleaves (x, y, score) of the 134 keypoints; one affine map normalises all three from pixels of a
512-pixel picture (training convention, spec of the released weights): -200 -> -1, 300 -> 0, 800 -> +1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from . import POSE_FPS, PoseSequence
from .skeleton import FACE, LEFT_SHOULDER, LEGS, NECK, NOSE, NUM_KEYPOINTS, RIGHT_SHOULDER

NUM_CHANNELS = 3 * NUM_KEYPOINTS
FRAME_PX = 512  # side of the square picture that the keypoints were trained in
_OFFSET, _RANGE = 200.0, 1000.0
PX = 2 / _RANGE  # a pixel of that picture in normalised units


def normalise(points_px: Any) -> Any:
    """[..., 134, 3] (x px, y px, score) -> [..., 402], same dtype; numpy or torch."""
    return ((points_px + _OFFSET) / _RANGE * 2 - 1).reshape(*points_px.shape[:-2], NUM_CHANNELS)


def denormalise(vector: Any) -> Any:
    """[..., 402] -> [..., 134, 3] (x px, y px, score); the operation order is the authors' (float32 exact)."""
    return ((vector + 1) / 2 * _RANGE - _OFFSET).reshape(*vector.shape[:-1], NUM_KEYPOINTS, 3)


def is_face(device: torch.device | str | None = None) -> Tensor:
    """[402] bool: the face's channels."""
    channels = torch.zeros(NUM_CHANNELS, dtype=torch.bool, device=device)
    channels[3 * FACE.start : 3 * FACE.stop] = True
    return channels


def mask_legs(vector: Any) -> Any:
    """Zero the knees and ankles of [..., 402] in normalised space, as the authors' inference does."""
    masked = vector.reshape(*vector.shape[:-1], NUM_KEYPOINTS, 3) * 1  # a copy, numpy or torch
    masked[..., list(LEGS), :] *= 0
    return masked.reshape(vector.shape)


class TrainingFrame:
    """The square of a picture that is shown to SMGA as its 512 x 512 px frame.

    The whole picture where it is square; else the square of the short side that holds the person's head and
    shoulders best. Points outside of the square keep their place (coordinates beyond 0..512).
    """

    def __init__(self, initial_pose: PoseSequence) -> None:
        width, height = initial_pose.width_px, initial_pose.height_px
        self.initial_pose = initial_pose
        self.side_px = min(width, height)
        upper_body = initial_pose.pixels[0, [NOSE, NECK, LEFT_SHOULDER, RIGHT_SHOULDER]]  # [4, 2]
        corner = upper_body.mean(0) - upper_body.new_tensor([0.5, 0.4]) * self.side_px
        room = upper_body.new_tensor([width - self.side_px, height - self.side_px])
        self.corner_px = torch.minimum(corner.clamp(min=0), room)  # [2]

    def condition(self) -> Tensor:
        """[402] float32: the initial pose as SMGA's condition frame, legs hidden."""
        return mask_legs(self.vectors(self.initial_pose)[0]).float()

    def vectors(self, poses: PoseSequence) -> Tensor:
        """[T, 402] float64: poses on the same picture, as SMGA diffuses them."""
        xy = (poses.pixels.double() - self.corner_px) * (FRAME_PX / self.side_px)  # [T, 134, 2]
        return normalise(torch.cat([xy, poses.score.double()[..., None]], dim=-1))

    def poses(self, vectors: Tensor) -> PoseSequence:
        """[T, 402] -> poses on the whole picture; visibility is the initial pose's.

        The score range 0..1 is 0.002 wide in normalised units, so a predicted score says nothing: it is ignored.
        The legs, which the condition hides, stay where the initial pose has them.
        """
        pose = self.initial_pose
        xy = denormalise(vectors)[..., :2] * (self.side_px / FRAME_PX) + self.corner_px  # [T, 134, 2]
        xy[:, list(LEGS)] = pose.pixels[0, list(LEGS)]
        score = pose.score.expand(len(vectors), -1)
        return PoseSequence.from_pixels(xy, score, height_px=pose.height_px, width_px=pose.width_px, fps=POSE_FPS)

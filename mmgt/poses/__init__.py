"""The value that crosses stages, a pose track; beside it the table of its points, and what is made of tracks alone:
pose pictures, masks of face, lips and hands, closed lips, SMGA's vectors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import InputError
from .skeleton import NUM_KEYPOINTS, is_visible

POSE_FPS = 25  # both networks run at 25 video frames a second
MAX_SIDE_PX = 100_000  # of the picture that poses refer to: more is no picture


def _check_picture(height_px: int, width_px: int, fps: float) -> None:
    sides = height_px, width_px
    if not 0 < fps < math.inf or min(sides) < 1 or max(sides) > MAX_SIDE_PX:
        told = [str(side) if abs(side) <= 10 * MAX_SIDE_PX else "far too many" for side in (width_px, height_px)]
        raise InputError(
            f"a pose sequence needs a positive fps and a picture of 1 to {MAX_SIDE_PX} px a side, got "
            f"{fps} fps, {told[0]}x{told[1]} px."
        )


@dataclass(frozen=True)
class PoseSequence:
    """Keypoints of one person over time.

    keypoints: [T, 134, 2] float32, x and y as fractions 0..1 of the picture's width and height (may lie outside).
    score: [T, 134] float32, 0..1; below ``skeleton.VISIBLE_SCORE`` a point is hidden.
    fps: video frames per second. height_px, width_px: size of the picture that the fractions refer to.
    """

    keypoints: Tensor
    score: Tensor
    fps: float
    height_px: int
    width_px: int

    def __post_init__(self) -> None:
        num_frames = self.keypoints.shape[0]
        if num_frames < 1 or self.keypoints.shape != (num_frames, NUM_KEYPOINTS, 2):
            raise InputError(
                f"keypoints have shape {tuple(self.keypoints.shape)}; a pose sequence needs "
                f"[T, {NUM_KEYPOINTS}, 2] with T >= 1. Convert other skeletons with "
                "'POSE_KEYPOINT to Poses'."
            )
        if self.score.shape != (num_frames, NUM_KEYPOINTS):
            raise InputError(
                f"score has shape {tuple(self.score.shape)}; it must be "
                f"[{num_frames}, {NUM_KEYPOINTS}] like the keypoints."
            )
        if not torch.isfinite(self.keypoints).all() or not torch.isfinite(self.score).all():
            raise InputError(
                "the pose sequence holds NaN or infinite numbers; it must be finite. "
                "Detect or generate the poses again."
            )
        _check_picture(self.height_px, self.width_px, self.fps)

    @classmethod
    def from_pixels(
        cls, xy_px: Tensor, score: Tensor, *, height_px: int, width_px: int, fps: float = POSE_FPS
    ) -> PoseSequence:
        """Build from pixel coordinates: xy_px [T, 134, 2], score [T, 134]."""
        _check_picture(height_px, width_px, fps)
        size = torch.tensor([width_px, height_px], dtype=torch.float64)
        return cls((xy_px.double() / size).float(), score.float(), float(fps), int(height_px), int(width_px))

    @property
    def num_frames(self) -> int:
        return self.keypoints.shape[0]

    @property
    def seconds(self) -> float:
        return self.num_frames / self.fps

    @property
    def pixels(self) -> Tensor:
        """[T, 134, 2] float32 in pixels of the picture."""
        return self.keypoints * self.keypoints.new_tensor([self.width_px, self.height_px])

    @property
    def visible(self) -> Tensor:
        """[T, 134] bool: a score of at least ``skeleton.VISIBLE_SCORE``."""
        return is_visible(self.score)

    def frames(self, start: int, stop: int) -> PoseSequence:
        """Frames start..stop-1 as a sequence of their own."""
        return replace(self, keypoints=self.keypoints[start:stop], score=self.score[start:stop])

    def at(self, frames: Sequence[int]) -> PoseSequence:
        """The frames of these indices, in this order."""
        chosen = torch.as_tensor(list(frames))
        return replace(self, keypoints=self.keypoints[chosen], score=self.score[chosen])

    def at_fps(self, fps: float) -> PoseSequence:
        """The same motion at another rate: points move linearly between frames, scores are the nearer frame's."""
        if self.fps == fps:
            return self
        num_frames = max(1, math.ceil(round(self.num_frames * fps / self.fps, 6)))
        place = (torch.arange(num_frames, dtype=torch.float64) * (self.fps / fps)).clamp(max=self.num_frames - 1)
        before = place.floor().long()
        after = (before + 1).clamp(max=self.num_frames - 1)
        share = (place - before).float()[:, None, None]
        keypoints = torch.lerp(self.keypoints[before], self.keypoints[after], share)
        return replace(self, keypoints=keypoints, score=self.score[place.round().long()], fps=float(fps))

    def still_on(self, height_px: int, width_px: int, source: str = "the pose") -> PoseSequence:
        """The first frame as the initial pose of a picture. Raises InputError if the aspects differ."""
        if not same_aspect(self.height_px, self.width_px, height_px, width_px):
            raise InputError(
                f"{source} was made for a picture of {self.width_px}x{self.height_px} px, but the picture has "
                f"{width_px}x{height_px} px; give the pose of this picture, or the picture of this pose."
            )
        return self.frames(0, 1).sized(height_px, width_px)

    def sized(self, height_px: int, width_px: int) -> PoseSequence:
        """The same fractions on a picture of another size (no aspect correction)."""
        return replace(self, height_px=height_px, width_px=width_px)


def same_aspect(height_px: int, width_px: int, other_height_px: int, other_width_px: int) -> bool:
    """Whether two pictures have the same shape, to 1 %: sizes are rounded."""
    return abs(width_px * other_height_px - height_px * other_width_px) <= 0.01 * width_px * other_height_px

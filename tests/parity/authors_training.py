"""How the authors cut their training data, for comparison with what their code gave; our sets are cut otherwise."""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from mmgt.poses import POSE_FPS


@dataclass(frozen=True)
class Slicing:
    """Cutting tracks into windows of ``window_s`` every ``stride_s``, in seconds. The authors' numbers.

    Speech, poses and features skip the first stride, videos do not: so a video slice begins one stride before its
    speech. Pose slices hold one frame before their window. fps: 24 is the authors' constant; such slices are 77 rows
    long and cannot feed a network of 80 frames.
    """

    window_s: float = 3.2
    stride_s: float = 0.4
    fps: float = POSE_FPS

    def samples(self, num_samples: int, sample_rate: int) -> list[tuple[int, int]]:
        """Of a recording: [start, stop) of each slice, in samples. There are as many slices of all else, at most."""
        stride, window = int(self.stride_s * sample_rate), int(self.window_s * sample_rate)
        return [(start, start + window) for start in range(stride, num_samples - window + 1, stride)]

    def features(self, num_frames: int, num_slices: int) -> list[tuple[int, int]]:
        stride, window = int(self.stride_s * self.fps), int(self.window_s * self.fps)
        return [(start, start + window) for start in range(stride, num_frames - window + 1, stride)][:num_slices]

    def keypoints(self, num_frames: int, num_slices: int) -> list[tuple[int, int]]:
        """Of poses: with the frame before the window, which is the condition."""
        return [(start - 1, stop) for start, stop in self.features(num_frames, num_slices)]

    def videos(self, num_frames: int, num_slices: int) -> list[tuple[int, int]]:
        stride, window = int(self.stride_s * POSE_FPS), int(self.window_s * POSE_FPS)
        return [(start, start + window) for start in range(0, num_frames - window + 1, stride)][:num_slices]


def unit_range_guard(batch: Tensor) -> Tensor:
    """A batch without a negative number is taken for 0..1 and mapped to -1..1; any other is as it was.

    With their own normalisation this never happens: scores are about -0.6. -0.0 is not negative.
    """
    return batch if (batch < 0).any() else batch * 2 - 1


def complement_mask(face_and_hands: np.ndarray, lips: np.ndarray) -> np.ndarray:
    """255 - face_and_hands + lips in uint8, which wraps around where lips lie on what no face is: [F, H, W] uint8."""
    return (255 - face_and_hands + lips).astype(np.uint8)

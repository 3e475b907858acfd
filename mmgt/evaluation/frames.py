"""Numbers of frames: likeness to a reference (whole, and in the motion masks' regions), stillness of the background.

Everything is computed in float64. (Differences of uint8 pictures wrap around, which lifts the PSNR of any two pictures
to about 28 dB: tables made so cannot be compared with these.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..poses import PoseSequence, same_aspect
from ..poses.motion_mask import REGIONS, Box, region_box
from .measured import Measured
from .poses import shoulder_width_px
from .series import MotionHeat, Series, WorstFrames, change_measures

PEAK = 255.0
SSIM_WINDOW_PX, SSIM_SIGMA_PX = 11, 1.5  # Wang et al. 2004
BLOCK_PX = 16  # of SSIM: small products stay in the cache
PAPER_SIDE_PX = 256  # arXiv 2505.23120, section 4: all videos are compared at 256x256
PERSON_MARGIN = 0.5  # of the shoulders' width around all points of a person: hair and sleeves
MIN_BACKGROUND = 0.01  # of the picture: less is no background


def psnr(mean_squared_error: float) -> float:
    """Peak signal-to-noise ratio in dB of 8-bit pictures; infinite where nothing differs."""
    return 10 * math.log10(PEAK**2 / mean_squared_error) if mean_squared_error > 0 else math.inf


def squared_error(frame: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 twice -> [H, W] float64, the mean over the channels."""
    difference = frame.astype(np.float64)
    difference -= reference
    difference *= difference
    return difference @ np.ones(3) / 3


def ssim_map(frame: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 twice -> [H, W] float64 -1..1, the mean over the channels: structural similarity (Wang 2004).

    Gaussian window of 11 px, sigma 1.5 px, K 0.01 and 0.03. Raises InputError for pictures below 11 px.

    Written in the sum a + b and the difference a - b, whose local means and variances hold those of both pictures. The
    window's weighted means are products with a banded matrix, block by block: a third of the time of a filter's.
    """
    height, width = frame.shape[:2]
    if min(height, width) < SSIM_WINDOW_PX:
        raise InputError(f"a picture of {width}x{height} px is too small for SSIM; give one of 11 px a side or more.")
    rim = SSIM_WINDOW_PX // 2
    sides = ((0, 0), (rim, rim + -height % BLOCK_PX), (rim, rim + -width % BLOCK_PX))
    x, y = (np.pad(each.transpose(2, 0, 1), sides, "symmetric").astype(np.float64) for each in (frame, reference))
    inner_height, inner_width = (side - 2 * rim for side in x.shape[1:])
    window = _window_means()
    similarity = np.empty((inner_height, inner_width))
    maps = np.empty((4, 3, BLOCK_PX + 2 * rim, x.shape[2]))  # a + b, a - b, and their squares
    means = np.empty((4, 3, BLOCK_PX, inner_width))
    flat = means.reshape(-1, inner_width)
    for top in range(0, inner_height, BLOCK_PX):
        rows = slice(top, top + BLOCK_PX + 2 * rim)
        np.add(x[:, rows], y[:, rows], out=maps[0])
        np.subtract(x[:, rows], y[:, rows], out=maps[1])
        np.square(maps[:2], out=maps[2:])
        down = (window @ maps).reshape(len(flat), -1)
        for left in range(0, inner_width, BLOCK_PX):
            columns = slice(left, left + BLOCK_PX + 2 * rim)
            np.matmul(down[:, columns], window.T, out=flat[:, left : left + BLOCK_PX])
        similarity[top : top + BLOCK_PX] = _similarity(*means).mean(axis=0)
    return similarity[:height, :width]


def _window_means() -> np.ndarray:
    """[16, 26] float64: the Gaussian's weights at each of a block's pixels, over these and a rim."""
    offsets = np.arange(SSIM_WINDOW_PX) - SSIM_WINDOW_PX // 2
    weights = np.exp(-(offsets**2) / (2 * SSIM_SIGMA_PX**2))
    window = np.zeros((BLOCK_PX, BLOCK_PX + SSIM_WINDOW_PX - 1))
    for row in range(BLOCK_PX):
        window[row, row : row + SSIM_WINDOW_PX] = weights / weights.sum()
    return window


def _similarity(total: np.ndarray, apart: np.ndarray, square_total: np.ndarray, square_apart: np.ndarray) -> np.ndarray:
    """SSIM from local means of a + b, a - b and their squares, all of one shape; changes its arguments.

    With m = total^2 and d = apart^2: 2 E[a] E[b] = (m - d) / 2, E[a]^2 + E[b]^2 = (m + d) / 2, and so for variances.
    """
    total *= total
    apart *= apart
    square_total -= total
    square_apart -= apart
    total += 2 * (0.01 * PEAK) ** 2
    square_total += 2 * (0.03 * PEAK) ** 2
    likeness = (total - apart) * (square_total - square_apart)
    total += apart
    square_total += square_apart
    total *= square_total
    likeness /= total
    return likeness


def ssim(frame: np.ndarray, reference: np.ndarray) -> float:
    """The mean of ``ssim_map`` where its window lies inside the picture."""
    rim = SSIM_WINDOW_PX // 2
    return float(ssim_map(frame, reference)[rim:-rim, rim:-rim].mean())


def person_box(poses: PoseSequence, height_px: int, width_px: int) -> Box:
    """The box that a person never leaves: all visible points of all frames with a margin of half of the shoulders'
    width, down to the lower edge, where talking portraits are cut."""
    poses = poses.sized(height_px, width_px)
    points = poses.pixels[poses.visible].double().numpy()
    margin = PERSON_MARGIN * shoulder_width_px(poses)
    (x0, y0), (x1, _) = points.min(axis=0) - margin, points.max(axis=0) + margin
    return (
        int(np.clip(math.floor(x0), 0, width_px)),
        int(np.clip(math.floor(y0), 0, height_px)),
        int(np.clip(math.ceil(x1), 0, width_px)),
        height_px,
    )


class _Mean:
    def __init__(self) -> None:
        self.sum, self.weight, self.num_frames = 0.0, 0, 0

    def add(self, values: np.ndarray) -> None:
        if values.size:
            self.sum, self.weight, self.num_frames = (
                self.sum + values.sum(),
                self.weight + values.size,
                self.num_frames + 1,
            )

    @property
    def value(self) -> float:
        return float(self.sum / self.weight)


@dataclass(frozen=True)
class _Size:
    """What frames are compared at. height_px and width_px: of the frames. label: as rows are named."""

    height_px: int
    width_px: int
    label: str


class FrameMeasures:
    """Takes the frames of a video one after another, and holds three of them: memory does not grow with the length.

    poses: of the video, frame by frame, at any size; without them there are no regions and no background.
    photo: [H, W, 3] uint8, what the background is compared with; the first frame where there is none.
    PSNR is that of the mean squared error over all frames (as FFmpeg's average), SSIM the mean over them. A region's
    are those of the pixels in its boxes: of its squared errors, and of the whole frame's map of similarity.
    """

    def __init__(
        self,
        height_px: int,
        width_px: int,
        poses: PoseSequence | None = None,
        photo: np.ndarray | None = None,
    ) -> None:
        self._native = _Size(height_px, width_px, f"{width_px}x{height_px}")
        self._poses, self._with_photo = poses, photo is not None
        self._still: np.ndarray | None = None  # [N, 3] float64: what the background should stay
        self._errors: dict[tuple[str, str], _Mean] = {}
        self._similarities: dict[tuple[str, str], _Mean] = {}
        self._still_error, self._still_difference, self._flicker = _Mean(), _Mean(), _Mean()
        self._last: list[np.ndarray] = []
        self._psnr_db: list[float] = []
        self._ssim: list[float] = []
        self._colour: np.ndarray | None = None  # [3] sum of the frames' mean differences to the reference
        self._heat, self._reference_heat, self._worst = MotionHeat(), MotionHeat(), WorstFrames()
        self._t = 0
        self._background = None
        if poses is not None:
            x0, y0, x1, y1 = person_box(poses, height_px, width_px)
            background = np.ones((height_px, width_px), bool)
            background[y0:y1, x0:x1] = False
            self._background = background if background.mean() >= MIN_BACKGROUND else None
        if photo is not None and self._background is not None:
            self._still = resized(photo, height_px, width_px, "the photo")[self._background].astype(np.float64)

    @property
    def has_background(self) -> bool:
        return self._background is not None

    def add(self, frame: np.ndarray, reference: np.ndarray | None = None) -> None:
        """The next frame, [H, W, 3] uint8 RGB, and the reference's of the same size at the same time."""
        self._heat.add(frame)
        if reference is not None:
            error, similarity = self._compare(frame, reference, self._native)
            self._psnr_db.append(psnr(error))
            self._ssim.append(similarity)
            self._worst.add(self._t, similarity, frame, reference)
            self._reference_heat.add(reference)
            shift = _mean_colour(frame) - _mean_colour(reference)
            self._colour = shift if self._colour is None else self._colour + shift
            side = PAPER_SIDE_PX
            if frame.shape[:2] != (side, side):
                paper = _Size(side, side, f"{side}x{side}")
                self._compare(scaled(frame, side, side), scaled(reference, side, side), paper)
        if self._background is not None:
            self._watch(frame[self._background].astype(np.float64))
        self._t += 1

    def _compare(self, frame: np.ndarray, reference: np.ndarray, size: _Size) -> tuple[float, float]:
        """Returns the whole frame's mean squared error and SSIM."""
        error, similarity = squared_error(frame, reference), ssim_map(frame, reference)
        rim = SSIM_WINDOW_PX // 2
        inner = similarity[rim:-rim, rim:-rim]
        self._errors.setdefault(("whole", size.label), _Mean()).add(error)
        self._similarities.setdefault(("whole", size.label), _Mean()).add(inner)
        if self._poses is not None and self._t < self._poses.num_frames:
            self._compare_regions(self._poses, error, similarity, size)
        return float(error.mean()), float(inner.mean())

    def _compare_regions(self, poses: PoseSequence, error: np.ndarray, similarity: np.ndarray, size: _Size) -> None:
        pose = poses.frames(self._t, self._t + 1).sized(size.height_px, size.width_px)
        xy_px, score = pose.pixels[0].numpy(), pose.score[0].numpy()
        for name, region in REGIONS.items():
            inside = np.zeros((size.height_px, size.width_px), bool)
            for points in region.points:
                box = region_box(points, xy_px, score, size.height_px, size.width_px)
                if box is not None:
                    x0, y0, x1, y1 = box
                    inside[y0:y1, x0:x1] = True
            self._errors.setdefault((name, size.label), _Mean()).add(error[inside])
            self._similarities.setdefault((name, size.label), _Mean()).add(similarity[inside])

    def _watch(self, outside: np.ndarray) -> None:
        """outside: [N, 3] float64, the background of the next frame."""
        if self._still is None:
            self._still = outside
        if self._with_photo or self._t:
            difference = outside - self._still
            self._still_error.add(difference**2)
            self._still_difference.add(np.abs(difference))
        if len(self._last) == 2:
            self._flicker.add(np.abs(self._last[0] - 2 * self._last[1] + outside))
        self._last = [*self._last[-1:], outside]

    def measured(self) -> list[Measured]:
        """What the frames so far come to."""
        rows = []
        for (region, label), error in self._errors.items():
            if not error.weight:
                continue
            where = "the whole frame" if region == "whole" else f"the boxes of the {region}"
            similarity = self._similarities[region, label]
            said = f"to the reference video in {where}, at {label} px"
            rows += [
                Measured(f"PSNR {region} {label}", psnr(error.value), error.num_frames, "dB", "higher",
                         "PSNR of float64 differences, peak 255", f"likeness pixel by pixel {said}"),
                Measured(f"SSIM {region} {label}", similarity.value, similarity.num_frames, "-1..1", "higher",
                         "Wang et al. 2004", f"likeness of structure {said}"),
            ]  # fmt: skip
        if self._colour is not None:
            shift = float(np.abs(self._colour).mean() / self._t)
            rows.append(
                Measured("colour shift", shift, self._t, "levels of 255", "lower", "mean over red, green and blue of "
                         "|mean difference|", "how much lighter, darker or otherwise coloured the whole video is than "
                         "the reference; noise and motion do not count")
            )  # fmt: skip
        reference = "the photo" if self._with_photo else "the first frame"
        if self._still_error.weight:
            rows += [
                Measured("background PSNR", psnr(self._still_error.value), self._still_error.num_frames, "dB", "higher",
                         f"PSNR to {reference}", f"how well what surrounds the person stays as in {reference}"),
                Measured("background difference", self._still_difference.value, self._still_difference.num_frames,
                         "levels of 255", "lower", f"mean absolute difference to {reference}",
                         f"how far what surrounds the person departs from {reference}"),
            ]  # fmt: skip
        if self._flicker.weight:
            rows.append(
                Measured("background flicker", self._flicker.value, self._flicker.num_frames, "levels of 255", "lower",
                         "mean |x[t-1] - 2 x[t] + x[t+1]|", "how much what surrounds the person trembles from frame "
                         "to frame; steady change does not count")
            )  # fmt: skip
        return [*rows, *change_measures(np.array(self._heat.changes))]

    @property
    def unseen(self) -> list[str]:
        """The regions that no frame's poses show, so that nothing could be measured in them."""
        regions = {region for (region, _), error in self._errors.items() if error.weight}
        return [name for name in REGIONS if self._poses is not None and self._errors and name not in regions]

    def series(self) -> Series:
        """The frames so far, one by one."""
        compared = bool(self._ssim)
        return Series(
            psnr_db=np.array(self._psnr_db) if compared else None,
            ssim=np.array(self._ssim) if compared else None,
            change=np.array(self._heat.changes),
            heat=self._heat.mean,
            reference_heat=self._reference_heat.mean,
            worst=self._worst.worst,
        )


def _mean_colour(frame: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 -> [3] float64."""
    import cv2

    return np.array(cv2.mean(frame)[:3])


def resized(picture: np.ndarray, height_px: int, width_px: int, name: str) -> np.ndarray:
    """A picture [H, W, 3] uint8 at another size. Raises InputError where its aspect is another (by more than 1 %)."""
    height, width = picture.shape[:2]
    if not same_aspect(height, width, height_px, width_px):
        raise InputError(
            f"{name} has {width}x{height} px, the evaluated video {width_px}x{height_px} px; they must have the same "
            "aspect: cut one of them to the other's."
        )
    return scaled(picture, height_px, width_px)


def scaled(picture: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """A picture [H, W, 3] uint8 at another size: areas' means where it shrinks, else cubic."""
    import cv2

    if picture.shape[:2] == (height_px, width_px):
        return picture
    smaller = picture.shape[0] >= height_px and picture.shape[1] >= width_px
    return cv2.resize(picture, (width_px, height_px), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)

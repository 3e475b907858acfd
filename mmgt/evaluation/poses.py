"""Numbers of motion: errors against a reference motion, and how much and how differently a person moves.

Lengths are in shoulder widths, so they do not depend on the picture's size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..poses import PoseSequence, same_aspect
from ..poses.skeleton import BODY, FACE, LEFT_HAND, LEFT_SHOULDER, LEGS, RIGHT_HAND, RIGHT_SHOULDER
from .distributions import frechet_distance, two_halves
from .measured import Measured

HANDS = [*LEFT_HAND, *RIGHT_HAND]
POINTS = [*(point for point in BODY if point not in LEGS), *FACE, *HANDS]  # of a talking portrait
THRESHOLDS = (0.05, 0.1)  # of the shoulders' width
NUM_PCA, MIN_COMPONENT = 32, 1e-3
MIN_FRECHET_FRAMES = 2 * NUM_PCA  # so that each half of them spans the space
DERIVATIVES = ("velocity", "acceleration", "jerk")


def shoulder_width_px(poses: PoseSequence) -> float:
    """The median over the frames that show both shoulders. Raises InputError where none does."""
    shoulders = [LEFT_SHOULDER, RIGHT_SHOULDER]
    shown = poses.visible[:, shoulders].all(dim=1)
    across = poses.pixels[shown][:, shoulders].double().diff(dim=1).norm(dim=-1)
    if not len(across) or not across.median() > 0:
        raise InputError("no frame of the poses shows both shoulders, which lengths are measured by; give other poses.")
    return float(np.median(across.numpy()))


def in_step(poses: PoseSequence, reference: PoseSequence) -> tuple[PoseSequence, PoseSequence]:
    """Two motions frame by frame: the reference at the other's rate and picture size, both as long as the shorter.

    Raises InputError where the pictures' aspects differ by more than 1 %.
    """
    if not same_aspect(poses.height_px, poses.width_px, reference.height_px, reference.width_px):
        raise InputError(
            f"the poses are of a picture of {poses.width_px}x{poses.height_px} px, the reference poses of "
            f"{reference.width_px}x{reference.height_px} px; they must have the same aspect."
        )
    reference = reference.at_fps(poses.fps).sized(poses.height_px, poses.width_px)
    num_frames = min(poses.num_frames, reference.num_frames)
    return poses.frames(0, num_frames), reference.frames(0, num_frames)


@dataclass(frozen=True)
class _Pair:
    """Two motions in step. xy, reference: [T, K, 2] float64 in shoulder widths of the reference. seen: [T, K] bool, in
    both. wanted: in the reference."""

    xy: np.ndarray
    reference: np.ndarray
    seen: np.ndarray
    wanted: np.ndarray
    fps: float


def _pair(poses: PoseSequence, reference: PoseSequence) -> _Pair:
    poses, reference = in_step(poses, reference)
    unit = shoulder_width_px(reference)
    xy, other = (each.pixels[:, POINTS].double().numpy() / unit for each in (poses, reference))
    wanted = reference.visible[:, POINTS].numpy()
    return _Pair(xy, other, wanted & poses.visible[:, POINTS].numpy(), wanted, poses.fps)


def position_error(poses: PoseSequence, reference: PoseSequence) -> tuple[float, int]:
    """Mean distance of the points that both show, in shoulder widths, and of how many; nan where there are none."""
    return derivative_error(poses, reference, 0)


def derivative_error(poses: PoseSequence, reference: PoseSequence, order: int) -> tuple[float, int]:
    """Mean distance of the order-th time derivatives, shoulder widths / s^order, and of how many points.

    Only points that both show in all order + 1 frames count. nan where there are none.
    """
    pair = _pair(poses, reference)
    distance = np.linalg.norm(np.diff(pair.xy - pair.reference, n=order, axis=0), axis=-1) * pair.fps**order
    seen = pair.seen
    for _ in range(order):
        seen = seen[1:] & seen[:-1]
    return (float(distance[seen].mean()), int(seen.sum())) if seen.any() else (float("nan"), 0)


def correct_keypoints(poses: PoseSequence, reference: PoseSequence, threshold: float) -> tuple[float, int]:
    """PCK 0..1: the share of the reference's visible points that are nearer than threshold (shoulder widths), and of
    how many; a point that the poses hide is not correct."""
    pair = _pair(poses, reference)
    near = (np.linalg.norm(pair.xy - pair.reference, axis=-1) < threshold) & pair.seen
    return (float(near[pair.wanted].mean()), int(pair.wanted.sum())) if pair.wanted.any() else (float("nan"), 0)


def correct_parameters(poses: PoseSequence, reference: PoseSequence, threshold: float) -> tuple[float, int]:
    """PCM 0..1: as ``correct_keypoints``, but each coordinate is counted by itself (DiffSHEG's motion parameters)."""
    pair = _pair(poses, reference)
    near = (np.abs(pair.xy - pair.reference) < threshold) & pair.seen[..., None]
    return (float(near[pair.wanted].mean()), 2 * int(pair.wanted.sum())) if pair.wanted.any() else (float("nan"), 0)


def range_of_motion(poses: PoseSequence, points: Sequence[int] = POINTS) -> tuple[float, int]:
    """Mean over the points that are ever seen of the diagonal of the box that each moves in, in shoulder widths, and of
    how many points; nan where there are none."""
    xy = poses.pixels[:, points].double().numpy() / shoulder_width_px(poses)
    seen = poses.visible[:, points].numpy()
    boxes = [np.ptp(xy[seen[:, k], k], axis=0) for k in range(len(points)) if seen[:, k].any()]
    return (float(np.linalg.norm(boxes, axis=-1).mean()), len(boxes)) if boxes else (float("nan"), 0)


def frame_errors(poses: PoseSequence, reference: PoseSequence) -> np.ndarray:
    """[T] mean distance of the points that both show in each frame, shoulder widths; nan where there are none."""
    pair = _pair(poses, reference)
    distance = np.where(pair.seen, np.linalg.norm(pair.xy - pair.reference, axis=-1), 0)
    num = pair.seen.sum(axis=1)
    return np.where(num > 0, distance.sum(axis=1) / np.maximum(num, 1), np.nan)


def pose_vectors(*motions: PoseSequence) -> list[np.ndarray]:
    """Each motion as [T, D] float64 in shoulder widths of its own from the middle of its shoulders (their medians).

    The points that every motion shows in half of its frames or more; where one is hidden it moves linearly. A person
    elsewhere in the picture, or of another size, has the same vectors.
    """
    shown = np.all([motion.visible[:, POINTS].double().mean(dim=0).numpy() >= 0.5 for motion in motions], axis=0)
    if not shown.any():
        raise InputError("no point is seen in half of the frames of all the poses; give poses of the same body parts.")
    points = np.array(POINTS)[shown]
    return [_vectors(motion, points) for motion in motions]


def _vectors(motion: PoseSequence, points: np.ndarray) -> np.ndarray:
    xy, seen = motion.pixels.double().numpy(), motion.visible.numpy()
    shoulders = [LEFT_SHOULDER, RIGHT_SHOULDER]
    unit = shoulder_width_px(motion)
    middle = np.median(xy[seen[:, shoulders].all(axis=1)][:, shoulders].mean(axis=1), axis=0)
    times = np.arange(motion.num_frames)
    columns = [np.interp(times, times[seen[:, k]], xy[seen[:, k], k, axis]) for k in points for axis in (0, 1)]
    return (np.stack(columns, axis=1) - np.tile(middle, len(points))) / unit


def diversity(samples: np.ndarray) -> float:
    """Mean absolute difference of two different samples [N, D], over all pairs and all D; nan for a single one.

    What Div of HA2G (Liu et al. 2022) draws pairs for at random, over all of them: no draw, and the same in any order.
    """
    num = len(samples)
    if num < 2:
        return float("nan")
    weights = 2 * np.arange(num) - num + 1.0  # how often a sorted value is the larger of two, less the smaller
    return float((weights @ np.sort(samples, axis=0)).mean() / (num * (num - 1) / 2))


def principal(reference: np.ndarray, *others: np.ndarray) -> list[np.ndarray]:
    """The samples [N, D], and others, in the reference's first principal components: [N, 32] each.

    Fewer where the reference has no more: a component of less than a thousandth of the first is rounding.
    """
    middle = reference.mean(axis=0)
    _, sizes, axes = np.linalg.svd(reference - middle, full_matrices=False)
    axes = axes[:NUM_PCA][sizes[:NUM_PCA] > MIN_COMPONENT * sizes[0]]
    return [(samples - middle) @ axes.T for samples in (reference, *others)]


def pose_frechet(poses: PoseSequence, reference: PoseSequence, seed: int = 0) -> tuple[float, float]:
    """Frechet distance of the single poses in the reference's 32 principal components, and that of two halves of the
    reference's frames, drawn by the seed: what equal distributions come to with so few frames."""
    vectors = pose_vectors(reference, poses)
    own, other = principal(*vectors)
    return frechet_distance(other, own), frechet_distance(*two_halves(own, seed))


def motion_measures(poses: PoseSequence, reference: PoseSequence | None = None) -> list[Measured]:
    """All of this module's numbers; those with errors where there is a reference motion."""
    moved, num_points = range_of_motion(poses)
    single = diversity(pose_vectors(poses)[0])
    width = "shoulder widths"
    rows = [
        Measured("range of motion", moved, num_points, width, "none", "mean diagonal of each point's box",
                 "how far the points move; compare with the reference's, more is not better by itself"),
        *_hand_motion(poses, ""),
    ]  # fmt: skip
    if poses.num_frames > 1:
        rows.append(
            Measured("diversity of poses", single, poses.num_frames, width, "none", "Div of HA2G, in pose space",
                     "how much single poses differ; 0 is a still. Compare with the reference's")
        )  # fmt: skip
    return rows if reference is None else [*rows, *_against(poses, reference)]


def _hand_motion(poses: PoseSequence, whose: str) -> list[Measured]:
    moved, num_points = range_of_motion(poses, HANDS)
    meaning = (
        "how far the hands' points move; near 0 they are frozen" if not whose else "what it is to be compared with"
    )
    row = Measured(f"range of motion of the hands{whose}", moved, num_points, "shoulder widths", "none",
                   "mean diagonal of each point's box", meaning)  # fmt: skip
    return [row] if num_points else []


def _against(poses: PoseSequence, reference: PoseSequence) -> list[Measured]:
    width = "shoulder widths"
    moved, num_points = range_of_motion(reference)
    differ = diversity(pose_vectors(reference)[0])
    rows = [
        Measured("range of motion of the reference", moved, num_points, width, "none",
                 "mean diagonal of each point's box", "what the range of motion is to be compared with"),
        *_hand_motion(reference, " of the reference"),
    ]  # fmt: skip
    if reference.num_frames > 1:
        rows.append(
            Measured("diversity of the reference's poses", differ, reference.num_frames, width, "none",
                      "Div of HA2G, in pose space", "what the diversity is to be compared with")
        )  # fmt: skip
    error, num = position_error(poses, reference)
    if num:
        rows.append(
            Measured("position error", error, num, width, "lower", "mean distance of the points",
                     "how far points lie from the reference's at the same time")
        )  # fmt: skip
    for name, score, what in (("PCK", correct_keypoints, "points"), ("PCM", correct_parameters, "coordinates")):
        for threshold in THRESHOLDS:
            share, num = score(poses, reference, threshold)
            if num:
                rows.append(
                    Measured(f"{name}@{threshold:g}", share, num, "0..1", "higher", f"{name} at {threshold:g} {width}",
                             f"the share of {what} that lie within {threshold:g} {width} of the reference's")
                )  # fmt: skip
    for order, name in enumerate(DERIVATIVES, 1):
        error, num = derivative_error(poses, reference, order)
        if num:
            power = "" if order == 1 else f"^{order}"
            rows.append(
                Measured(f"{name} error", error, num, f"{width}/s{power}", "lower", f"mean distance of the {name}",
                         f"how much the points' {name} differs from the reference's at the same time")
            )  # fmt: skip
    if differ > 0 and min(poses.num_frames, reference.num_frames) >= MIN_FRECHET_FRAMES:
        distance, baseline = pose_frechet(poses, reference)
        source = f"Frechet distance of poses in {NUM_PCA} principal components of the reference"
        rows += [
            Measured("pose Frechet distance", distance, poses.num_frames, "shoulder widths^2", "lower", source,
                     "how differently poses are distributed; not comparable with FGD through an auto-encoder"),
            Measured("pose Frechet distance of two halves of the reference", baseline, reference.num_frames // 2,
                     "shoulder widths^2", "none", source, "what equal distributions come to with so few frames"),
        ]  # fmt: skip
    return rows

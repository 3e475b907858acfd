"""Edit a pose track per region: mirror, tempo, smoothing, amplitude, offset, and a fit to the photo's person.

The regions are edited where they live, not in the picture: arms as lengths and angles, hands on their forearm, the face
in the head's own turn and size. So limbs keep their lengths, hands stay on their wrists and lips in their face.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from ..errors import InputError
from ..poses import PoseSequence
from ..skeleton import (
    BODY,
    FACE,
    FEET,
    LEFT_EYE,
    LEFT_HAND,
    NUM_KEYPOINTS,
    RIGHT_EYE,
    RIGHT_HAND,
)
from .local import LocalPoses, replaced_where_moved, to_local
from .retarget import fit_poses
from .tree import REGIONS, Region, back_and_forth, close_lips, median, to_complex

MAX_AMPLITUDE = 2.0
TEMPO_RANGE = (0.25, 4.0)
MAX_SMOOTHING_S = 2.0
EYES = [*RIGHT_EYE, *LEFT_EYE]
# What a region's offset carries along, as the body carries its hands.
CARRIED: dict[Region, list[int]] = {
    "body": list(range(NUM_KEYPOINTS)),
    "hands": REGIONS["hands"],
    "face": [*FACE],
    "lips": REGIONS["lips"],
}


@dataclass(frozen=True)
class RegionEdit:
    """How one region is changed. The defaults change nothing. Raises InputError for a value outside of its range.

    amplitude: 0..2, of the motion about the usual posture (the median), and of the lips' about the closed mouth.
    tempo: 0.25..4 times as fast; the length stays, a motion that ends plays backwards and forwards again.
    smoothing_s: 0..2, standard deviation in seconds of a Gaussian without lag.
    offset_x, offset_y: -1..1, to the right and down, as shares of the picture's width and height.
    mirror: left and right swapped.
    """

    amplitude: float = 1.0
    tempo: float = 1.0
    smoothing_s: float = 0.0
    offset_x: float = 0.0
    offset_y: float = 0.0
    mirror: bool = False

    def __post_init__(self) -> None:
        ranges = {
            "amplitude": (0.0, MAX_AMPLITUDE, "0 is still and 1 unchanged"),
            "tempo": (*TEMPO_RANGE, "1 is unchanged and 2 twice as fast"),
            "smoothing_s": (0.0, MAX_SMOOTHING_S, "in seconds, 0 is none"),
            "offset_x": (-1.0, 1.0, "a share of the picture's width, 0 is none"),
            "offset_y": (-1.0, 1.0, "a share of the picture's height, 0 is none"),
        }
        for name, (low, high, meaning) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"{name} is {value}; it must be between {low:g} and {high:g}, where {meaning}.")


@dataclass(frozen=True)
class PoseEdits:
    """An edit for each region: ``tree.REGIONS`` says which points are whose. Arms and head turns are the body's."""

    body: RegionEdit = RegionEdit()
    hands: RegionEdit = RegionEdit()
    face: RegionEdit = RegionEdit()
    lips: RegionEdit = RegionEdit()


def edit_poses(
    poses: PoseSequence, edits: PoseEdits = PoseEdits(), initial_pose: PoseSequence | None = None
) -> PoseSequence:
    """The track with its regions edited, then fitted to the person of ``initial_pose`` (one frame) where it is given.

    Per region in this order: mirror, tempo, smoothing, amplitude; after the fit the offset. Returns as many frames at
    the same fps; on the photo's picture where fitted. Without edits and fit the track itself is returned. Points that
    an edit does not reach keep their numbers exactly. Scores stay with the points; with mirror and tempo they are those
    of the point and frame that is shown. Raises InputError where the fit does.
    """
    if any(_moves(edit) for edit in _by_region(edits).values()):
        poses = _edited(poses, edits)
    if initial_pose is not None:
        poses = fit_poses(poses, initial_pose)
    return _with_offsets(poses, edits)


def _by_region(edits: PoseEdits) -> dict[Region, RegionEdit]:
    return {field.name: getattr(edits, field.name) for field in fields(edits)}  # type: ignore[misc]


def _moves(edit: RegionEdit) -> bool:
    return replace(edit, offset_x=0.0, offset_y=0.0) != RegionEdit()


def _edited(poses: PoseSequence, edits: PoseEdits) -> PoseSequence:
    z, visible = to_complex(poses)
    local = to_local(z, visible)
    score = poses.score.cpu().numpy()
    edited, edited_score = LocalPoses(local.values.copy(), local.visible.copy()), score.copy()
    for region, edit in _by_region(edits).items():
        if not _moves(edit):
            continue
        columns = local.columns(region)
        values, seen, region_score = local.values[:, columns], local.visible[:, columns], score[:, REGIONS[region]]
        if edit.mirror:
            values, seen, region_score = _mirrored(local, score, region)
        if edit.tempo != 1:
            place = back_and_forth(np.arange(len(values)) * edit.tempo, len(values))
            values, nearest = _at(values, place), place.round().astype(int)
            seen, region_score = seen[nearest], region_score[nearest]
        if edit.smoothing_s > 0:
            values = _smooth(values, edit.smoothing_s * poses.fps)
        edited.values[:, columns], edited.visible[:, columns] = values, seen
        edited_score[:, REGIONS[region]] = region_score
        if edit.amplitude != 1:
            edited.values[:, columns] = _amplified(edited, region, edit.amplitude)
    keypoints = replaced_where_moved(poses, local, edited)
    return replace(poses, keypoints=keypoints, score=torch.from_numpy(edited_score))


def _at(values: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Values [T, N] at places 0..T-1, linear between frames."""
    before = np.floor(place).astype(int)
    after = np.minimum(before + 1, len(values) - 1)
    return values[before] + (place - before)[:, None] * (values[after] - values[before])


def _smooth(values: np.ndarray, sigma_frames: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter1d

    parts = (gaussian_filter1d(part, sigma_frames, axis=0, mode="nearest") for part in (values.real, values.imag))
    real, imag = parts
    return real + 1j * imag


def _amplified(local: LocalPoses, region: Region, amplitude: float) -> np.ndarray:
    columns = local.columns(region)
    rest = median(local.values, local.visible)
    if region == "lips":
        rest = close_lips(rest[None], 1.0)[0]
    share = np.full(len(rest), amplitude)
    share[EYES] = min(amplitude, 1.0)  # lids that are closed cannot close further
    return (rest + share * (local.values - rest))[:, columns]


# --- Mirror


def _mirror_table() -> np.ndarray:
    """[134] which point takes this place in a mirror."""
    table = np.arange(NUM_KEYPOINTS)

    def swap(a: int, b: int) -> None:
        table[a], table[b] = b, a

    for a, b in ((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17)):
        swap(BODY[a], BODY[b])
    for i in range(3):
        swap(FEET[i], FEET[i + 3])
    for left, right in zip(LEFT_HAND, RIGHT_HAND, strict=True):
        swap(left, right)
    # iBUG 68: jaw, brows, lower nose, eyes, outer and inner lips
    for first, last in ((0, 16), (17, 26), (31, 35), (48, 54), (60, 64)):
        for i in range((last - first + 1) // 2):
            swap(FACE[first + i], FACE[last - i])
    for a, b in ((36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46), (55, 59), (56, 58), (65, 67)):
        swap(FACE[a], FACE[b])
    return table


MIRROR = _mirror_table()


def _mirrored(local: LocalPoses, score: np.ndarray, region: Region) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    points, columns = REGIONS[region], local.columns(region)
    values = local.mirrored(MIRROR)[:, columns]
    seen = local.visible.copy()
    seen[:, :NUM_KEYPOINTS] = local.visible[:, MIRROR]
    return values, seen[:, columns], score[:, MIRROR[points]]


# --- Offset


def _with_offsets(poses: PoseSequence, edits: PoseEdits) -> PoseSequence:
    offset = torch.zeros(NUM_KEYPOINTS, 2)
    for region, edit in _by_region(edits).items():
        offset[CARRIED[region]] += torch.tensor([edit.offset_x, edit.offset_y])
    if not offset.any():
        return poses
    return replace(poses, keypoints=poses.keypoints.cpu() + offset)

"""Edit a region of a pose track: mirror, tempo, smoothing, amplitude, offset, and a fit to the photo's person.

Regions are edited where they live, not in the picture: arms as lengths and angles, hands on their forearm, the face
in the head's own turn and size. So limbs keep their lengths, hands stay on their wrists and lips in their face.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import torch

from ..errors import InputError, check_choice
from ..poses import PoseSequence
from ..poses.skeleton import (
    BODY,
    BROWS,
    FACE,
    FEET,
    LEFT_EAR,
    LEFT_ELBOW,
    LEFT_EYE,
    LEFT_EYE_CENTRE,
    LEFT_HAND,
    LEFT_WRIST,
    LIPS,
    NOSE,
    NUM_KEYPOINTS,
    RIGHT_EAR,
    RIGHT_ELBOW,
    RIGHT_EYE,
    RIGHT_EYE_CENTRE,
    RIGHT_HAND,
    RIGHT_WRIST,
)
from .local import HEAD_TURN, LocalPoses, replaced_where_moved, to_local
from .retarget import fit_poses
from .tree import back_and_forth, close_lips, median, to_complex

MAX_AMPLITUDE = 2.0
TEMPO_RANGE = (0.25, 4.0)
MAX_SMOOTHING_S = 2.0
EYES = [*RIGHT_EYE, *LEFT_EYE]
EditRegion = Literal[
    "whole person",
    "body",
    "torso",
    "head",
    "arms",
    "left arm",
    "right arm",
    "hands",
    "left hand",
    "right hand",
    "face",
    "eyes and brows",
    "lips",
]
_EVERY = [*range(NUM_KEYPOINTS)]
_LEFT_ARM, _RIGHT_ARM = [LEFT_ELBOW, LEFT_WRIST], [RIGHT_ELBOW, RIGHT_WRIST]
_HEAD = [NOSE, RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE, RIGHT_EAR, LEFT_EAR]  # with the head's turn and size
_BODY = [*BODY, *FEET]
_TORSO = [point for point in _BODY if point not in (*_LEFT_ARM, *_RIGHT_ARM, *_HEAD)]  # with legs and feet
# A region's own points, and the points that its offset carries along, as an arm carries its hand.
POINTS: dict[EditRegion, tuple[list[int], list[int]]] = {
    "whole person": (_EVERY, _EVERY),
    "body": (_BODY, _EVERY),
    "torso": (_TORSO, _EVERY),
    "head": (_HEAD, [*_HEAD, *FACE]),
    "arms": ([*_LEFT_ARM, *_RIGHT_ARM], [*_LEFT_ARM, *_RIGHT_ARM, *LEFT_HAND, *RIGHT_HAND]),
    "left arm": (_LEFT_ARM, [*_LEFT_ARM, *LEFT_HAND]),
    "right arm": (_RIGHT_ARM, [*_RIGHT_ARM, *RIGHT_HAND]),
    "hands": ([*LEFT_HAND, *RIGHT_HAND], [*LEFT_HAND, *RIGHT_HAND]),
    "left hand": ([*LEFT_HAND], [*LEFT_HAND]),
    "right hand": ([*RIGHT_HAND], [*RIGHT_HAND]),
    "face": ([point for point in FACE if point not in LIPS], [*FACE]),
    "eyes and brows": ([*BROWS, *EYES], [*BROWS, *EYES]),
    "lips": ([*LIPS], [*LIPS]),
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


def edit_poses(
    poses: PoseSequence,
    edit: RegionEdit = RegionEdit(),
    region: EditRegion = "whole person",
    initial_pose: PoseSequence | None = None,
) -> PoseSequence:
    """The track with a region edited, then fitted to the person of ``initial_pose`` (one frame) where it is given.

    Other regions: edit the result again. In this order: mirror, tempo, smoothing, amplitude; after the fit the offset.
    Returns as many frames at the same fps; on the photo's picture where fitted. Without edit and fit the track itself
    is returned. Points that an edit does not reach keep their numbers exactly. Scores stay with the points; with mirror
    and tempo they are those of the point and frame that is shown. Raises InputError for an unknown region, and where
    the fit does.
    """
    check_choice("the region", region, get_args(EditRegion))
    if replace(edit, offset_x=0.0, offset_y=0.0) != RegionEdit():
        poses = _edited(poses, edit, region)
    if initial_pose is not None:
        poses = fit_poses(poses, initial_pose)
    if edit.offset_x == edit.offset_y == 0:
        return poses
    offset = torch.zeros(NUM_KEYPOINTS, 2)
    offset[POINTS[region][1]] = torch.tensor([edit.offset_x, edit.offset_y])
    return replace(poses, keypoints=poses.keypoints.cpu() + offset)


def _edited(poses: PoseSequence, edit: RegionEdit, region: EditRegion) -> PoseSequence:
    z, visible = to_complex(poses)
    local = to_local(z, visible)
    score = poses.score.cpu().numpy()
    points, _ = POINTS[region]
    columns = [*points, HEAD_TURN] if NOSE in points else points
    values, seen, region_score = local.values[:, columns], local.visible[:, columns], score[:, points]
    if edit.mirror:
        values, seen, region_score = _mirrored(local, score, points, columns)
    if edit.tempo != 1:
        place = back_and_forth(np.arange(len(values)) * edit.tempo, len(values))
        values, nearest = _at(values, place), place.round().astype(int)
        seen, region_score = seen[nearest], region_score[nearest]
    if edit.smoothing_s > 0:
        values = _smooth(values, edit.smoothing_s * poses.fps)
    edited, edited_score = LocalPoses(local.values.copy(), local.visible.copy()), score.copy()
    edited.values[:, columns], edited.visible[:, columns] = values, seen
    edited_score[:, points] = region_score
    if edit.amplitude != 1:
        edited.values[:, columns] = _amplified(edited, edit.amplitude)[:, columns]
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


def _amplified(local: LocalPoses, amplitude: float) -> np.ndarray:
    rest = median(local.values, local.visible)
    rest[LIPS] = close_lips(rest[None], 1.0)[0, LIPS]
    share = np.full(len(rest), amplitude)
    share[EYES] = min(amplitude, 1.0)  # lids that are closed cannot close further
    return rest + share * (local.values - rest)


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


def _mirrored(
    local: LocalPoses, score: np.ndarray, points: list[int], columns: list[int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = local.mirrored(MIRROR)[:, columns]
    seen = local.visible.copy()
    seen[:, :NUM_KEYPOINTS] = local.visible[:, MIRROR]
    return values, seen[:, columns], score[:, MIRROR[points]]

"""Fit a pose track to the person of a photo: that person's bones, head and hands, moving as the track does.

Both people are measured in like poses: a bone seen from its end is short in both. So the measure is taken in the frames
of the track that look most like the photo, and a frame that is the photo's pose becomes exactly the photo's pose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..errors import InputError
from ..poses import PoseSequence
from ..poses.skeleton import (
    FACE,
    LEFT_ANKLE,
    LEFT_EAR,
    LEFT_ELBOW,
    LEFT_EYE_CENTRE,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NECK,
    NOSE,
    RIGHT_ANKLE,
    RIGHT_EAR,
    RIGHT_ELBOW,
    RIGHT_EYE_CENTRE,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
)
from .tree import (
    FIRM_FACE,
    HANDS,
    KNUCKLES,
    PARENT,
    direction,
    from_bones,
    from_complex,
    median,
    similarity,
    to_bones,
    to_complex,
    with_hidden_joints,
)

ALIKE_SHARE, ALIKE_SIZE = 1.1, 0.002  # frames as like the photo as the best one: times its distance, plus body sizes
BODY_RANGE = 2.0  # a bone is at most this much longer or shorter than the person is larger: further is foreshortening
MAX_TILT = np.deg2rad(30)  # of shoulders and hips towards the photo's
KNEE = 0.8  # of the room around the head: a motion that would leave the picture is squeezed from here on

SIDES = ((RIGHT_ELBOW, LEFT_ELBOW), (RIGHT_WRIST, LEFT_WRIST), (RIGHT_KNEE, LEFT_KNEE), (RIGHT_ANKLE, LEFT_ANKLE))
ANCHORED = (RIGHT_SHOULDER, LEFT_SHOULDER, RIGHT_HIP, LEFT_HIP)
HEAD_JOINTS = [NOSE, RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE, RIGHT_EAR, LEFT_EAR]
HEAD = [*HEAD_JOINTS, *FACE]
UPPER_BODY = [NOSE, *range(RIGHT_SHOULDER, RIGHT_HIP), *HEAD_JOINTS[1:]]


@dataclass(frozen=True)
class _Person:
    """What is compared: bones [134] complex in pixels, and which of them are seen [134] bool. origin: of the tree."""

    bones: np.ndarray
    seen: np.ndarray
    origin: complex

    @property
    def points(self) -> np.ndarray:
        """[134] relative to the neck."""
        bones = self.bones.copy()
        bones[NECK] = 0
        return from_bones(bones[None])[0]


def fit_poses(poses: PoseSequence, initial_pose: PoseSequence) -> PoseSequence:
    """The track's motion on the photo's person.

    initial_pose: one frame, the person in the photo. Returns [T, 134, 2] on the photo's picture at the track's fps,
    with the track's scores: neck and shoulders sit where the photo's are and move as the track's do, in the photo's
    size; limbs, head and hands have the photo's lengths (from the other side, else in proportion, where the photo does
    not show them). The head stays in the picture. Raises InputError for more than one initial frame, and where the two
    have neither two shoulders nor a head in common.
    """
    if initial_pose.num_frames != 1:
        raise InputError(
            f"the initial pose has {initial_pose.num_frames} frames; a track is fitted to one. Choose one frame of it."
        )
    z, visible = to_complex(poses)
    photo_z, photo_visible = to_complex(initial_pose)
    by_head = not (_has_torso(visible) and _has_torso(photo_visible))
    shown, photo_shown = visible.copy(), photo_visible.copy()
    if not (shown[:, NOSE].any() and photo_shown[0, NOSE]):  # both heads hang on the tip of the face's nose
        shown[:, NOSE] = photo_shown[:, NOSE] = False
    joints, photo_joints = with_hidden_joints(z, shown), with_hidden_joints(photo_z, photo_shown)
    if by_head:  # no neck in one of the two: the tree hangs on the nose
        joints[:, NECK], photo_joints[:, NECK] = joints[:, NOSE], photo_joints[:, NOSE]
    bones, photo_bones = to_bones(z, joints), to_bones(photo_z, photo_joints)

    alike = _frames_like(z, visible, photo_z[0], photo_visible[0])
    seen: np.ndarray = np.any(visible[alike], axis=0)
    usual = np.where(seen, median(bones[alike], visible[alike]), median(bones, visible))
    track = _Person(usual, np.any(visible, axis=0), complex(usual[NECK]))
    photo = _Person(photo_bones[0], photo_visible[0], complex(photo_bones[0, NECK]))
    factors, size = _factors(track, photo, by_head)

    fitted = bones * factors
    way = (bones[:, NECK] - track.origin) * size
    fitted[:, NECK] = photo.origin
    still = from_bones(fitted)
    aside = still[:, PARENT] + factors * (z - joints[:, PARENT])  # what is no joint here, from where the track has it
    still = np.where(shown, still, aside)
    way = _within(way, still, visible, initial_pose)
    picture = np.array([initial_pose.width_px, initial_pose.height_px])
    xy = torch.from_numpy((from_complex(still + way[:, None]) / picture).astype(np.float32))
    return replace(poses, keypoints=xy, height_px=initial_pose.height_px, width_px=initial_pose.width_px)


def _has_torso(visible: np.ndarray) -> bool:
    return bool((visible[:, RIGHT_SHOULDER] & visible[:, LEFT_SHOULDER]).any())


def _frames_like(z: np.ndarray, visible: np.ndarray, photo_z: np.ndarray, photo_visible: np.ndarray) -> np.ndarray:
    """Indices of the frames whose shape is nearest to the photo's, wherever and however large the person is."""
    for points in (UPPER_BODY, [*FACE]):
        common = visible[:, points] & photo_visible[points]
        enough = common.sum(axis=1) >= max(2, 0.8 * common.sum(axis=1).max())
        if enough.any():
            break
    else:
        return np.arange(len(z))
    target = np.broadcast_to(photo_z[points], common.shape)
    m, _, known = similarity(z[:, points], target, common.astype(np.float64))
    m = np.abs(m)  # no turn: a leaning person is another pose
    shared = common.sum(axis=1).clip(min=1)
    b = (common * (target - m[:, None] * z[:, points])).sum(axis=1) / shared
    rest = np.sqrt((common * np.abs(m[:, None] * z[:, points] + b[:, None] - target) ** 2).sum(axis=1) / shared)
    distance = np.where(enough & known, rest / np.ptp(photo_z[points][photo_visible[points]].imag).clip(min=1), np.inf)
    return np.flatnonzero(distance <= ALIKE_SHARE * distance.min() + ALIKE_SIZE)


def _factors(track: _Person, photo: _Person, by_head: bool) -> tuple[np.ndarray, float]:
    """[134] complex: what each bone is multiplied with, and how much larger the photo's person is."""
    size = None if by_head else _ratio(_shoulders_px(track), _shoulders_px(photo))
    head_size = _ratio(*_on_common(track, photo, _head_px))
    size = size or head_size
    if size is None:
        raise InputError(
            "the track and the initial pose have neither two shoulders nor a head in common (scores of 0.3 or more), "
            "so their sizes cannot be compared; use a photo or a pose video that shows the person's face or shoulders."
        )

    def bounded(ratio: float | None) -> float | None:
        return None if ratio is None else float(np.clip(ratio, size / BODY_RANGE, size * BODY_RANGE))

    def bone(point: int) -> float | None:
        both = track.seen[point] and photo.seen[point]
        return bounded(_ratio(abs(track.bones[point]), abs(photo.bones[point]))) if both else None

    factors = np.full(len(track.bones), size, dtype=np.complex128)
    factors[HEAD] = bounded(head_size) or size
    factors[NOSE] = bone(NOSE) or size
    for point in ANCHORED:
        turn = np.angle(direction(photo.bones[point]) * direction(track.bones[point]).conj())
        ratio = bone(point)
        if ratio is not None and not by_head:
            factors[point] = ratio * np.exp(1j * np.clip(turn, -MAX_TILT, MAX_TILT))
    for pair in SIDES:
        own = [bone(point) for point in pair]
        factors[list(pair)] = [own[0] or own[1] or size, own[1] or own[0] or size]
    palms = [bounded(_ratio(*_on_common(track, photo, _palm_px(hand)))) for _, _, hand in HANDS]
    for (_, _, hand), palm, other in zip(HANDS, palms, palms[::-1], strict=True):
        factors[list(hand)] = palm or other or size
    return factors, size


def _ratio(from_px: float, to_px: float) -> float | None:
    """to / from, or None where one of them is not seen (0)."""
    return to_px / from_px if min(from_px, to_px) > 1e-6 else None


def _on_common(track: _Person, photo: _Person, measure: Callable[[_Person], float]) -> tuple[float, float]:
    """One measure of both, on the points that both show."""
    seen = track.seen & photo.seen
    return measure(replace(track, seen=seen)), measure(replace(photo, seen=seen))


def _shoulders_px(person: _Person) -> float:
    return abs(person.bones[RIGHT_SHOULDER] - person.bones[LEFT_SHOULDER])


def _head_px(person: _Person) -> float:
    """Spread of the firm points of the face, or of nose, eyes and ears where no face is seen."""
    for points in (FIRM_FACE, HEAD_JOINTS):
        seen = [point for point in points if person.seen[point]]
        if len(seen) >= 2:
            places = person.points[seen]
            return float(np.sqrt(np.mean(np.abs(places - places.mean()) ** 2)))
    return 0.0


def _palm_px(hand: Sequence[int]) -> Callable[[_Person], float]:
    def measure(person: _Person) -> float:
        """Mean distance of the knuckles from the wrist."""
        knuckles = [hand[knuckle] for knuckle in KNUCKLES if person.seen[hand[knuckle]]]
        return float(np.abs(person.bones[knuckles]).mean()) if knuckles else 0.0

    return measure


def _within(way: np.ndarray, still: np.ndarray, visible: np.ndarray, picture: PoseSequence) -> np.ndarray:
    """The neck's way [T], held back smoothly where it would carry the visible head out of the picture.

    still: [T, 134], the pose without that way. A way that stays inside is returned as it is.
    """
    shown = visible[:, HEAD]
    frames = shown.any(axis=1)
    if not frames.any():
        return way
    limited = []
    for part, size_px in (("real", picture.width_px), ("imag", picture.height_px)):
        places, steps = getattr(still, part)[:, HEAD], getattr(way, part)
        low = -np.where(shown, places, np.inf).min(axis=1)[frames]  # the step that brings the head to the edge
        high = size_px - np.where(shown, places, -np.inf).max(axis=1)[frames]
        if (steps[frames] > high).any():
            steps = _squeezed(steps, max(0.0, float(high.min())))
        if (steps[frames] < low).any():
            steps = -_squeezed(-steps, max(0.0, -float(low.max())))
        limited.append(steps)
    return limited[0] + 1j * limited[1]


def _squeezed(steps: np.ndarray, room: float) -> np.ndarray:
    """Steps [T] up to KNEE * room stay; from there to the largest they share what is left of the room."""
    largest = float(steps.max())
    if largest <= room:
        return steps
    above = np.interp(steps, [KNEE * room, largest], [KNEE * room, room])
    return np.where(steps > KNEE * room, above, steps)

"""A pose as a tree of bones: points relative to the joint that carries them, so that parts move with their joins.

Points of the picture plane are complex numbers x + iy (y down): a product turns and scales, a sum moves. The neck
carries shoulders, hips and nose; shoulders carry the arms, wrists the hands, the nose the rest of the head. Every
function is pure and works on whole tracks, z [T, 134] complex128 in pixels, visible [T, 134] bool.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..poses import PoseSequence
from ..poses.lips import move_lips_together
from ..poses.skeleton import (
    BODY,
    BROWS,
    FACE,
    FEET,
    LEFT_ANKLE,
    LEFT_EAR,
    LEFT_ELBOW,
    LEFT_EYE,
    LEFT_EYE_CENTRE,
    LEFT_HAND,
    LEFT_HIP,
    LEFT_KNEE,
    LEFT_SHOULDER,
    LEFT_WRIST,
    LIPS,
    NECK,
    NOSE,
    NOSE_LINE,
    NUM_KEYPOINTS,
    RIGHT_ANKLE,
    RIGHT_EAR,
    RIGHT_ELBOW,
    RIGHT_EYE,
    RIGHT_EYE_CENTRE,
    RIGHT_HAND,
    RIGHT_HIP,
    RIGHT_KNEE,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
)

Region = Literal["body", "hands", "face", "lips"]
# Arms and the head's turns are the body's. The face is its 48 points without the lips.
REGIONS: dict[Region, list[int]] = {
    "body": [*BODY, *FEET],
    "hands": [*LEFT_HAND, *RIGHT_HAND],
    "face": [point for point in FACE if point not in LIPS],
    "lips": [*LIPS],
}

# --- The tree: every level hangs on earlier ones; a parent and its children
LEVELS: tuple[tuple[tuple[int, tuple[int, ...]], ...], ...] = (
    ((NECK, (NOSE, RIGHT_SHOULDER, LEFT_SHOULDER, RIGHT_HIP, LEFT_HIP)),),
    (
        (NOSE, (RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE, RIGHT_EAR, LEFT_EAR, *FACE)),
        (RIGHT_SHOULDER, (RIGHT_ELBOW,)),
        (LEFT_SHOULDER, (LEFT_ELBOW,)),
        (RIGHT_HIP, (RIGHT_KNEE,)),
        (LEFT_HIP, (LEFT_KNEE,)),
    ),
    (
        (RIGHT_ELBOW, (RIGHT_WRIST,)),
        (LEFT_ELBOW, (LEFT_WRIST,)),
        (RIGHT_KNEE, (RIGHT_ANKLE,)),
        (LEFT_KNEE, (LEFT_ANKLE,)),
    ),
    (
        (RIGHT_WRIST, tuple(RIGHT_HAND)),
        (LEFT_WRIST, tuple(LEFT_HAND)),
        (RIGHT_ANKLE, tuple(FEET)[3:]),
        (LEFT_ANKLE, tuple(FEET)[:3]),
    ),
)
CHILDREN = dict(pair for level in LEVELS for pair in level)
PARENT = np.arange(NUM_KEYPOINTS)  # the neck is its own
for _parent, _children in CHILDREN.items():
    PARENT[list(_children)] = _parent
ARM_BONES = (RIGHT_ELBOW, RIGHT_WRIST, LEFT_ELBOW, LEFT_WRIST)  # the bone that ends in this point
HANDS = ((RIGHT_ELBOW, RIGHT_WRIST, RIGHT_HAND), (LEFT_ELBOW, LEFT_WRIST, LEFT_HAND))
KNUCKLES = (5, 9, 13, 17)  # of a hand, without the thumb's
NOSE_TIP = NOSE_LINE[3]
# Head points that keep their places in the head whatever lips, jaw and lids do.
FIRM_FACE = [*BROWS, *NOSE_LINE, *RIGHT_EYE, *LEFT_EYE]
FIRM_HEAD = [NOSE, RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE, *NOSE_LINE, *RIGHT_EYE, *LEFT_EYE]


def to_complex(poses: PoseSequence) -> tuple[np.ndarray, np.ndarray]:
    """Points [T, 134] complex128 in pixels, and visible [T, 134] bool."""
    xy_px = poses.pixels.cpu().double().numpy()
    return xy_px[..., 0] + 1j * xy_px[..., 1], poses.visible.cpu().numpy()


def from_complex(z: np.ndarray) -> np.ndarray:
    """[...] complex -> [..., 2] x, y."""
    return np.stack([z.real, z.imag], axis=-1)


def fill_in_time(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """[T] with linear interpolation where it is not known, held at the ends. Needs one known value."""
    frames = np.arange(len(values))
    if known.all():
        return values
    return np.interp(frames, frames[known], values[known])


def median(z: np.ndarray, known: np.ndarray) -> np.ndarray:
    """[T, N] complex -> [N]: median of x and of y over the known frames; over all where none is known."""
    masked = np.where(known | ~known.any(axis=0), z, np.nan)
    return np.nanmedian(masked.real, axis=0) + 1j * np.nanmedian(masked.imag, axis=0)


def with_hidden_joints(z: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """The same points, with places for the hidden joints: what hangs on them needs one.

    A joint that is sometimes seen moves linearly between those frames. One that never is takes the place that its
    neighbours leave it: the neck between the shoulders (else on the nose), an elbow half-way to the wrist, any other on
    its parent.
    """
    z = z.copy()
    seen: np.ndarray = np.any(visible, axis=0)

    def fill(joint: int, substitute: np.ndarray) -> None:
        if seen[joint]:
            z[:, joint] = fill_in_time(z[:, joint], visible[:, joint])
        else:
            z[:, joint] = substitute

    fill(NOSE, _track(z, visible, NOSE_TIP) if seen[NOSE_TIP] else z[:, NECK])
    if seen[RIGHT_SHOULDER] and seen[LEFT_SHOULDER]:
        fill(NECK, (_track(z, visible, RIGHT_SHOULDER) + _track(z, visible, LEFT_SHOULDER)) / 2)
    else:
        fill(NECK, z[:, NOSE])
    if not seen[NOSE] and not seen[NOSE_TIP]:
        z[:, NOSE] = z[:, NECK]
    for parent, children in CHILDREN.items():
        for joint in children:
            if joint == NOSE or joint not in CHILDREN:
                continue
            (end, *_) = CHILDREN[joint]
            is_elbow = joint in (RIGHT_ELBOW, LEFT_ELBOW) and seen[end]
            fill(joint, (z[:, parent] + _track(z, visible, end)) / 2 if is_elbow else z[:, parent])
    return z


def _track(z: np.ndarray, visible: np.ndarray, point: int) -> np.ndarray:
    return fill_in_time(z[:, point], visible[:, point])


def to_bones(z: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """[T, 134]: each point relative to its parent; the neck, which has none, as it is.

    joints: the same points with every joint in place (``with_hidden_joints``).
    """
    bones = z.copy()
    bones[:, list(CHILDREN)] = joints[:, list(CHILDREN)]
    for parent, children in CHILDREN.items():
        bones[:, list(children)] -= joints[:, [parent]]
    return bones


def from_bones(bones: np.ndarray) -> np.ndarray:
    """The inverse of ``to_bones``."""
    z = bones.copy()
    for level in LEVELS:
        for parent, children in level:
            z[:, list(children)] += z[:, [parent]]
    return z


def similarity(
    source: np.ndarray, target: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Least-squares turn and scale ``m`` and shift ``b`` per frame with target = m * source + b.

    source, target: [T, N] complex. weights: [T, N] 0 or more. Returns m [T], b [T] and known [T] bool: false where
    fewer than two places are given, and m, b mean nothing.
    """
    total = np.maximum(weights.sum(axis=1), 1e-12)
    from_mean = (weights * source).sum(axis=1) / total
    to_mean = (weights * target).sum(axis=1) / total
    from_centre, to_centre = source - from_mean[:, None], target - to_mean[:, None]
    spread = (weights * np.abs(from_centre) ** 2).sum(axis=1)
    product = (weights * from_centre.conj() * to_centre).sum(axis=1)
    known = (spread > 1e-9) & (np.abs(product) > 1e-9)
    m = np.where(known, product / np.where(known, spread, 1), 1)
    return m, to_mean - m * from_mean, known


def close_lips(z: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """[T, 134] with the inner lips moved towards each other, column by column: 0 = as they are, 1 = they meet."""
    z = z.copy()
    move_lips_together(z, share)
    return z


def direction(bones: np.ndarray) -> np.ndarray:
    """[...] complex of length 1; 1 where the bone has no length."""
    length = np.abs(bones)
    return np.where(length > 1e-9, bones / np.maximum(length, 1e-9), 1)


def back_and_forth(place: np.ndarray, num_frames: int) -> np.ndarray:
    """Places on an endless time line -> places 0..num_frames-1 on a track that plays forwards, backwards, forwards."""
    last = num_frames - 1
    if last == 0:
        return place * 0
    turned = np.mod(place, 2 * last)
    return np.where(turned > last, 2 * last - turned, turned)

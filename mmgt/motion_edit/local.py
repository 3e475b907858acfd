"""Poses in the person's own terms, each region relative to what carries it: here they are smoothed, scaled, mixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..poses import PoseSequence
from ..poses.skeleton import FACE, NECK, NUM_KEYPOINTS
from .tree import (
    ARM_BONES,
    CHILDREN,
    FIRM_FACE,
    HANDS,
    REGIONS,
    direction,
    fill_in_time,
    from_bones,
    from_complex,
    median,
    similarity,
    to_bones,
    to_complex,
    with_hidden_joints,
)

HEAD_TURN = NUM_KEYPOINTS  # the column after the points
MIN_LENGTH_PX = 1e-3


@dataclass(frozen=True)
class LocalPoses:
    """values: [T, 135] complex. visible: [T, 135] bool.

    Neck: its place in pixels. Arm bones: log length + i angle, continuous over time. Hand points: relative to the
    wrist, in the direction of the forearm. Face points: relative to the nose, in the head's turn and size. Other
    points: relative to their parent in pixels. Last column: log size + i turn of the head against its usual one.
    """

    values: np.ndarray
    visible: np.ndarray

    def points(self) -> np.ndarray:
        """[T, 134] complex, pixels."""
        bones = self.values[:, :NUM_KEYPOINTS].copy()
        bones[:, ARM_BONES] = np.exp(bones[:, ARM_BONES])
        for _, wrist, hand in HANDS:
            bones[:, hand] *= direction(bones[:, [wrist]])
        bones[:, FACE] *= np.exp(self.values[:, [HEAD_TURN]])
        return from_bones(bones)

    def mirrored(self, partners: np.ndarray) -> np.ndarray:
        """Values with left and right swapped, about the upright line through the neck's usual place.

        partners: [134], the point on the other side.
        """
        values = self.values[:, [*partners, HEAD_TURN]]
        relative = [p for p in REGIONS["body"] if p not in ARM_BONES and p != NECK]
        mirrored = values.conj()  # of turned values: hands, head turn
        mirrored[:, [*relative, *FACE]] *= -1
        mirrored[:, ARM_BONES] += 1j * np.pi
        middle = float(np.median(self.values[:, NECK].real))
        mirrored[:, NECK] = 2 * middle - values[:, NECK].conj()
        return mirrored


def to_local(z: np.ndarray, visible: np.ndarray) -> LocalPoses:
    """z [T, 134] complex in pixels, visible [T, 134]. Hidden points take part where they would be between the frames
    that show them, so that they disturb no others."""
    joints = with_hidden_joints(z, visible)
    bones = to_bones(z, joints)
    for point in range(NUM_KEYPOINTS):
        if point not in CHILDREN and visible[:, point].any():
            bones[:, point] = fill_in_time(bones[:, point], visible[:, point])
    turn = _head_turn(bones, visible)
    values = np.concatenate([bones, turn[:, None]], axis=1)
    values[:, FACE] /= np.exp(turn)[:, None]
    for _, wrist, hand in HANDS:
        values[:, hand] /= direction(bones[:, [wrist]])
    arms = bones[:, ARM_BONES]
    arms = np.where(np.abs(arms) < MIN_LENGTH_PX, MIN_LENGTH_PX, arms)
    values[:, ARM_BONES] = np.log(np.abs(arms)) + 1j * np.unwrap(np.angle(arms), axis=0)
    return LocalPoses(values, np.concatenate([visible, visible[:, FIRM_FACE].any(axis=1, keepdims=True)], axis=1))


def replaced_where_moved(poses: PoseSequence, before: LocalPoses, after: LocalPoses) -> Tensor:
    """Keypoints [T, 134, 2] float32: those of ``after`` where it differs from ``before``, else the track's own numbers.

    before: ``to_local`` of the track. Hidden points go along from where the track has them.
    """
    z, _ = to_complex(poses)
    points, way = after.points(), after.points() - before.points()
    moved = torch.from_numpy(way != 0)[..., None]
    points = np.where(after.visible[:, :NUM_KEYPOINTS], points, z + way)
    fractions = from_complex(points) / np.array([poses.width_px, poses.height_px])
    return torch.where(moved, torch.from_numpy(fractions.astype(np.float32)), poses.keypoints.cpu())


def _head_turn(bones: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """[T] log size + i turn of the head against its median shape; 0 where no face is ever seen."""
    shown = visible[:, FIRM_FACE]
    usual = median(bones[:, FIRM_FACE], shown)
    m, _, known = similarity(np.broadcast_to(usual, shown.shape), bones[:, FIRM_FACE], shown.astype(np.float64))
    if not known.any():
        return np.zeros(len(bones), dtype=np.complex128)
    m = fill_in_time(m, known)
    return np.log(np.abs(m)) + 1j * np.unwrap(np.angle(m))

"""PoseSequence <-> what Contextual Gesture's networks see: a face of 136 numbers and a body of 96, frame by frame.

As the paper: 68 face points; shoulders, elbows, wrists and hands. Not as the paper, which takes places in the picture:
each number is how far a point has moved since the initial pose, in units of that person's face or shoulders, so that
frame 0 is zero for everybody and one network serves people whom it never saw. The face's points are told relative to
the tip of the nose, those of a hand to its wrist: what lips and fingers do is small beside where head and arms go.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..motion_edit.tree import FIRM_FACE, NOSE_TIP, similarity
from ..poses import POSE_FPS, PoseSequence
from ..poses.skeleton import (
    FACE,
    LEFT_EAR,
    LEFT_ELBOW,
    LEFT_EYE_CENTRE,
    LEFT_HAND,
    LEFT_HIP,
    LEFT_SHOULDER,
    LEFT_WRIST,
    NECK,
    NOSE,
    RIGHT_EAR,
    RIGHT_ELBOW,
    RIGHT_EYE_CENTRE,
    RIGHT_HAND,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
)
from .config import PARTS, Part

SHOULDERS = [LEFT_SHOULDER, RIGHT_SHOULDER]
POINTS: dict[Part, list[int]] = {
    "face": [*FACE],
    "body": [LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST, RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST, *LEFT_HAND, *RIGHT_HAND],
}
# Point -> the point that it is told relative to, for those that have one.
CARRIED_BY: dict[Part, dict[int, int]] = {
    "face": {point: NOSE_TIP for point in FACE if point != NOSE_TIP},
    "body": {**dict.fromkeys(LEFT_HAND, LEFT_WRIST), **dict.fromkeys(RIGHT_HAND, RIGHT_WRIST)},
}
FOLLOW_THE_FACE = [NOSE, RIGHT_EYE_CENTRE, LEFT_EYE_CENTRE, RIGHT_EAR, LEFT_EAR]
FOLLOW_THE_SHOULDERS = [NECK, RIGHT_HIP, LEFT_HIP]
SHOULDERS_PER_FACE = 3.5  # a shoulder width in units of the face, where only one of the two is seen

Motion = dict[Part, Tensor]  # of each part [..., T, C]


class MotionFrame:
    """The person of an initial pose, and how they are measured.

    Raises InputError for a pose of several frames, or one that shows neither two shoulders nor half of the face.
    """

    def __init__(self, initial_pose: PoseSequence) -> None:
        if initial_pose.num_frames != 1:
            raise InputError(
                f"the initial pose has {initial_pose.num_frames} frames; Contextual Gesture starts from one. Choose "
                "one frame of the sequence."
            )
        self.initial_pose = initial_pose
        self.start_px = initial_pose.pixels[0].cpu().double()  # [134, 2]
        self.shown = initial_pose.visible[0].cpu()  # [134]
        face = self.start_px[POINTS["face"]][self.shown[POINTS["face"]]]
        spread_px = float((face - face.mean(0)).square().sum(-1).mean().sqrt()) if len(face) > len(FACE) // 2 else 0.0
        width_px = float(self.start_px[SHOULDERS].diff(dim=0).norm()) if self.shown[SHOULDERS].all() else 0.0
        if max(spread_px, width_px) < 1:
            raise InputError(
                "the initial pose shows neither both shoulders nor half of the face, by which Contextual Gesture "
                "measures the person; give a pose that does."
            )
        self.unit_px: dict[Part, float] = {
            "face": spread_px if spread_px >= 1 else width_px / SHOULDERS_PER_FACE,
            "body": width_px if width_px >= 1 else spread_px * SHOULDERS_PER_FACE,
        }

    def motion(self, poses: PoseSequence) -> Motion:
        """Poses on the same picture -> motion of each part [T, C] float32.

        A hidden point stays where it was seen last; one that the initial pose does not show does not move.
        """
        xy_px = poses.pixels.cpu().double().numpy()
        seen = (poses.visible.cpu() & self.shown).numpy()
        last = np.maximum.accumulate(np.where(seen, np.arange(len(seen))[:, None], -1), axis=0)
        held = np.take_along_axis(xy_px, last.clip(min=0)[..., None], axis=0)
        held = np.where((last >= 0)[..., None], held, self.start_px.numpy())
        moved_px = torch.from_numpy(held) - self.start_px
        return {part: self._told(moved_px, part) for part in PARTS}

    def _told(self, moved_px: Tensor, part: Part) -> Tensor:
        told = moved_px.clone()
        told[:, list(CARRIED_BY[part])] -= moved_px[:, list(CARRIED_BY[part].values())]
        told[:, ~self.shown] = 0
        return (told[:, POINTS[part]] / self.unit_px[part]).flatten(1).float()

    def poses(self, motion: Motion) -> PoseSequence:
        """Motion [T, C] of both parts -> T poses at 25 fps on the whole picture; visibility is the initial pose's.

        What no network models follows what it models: nose, eyes and ears the face (turned, shifted and scaled as it
        is), neck and hips the shoulders' middle. Legs stay.
        """
        num_frames = len(motion["face"])
        moved_px = torch.zeros(num_frames, *self.start_px.shape, dtype=torch.float64)
        for part in PARTS:
            moved_px[:, POINTS[part]] = motion[part].cpu().double().unflatten(1, (-1, 2)) * self.unit_px[part]
            moved_px[:, list(CARRIED_BY[part])] += moved_px[:, list(CARRIED_BY[part].values())]
        xy_px = self.start_px + moved_px
        xy_px[:, FOLLOW_THE_SHOULDERS] += moved_px[:, SHOULDERS].mean(dim=1, keepdim=True)
        xy_px[:, FOLLOW_THE_FACE] = torch.from_numpy(self._with_the_face(xy_px.numpy()))
        pose = self.initial_pose
        score = pose.score.cpu().float().expand(num_frames, -1).clone()
        return PoseSequence.from_pixels(xy_px, score, height_px=pose.height_px, width_px=pose.width_px, fps=POSE_FPS)

    def _with_the_face(self, xy_px: np.ndarray) -> np.ndarray:
        """[T, 134, 2] -> [T, N, 2]: the head's points outside of the face; where no face is seen, with the neck."""
        start = self.start_px[:, 0].numpy() + 1j * self.start_px[:, 1].numpy()
        now = xy_px[..., 0] + 1j * xy_px[..., 1]
        weights = np.repeat(self.shown[FIRM_FACE].double().numpy()[None], len(now), axis=0)
        turn, shift, known = similarity(np.repeat(start[None, FIRM_FACE], len(now), axis=0), now[:, FIRM_FACE], weights)
        followed = turn[:, None] * start[FOLLOW_THE_FACE] + shift[:, None]
        with_neck = start[FOLLOW_THE_FACE] + (now[:, NECK] - start[NECK])[:, None]
        placed = np.where(known[:, None], followed, with_neck)
        return np.stack([placed.real, placed.imag], axis=-1)

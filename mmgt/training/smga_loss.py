"""SMGA's loss: poses, their velocity and acceleration, the face counted again (paper section III-B, eq. 8)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from ..errors import InputError
from ..evaluation.speech_motion import MOVING_JOINTS
from ..poses.skeleton import FACE, LIPS, NUM_KEYPOINTS
from ..poses.vector import is_face

TERMS = ("position", "velocity", "acceleration")
LossKind = Literal["authors", "paper"]


@dataclass(frozen=True)
class SMGALoss:
    """How far predicted poses are from the truth.

    kind: "authors" adds ``face_weight`` times the face's terms to those of all keypoints (their code); "paper" to those
    of the body alone (eq. 8). score_channels: whether the detector's scores are learned too, as the authors do.
    lip_weight: of the mouth's shape (lips against the mean of the face, so that a nod is no speech), which neither has;
    lips move by 2 px where arms move by 40, so small trainings never come to them without it. gesture_weight: of the
    velocity and acceleration of head, shoulders, elbows and wrists (``MOVING_JOINTS``, whose speed has the beats),
    beside which stand the positions that arms sway to, larger in squares and in nobody's words.
    """

    kind: LossKind = "authors"
    face_weight: float = 3.0
    score_channels: bool = True
    lip_weight: float = 0.0
    gesture_weight: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(LossKind) or min(self.weights) < 0:
            raise InputError(
                f"the loss is '{self.kind}', its weights (face, lips, gestures) {', '.join(map(str, self.weights))}; "
                f"it must be one of {', '.join(get_args(LossKind))}, and weights 0 or more (the authors take 3, 0, 0)."
            )

    @property
    def weights(self) -> tuple[float, float, float]:
        return self.face_weight, self.lip_weight, self.gesture_weight

    def parts(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """[B, T, 402] twice -> [B, 6]: position, velocity, acceleration of the first region, then of the face."""
        channels = torch.arange(predicted.shape[-1], device=predicted.device)
        of_face = is_face(predicted.device)
        counts = torch.ones_like(of_face) if self.score_channels else channels % 3 != 2
        first = counts if self.kind == "authors" else counts & ~of_face
        return torch.cat([_motion_errors((predicted - truth)[..., some]) for some in (first, counts & of_face)], dim=-1)

    def terms(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """[6]: the parts' means over the batch, the face's with their weight."""
        weights = predicted.new_tensor([1.0] * len(TERMS) + [self.face_weight] * len(TERMS))
        return self.parts(predicted, truth).mean(dim=0) * weights

    def lip_terms(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """[3]: the mouth's shape, its velocity and acceleration, with their weight."""
        error = (predicted - truth).unflatten(-1, (NUM_KEYPOINTS, 3))[..., :2]
        shape = error[..., LIPS.start : LIPS.stop, :] - error[..., FACE.start : FACE.stop, :].mean(dim=-2, keepdim=True)
        return _motion_errors(shape.flatten(-2)).mean(dim=0) * self.lip_weight

    def gesture_terms(self, predicted: Tensor, truth: Tensor) -> Tensor:
        """[2]: velocity and acceleration of the moving joints, with their weight."""
        error = (predicted - truth).unflatten(-1, (NUM_KEYPOINTS, 3))[..., MOVING_JOINTS, :2]
        return _motion_errors(error.flatten(-2)).mean(dim=0)[1:] * self.gesture_weight

    def __call__(self, predicted: Tensor, truth: Tensor) -> Tensor:
        loss = self.terms(predicted, truth).sum()
        if self.lip_weight:
            loss = loss + self.lip_terms(predicted, truth).sum()
        return loss + self.gesture_terms(predicted, truth).sum() if self.gesture_weight else loss


def _motion_errors(error: Tensor) -> Tensor:
    """[B, T, C] -> [B, 3]: mean squares of an error, of its first and of its second difference in time."""
    orders = [error, error.diff(dim=1), error.diff(n=2, dim=1)]
    return torch.stack([order.square().mean(dim=(1, 2)) for order in orders], dim=-1)

"""What a student of stage II learns: jumps over parts of the noise schedule that its teacher goes in many steps.

Phased consistency (Kim et al. 2024, arXiv 2310.02279; Wang et al. 2024, arXiv 2405.18407): the schedule is cut into as
many segments as the student will have steps, and from anywhere in a segment one jump leads to its end. The jump is
DDIM's, which at the end itself is nothing, so that no further boundary condition is needed; the first segment begins
at zero SNR, the last ends at the clean sample. Regional, motion and colour terms answer what plain distillation loses:
lips, movement (arXiv 2504.11143) and colours.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import pairwise

from torch import Tensor

from ..diffusion import NUM_TRAIN_STEPS, Parametrisation, ddim_turn_v, trailing_times, velocity_of_noise
from ..errors import InputError
from .mmhaa_loss import Clip, region_weights

CLEAN = -1  # the time of a sample without noise


@dataclass(frozen=True)
class Segments:
    """The noise schedule, cut for a student of ``num_steps``; the teacher goes ``per_segment`` steps in each."""

    num_steps: int
    per_segment: int
    parametrisation: Parametrisation

    def __post_init__(self) -> None:
        if self.per_segment < 1 or self.num_steps * self.per_segment > NUM_TRAIN_STEPS // 2:
            raise InputError(
                f"the teacher's {self.num_steps * self.per_segment} steps must be 1 to {NUM_TRAIN_STEPS // 2}."
            )

    @property
    def starts(self) -> list[int]:
        """Timesteps that the student is sampled at, from 999 down."""
        return trailing_times(self.num_steps)

    @cached_property
    def times(self) -> list[int]:
        """The teacher's timesteps from 999 down to CLEAN; every start is one of them."""
        edges = pairwise([*self.starts, CLEAN])
        inner = [start + (end - start) * i / self.per_segment for start, end in edges for i in range(self.per_segment)]
        return [*map(round, inner), CLEAN]

    def place(self, timestep: int) -> int:
        """Of a timestep that was drawn from 0..999: a place in ``times`` but the last, each as likely."""
        return (NUM_TRAIN_STEPS - 1 - timestep) * (len(self.times) - 1) // NUM_TRAIN_STEPS

    def start(self, place: int) -> int:
        """The place where the segment of a place begins."""
        return place - place % self.per_segment

    def end(self, place: int) -> int:
        """The place where the segment of a place ends."""
        return self.start(place) + self.per_segment

    def level(self, place: int) -> float:
        """alpha_bar there, 1 at the end of all."""
        time = self.times[place]
        return 1.0 if time == CLEAN else float(self.parametrisation.alpha_bar[time])

    def jump(self, x: Tensor, predicted: Tensor, now: int, later: int) -> Tensor:
        """x at a later place, by what a network predicts of it now; the memory of the prediction may be used up."""
        level = self.level(now)
        v = velocity_of_noise(predicted, x, level) if self.parametrisation.prediction == "epsilon" else predicted
        of_x, of_v = ddim_turn_v(level, self.level(later))
        return of_x * x + of_v * v

    def reach(self, place: int) -> float:
        """By how much the jump over the whole segment of a place turns v into x: the measure of its errors."""
        return abs(ddim_turn_v(self.level(self.start(place)), self.level(self.end(place)))[1])


@dataclass(frozen=True)
class StudentLoss:
    """Mean squared differences of where a jump led and where it should; all weights 0 leave them plain.

    face_weight, lip_weight, hand_weight: by how much errors inside of these regions' masks count more. motion_weight:
    of the same for the differences of neighbouring frames, so that movement is neither damped nor made to flicker.
    colour_weight: of the same for each frame's and channel's mean, so that colours do not drift.
    """

    face_weight: float = 1.0
    lip_weight: float = 4.0
    hand_weight: float = 2.0
    motion_weight: float = 1.0
    colour_weight: float = 1.0

    def __post_init__(self) -> None:
        if min(asdict(self).values()) < 0:
            raise InputError(f"the weights of a student's loss are {asdict(self)}; they must be 0 or more.")

    def __call__(self, made: Tensor, wanted: Tensor, clip: Clip, reach: float = 1.0) -> Tensor:
        """made, wanted [F, 4, h, w] of a clip; reach: see ``Segments.reach``, which the differences are divided by."""
        wrong = (made - wanted) / reach
        loss = wrong.square()
        if clip.masks:
            loss = loss * region_weights(clip, self.face_weight, self.lip_weight, self.hand_weight)
        loss = loss.mean() + self.colour_weight * wrong.mean(dim=(2, 3)).square().mean()
        if len(wrong) > 1:
            loss = loss + self.motion_weight * (wrong[1:] - wrong[:-1]).square().mean()
        return loss

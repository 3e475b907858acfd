"""Named ways to sample a video: sampler, steps, guidance, and what may be left out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from ..errors import InputError
from .sample import VideoOptions
from .student import Student

MAX_GUIDANCE = 100.0


@dataclass(frozen=True)
class Preset:
    """scheduler: a name that ``standalone.schedulers`` and ComfyUI's KSampler share.

    guidance: 1 = none, at half the cost. shared_noise: see ``sample.share_noise``.
    """

    scheduler: str = "ddim"
    num_steps: int = 30
    guidance: float = 3.5
    options: VideoOptions = field(default_factory=VideoOptions)
    shared_noise: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.guidance) and 0 <= self.guidance <= MAX_GUIDANCE):
            raise InputError(
                f"cfg is {self.guidance}; it must be 0 to {MAX_GUIDANCE:g} (the authors take 3.5, 1 is none)."
            )
        if not 0 <= self.shared_noise <= 1:
            raise InputError(
                f"the noise that frames share is {self.shared_noise:g}; it must be 0 (none, the authors) to 1 (all)."
            )


STUDENT_PRESET = "student"
PRESETS = {
    "authors": Preset(),
    # A quarter of the authors' work for a clip of 80 frames: docs/benchmarks.md says what each part saves.
    "fast": Preset("dpmpp_2m", 12, options=VideoOptions(guidance_end=0.8, reuse_every=2)),
    # For the small networks that are shipped, on a CPU: few steps, no guidance, and nothing that flickers.
    "small": Preset("ddim", 2, 1.0, shared_noise=1.0),
    # For a network that was distilled to few steps with guidance folded in; its file may say other numbers. The trained
    # window, and one frame less of overlap than the authors': a tenth of the work.
    STUDENT_PRESET: Preset("ddim", 4, 1.0, VideoOptions(overlap=3)),
}


def preset_of_student(student: Student) -> Preset:
    """How a student is sampled, as its file says."""
    return replace(PRESETS[STUDENT_PRESET], num_steps=student.num_steps, shared_noise=student.shared_noise)

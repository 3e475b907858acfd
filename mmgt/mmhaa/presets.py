"""Named ways to sample a video: sampler, steps, guidance, and what may be left out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..errors import InputError
from .sample import VideoOptions

MAX_GUIDANCE = 100.0


@dataclass(frozen=True)
class Preset:
    """scheduler: a name that ``standalone.schedulers`` and ComfyUI's KSampler share.

    guidance: 1 = none, at half the cost.
    """

    scheduler: str = "ddim"
    num_steps: int = 30
    guidance: float = 3.5
    options: VideoOptions = field(default_factory=VideoOptions)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.guidance) and 0 <= self.guidance <= MAX_GUIDANCE):
            raise InputError(
                f"cfg is {self.guidance}; it must be 0 to {MAX_GUIDANCE:g} (the authors take 3.5, 1 is none)."
            )


PRESETS = {
    "authors": Preset(),
    # A quarter of the authors' work for a clip of 80 frames: docs/benchmarks.md says what each part saves.
    "fast": Preset("dpmpp_2m", 12, options=VideoOptions(guidance_end=0.8, reuse_every=2)),
    # For the small networks that are shipped, on a CPU: few steps, and no guidance.
    "small": Preset("ddim", 6, 1.0, VideoOptions(window=12, overlap=4)),
}

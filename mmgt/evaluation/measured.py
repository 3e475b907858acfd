"""One number of a report, with all that is needed to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "none"]


@dataclass(frozen=True)
class Measured:
    """value: in ``unit``; may be infinite (the PSNR of equal pictures). n: how many frames, points, beats, ... it is
    taken over. better: which way is good; "none": neither. source: whose definition. meaning: for who has not read
    it.
    """

    name: str
    value: float
    n: int
    unit: str
    better: Better
    source: str
    meaning: str

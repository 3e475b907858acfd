"""Line charts as pictures. ComfyUI has no plotting library, so they are drawn with OpenCV's lines and letters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

WIDTH_PX, HEIGHT_PX = 1024, 320
LEFT, RIGHT, TOP, BOTTOM = 76, 20, 46, 44  # px around the curves
INK, GRID, PAPER = (40, 40, 40), (222, 222, 222), (255, 255, 255)
COLOURS = ((31, 119, 180), (214, 96, 39), (44, 160, 44))  # told apart by the colour-blind, too
Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Curve:
    """values: [T], drawn where they are finite. marks: times in s of dots on the curve."""

    label: str
    values: np.ndarray
    marks: Sequence[float] = ()
    start_s: float = 0.0


@dataclass(frozen=True)
class Chart:
    """Curves over seconds with one axis. lines: label -> times in s of upright lines."""

    title: str
    unit: str
    curves: Sequence[Curve]
    fps: float
    lines: dict[str, Sequence[float]] = field(default_factory=dict)

    def draw(self) -> np.ndarray:
        """[320, 1024, 3] uint8 RGB."""
        import cv2

        picture = np.full((HEIGHT_PX, WIDTH_PX, 3), PAPER, np.uint8)
        values = np.concatenate([curve.values[np.isfinite(curve.values)] for curve in self.curves])
        low, high, step = _axis(values)
        seconds = max(max(curve.start_s + len(curve.values) / self.fps for curve in self.curves), 1 / self.fps)

        def x(time_s: float) -> int:
            return round(LEFT + time_s / seconds * (WIDTH_PX - LEFT - RIGHT))

        def y(value: float) -> int:
            return round(HEIGHT_PX - BOTTOM - (value - low) / (high - low) * (HEIGHT_PX - TOP - BOTTOM))

        for tick in np.arange(low, high + step / 2, step):
            cv2.line(picture, (LEFT, y(tick)), (WIDTH_PX - RIGHT, y(tick)), GRID, 1)
            write(picture, f"{tick:.4g}" if abs(tick) > step / 100 else "0", (6, y(tick) + 4))
        second = _round_step(seconds / 10)
        for tick in np.arange(0, seconds + 1e-9, second):
            cv2.line(picture, (x(tick), HEIGHT_PX - BOTTOM), (x(tick), HEIGHT_PX - BOTTOM + 4), INK, 1)
            write(picture, f"{tick:g} s", (x(tick) - 8, HEIGHT_PX - BOTTOM + 18))
        write(picture, f"{self.title} ({self.unit})" if self.unit else self.title, (LEFT, 18), 0.5)
        legend = LEFT
        for number, (label, times) in enumerate(self.lines.items()):
            for time_s in times:
                cv2.line(picture, (x(time_s), TOP), (x(time_s), HEIGHT_PX - BOTTOM), (170 + 20 * number,) * 3, 1)
            legend = _legend(picture, label, (150, 150, 150), legend)
        for curve, colour in zip(self.curves, COLOURS, strict=False):
            at_s = curve.start_s + (np.arange(len(curve.values)) + 0.5) / self.fps
            shown = np.isfinite(curve.values)
            for part in np.split(np.arange(len(at_s)), np.flatnonzero(~shown)):
                points = [(x(at_s[t]), y(curve.values[t])) for t in part if shown[t]]
                cv2.polylines(picture, [np.array(points or [(0, 0)], np.int32)], False, colour, 2, cv2.LINE_AA)
            for time_s in curve.marks:
                value = float(np.interp(time_s, at_s[shown], curve.values[shown]))
                cv2.circle(picture, (x(time_s), y(value)), 5, colour, -1, cv2.LINE_AA)
            legend = _legend(picture, curve.label, colour, legend)
        return picture


def write(picture: np.ndarray, text: str, place: tuple[int, int], scale: float = 0.4, colour: Colour = INK) -> None:
    """ASCII text on [H, W, 3] uint8; place: x, y in px of its lower left."""
    import cv2

    cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)


def _legend(picture: np.ndarray, label: str, colour: Colour, x: int) -> int:
    """A stroke and its name below the title; returns where the next begins."""
    import cv2

    cv2.line(picture, (x, 34), (x + 18, 34), colour, 2)
    write(picture, label, (x + 24, 38))
    (width, _), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)
    return x + width + 48


def _axis(values: np.ndarray) -> tuple[float, float, float]:
    """Lower end, upper end and step of an axis that holds the values."""
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5, high + 0.5
    step = _round_step((high - low) / 4)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, step


def _round_step(least: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))

"""Marks in the frames themselves: a label that people read, and one that only programs find."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..provenance.watermark import with_invisible_mark
from .label_fonts import font_for

LABEL = "AI-generated"
LABEL_S, LABEL_SHARE = 2.0, 0.05  # GB 45438-2025: 2 s at the opening, letters of 5 % of the short side
MIN_LABEL_PX = 8  # a smaller letter is none


@dataclass(frozen=True)
class FrameMarks:
    """label: a line that the first two seconds show, in letters that a font here has; "": none. invisible: see
    ``watermark``."""

    label: str = ""
    invisible: bool = False

    def __post_init__(self) -> None:
        if not self.label.isprintable():
            raise InputError(f"the label is {self.label[:40]!r}; give one line of letters that can be shown.")
        if not self.label.isascii():
            font_for(self.label, MIN_LABEL_PX)  # before hours of work

    def on(self, frames: Iterable[np.ndarray], fps: float) -> Iterator[np.ndarray]:
        """[H, W, 3] uint8 RGB frames with these marks; the label lies over the invisible one."""
        marked = with_invisible_mark(frames) if self.invisible else iter(frames)
        num_labelled = math.ceil(LABEL_S * fps) if self.label else 0
        return (labelled(frame, self.label) if t < num_labelled else frame for t, frame in enumerate(marked))


def labelled(frame: np.ndarray, text: str) -> np.ndarray:
    """A frame [H, W, 3] uint8 RGB with a text at its upper left: white letters, black around them.

    Capital letters are 5 % of the short side high, or more. Raises InputError where the text does not fit.
    """
    height, width = frame.shape[:2]
    letter_px = math.ceil(max(MIN_LABEL_PX, LABEL_SHARE * min(height, width)))
    line_px = max(1, letter_px // 8)
    drawn = np.ascontiguousarray(frame).copy()
    return (_by_opencv if text.isascii() else _by_pillow)(drawn, text, letter_px, line_px)


def _by_opencv(drawn: np.ndarray, text: str, letter_px: int, line_px: int) -> np.ndarray:
    """With its own letters, which are the same everywhere."""
    import cv2

    font = cv2.FONT_HERSHEY_SIMPLEX
    scale = cv2.getFontScaleFromHeight(font, letter_px, line_px)
    (text_px, _), _ = cv2.getTextSize(text, font, scale, line_px)
    margin = _margin(text, text_px, letter_px, line_px, drawn)
    place = (margin, margin + letter_px)
    cv2.putText(drawn, text, place, font, scale, (0, 0, 0), 3 * line_px, cv2.LINE_AA)
    cv2.putText(drawn, text, place, font, scale, (255, 255, 255), line_px, cv2.LINE_AA)
    return drawn


def _by_pillow(drawn: np.ndarray, text: str, letter_px: int, line_px: int) -> np.ndarray:
    """With a font's letters."""
    from PIL import Image, ImageDraw

    font = font_for(text, letter_px)
    left, top, right, _ = font.getbbox(text)
    margin = _margin(text, right - left, letter_px, line_px, drawn)
    picture = Image.fromarray(drawn)
    place = (margin - left, margin - top)
    ImageDraw.Draw(picture).text(place, text, "white", font, stroke_width=line_px, stroke_fill="black")
    return np.asarray(picture)


def _margin(text: str, text_px: float, letter_px: int, line_px: int, drawn: np.ndarray) -> int:
    """px left and above of a text. Raises InputError where it does not fit."""
    margin, width = letter_px // 2 + 2 * line_px, drawn.shape[1]
    needed_px = math.ceil(text_px) + 2 * margin
    if needed_px > width:
        raise InputError(
            f"the label '{text[:40]}' takes {needed_px} px, but the video is {width} px wide; give a shorter one."
        )
    return margin

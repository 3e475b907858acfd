"""A font for a label in any letters: one that the user names, or a usual one of the system."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ..errors import InputError

FONT = "MMGT_LABEL_FONT"  # environment: a font file (ttf, otf, ttc) for labels that are not in ASCII
# As systems call them; Pillow looks into their folders. Those of Chinese, Japanese and Korean first.
USUAL = (
    *("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf", "SourceHanSansSC-Regular.otf"),
    *("wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf"),
    *("msyh.ttc", "simhei.ttf", "YuGothM.ttc", "meiryo.ttc", "malgun.ttf"),  # Windows
    *("PingFang.ttc", "Hiragino Sans GB.ttc", "AppleSDGothicNeo.ttc", "Arial Unicode.ttf"),  # macOS
    *("NotoSans-Regular.ttf", "DejaVuSans.ttf", "arial.ttf"),
)


def font_for(text: str, letter_px: int) -> Any:
    """Pillow's font that has all letters of a text, its capitals letter_px high or more. Raises InputError for none."""
    from PIL import features

    if any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text) and not features.check("raqm"):
        raise InputError(
            f"the label '{text[:40]}' is written from right to left, which this Pillow cannot lay out; give another."
        )
    return _font_for(text, letter_px, os.environ.get(FONT))


@lru_cache(maxsize=4)  # of a video: once, not for each frame
def _font_for(text: str, letter_px: int, named: str | None) -> Any:
    for font in _fonts(letter_px, named):
        if _has_all(font, text):
            return font
    raise InputError(
        f"no font here has all letters of the label '{text[:40]}'; install one that does (Noto Sans CJK has Chinese, "
        f"Japanese and Korean), name its file in {FONT}, or write the label in ASCII letters."
    )


def _fonts(letter_px: int, named: str | None) -> Iterator[Any]:
    """Those that are there, each so large that its capitals are letter_px high."""
    from PIL import ImageFont

    if named:
        try:
            yield _sized(lambda px: ImageFont.truetype(named, px), letter_px)
        except OSError as error:
            raise InputError(
                f"{FONT} is '{named}', which is no font that can be read; name a ttf, otf or ttc."
            ) from error
        return
    for name in USUAL:
        try:
            yield _sized(lambda px, name=name: ImageFont.truetype(name, px), letter_px)
        except OSError:  # not on this system
            continue


def _sized(load: Any, letter_px: int) -> Any:
    _, top, _, bottom = load(64).getbbox("H")
    return load(-(-letter_px * 64 // (bottom - top)))


def _has_all(font: Any, text: str) -> bool:
    """What a font lacks it draws as one and the same box."""
    boxes = {bytes(font.getmask(letter)) for letter in ("\U0010fffd", "\uffff")}
    return all(letter.isspace() or bytes(font.getmask(letter)) not in boxes for letter in text)

"""Who a drawn presenter is: what the keypoints do not say."""

from __future__ import annotations

from colorsys import hsv_to_rgb
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from .canvas import Colour, shade

Hair = Literal["short", "side", "fringe", "bob", "long", "bun", "curls", "tail", "none"]
Collar = Literal["crew", "v", "shirt", "high", "jacket"]
Stripes = Literal["none", "upright", "across"]

SKIN: tuple[Colour, ...] = (
    (255, 222, 196), (246, 205, 173), (233, 184, 148), (222, 168, 128), (198, 140, 100), (164, 110, 76), (128, 82, 56),
    (98, 64, 46),
)  # fmt: skip
HAIR: tuple[Colour, ...] = (
    (38, 32, 34), (62, 44, 36), (92, 62, 42), (128, 86, 52), (176, 128, 72), (216, 178, 112), (158, 74, 42),
    (150, 148, 150), (206, 204, 204), (70, 84, 130), (168, 70, 110), (56, 110, 100),
)  # fmt: skip
HAIR_SHARES = (0.16, 0.15, 0.13, 0.11, 0.09, 0.08, 0.08, 0.06, 0.05, 0.03, 0.03, 0.03)
IRIS: tuple[Colour, ...] = ((84, 56, 38), (110, 76, 44), (70, 104, 130), (88, 118, 84), (96, 100, 108))


@dataclass(frozen=True)
class Identity:
    """Colours are RGB 0..255. Sizes are in distances between the eyes, or shares of what is usual (1).

    hair: the style; ``volume`` of it. beard: 0 = none, 1 = stubble that is drawn fully. stripes: on the torso, so many.
    lower: what is worn below the hips. wall: the background's colours at the top and at the bottom.
    """

    skin: Colour
    hair: Hair
    hair_colour: Colour
    volume: float
    part: float
    beard: float
    brow_width: float
    iris: Colour
    eye_size: float
    lips: Colour
    nose_width: float
    forehead: float
    glasses: bool
    collar: Collar
    top: Colour
    second: Colour
    stripes: Stripes
    num_stripes: int
    long_sleeves: bool
    sleeves: Colour
    lower: Colour
    arm_width: float
    neck_width: float
    finger_width: float
    wall: tuple[Colour, Colour]


def random_identity(seed: int) -> Identity:
    """The person of a seed; seeds are drawn apart from those of ``presenter``, whose proportions are another matter."""
    rng = np.random.default_rng([seed, 1])
    skin_idx = int(rng.integers(len(SKIN)))
    skin = shade(SKIN[skin_idx], float(rng.uniform(0.96, 1.04)))
    hair = str(rng.choice([style for style in get_args(Hair) if style != "none"] * 3 + ["none"]))
    is_beard = hair in ("short", "side", "curls", "none") and rng.random() < 0.4
    hue = float(rng.random())
    top = _cloth(rng, hue)
    # Not beside each other on the colour circle: a background that the sleeves vanish in teaches nothing.
    wall_hue = (hue + float(rng.uniform(0.3, 0.7))) % 1
    value, saturation = float(rng.uniform(0.72, 0.93)), float(rng.uniform(0.08, 0.38))
    wall = _rgb(wall_hue, saturation, value), _rgb(wall_hue + 0.04, saturation * 1.15, value * 0.8)
    second = shade(top, 1.55) if rng.random() < 0.5 else _cloth(rng, hue + float(rng.uniform(0.35, 0.65)))
    return Identity(
        skin=skin,
        hair=hair,  # type: ignore[arg-type]  # one of them
        hair_colour=shade(HAIR[int(rng.choice(len(HAIR), p=HAIR_SHARES))], float(rng.uniform(0.94, 1.06))),
        volume=float(rng.uniform(0.8, 1.25)),
        part=float(rng.choice([-1, 1]) * rng.uniform(0.2, 0.55)),
        beard=float(rng.uniform(0.5, 1)) if is_beard else 0.0,
        brow_width=float(rng.uniform(0.09, 0.15)),
        iris=IRIS[int(rng.integers(2 if skin_idx > 4 else len(IRIS)))],
        eye_size=float(rng.uniform(1.15, 1.4)),
        lips=_lips(skin, float(rng.uniform(0.25, 0.75))),
        nose_width=float(rng.uniform(0.85, 1.2)),
        forehead=float(rng.uniform(1.4, 1.55)),
        glasses=bool(rng.random() < 0.2),
        collar=rng.choice(get_args(Collar)),
        top=top,
        second=second,
        stripes=rng.choice(get_args(Stripes)),
        num_stripes=int(rng.integers(4, 9)),
        long_sleeves=bool(rng.random() < 0.65),
        sleeves=top if rng.random() < 0.7 else second,
        lower=_rgb(float(rng.random()), float(rng.uniform(0.1, 0.45)), float(rng.uniform(0.2, 0.4))),
        arm_width=float(rng.uniform(0.88, 1.15)),
        neck_width=float(rng.uniform(0.9, 1.12)),
        finger_width=float(rng.uniform(0.115, 0.14)),
        wall=wall,
    )


def _rgb(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = (round(255 * part) for part in hsv_to_rgb(hue % 1, min(saturation, 1), min(value, 1)))
    return red, green, blue


def _cloth(rng: np.random.Generator, hue: float) -> Colour:
    return _rgb(hue, float(rng.uniform(0.3, 0.68)), float(rng.uniform(0.45, 0.85)))


def _lips(skin: Colour, redness: float) -> Colour:
    red, green, blue = skin
    return shade((min(255, round(red * 0.92)), round(green * (0.72 - 0.22 * redness)), round(blue * 0.72)), 0.94)

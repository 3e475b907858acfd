"""The presenter's head on a canvas: hair, ears, neck, face. Everything in the head's own axes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..poses.skeleton import (
    INNER_LIPS,
    JAW,
    LEFT_BROW,
    LEFT_EAR,
    LEFT_EYE,
    LIPS,
    NECK,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EAR,
    RIGHT_EYE,
)
from .canvas import Canvas, ellipse, mixed, shade, smooth
from .identity import Identity

TEETH, TONGUE, MOUTH = (244, 240, 232), (186, 84, 84), (58, 20, 24)
EYE_WHITE, LASHES = (250, 248, 244), (40, 28, 28)
TEETH_SHARE, TEETH_SIZE = 0.42, 0.13  # of the mouth's opening at most, and in eye distances at most
SKULL_TOP = 1.62  # above the eyes, in eye distances
HAIR_ENDS = {"side": 0.05, "fringe": 0.25, "bob": 1.15, "long": 0.6, "curls": -0.35}  # at the temples, below the eyes


@dataclass(frozen=True)
class Head:
    """xy_px: all keypoints [134, 2]. origin: between the eyes. right, down: unit vectors [2]. unit_px: distance
    between the eyes as seen from the front. width_px: half of the face's width at the temples; middle: between them."""

    xy_px: np.ndarray
    origin: np.ndarray
    right: np.ndarray
    down: np.ndarray
    unit_px: float
    width_px: float
    middle: np.ndarray

    @classmethod
    def of(cls, xy_px: np.ndarray) -> Head:
        right_eye, left_eye = xy_px[list(RIGHT_EYE)].mean(axis=0), xy_px[list(LEFT_EYE)].mean(axis=0)
        origin = (right_eye + left_eye) / 2
        down = xy_px[list(LIPS)].mean(axis=0) - origin  # holds in profile, and lips that part move it along itself
        mouth_px = max(float(np.hypot(*down)), 1e-3)
        down = down / mouth_px
        right = np.array([down[1], -down[0]])
        jaw = xy_px[list(JAW)]
        width_px = max(float((jaw[-1] - jaw[0]) @ right) / 2, 1e-3)
        unit_px = max(float(np.hypot(*(left_eye - right_eye))), mouth_px * 0.9)
        return cls(xy_px, origin, right, down, unit_px, width_px, (jaw[0] + jaw[-1]) / 2)

    def at(self, places: np.ndarray | list[tuple[float, float]]) -> np.ndarray:
        """Places [N, 2] -> px: x in half widths of the face from its middle, y in eye distances below the eyes."""
        places = np.asarray(places)
        level = self.middle + self.down * float((self.origin - self.middle) @ self.down)
        return level + np.outer(places[:, 0], self.right * self.width_px) + np.outer(
            places[:, 1], self.down * self.unit_px
        )  # fmt: skip

    def offset(self, right: float, down: float) -> np.ndarray:
        """A way in eye distances -> px [2]."""
        return (self.right * right + self.down * down) * self.unit_px

    def points(self, region: range) -> np.ndarray:
        return self.xy_px[region.start : region.stop]

    def face(self, forehead: float) -> np.ndarray:
        """Outline of the face: the jaw's keypoints, and a dome over them that reaches ``forehead`` above the eyes."""
        jaw = smooth(self.points(JAW))
        turn = np.linspace(0, np.pi, 14)[1:-1]
        dome = self.at(np.stack([np.cos(turn), -forehead * np.sin(turn) ** 0.7], axis=1))
        temples = self.at([(1.0, 0.0), (-1.0, 0.0)])
        dome += np.linspace(jaw[-1] - temples[0], jaw[0] - temples[1], len(dome))
        return np.concatenate([jaw, dome])


@lru_cache(maxsize=8)
def ball_light(strength: float) -> np.ndarray:
    """[24, 24] float32: brightness of a ball, lit from above on the left, over the square around it."""
    y, x = np.mgrid[-1:1:24j, -1:1:24j] * 0.94
    depth = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    facing = -0.38 * x - 0.42 * y + 0.82 * depth
    return (1 + strength * (facing - 0.72)).astype(np.float32)


def draw_neck(canvas: Canvas, head: Head, who: Identity) -> None:
    base, unit = head.xy_px[NECK], head.unit_px
    half = head.right * 0.66 * who.neck_width * unit
    top, foot = head.origin + head.offset(0, 0.9), base + head.offset(0, 0.35)
    neck = np.concatenate([[top - half], smooth(np.array([top - half, base - half * 1.05, foot - half * 1.5])),
                           smooth(np.array([foot + half * 1.5, base + half * 1.05, top + half]))])  # fmt: skip
    canvas.fill(neck, shade(who.skin, 0.9))
    fallen = head.face(1.0) + head.offset(0.08, 0.42)
    canvas.shadow([fallen], neck, 0.14 * unit, 0.34)


def draw_back_hair(canvas: Canvas, head: Head, who: Identity) -> None:
    """What of the hair lies behind neck and shoulders."""
    colour = shade(who.hair_colour, 0.84)
    grown = 0.16 * who.volume
    wide = 1 + grown + 0.1
    if who.hair == "long":
        fall = [(0, -SKULL_TOP - grown), (wide * 0.8, -1.2), (wide + 0.06, -0.1), (wide + 0.16, 1.4), (wide + 0.3, 2.6),
                (wide * 0.7, 3.2), (0, 3.0)]  # fmt: skip
    elif who.hair == "bob":
        fall = [(0, -SKULL_TOP - grown), (wide * 0.8, -1.2), (wide + 0.08, -0.1), (wide + 0.14, 0.9),
                (wide - 0.05, 1.55), (wide * 0.5, 1.5), (0, 1.3)]  # fmt: skip
    elif who.hair == "curls":
        for x, y in _curl_places(1.14 + 0.1 * who.volume):
            middle = head.at([(x, y)])[0]
            radius = 0.42 * who.volume * head.unit_px
            canvas.fill(ellipse(middle, head.right * radius, head.down * radius, 16), colour)
        return
    elif who.hair == "bun":
        middle, radius = head.at([(0.12, -SKULL_TOP - 0.42)])[0], 0.56 * who.volume * head.unit_px
        bun = ellipse(middle, head.right * radius, head.down * radius * 0.9)
        canvas.fill(bun, shade(who.hair_colour, 0.9))
        canvas.light(bun, ball_light(0.5))
        return
    elif who.hair == "tail":
        side = 1 if who.part > 0 else -1
        tail = [
            (0.75, -1.25),
            (1.25, -1.3),
            (1.65, -0.6),
            (1.72, 0.8),
            (1.5, 2.1),
            (1.36, 0.9),
            (1.2, -0.1),
            (0.8, -0.6),
        ]
        canvas.fill(smooth(head.at([(side * x, y) for x, y in tail]), closed=True), colour)
        return
    else:
        return
    outline = [*fall, *[(-x, y) for x, y in fall[-2:0:-1]]]
    hair = smooth(head.at(outline), closed=True)
    canvas.fill(hair, colour)
    canvas.light(hair, ball_light(0.25))


def _curl_places(wide: float) -> list[tuple[float, float]]:
    return [
        (wide * np.sin(turn), -0.62 - 1.08 * np.cos(turn)) for turn in np.linspace(-2.05, 2.05, 13).tolist()
    ]  # fmt: skip


def draw_head(canvas: Canvas, head: Head, who: Identity) -> None:
    """Ears, face and everything in it, and the hair in front."""
    unit, skin = head.unit_px, who.skin
    for ear, side in ((RIGHT_EAR, -1), (LEFT_EAR, 1)):
        if who.hair in ("bob", "long"):
            break
        middle = head.xy_px[ear] + head.offset(-0.04 * side, 0.12)
        canvas.fill(ellipse(middle, head.right * 0.2 * unit, head.down * 0.34 * unit), shade(skin, 0.84))
        inner = middle + head.offset(0.02 * side, 0.02)
        canvas.fill(ellipse(inner, head.right * 0.11 * unit, head.down * 0.2 * unit, 12), shade(skin, 0.7))
    face = head.face(who.forehead)
    canvas.fill(face, skin)
    cheeks = mixed(skin, (226, 96, 84), 0.2)
    for side in (-1, 1):
        middle = head.at([(side * 0.62, 0.62)])[0]
        for size in (1.0, 0.8, 0.6):
            cheek = ellipse(middle, head.right * 0.3 * size * unit, head.down * 0.2 * size * unit, 16)
            canvas.fill(cheek, mixed(skin, cheeks, 0.95 - 0.6 * size))
    if who.beard:
        _draw_beard(canvas, head, who)
    canvas.light(face, ball_light(0.34))
    _draw_nose(canvas, head, who)
    for eye in (RIGHT_EYE, LEFT_EYE):
        _draw_eye(canvas, head, who, head.points(eye))
    _draw_mouth(canvas, head, who)
    hairline = mixed(who.hair_colour, (50, 34, 30), 0.35) if who.hair != "none" else shade(skin, 0.42)
    for brow in (RIGHT_BROW, LEFT_BROW):
        canvas.line(head.points(brow), who.brow_width * unit, hairline, 0.35)
    _draw_front_hair(canvas, head, who, face)
    if who.glasses:
        _draw_glasses(canvas, head)


def _draw_beard(canvas: Canvas, head: Head, who: Identity) -> None:
    jaw = head.points(JAW)
    lip = head.points(OUTER_LIPS)
    inner = np.concatenate(
        [[jaw[14] + (lip[6] - jaw[14]) * 0.35], [lip[6] + head.offset(0.12, -0.06)], [lip[3] + head.offset(0.1, -0.2)],
         [lip[3] + head.offset(-0.1, -0.2)], [lip[0] + head.offset(-0.12, -0.06)],
         [jaw[2] + (lip[0] - jaw[2]) * 0.35]],
    )  # fmt: skip
    outline = np.concatenate([smooth(jaw[1:16]), inner])
    canvas.fill(outline, mixed(who.skin, who.hair_colour, 0.55 * who.beard + 0.15))


def _draw_eye(canvas: Canvas, head: Head, who: Identity, eye: np.ndarray) -> None:
    """eye: [6, 2], from the picture's left corner over the upper lid to the right corner, and back below."""
    import cv2

    unit, middle = head.unit_px, eye.mean(axis=0)
    eye = middle + (eye - middle) * who.eye_size
    upper, lower = smooth(eye[[0, 1, 2, 3]]), smooth(eye[[3, 4, 5, 0]])
    outline = np.concatenate([upper, lower[1:-1]])
    opening = float((eye[[4, 5]] - eye[[2, 1]]).mean(axis=0) @ head.down)
    lid = np.concatenate([upper - head.down * 0.13 * unit, upper[::-1]])
    canvas.fill(lid, shade(who.skin, 0.82))
    canvas.fill(outline, EYE_WHITE if opening > 0.02 * unit else shade(who.skin, 0.85))
    if opening > 0.02 * unit:
        radius = 0.128 * unit * who.eye_size
        look = middle - head.down * 0.01 * unit
        for size, colour in ((1.0, shade(who.iris, 0.7)), (0.82, who.iris), (0.46, (22, 18, 20))):
            disc = ellipse(look, head.right * radius * size, head.down * radius * size, 16)
            _, seen = cv2.intersectConvexConvex(
                cv2.convexHull(outline.astype(np.float32)), cv2.convexHull(disc.astype(np.float32))
            )
            if seen is not None and len(seen) > 2:
                canvas.fill(seen[:, 0].astype(np.float64), colour)
        if opening > 0.1 * unit:
            glint = look + head.offset(-0.045, -0.045)
            canvas.fill(ellipse(glint, head.right * 0.032 * unit, head.down * 0.032 * unit, 8), (255, 255, 255))
    canvas.line(upper, 0.055 * unit, LASHES, 0.5)
    canvas.line(lower, 0.022 * unit, shade(who.skin, 0.6), 0.5)


def _draw_nose(canvas: Canvas, head: Head, who: Identity) -> None:
    unit, skin = head.unit_px, who.skin
    bridge, base = head.points(range(51, 55)), head.points(range(55, 60))
    wide = base.mean(axis=0) + (base - base.mean(axis=0)) * who.nose_width
    side = np.concatenate(
        [
            smooth(bridge + head.offset(0.05, 0)),
            [wide[4] + head.offset(0.03, -0.05)],
            [wide[2] + head.offset(0.02, 0.0)],
        ]
    )
    canvas.fill(side, shade(skin, 0.87))
    shine = np.array([bridge[0], bridge[3]]) + head.offset(-0.05, 0.02)
    canvas.line(shine, 0.08 * unit, shade(skin, 1.22), 0.3)
    canvas.line(wide, 0.05 * unit, shade(skin, 0.62), 0.4)
    for nostril, towards in ((wide[1], -0.03), (wide[3], 0.03)):
        middle = nostril + head.offset(towards, -0.015)
        canvas.fill(ellipse(middle, head.right * 0.055 * unit, head.down * 0.032 * unit, 10), shade(skin, 0.45))


def _draw_mouth(canvas: Canvas, head: Head, who: Identity) -> None:
    """Lips between the outer and the inner keypoints; between the inner ones the mouth's inside."""
    outer, inner, unit = head.points(OUTER_LIPS), head.points(INNER_LIPS), head.unit_px
    top, bottom = smooth(outer[:7]), smooth(outer[[0, 11, 10, 9, 8, 7, 6]])
    inner_top, inner_bottom = smooth(inner[:5]), smooth(inner[[0, 7, 6, 5, 4]])
    canvas.line(np.array([outer[8], outer[9], outer[10]]) + head.offset(0, 0.1), 0.07 * unit, shade(who.skin, 0.8), 0.2)
    canvas.fill(np.concatenate([bottom, inner_bottom[::-1]]), shade(who.lips, 1.08))
    canvas.fill(np.concatenate([top, inner_top[::-1]]), shade(who.lips, 0.86))
    gaps = (inner_bottom - inner_top) @ head.down
    if gaps.max() > 0.02 * unit:
        # An antialiased shape reaches half a pixel over its outline; a mouth opens no farther than its keypoints.
        edge = np.outer(np.clip(gaps / 2, 0, 0.5 / canvas.scale), head.down)
        inner_top, inner_bottom = inner_top + edge, inner_bottom - edge
        canvas.fill(np.concatenate([inner_top, inner_bottom[::-1]]), MOUTH)
        share = np.minimum(TEETH_SHARE, TEETH_SIZE * unit / np.maximum(gaps, 1e-3))[:, None]
        teeth = inner_top + (inner_bottom - inner_top) * share
        width = slice(2, -2)
        canvas.fill(np.concatenate([inner_top[width], teeth[width][::-1]]), TEETH)
        tongue = inner_bottom + (inner_top - inner_bottom) * 0.28
        width = slice(4, -4)
        if gaps.max() > 0.18 * unit:
            canvas.fill(np.concatenate([tongue[width], inner_bottom[width][::-1]]), TONGUE)
    else:
        canvas.line(inner_top, 0.045 * unit, shade(who.lips, 0.5), 0.4)


def _draw_front_hair(canvas: Canvas, head: Head, who: Identity, face: np.ndarray) -> None:
    if who.hair == "none":
        return
    grown = 0.16 * who.volume
    top, wide, part = -SKULL_TOP - grown, 1 + grown * 0.7, who.part
    side_end = HAIR_ENDS.get(who.hair, 0.0)
    dome = [(-wide, side_end), (-wide * 1.02, -0.55), (-wide * 0.74, top * 0.78), (-0.05, top),
            (wide * 0.74, top * 0.78), (wide * 1.02, -0.55), (wide, side_end)]  # fmt: skip
    if who.hair == "fringe":
        line = [(0.94, side_end), (0.9, -0.5), (0.55, -0.62), (0.1, -0.66), (-0.35, -0.64), (-0.7, -0.56),
                (-0.9, -0.45), (-0.94, side_end)]  # fmt: skip
    elif who.hair in ("bob", "long"):
        line = [(0.97, side_end), (0.9, -0.3), (0.72, -0.8), (part * 0.6 + 0.15, -1.16), (part * 0.6, -1.3),
                (part * 0.6 - 0.15, -1.16), (-0.72, -0.8), (-0.9, -0.3), (-0.97, side_end)]  # fmt: skip
    elif who.hair == "side":
        line = [(0.97, side_end), (0.9, -0.45), (0.8, -0.8), (0.35, -1.02), (part + 0.1, -1.12), (part, -1.28),
                (part - 0.15, -1.05), (-0.8, -0.8), (-0.9, -0.45), (-0.97, side_end)]  # fmt: skip
        line = line if part > 0 else [(-x, y) for x, y in line[::-1]]
    else:
        line = [(0.97, side_end), (0.92, -0.5), (0.78, -0.95), (0.4, -1.16), (0.0, -1.2), (-0.4, -1.16), (-0.78, -0.95),
                (-0.92, -0.5), (-0.97, side_end)]  # fmt: skip
    cap = np.concatenate([smooth(head.at(dome)), smooth(head.at(line))])
    fallen = cap + head.offset(0.05, 0.12)
    canvas.shadow([fallen], face, 0.07 * head.unit_px, 0.22)
    canvas.fill(cap, who.hair_colour)
    if who.hair == "curls":
        radius = 0.33 * who.volume * head.unit_px
        for x, y in _curl_places(0.98)[2:-2]:
            curl = ellipse(head.at([(x * 0.94, y - 0.12)])[0], head.right * radius, head.down * radius, 14)
            canvas.fill(curl, shade(who.hair_colour, 1.0 - 0.06 * x))
        return
    canvas.light(cap, ball_light(0.25 if who.hair in ("bob", "long") else 0.45))
    shine = [(-0.55, top * 0.72), (-0.2, top * 0.86), (0.2, top * 0.86)]
    canvas.line(head.at(shine), 0.1 * head.unit_px, shade(who.hair_colour, 1.2), 0.1)


def _draw_glasses(canvas: Canvas, head: Head) -> None:
    unit, frame = head.unit_px, (44, 42, 50)
    middles = [head.points(eye).mean(axis=0) + head.offset(0, 0.03) for eye in (RIGHT_EYE, LEFT_EYE)]
    for middle in middles:
        rim = ellipse(middle, head.right * 0.37 * unit, head.down * 0.3 * unit)
        canvas.loop(rim, 0.05 * unit, frame)
    canvas.line(np.array([middles[0] + head.offset(0.36, -0.04), middles[1] + head.offset(-0.36, -0.04)]), 0.05 * unit,
                frame)  # fmt: skip
    for middle, side in zip(middles, (-1, 1), strict=True):
        temple = head.at([(side * 0.99, -0.1)])[0]
        canvas.line(np.array([middle + head.offset(side * 0.36, -0.06), temple]), 0.045 * unit, frame)

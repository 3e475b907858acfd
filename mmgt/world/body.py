"""The presenter's body on a canvas: torso and clothes, arms, hands."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..poses.skeleton import (
    LEFT_HIP,
    LEFT_SHOULDER,
    NECK,
    RIGHT_HIP,
    RIGHT_SHOULDER,
)
from .canvas import Canvas, capsule, capsules, circle, ellipse, shade, smooth
from .identity import Identity

UPPER_ARM, ELBOW, WRIST = 0.56, 0.47, 0.3  # radii, in eye distances
PALM = (0, 1, 5, 9, 13, 17)  # of a hand's points
KNUCKLE_TO_TIP = (1.06, 1.0, 0.94, 0.8)  # a finger's width along its points


def draw_legs(canvas: Canvas, xy_px: np.ndarray, unit_px: float, who: Identity) -> None:
    hips = xy_px[[RIGHT_HIP, LEFT_HIP]]
    inwards = (hips[1] - hips[0]) * 0.13
    for hip, knee, ankle, inward in ((8, 9, 10, inwards), (11, 12, 13, -inwards)):
        canvas.tube(xy_px[knee] + inward, xy_px[ankle] + inward, 0.8 * unit_px, 0.55 * unit_px, who.lower)
        thigh = xy_px[hip] * 0.8 + xy_px[knee] * 0.2
        canvas.tube(thigh + inward, xy_px[knee] + inward, 0.92 * unit_px, 0.82 * unit_px, who.lower)
    canvas.fill(capsule(hips[0] + inwards, hips[1] - inwards, 0.6 * unit_px, 0.6 * unit_px), shade(who.lower, 0.9))


class Torso:
    """The trunk's outline, in axes along the shoulders and down to the hips."""

    def __init__(self, xy_px: np.ndarray, unit_px: float, who: Identity) -> None:
        self.neck, self.unit_px = xy_px[NECK], unit_px
        shoulders, hips = xy_px[[RIGHT_SHOULDER, LEFT_SHOULDER]], xy_px[[RIGHT_HIP, LEFT_HIP]]
        self.middle = shoulders.mean(axis=0)
        across = shoulders[1] - shoulders[0]
        self.half_px = max(float(np.hypot(*across)) / 2, 1e-3)
        self.right = across / (2 * self.half_px)
        down = hips.mean(axis=0) - self.middle
        self.length_px = max(float(np.hypot(*down)), 1e-3)
        self.down = down / self.length_px
        sides = []
        for shoulder, hip, side in ((shoulders[0], hips[0], -1), (shoulders[1], hips[1], 1)):
            out = self.right * side * unit_px
            deltoid = UPPER_ARM * who.arm_width
            sides.append(
                smooth(
                    np.array(
                        [
                            self.neck + out * 0.72 * who.neck_width - self.down * 0.72 * unit_px,
                            self.neck * 0.45 + shoulder * 0.55 - self.down * (deltoid + 0.06) * unit_px,
                            shoulder + out * 0.12 - self.down * deltoid * 0.96 * unit_px,
                            shoulder + out * 0.3 - self.down * 0.2 * unit_px,
                            shoulder - out * 0.1 + self.down * 1.0 * unit_px,
                            shoulder * 0.4 + hip * 0.6 - out * 0.05,
                            hip + out * 0.42,
                            hip + out * 0.5 + self.down * 0.55 * unit_px,
                        ]
                    )
                )
            )
        self.outline = np.concatenate([sides[0], sides[1][::-1]])

    def at(self, places: Sequence[tuple[float, float]]) -> np.ndarray:
        """Eye distances right of and below the neck -> px."""
        return self.neck + np.asarray(places) @ np.stack([self.right, self.down]) * self.unit_px


@lru_cache(maxsize=2)
def _roundness() -> np.ndarray:
    """[16, 32] float32: a trunk's brightness over its box: lit on the left, darker at its sides and towards below."""
    y, x = np.mgrid[0:1:16j, -1:1:32j]
    depth = np.sqrt(np.clip(1 - (x * 0.95) ** 2, 0, 1))
    return (0.74 + 0.3 * depth - 0.09 * x - 0.1 * y).astype(np.float32)


def draw_torso(canvas: Canvas, torso: Torso, who: Identity) -> None:
    unit = torso.unit_px
    canvas.fill(torso.outline, who.top)
    if who.stripes != "none" and who.collar != "jacket":
        canvas.pattern(torso.outline, _stripes(torso, who), who.second)
    _draw_collar(canvas, torso, who)
    canvas.light(torso.outline, _roundness())
    hem = torso.outline[len(torso.outline) // 2 - 1], torso.outline[len(torso.outline) // 2]
    canvas.line(np.array(hem), 0.06 * unit, shade(who.top, 0.6))


def _stripes(torso: Torso, who: Identity) -> list[np.ndarray]:
    wide, long = torso.half_px * 1.3, torso.length_px * 1.3
    right, down = torso.right, torso.down
    stripes = []
    if who.stripes == "upright":
        step = 2 * wide / who.num_stripes
        for i in range(who.num_stripes):
            left = torso.middle + right * (-wide + (i + 0.33) * step) - down * torso.unit_px
            stripes.append(np.array([left, left + right * step * 0.34, left + right * step * 0.34 + down * long * 1.2,
                                     left + down * long * 1.2]))  # fmt: skip
    else:
        step = long / who.num_stripes
        for i in range(who.num_stripes):
            left = torso.middle - right * wide + down * (0.25 + i) * step
            stripes.append(np.array([left, left + right * 2 * wide, left + right * 2 * wide + down * step * 0.38,
                                     left + down * step * 0.38]))  # fmt: skip
    return stripes


def _draw_collar(canvas: Canvas, torso: Torso, who: Identity) -> None:
    neck, unit, skin = 0.72 * who.neck_width, torso.unit_px, shade(who.skin, 0.93)
    hem = torso.length_px / unit + 0.4
    if who.collar == "crew":
        canvas.fill(
            smooth(torso.at([(-neck, -0.76), (-neck * 0.6, 0.3), (0, 0.5), (neck * 0.6, 0.3), (neck, -0.76)])), skin
        )
        canvas.line(torso.at([(-neck, -0.74), (-neck * 0.6, 0.32), (0, 0.52), (neck * 0.6, 0.32), (neck, -0.74)]),
                    0.14 * unit, shade(who.top, 0.8))  # fmt: skip
    elif who.collar == "v":
        canvas.fill(torso.at([(-neck, -0.76), (0, 1.25), (neck, -0.76)]), skin)
        for side in (-1, 1):
            canvas.line(torso.at([(side * neck, -0.76), (side * neck * 0.5, 0.5), (0, 1.27)]), 0.13 * unit,
                        shade(who.top, 0.8))  # fmt: skip
    elif who.collar == "high":
        high = torso.at([(-neck - 0.1, 0.0), (-neck, -1.15), (neck, -1.15), (neck + 0.1, 0.0)])
        canvas.fill(high, who.top)
        canvas.line(torso.at([(-neck, -1.13), (0, -1.0), (neck, -1.13)]), 0.1 * unit, shade(who.top, 0.75))
        canvas.line(torso.at([(-neck, -0.5), (0, -0.36), (neck, -0.5)]), 0.06 * unit, shade(who.top, 0.75), 0.2)
    elif who.collar == "shirt":
        canvas.fill(torso.at([(-neck, -0.78), (0, 0.75), (neck, -0.78)]), skin)
        canvas.line(torso.at([(0.03, 0.7), (0.03, hem)]), 0.04 * unit, shade(who.top, 0.72))
        for i in range(5):
            middle = torso.at([(-0.09, 1.2 + 1.15 * i)])[0]
            canvas.fill(ellipse(middle, torso.right * 0.06 * unit, torso.down * 0.06 * unit, 8), shade(who.second, 1.2))
        for side in (-1, 1):
            flap = [(side * neck * 1.08, -0.85), (side * neck * 1.3, -0.2), (side * neck * 0.75, 0.85), (0.0, 0.62)]
            canvas.fill(torso.at([(x + side * 0.03, y + 0.07) for x, y in flap]), shade(who.top, 0.7))
            canvas.fill(torso.at(flap), shade(who.top, 1.2))
    else:
        canvas.fill(torso.at([(-neck - 0.2, -0.78), (0, 3.3), (neck + 0.2, -0.78)]), shade(who.second, 1.1))
        canvas.fill(torso.at([(-neck, -0.78), (0, 0.9), (neck, -0.78)]), skin)
        for side in (-1, 1):
            lapel = [(side * neck * 1.1, -0.8), (side * 1.45, 0.7), (side * 1.1, 1.0), (side * 1.3, 1.25), (0.0, 3.4)]
            canvas.fill(torso.at([(x + side * 0.06, y + 0.09) for x, y in lapel]), shade(who.top, 0.66))
            canvas.fill(torso.at(lapel), shade(who.top, 1.12))
        canvas.line(torso.at([(0.0, 3.4), (0.05, hem)]), 0.05 * unit, shade(who.top, 0.6))


class Arm:
    """One arm: shoulder, elbow and wrist [2] px, and 21 points of its hand, or None if they are hidden."""

    def __init__(self, shoulder: np.ndarray, elbow: np.ndarray, wrist: np.ndarray, hand: np.ndarray | None) -> None:
        self.shoulder, self.elbow, self.wrist, self.hand = shoulder, elbow, wrist, hand

    def fallen(self, offset: np.ndarray, unit_px: float) -> list[np.ndarray]:
        """Outlines of the forearm and the hand, moved: their shadow."""
        forearm = capsule(self.elbow, self.wrist, ELBOW * unit_px, WRIST * unit_px) + offset
        if self.hand is None:
            return [forearm]
        fingers = self.hand[1:].reshape(5, 4, 2)
        wide = np.full(5, 0.12 * unit_px)
        outlines = capsules(fingers[:, 0], fingers[:, 3], wide, wide) + offset
        return [forearm, _hull(self.hand[list(PALM)], 0.2 * unit_px) + offset, *outlines]


def draw_upper_arm(canvas: Canvas, arm: Arm, unit_px: float, who: Identity) -> None:
    wide = who.arm_width * unit_px
    if who.long_sleeves:
        canvas.tube(arm.shoulder, arm.elbow, UPPER_ARM * wide, ELBOW * wide, who.sleeves)
        return
    canvas.tube(arm.shoulder, arm.elbow, UPPER_ARM * 0.86 * wide, ELBOW * 0.82 * wide, who.skin)
    end = arm.shoulder + (arm.elbow - arm.shoulder) * 0.5
    canvas.tube(arm.shoulder, end, UPPER_ARM * wide, UPPER_ARM * 0.98 * wide, who.sleeves)
    _draw_cuff(canvas, end, end - arm.shoulder, UPPER_ARM * 0.96 * wide, 0.12 * unit_px, who)


def draw_forearm(canvas: Canvas, arm: Arm, unit_px: float, who: Identity) -> None:
    """Forearm and hand."""
    wide = who.arm_width * unit_px
    if who.long_sleeves:
        if arm.hand is not None:
            canvas.tube(arm.wrist - (arm.wrist - arm.elbow) * 0.2, arm.wrist, 0.27 * wide, 0.25 * wide, who.skin)
            draw_hand(canvas, arm.hand, unit_px, who)
        cuff = arm.elbow + (arm.wrist - arm.elbow) * 0.93
        canvas.tube(arm.elbow, cuff, ELBOW * wide, (WRIST + 0.06) * wide, who.sleeves)
        _draw_cuff(canvas, cuff, arm.wrist - arm.elbow, (WRIST + 0.05) * wide, 0.13 * unit_px, who)
    else:
        canvas.tube(arm.elbow, arm.wrist, ELBOW * 0.8 * wide, WRIST * 0.86 * wide, who.skin)
        if arm.hand is not None:
            draw_hand(canvas, arm.hand, unit_px, who)


def _draw_cuff(
    canvas: Canvas, middle: np.ndarray, along: np.ndarray, radius: float, width_px: float, who: Identity
) -> None:
    across = np.array([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-3) * radius
    canvas.line(np.array([middle - across, middle + across]), width_px, shade(who.sleeves, 0.7))


def draw_hand(canvas: Canvas, hand: np.ndarray, unit_px: float, who: Identity) -> None:
    """hand: [21, 2]. Fingers from the little one to the thumb, each with a darker rim, the palm over their roots."""
    radius, rim, skin = who.finger_width * unit_px, 0.045 * unit_px, who.skin
    palm = hand[list(PALM)]
    fingers = _finger_outlines(hand[1:].reshape(5, 4, 2), radius, rim)  # thumb to little finger, as the keypoints are
    colours = [shade(skin, 0.58)] * 3 + [skin] * 3 + [shade(skin, 1.12)] * 3
    canvas.fill(_hull(palm, 1.25 * radius + rim), colours[0])
    for finger in fingers[:0:-1]:
        canvas.fill_each(finger, colours)
    canvas.fill(_hull(palm, 1.2 * radius), shade(skin, 0.95))
    canvas.fill(ellipse(hand[0], np.array([1.5 * radius, 0]), np.array([0, 1.5 * radius]), 12), shade(skin, 0.95))
    middle = palm.mean(axis=0)
    canvas.fill(middle + (_hull(palm, 1.1 * radius) - middle) * 0.66 - 0.3 * radius, shade(skin, 1.04))
    canvas.fill_each(fingers[0], colours)


def _finger_outlines(points: np.ndarray, radius: float, rim: float) -> np.ndarray:
    """Five fingers' joints [5, 4, 2] -> outlines [5, 9, M, 2]: each phalanx's rim, then skin, then light."""
    lit = points - 0.25 * radius
    starts = np.concatenate([points[:, :3], points[:, :3], lit[:, :3]], axis=1)
    ends = np.concatenate([points[:, 1:], points[:, 1:], lit[:, 1:]], axis=1)
    radii = radius * np.array(KNUCKLE_TO_TIP) * np.array([1.12, 1, 1, 1, 0.92])[:, None]  # [5, 4]
    wide = [np.concatenate([part + rim, part, part * 0.42], axis=1) for part in (radii[:, :3], radii[:, 1:])]
    flat = capsules(starts.reshape(-1, 2), ends.reshape(-1, 2), wide[0].ravel(), wide[1].ravel())
    return flat.reshape(5, 9, -1, 2)


def _hull(points: np.ndarray, radius: float) -> np.ndarray:
    """The convex outline of discs."""
    import cv2

    rims = (points[:, None] + radius * circle(12)).reshape(-1, 2).astype(np.float32)
    return cv2.convexHull(rims)[:, 0].astype(np.float64)

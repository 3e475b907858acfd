"""Antialiased shapes on a picture, through OpenCV: smooth outlines, tapered strokes, soft light."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

Colour = tuple[int, int, int]  # RGB
SHIFT = 4  # OpenCV's fixed point: 1/16 px
STEPS = 4  # points between two given ones of a smooth curve
ROUND = 9  # points of a half circle
FAR = 100_000  # in fixed point: nothing is drawn farther outside
TUBE_LAYERS = 5
COARSE = 4  # light is computed on one of so many pixels in x and y, as it is smooth
_HALF_TURN = np.linspace(-np.pi / 2, np.pi / 2, ROUND)
_HALF_CIRCLE = np.stack([np.cos(_HALF_TURN), np.sin(_HALF_TURN)], axis=1)  # round +x


def shade(colour: Colour, brightness: float) -> Colour:
    """A darker colour, or, above 1, one that goes towards white."""
    if brightness <= 1:
        return mixed((0, 0, 0), colour, brightness)
    return mixed(colour, (255, 255, 255), brightness - 1)


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """share 0 = the first colour, 1 = the second one."""
    (r, g, b), (red, green, blue) = first, second
    return round(r + (red - r) * share), round(g + (green - g) * share), round(b + (blue - b) * share)


@lru_cache(maxsize=64)
def _curve_weights(num_points: int, closed: bool) -> np.ndarray:
    """[points of the curve, num_points]: uniform Catmull-Rom (Catmull and Rom 1974), which goes through every point."""
    steps = np.arange(STEPS) / STEPS
    basis = 0.5 * np.stack(
        [-steps + 2 * steps**2 - steps**3, 2 - 5 * steps**2 + 3 * steps**3, steps + 4 * steps**2 - 3 * steps**3,
         -(steps**2) + steps**3], axis=1,
    )  # fmt: skip
    num_spans = num_points if closed else num_points - 1
    weights = np.zeros((num_spans * STEPS + (not closed), num_points))
    for span in range(num_spans):
        for neighbour in range(4):
            point = span + neighbour - 1
            point = point % num_points if closed else min(max(point, 0), num_points - 1)
            weights[span * STEPS : (span + 1) * STEPS, point] += basis[:, neighbour]
    if not closed:
        weights[-1, -1] = 1
    return weights


def smooth(points: np.ndarray, closed: bool = False) -> np.ndarray:
    """[N, 2] -> a curve through all of them [M, 2]."""
    return _curve_weights(len(points), closed) @ points


def ellipse(centre: np.ndarray, right: np.ndarray, down: np.ndarray, num_points: int = 24) -> np.ndarray:
    """Outline [N, 2] of an ellipse with these half axes [2]."""
    return centre + circle(num_points) @ np.stack([right, down])


@lru_cache(maxsize=16)
def circle(num_points: int) -> np.ndarray:
    """[N, 2]: points round 0 at a distance of 1."""
    turn = np.linspace(0, 2 * np.pi, num_points, endpoint=False)
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


def capsules(a: np.ndarray, b: np.ndarray, radius_a: np.ndarray, radius_b: np.ndarray) -> np.ndarray:
    """Strokes from a [N, 2] to b [N, 2] with round ends of these radii [N] -> their convex outlines [N, M, 2]."""
    along = b - a
    along = along / np.maximum(np.sqrt((along**2).sum(axis=1)), 1e-6)[:, None]
    turned = np.empty((len(a), 2, 2))
    turned[:, 0], turned[:, 1, 0], turned[:, 1, 1] = along, -along[:, 1], along[:, 0]
    ends = _HALF_CIRCLE @ turned  # [N, ROUND, 2]
    return np.concatenate(
        [b[:, None] + radius_b[:, None, None] * ends, a[:, None] - radius_a[:, None, None] * ends], axis=1
    )


def capsule(a: np.ndarray, b: np.ndarray, radius_a: float, radius_b: float) -> np.ndarray:
    """One such stroke: [M, 2]."""
    return capsules(a[None], b[None], np.array([radius_a]), np.array([radius_b]))[0]


@lru_cache(maxsize=64)
def _bulge(num_points: int) -> np.ndarray:
    """[N]: 0 at both ends, 1 in the middle."""
    return np.sin(np.linspace(0, np.pi, num_points))


class Canvas:
    """A picture that shapes are drawn onto, larger by ``scale`` than the one asked for.

    Shapes are in px of the picture asked for, whose pixel (0, 0) covers 0..1 in x and y.
    """

    def __init__(self, picture: np.ndarray, scale: int) -> None:
        self.picture, self.scale = picture, scale

    def _fixed(self, outline: np.ndarray, origin: tuple[int, int] = (0, 0)) -> np.ndarray:
        """px -> OpenCV's fixed point, whose whole numbers are the middles of pixels."""
        one = 1 << SHIFT
        fixed = outline * (self.scale * one) - (origin[0] * one + one / 2, origin[1] * one + one / 2)
        return np.rint(np.minimum(np.maximum(fixed, -FAR), FAR)).astype(np.int32)

    def fill(self, outline: np.ndarray, colour: Colour) -> None:
        """outline: [N, 2]."""
        import cv2

        cv2.fillPoly(self.picture, [self._fixed(outline)], colour, cv2.LINE_AA, SHIFT)

    def fill_each(self, outlines: np.ndarray, colours: Sequence[Colour]) -> None:
        """Convex outlines [N, M, 2], one over the other."""
        import cv2

        for outline, colour in zip(self._fixed(outlines), colours, strict=True):
            cv2.fillConvexPoly(self.picture, outline, colour, cv2.LINE_AA, SHIFT)

    def line(self, points: np.ndarray, width_px: float, colour: Colour, taper: float = 1.0) -> None:
        """A line through points [N, 2]; at its ends it is ``taper`` as wide."""
        curve = smooth(points)
        step = np.empty_like(curve)
        step[1:-1], step[0], step[-1] = curve[2:] - curve[:-2], curve[1] - curve[0], curve[-1] - curve[-2]
        length = np.maximum(np.sqrt((step**2).sum(axis=1)), 1e-6)
        width = (taper + (1 - taper) * _bulge(len(curve))) * (width_px / 2)
        side = step[:, ::-1] * ((-1, 1) * (width / length)[:, None])
        self.fill(np.concatenate([curve + side, (curve - side)[::-1]]), colour)

    def loop(self, outline: np.ndarray, width_px: float, colour: Colour) -> None:
        """The outline [N, 2] itself, closed, as a line."""
        import cv2

        middle = outline.mean(axis=0)
        share = width_px / 2 / max(float(np.hypot(*(outline - middle).T).mean()), 1e-6)
        rims = [self._fixed(middle + (outline - middle) * (1 + sign * share)) for sign in (1, -1)]
        cv2.fillPoly(self.picture, rims, colour, cv2.LINE_AA, SHIFT)

    def tube(self, a: np.ndarray, b: np.ndarray, radius_a: float, radius_b: float, colour: Colour) -> None:
        """A round limb, lit from above on the left: strokes that grow narrower and lighter."""
        share = np.arange(TUBE_LAYERS) / (TUBE_LAYERS - 1)
        to_light = np.outer(share * (radius_a + radius_b) / 2, (-0.14, -0.18))
        inner = 1 - 0.62 * share
        self.fill_each(
            capsules(a + to_light, b + to_light, radius_a * inner, radius_b * inner),
            [shade(colour, 0.84 + 0.22 * part) for part in share.tolist()],
        )

    def pattern(self, outline: np.ndarray, shapes: list[np.ndarray], colour: Colour) -> None:
        """Shapes of one colour, as far as they lie within an outline."""
        import cv2

        box = self._box(outline)
        if box is None:
            return
        x0, y0, x1, y1 = box
        inside, drawn = np.zeros((2, y1 - y0, x1 - x0), np.uint8)
        cv2.fillPoly(inside, [self._fixed(outline, (x0, y0))], 255, cv2.LINE_AA, SHIFT)
        for shape in shapes:
            cv2.fillPoly(drawn, [self._fixed(shape, (x0, y0))], 255, cv2.LINE_AA, SHIFT)
        share = cv2.multiply(inside, drawn, scale=1 / 255**2, dtype=cv2.CV_32F)
        region = self.picture[y0:y1, x0:x1]
        flat = np.full_like(region, colour)
        region[:] = cv2.blendLinear(region, flat, 1 - share, share)

    def light(self, outline: np.ndarray, brightness: np.ndarray) -> None:
        """Multiply what is inside of an outline; brightness: [h, w] float32, spread over the outline's box."""
        import cv2

        box = self._box(outline)
        if box is None:
            return
        x0, y0, x1, y1 = box
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillPoly(mask, [self._fixed(outline, (x0, y0))], 255, cv2.LINE_AA, SHIFT)
        full = self._whole_box(outline)
        spread = cv2.resize(
            brightness, (full[2] - full[0], full[3] - full[1]), interpolation=cv2.INTER_LINEAR
        )[y0 - full[1] : y1 - full[1], x0 - full[0] : x1 - full[0]]  # fmt: skip
        gain = 1 + (spread - 1) * (mask * np.float32(1 / 255))
        self._multiply(box, gain)

    def shadow(self, outlines: list[np.ndarray], inside: np.ndarray, softness_px: float, darkness: float) -> None:
        """The soft shadow that shapes cast, within the outline that it falls on."""
        import cv2

        box = self._box(inside)
        if box is None:
            return
        x0, y0, x1, y1 = box
        size = (max(1, (x1 - x0) // COARSE), max(1, (y1 - y0) // COARSE))
        cast = np.zeros((size[1], size[0]), np.uint8)
        to_coarse = np.array([size[0] / (x1 - x0), size[1] / (y1 - y0)])
        for outline in outlines:
            coarse = (outline * self.scale - np.array([x0, y0])) * to_coarse - 0.5
            fixed = np.rint(np.clip(coarse * (1 << SHIFT), -FAR, FAR)).astype(np.int32)
            cv2.fillPoly(cast, [fixed], 255, cv2.LINE_AA, SHIFT)
        sigma = max(0.5, softness_px * self.scale * float(to_coarse.mean()))
        soft = cv2.GaussianBlur(cast, (0, 0), sigma)
        spread = cv2.resize(soft, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR)
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillPoly(mask, [self._fixed(inside, (x0, y0))], 255, cv2.LINE_AA, SHIFT)
        gain = 1 - cv2.multiply(spread, mask, scale=darkness / 255**2, dtype=cv2.CV_32F)
        self._multiply(box, gain)

    def _multiply(self, box: tuple[int, int, int, int], gain: np.ndarray) -> None:
        import cv2

        x0, y0, x1, y1 = box
        region = self.picture[y0:y1, x0:x1]
        region[:] = cv2.multiply(region, cv2.merge([gain, gain, gain]), dtype=cv2.CV_8U)

    def _whole_box(self, outline: np.ndarray) -> tuple[int, int, int, int]:
        corners = np.concatenate([outline.min(axis=0), outline.max(axis=0)]) * self.scale
        x0, y0, x1, y1 = (int(corner) for corner in np.clip(corners, -8000, 8000).tolist())
        return x0 - 2, y0 - 2, x1 + 3, y1 + 3

    def _box(self, outline: np.ndarray) -> tuple[int, int, int, int] | None:
        """The part of the picture that an outline touches; None where it is outside."""
        height, width = self.picture.shape[:2]
        x0, y0, x1, y1 = self._whole_box(outline)
        x0, y0, x1, y1 = max(0, x0), max(0, y0), min(width, x1), min(height, y1)
        return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None

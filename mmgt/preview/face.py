"""The face: where its points go, eyelids that close, a mouth that opens."""

from __future__ import annotations

import numpy as np

from ..poses.skeleton import (
    BROWS,
    CHIN,
    FACE,
    INNER_LIPS,
    JAW,
    LEFT_BROW,
    LIPS,
    NOSE_LINE,
    OUTER_LIPS,
    RIGHT_BROW,
    in_face,
)
from .geometry import as_complex, as_points, similarity

MAX_EXPRESSION = 0.25  # of the face height: how far any face point goes on its own
MAX_MOUTH_OPENING = 0.42  # inner-lip gap over mouth width; wider looks like a cartoon
LID_DEADBAND = 0.12  # detector and generator jitter of the eye opening; a blink closes it by 1

# positions within the 68 face points
_STABLE = np.array([0, 1, 2, 3, 13, 14, 15, 16, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 39, 42, 45])
_RIGID_GROUPS = (range(4), range(13, 17), *map(in_face, (RIGHT_BROW, LEFT_BROW, NOSE_LINE)))  # first the jaw's sides
_AROUND_CHIN, _JAW = np.arange(6, 11), np.array(in_face(JAW))
EYES = ((36, 39, ((37, 41), (38, 40))), (42, 45, ((43, 47), (44, 46))))  # corners, (upper, lower) lid pairs
_MOUTH, _LOWER_LIP = np.array(in_face(LIPS)), np.array([55, 56, 57, 58, 59, 65, 66, 67])
_INNER_LIP, _UPPER_INNER = np.array(in_face(INNER_LIPS)), np.array([60, 61, 62, 63, 64])
_LIP_GAPS = ((61, 67), (62, 66), (63, 65))


def face_targets(rest: np.ndarray, face: np.ndarray) -> tuple[np.ndarray, complex, complex]:
    """Where the 68 face points go: the head's similarity, and on top only believable expressions.

    rest, face: [68, 2] pixels in the picture and in the new pose. Generated points jitter one by one; nose, brows and
    the sides of the jaw move as blocks, lids follow the eye's opening, only the lips move freely (clamped).
    Returns (targets [68, 2], a, b), the head's motion being a * z + b on complex pixels.
    """
    z = as_complex(rest)
    a, b = similarity(z[_STABLE], as_complex(face)[_STABLE], (0.6, 1.6))
    moves = (as_complex(face) - b) / a - z  # the expression, in the picture's own frame
    from_brows = z[CHIN - FACE.start] - z[in_face(BROWS)].mean()
    size_px = max(abs(from_brows), 1.0)
    down = from_brows / size_px

    def clamped(values: np.ndarray) -> np.ndarray:
        lengths = np.abs(values)
        return values * np.minimum(1.0, MAX_EXPRESSION * size_px / np.maximum(lengths, 1e-6))

    kept = np.zeros(68, np.complex128)
    for group in _RIGID_GROUPS:
        kept[group] = clamped(moves[group].mean()) * 0.8
    for inner, outer, _ in EYES:
        kept[inner : inner + 6] = clamped(moves[[inner, outer]].mean())
    kept[_MOUTH] = clamped(moves[_MOUTH])
    chin = clamped(moves[_AROUND_CHIN].mean())

    gap_px = float(np.mean([((z[low] + kept[low] - z[up] - kept[up]) / down).real for up, low in _LIP_GAPS]))
    rest_gap_px = float(np.mean([((z[low] - z[up]) / down).real for up, low in _LIP_GAPS]))
    limit_px = max(rest_gap_px, MAX_MOUTH_OPENING * abs(z[54] - z[48]))
    excess_px = gap_px - min(max(gap_px, 0.0), limit_px)  # too wide, or the lips crossed
    kept[_LOWER_LIP] -= excess_px * down
    chin -= max(excess_px, 0.0) * down
    hinge = np.sin(np.pi * _JAW / 16) ** 2  # the jaw turns about the ears
    kept[_JAW] = (1 - hinge) * kept[_JAW] + hinge * chin
    return as_points(a * (z + kept) + b), a, b


def eye_closing(rest: np.ndarray, face: np.ndarray) -> np.ndarray:
    """How far each eye is closed against the picture: [2], 0 as in the picture, 1 shut. rest, face: [68, 2] pixels."""

    def openness(xy: np.ndarray) -> np.ndarray:  # over the eye's width: a head that comes closer is no blink
        return np.array(
            [
                np.mean([np.hypot(*(xy[low] - xy[up])) for up, low in lids])
                / max(np.hypot(*(xy[outer] - xy[inner])), 1e-3)
                for inner, outer, lids in EYES
            ]
        )

    closed = 1 - openness(face) / np.maximum(openness(rest), 0.05)  # below 0.05 the picture's eye is shut already
    return np.clip((closed - LID_DEADBAND) / (0.9 - LID_DEADBAND), 0.0, 1.0)


def close_eyes(
    map_x: np.ndarray, map_y: np.ndarray, rest_face: np.ndarray, face: np.ndarray, closing: np.ndarray
) -> None:
    """Slide the upper lids over the eyes, in place: the skin above the lid stretches, the eyeball is covered.

    map_x, map_y: [H, W] float32 as cv2.remap takes them. rest_face, face: [68, 2] pixels in the picture and in the new
    pose. closing: [2] of ``eye_closing``.
    The maps hold picture coordinates, so the lid is drawn where the picture has it and moves with the head.
    """
    rest = as_complex(rest_face)
    height_px, width_px = map_x.shape
    for (inner, outer, lids), closed in zip(EYES, closing, strict=True):
        width = abs(rest[outer] - rest[inner])
        if closed <= 0 or width < 2:
            continue
        x0, y0 = np.clip(face[inner : inner + 6].min(axis=0) - width, 0, [width_px, height_px]).astype(int)
        x1, y1 = np.clip(face[inner : inner + 6].max(axis=0) + width, 0, [width_px, height_px]).astype(int)
        right = (rest[outer] - rest[inner]) / width
        box = (slice(y0, y1), slice(x0, x1))
        eye = (map_x[box] + 1j * map_y[box] - rest[inner]) / right  # eye frame: real along, imaginary down
        bulge = 4 * (eye.real / width) * (1 - eye.real / width)  # parabolas through the corners
        bow = 0.89  # of the parabola at the lid points, a third from the corners
        upper, lower = (np.mean([((rest[pair[k]] - rest[inner]) / right).imag for pair in lids]) / bow for k in (0, 1))
        crease = (upper - 0.5 * max(lower - upper, 0.15 * width)) * bulge
        upper, lower = upper * bulge, lower * bulge
        lid = upper + closed * (lower - upper)
        part = (eye.imag - crease) / np.maximum(lid - crease, 1e-3)
        covered = (bulge > 0) & (part > 0)
        edge = np.clip(lid - eye.imag + 0.5, 0, 1)  # 1 px soft: the lid's rim is not jagged
        # the lashes keep their thickness (slope 1 at the rim), the smooth skin below the crease stretches
        stretch = np.maximum(lid - crease, 1e-3) / np.maximum(upper - crease, 1e-3)
        taken = crease + np.clip(part, 0, 1) ** np.clip(stretch, 1, 4) * (upper - crease)
        slide = np.where(covered, edge * (taken - eye.imag), 0)
        step = 1j * slide * right
        map_x[box] += step.real.astype(np.float32)
        map_y[box] += step.imag.astype(np.float32)


def draw_mouth(frame: np.ndarray, picture: np.ndarray, rest: np.ndarray, face: np.ndarray) -> None:
    """Open the mouth in place: a dark cavity inside the new inner lips, the picture's teeth under the upper lip.

    frame, picture: [H, W, 3] uint8 RGB. rest, face: [68, 2] pixels in the picture and in the frame.
    """
    import cv2

    rest_gap_px = np.mean([np.hypot(*(rest[low] - rest[up])) for up, low in _LIP_GAPS])
    gap_px = np.mean([np.hypot(*(face[low] - face[up])) for up, low in _LIP_GAPS])
    strength = float(np.clip(gap_px - rest_gap_px - 1.0, 0.0, 2.0) / 2.0)  # eased in over 2 px: nothing pops
    if strength <= 0:
        return
    outline = _rounded(face[_INNER_LIP])
    height_px, width_px = frame.shape[:2]
    x0, y0 = np.clip(np.floor(outline.min(axis=0)) - 3, 0, [width_px, height_px]).astype(int)
    x1, y1 = np.clip(np.ceil(outline.max(axis=0)) + 4, 0, [width_px, height_px]).astype(int)
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    inside = _soft_polygon(outline - [x0, y0], (y1 - y0, x1 - x0), blur_px=0.02 * float(np.ptp(outline[:, 0])))
    # lit by the picture's own light: the lips' colour, much darker, deepest under the upper lip
    lips = cv2.fillPoly(np.zeros(frame.shape[:2], np.uint8), [np.rint(rest[in_face(OUTER_LIPS)]).astype(np.int32)], 1)
    lip_colour = np.array(cv2.mean(picture, mask=lips)[:3], np.float32)
    depth = np.linspace(0.16, 0.34, y1 - y0, dtype=np.float32)[:, None, None]
    cavity = np.broadcast_to(lip_colour * depth, (y1 - y0, x1 - x0, 3)).astype(np.float32)
    if rest_gap_px > 1.5:
        a, b = similarity(as_complex(face[_UPPER_INNER]), as_complex(rest[_UPPER_INNER]), (0.6, 1.6))
        xs, ys = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
        source = a * (xs + 1j * ys) + b
        maps = source.real.astype(np.float32), source.imag.astype(np.float32)
        teeth = cv2.remap(picture, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        shown = _soft_polygon(_rounded(rest[_INNER_LIP]), frame.shape[:2], blur_px=0.6)
        shown = cv2.remap(shown, *maps, cv2.INTER_LINEAR)[..., None]
        cavity = teeth * shown + cavity * (1 - shown)
    cover = (strength * inside)[..., None]
    frame[y0:y1, x0:x1] = np.rint(frame[y0:y1, x0:x1] * (1 - cover) + cavity * cover).astype(np.uint8)


def _soft_polygon(outline: np.ndarray, shape: tuple[int, ...], blur_px: float) -> np.ndarray:
    """A filled polygon [h, w] float32 0..1 with a soft edge, drawn with sub-pixel corners."""
    import cv2

    shift_bits = 4
    corners = np.rint(outline * 2**shift_bits).astype(np.int32)
    mask = cv2.fillPoly(np.zeros((int(shape[0]), int(shape[1])), np.uint8), [corners], 255, cv2.LINE_AA, shift_bits)
    return cv2.GaussianBlur(mask, (0, 0), max(blur_px, 0.5)).astype(np.float32) / 255


def _rounded(corners: np.ndarray) -> np.ndarray:
    """Two rounds of Chaikin corner cutting on a closed outline [N, 2], the mouth's corners (0 and 4) kept."""
    upper, lower = corners[0:5], np.vstack([corners[4:], corners[:1]])
    arcs = []
    for arc in (upper, lower):
        for _ in range(2):
            inner = np.stack([0.75 * arc[:-1] + 0.25 * arc[1:], 0.25 * arc[:-1] + 0.75 * arc[1:]], axis=1)
            arc = np.vstack([arc[:1], inner.reshape(-1, 2), arc[-1:]])
        arcs.append(arc)
    return np.vstack(arcs)

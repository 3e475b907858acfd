"""Instant preview of a pose sequence: one picture is warped in layers, without any diffusion or weights.

Background plate, torso and head by one thin-plate spline (Bookstein 1989), each visible arm on its own bones, a mouth
cavity between the moved lips. The layers follow what arXiv 2502.07239 leaves to learned masks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from ..errors import InputError
from ..poses import PoseSequence
from ..skeleton import (
    FACE,
    LEFT_ELBOW,
    LEFT_HIP,
    LEFT_SHOULDER,
    NUM_KEYPOINTS,
    RIGHT_ELBOW,
    RIGHT_HIP,
    RIGHT_SHOULDER,
    VISIBLE_SCORE,
)
from .arm import ArmLayer, arm_mask, arm_motion_px, as_complex, make_arm, place_arm, similarity, visible_arms
from .matte import background_plate, clean_colours, face_height, fill, person_matte, soften

log = logging.getLogger("mmgt")

BODY_GRID, FACE_GRID = 32, 48  # cells of the backward maps: 16 px at 512; the face's is fine enough for eyelids
BODY_STIFFNESS, FACE_STIFFNESS = 2e-3, 2e-5  # spline smoothing per control (face heights): lips and lids are exact
MIN_PERSON, MAX_PERSON = 0.05, 0.80  # share of the picture that a believable matte covers
REST_RADIUS_PX = 2.5  # at 512 px: the picture's own detail fades out as the person leaves its first pose
MAX_EXPRESSION = 0.25  # of the face height: how far any face point goes on its own
MAX_MOUTH_OPENING = 0.42  # inner-lip gap over mouth width; wider looks like a cartoon
LID_DEADBAND = 0.12  # detector and generator jitter of the eye opening; a blink closes it by 1

# positions within the 68 face points
_STABLE = np.array([0, 1, 2, 3, 13, 14, 15, 16, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 39, 42, 45])
_RIGID_GROUPS = (range(4), range(13, 17), range(17, 22), range(22, 27), range(27, 36))  # jaw sides, brows, nose
_CHIN, _JAW = np.arange(6, 11), np.arange(17)
_EYES = ((36, 39, ((37, 41), (38, 40))), (42, 45, ((43, 47), (44, 46))))  # corners, (upper, lower) lid pairs
_MOUTH, _LOWER_LIP = np.arange(48, 68), np.array([55, 56, 57, 58, 59, 65, 66, 67])
_INNER_LIP, _UPPER_INNER = np.arange(60, 68), np.array([60, 61, 62, 63, 64])
_LIP_GAPS = ((61, 67), (62, 66), (63, 65))
# eye centres, nose tip, mouth corners of an upright mean face, in eye distances
_FIVE_POINTS = np.array([-0.5 + 0j, 0.5 + 0j, 0.0 + 0.6j, -0.42 + 1.05j, 0.42 + 1.05j])


@dataclass(frozen=True)
class MotionPreview:
    """One picture, cut into layers; built once by ``prepare_preview``.

    picture: [H, W, 3] uint8 RGB. rest_px: [134, 2] and score: [134], its keypoints in pixels.
    head_px: [M, 2] points around the head that go with the skull. torso_px: [N, 2] points of the torso, whose shifts
    torso_mix [N, 5] mixes from those of neck, shoulders and hips.
    body: [H, W, 4] uint8 RGBA without the arms, None when the whole picture is warped. plate: [H, W, 3] uint8, the
    background. residual: [H, W, 3] float32, picture minus the layers at rest. still: no face to move.
    fallback_reason: why the picture is warped as a whole, or stays still; None when the layers work.
    """

    picture: np.ndarray
    rest_px: np.ndarray
    score: np.ndarray
    head_px: np.ndarray
    torso_px: np.ndarray
    torso_mix: np.ndarray
    body: np.ndarray | None
    plate: np.ndarray
    arms: tuple[ArmLayer, ...]
    residual: np.ndarray
    still: bool
    fallback_reason: str | None


def prepare_preview(
    picture: np.ndarray, initial_pose: PoseSequence, person_mask: np.ndarray | None = None
) -> MotionPreview:
    """Cut a picture into background, body and arms.

    picture: [H, W, 3] uint8 RGB, any size. initial_pose: the person in it; frame 0 counts, and its scores decide what
    is visible. person_mask: [H, W] 0..1, 1 on the person; without it GrabCut looks for the person.
    Raises InputError for another shape or type. A picture or pose that cannot be cut is no error: see
    ``MotionPreview.fallback_reason`` (also logged).
    """
    picture = _checked_picture(picture)
    height_px, width_px = picture.shape[:2]
    mask = _checked_mask(person_mask, height_px, width_px)
    rest_px = _within_reach(initial_pose.sized(height_px, width_px).pixels[0].numpy(), height_px, width_px)
    score = initial_pose.score[0].numpy()

    nothing = np.zeros((0, 2))
    still = MotionPreview(
        picture,
        rest_px,
        score,
        nothing,
        nothing,
        np.zeros((0, 5)),
        None,
        picture,
        (),
        np.zeros((0, 0, 3), np.float32),
        still=True,
        fallback_reason=None,
    )
    problem = _face_problem(rest_px, score, height_px, width_px)
    if problem:
        return _fallback(still, f"{problem}; the picture stays still")
    head_only = replace(still, head_px=_head_ring(rest_px, None), still=False)
    problem = _shoulder_problem(rest_px, score, height_px, width_px)
    if problem:
        return _fallback(head_only, f"{problem}; the whole picture is warped instead of layers")
    torso_px, torso_mix = _torso_controls(rest_px, score, height_px)
    whole = replace(head_only, torso_px=torso_px, torso_mix=torso_mix)
    matte = soften(mask) if mask is not None else person_matte(picture, rest_px, score)
    share = float(matte.mean())
    if not MIN_PERSON <= share <= MAX_PERSON:
        return _fallback(
            whole,
            f"the person was found on {100 * share:.0f} % of the picture, believable are "
            f"{100 * MIN_PERSON:.0f} to {100 * MAX_PERSON:.0f} %; the whole picture is warped "
            "instead of layers",
        )
    return _cut_layers(whole, matte)


def render_frame(preview: MotionPreview, keypoints_px: np.ndarray) -> np.ndarray:
    """One frame [H, W, 3] uint8 RGB of the picture in another pose.

    keypoints_px: [134, 2] pixels of the picture; points that are not finite or far outside are pulled back.
    A generated pose's own score is not trusted: what is visible was decided by the initial pose.
    """
    import cv2

    if preview.still:
        return preview.picture.copy()
    height_px, width_px = preview.picture.shape[:2]
    posed = _within_reach(np.asarray(keypoints_px), height_px, width_px)
    face, head_a, head_b = face_targets(preview.rest_px[FACE.start : FACE.stop], posed[FACE.start : FACE.stop])
    face, head_b = _attached_head(preview, posed, face, head_a, head_b)
    rest, target, stiffness = _controls(preview, posed, face, head_a, head_b)
    map_x, map_y, drift = _backward_map(rest, target, stiffness, face, height_px, width_px)
    rest_face = preview.rest_px[FACE.start : FACE.stop]
    _close_eyes(map_x, map_y, preview, face, eye_closing(rest_face, posed[FACE.start : FACE.stop]))

    if preview.body is None:
        frame = cv2.remap(preview.picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        _draw_mouth(frame, preview, face)
        return frame
    # the border's pixels go on outside: where the picture cuts the person off, no gap opens
    moved = cv2.remap(preview.body, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.extractChannel(moved, 3) * np.float32(1 / 255)
    frame = cv2.blendLinear(cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB), preview.plate, alpha, 1 - alpha)
    _draw_mouth(frame, preview, face)

    rest_radius_px = REST_RADIUS_PX * max(height_px, width_px) / 512
    at_rest = cv2.resize(np.exp(-(drift**2) / (2 * rest_radius_px**2)), (width_px, height_px))
    for arm in preview.arms:
        still = float(np.exp(-(arm_motion_px(arm, posed) ** 2) / (2 * rest_radius_px**2)))
        at_rest *= 1 - (1 - still) * (arm.texture[..., 3] * np.float32(1 / 255))
        placed = place_arm(arm, posed)
        if placed is not None:
            rows, columns, colours, cover = placed
            frame[rows, columns] = cv2.blendLinear(
                np.ascontiguousarray(colours), np.ascontiguousarray(frame[rows, columns]), cover, 1 - cover
            )
            at_rest[rows, columns] *= 1 - (1 - still) * cover
    if at_rest.max() < 0.02:
        return frame
    detail = cv2.multiply(preview.residual, cv2.merge([at_rest] * 3))
    return cv2.add(frame, detail, dtype=cv2.CV_8U)


def preview_motion(
    picture: np.ndarray,
    initial_pose: PoseSequence,
    poses: PoseSequence,
    person_mask: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[np.ndarray]:
    """Frames [H, W, 3] uint8 RGB one after the other, as ``prepare_preview`` and ``render_frame`` make them.

    The memory used does not grow with the number of poses.
    """
    preview = prepare_preview(picture, initial_pose, person_mask)
    points_px = poses.sized(*picture.shape[:2]).pixels
    for frame_idx in range(poses.num_frames):
        yield render_frame(preview, points_px[frame_idx].numpy())
        if progress is not None:
            progress(frame_idx + 1, poses.num_frames)


def face_targets(rest: np.ndarray, face: np.ndarray) -> tuple[np.ndarray, complex, complex]:
    """Where the 68 face points go: the head's similarity, and on top only believable expressions.

    rest, face: [68, 2] pixels in the picture and in the new pose. Generated points jitter one by one; nose, brows and
    the sides of the jaw move as blocks, lids follow the eye's opening, only the lips move freely (clamped).
    Returns (targets [68, 2], a, b), the head's motion being a * z + b on complex pixels.
    """
    z = as_complex(rest)
    a, b = similarity(z[_STABLE], as_complex(face)[_STABLE], (0.6, 1.6))
    moves = (as_complex(face) - b) / a - z  # the expression, in the picture's own frame
    size_px = max(abs(z[8] - z[17:27].mean()), 1.0)
    down = (z[8] - z[17:27].mean()) / size_px

    def clamped(values: np.ndarray) -> np.ndarray:
        lengths = np.abs(values)
        return values * np.minimum(1.0, MAX_EXPRESSION * size_px / np.maximum(lengths, 1e-6))

    kept = np.zeros(68, np.complex128)
    for group in _RIGID_GROUPS:
        kept[group] = clamped(moves[group].mean()) * 0.8
    for inner, outer, _ in _EYES:
        kept[inner : inner + 6] = clamped(moves[[inner, outer]].mean())
    kept[_MOUTH] = clamped(moves[_MOUTH])
    chin = clamped(moves[_CHIN].mean())

    gap_px = float(np.mean([((z[low] + kept[low] - z[up] - kept[up]) / down).real for up, low in _LIP_GAPS]))
    rest_gap_px = float(np.mean([((z[low] - z[up]) / down).real for up, low in _LIP_GAPS]))
    limit_px = max(rest_gap_px, MAX_MOUTH_OPENING * abs(z[54] - z[48]))
    excess_px = gap_px - min(max(gap_px, 0.0), limit_px)  # too wide, or the lips crossed
    kept[_LOWER_LIP] -= excess_px * down
    chin -= max(excess_px, 0.0) * down
    hinge = np.sin(np.pi * _JAW / 16) ** 2  # the jaw turns about the ears
    kept[_JAW] = (1 - hinge) * kept[_JAW] + hinge * chin
    targets = a * (z + kept) + b
    return np.stack([targets.real, targets.imag], axis=-1), a, b


def eye_closing(rest: np.ndarray, face: np.ndarray) -> np.ndarray:
    """How far each eye is closed against the picture: [2], 0 as in the picture, 1 shut. rest, face: [68, 2] pixels."""

    def openness(xy: np.ndarray) -> np.ndarray:  # over the eye's width: a head that comes closer is no blink
        return np.array(
            [
                np.mean([np.hypot(*(xy[low] - xy[up])) for up, low in lids])
                / max(np.hypot(*(xy[outer] - xy[inner])), 1e-3)
                for inner, outer, lids in _EYES
            ]
        )

    closed = 1 - openness(face) / np.maximum(openness(rest), 0.05)  # below 0.05 the picture's eye is shut already
    return np.clip((closed - LID_DEADBAND) / (0.9 - LID_DEADBAND), 0.0, 1.0)


def thin_plate(target: np.ndarray, values: np.ndarray, stiffness: np.ndarray) -> np.ndarray:
    """Coefficients [N + 3, 2] of the smoothing spline through values [N, 2] at points target [N, 2].

    stiffness: [N], 0 passes exactly through (Wahba 1990). All zero values give an exactly zero spline.
    """
    n = len(target)
    squared = ((target[:, None] - target[None]) ** 2).sum(axis=-1)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = squared * np.log(squared + 1e-12) + np.diag(stiffness)
    system[:n, n] = system[n, :n] = 1
    system[:n, n + 1 :] = target
    system[n + 1 :, :n] = target.T
    return np.linalg.solve(system, np.vstack([values, np.zeros((3, 2))]))


def evaluate_spline(coefficients: np.ndarray, target: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """The spline on the grid xs [w], ys [h]: [h, w, 2] float32."""
    n = len(target)
    squared = ((ys[:, None] - target[:, 1]) ** 2)[:, None] + ((xs[:, None] - target[:, 0]) ** 2)[None]
    squared = squared.astype(np.float32)  # [h, w, N]
    kernel = squared * np.log(squared + np.float32(1e-12))
    flow = kernel.reshape(-1, n) @ coefficients[:n].astype(np.float32)
    plane = coefficients[n] + xs[None, :, None] * coefficients[n + 1] + ys[:, None, None] * coefficients[n + 2]
    return flow.reshape(len(ys), len(xs), 2) + plane.astype(np.float32)


def _cut_layers(whole: MotionPreview, matte: np.ndarray) -> MotionPreview:
    """Plate, body without arms, arms, and what they miss of the picture."""
    picture, rest_px, score = whole.picture, whole.rest_px, whole.score
    height_px, width_px = matte.shape
    plate = background_plate(picture, matte)
    torso = _torso_polygon(whole, matte.shape)
    arms = [
        (arm, *arm_mask(rest_px, score, arm, matte, torso)) for arm in visible_arms(rest_px, score, height_px, width_px)
    ]
    body_colours, body_alpha = clean_colours(picture, matte, plate), matte
    if arms:
        taken = np.max([mask for _, mask, *_ in arms], axis=0)
        body_colours, body_alpha = _without_arms(body_colours, matte, taken, torso)
    body = np.dstack([body_colours, np.rint(255 * body_alpha).astype(np.uint8)])
    alpha = body_alpha[..., None]
    behind = np.rint(body_colours * alpha + plate * (1 - alpha)).astype(np.uint8)
    layers = tuple(make_arm(picture, behind, mask, rest_px, arm, hand, reach) for arm, mask, hand, reach in arms)
    cut = replace(
        whole,
        head_px=_head_ring(rest_px, matte),
        body=body,
        plate=plate,
        arms=layers,
        residual=np.zeros(picture.shape, np.float32),
    )
    return replace(cut, residual=picture.astype(np.float32) - render_frame(cut, rest_px))


def _without_arms(
    picture: np.ndarray, matte: np.ndarray, taken: np.ndarray, torso: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Colours and alpha of the body with the arms painted out: filled inside the torso, transparent outside."""
    import cv2

    margin_px = max(2, round(0.012 * max(matte.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin_px + 1,) * 2)
    near_arm = cv2.dilate((taken > 0.02).astype(np.uint8), kernel)
    outside = cv2.dilate((matte < 0.9).astype(np.uint8), kernel)  # the background must not flow into the torso
    filled = fill(picture, near_arm | outside)
    gone = near_arm > 0
    colours = np.where(gone[..., None], filled, picture)
    return colours, np.where(gone, soften(torso) * matte, matte).astype(np.float32)


def _controls(
    preview: MotionPreview, posed: np.ndarray, face: np.ndarray, head_a: complex, head_b: complex
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The spline's points: (in the picture [N, 2], in the new pose [N, 2], stiffness [N])."""
    height_px, width_px = preview.picture.shape[:2]
    head = _moved(preview.head_px, head_a, head_b)
    rest, target = [preview.rest_px[FACE.start : FACE.stop], preview.head_px], [face, head]
    stiffness = [np.full(68, FACE_STIFFNESS), np.full(len(head), BODY_STIFFNESS)]
    if len(preview.torso_px):
        body = preview.torso_px + preview.torso_mix @ _body_shift(preview, posed)
        rest.append(preview.torso_px)
        target.append(body)
        stiffness.append(np.full(len(body), BODY_STIFFNESS))
    if preview.body is None:  # the whole picture bends: its border holds still
        border = _border(height_px, width_px)
        rest.append(border)
        target.append(border)
        stiffness.append(np.full(len(border), FACE_STIFFNESS))
    return np.vstack(rest), np.vstack(target), np.concatenate(stiffness)


def _backward_map(
    rest: np.ndarray, target: np.ndarray, stiffness: np.ndarray, face: np.ndarray, height_px: int, width_px: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(map_x, map_y [H, W] float32 for cv2.remap, drift [BODY_GRID, BODY_GRID] float32 in pixels)."""
    import cv2

    centre = rest[:68].mean(axis=0)
    unit_px = max(float(np.hypot(*(rest[8] - rest[17:27].mean(axis=0)))), 1.0)
    points = (target - centre) / unit_px
    coefficients = thin_plate(points, rest - target, stiffness)

    def flow(x0: int, y0: int, x1: int, y1: int, cells: int) -> np.ndarray:
        xs = x0 + (np.arange(cells) + 0.5) * (x1 - x0) / cells - 0.5  # the centres that cv2.resize assumes
        ys = y0 + (np.arange(cells) + 0.5) * (y1 - y0) / cells - 0.5
        limit_px = 2.0 * max(height_px, width_px)
        raw = evaluate_spline(coefficients, points, (xs - centre[0]) / unit_px, (ys - centre[1]) / unit_px)
        return np.clip(np.nan_to_num(raw), -limit_px, limit_px)

    coarse = flow(0, 0, width_px, height_px, BODY_GRID)
    full = cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    margin_px = 0.15 * unit_px
    x0, y0 = np.clip(face.min(axis=0) - margin_px, 0, [width_px, height_px]).astype(int)
    x1, y1 = np.clip(face.max(axis=0) + margin_px, 0, [width_px, height_px]).astype(int)
    if x1 - x0 > 1 and y1 - y0 > 1:
        size = int(x1 - x0), int(y1 - y0)
        full[y0:y1, x0:x1] = cv2.resize(flow(x0, y0, x1, y1, FACE_GRID), size, interpolation=cv2.INTER_LINEAR)
    map_x, map_y = cv2.split(full)
    map_x += np.arange(width_px, dtype=np.float32)
    map_y += np.arange(height_px, dtype=np.float32)[:, None]
    return map_x, map_y, np.hypot(coarse[..., 0], coarse[..., 1])


def _close_eyes(
    map_x: np.ndarray, map_y: np.ndarray, preview: MotionPreview, face: np.ndarray, closing: np.ndarray
) -> None:
    """Slide the upper lids over the eyes, in place: the skin above the lid stretches, the eyeball is covered.

    The maps hold picture coordinates, so the lid is drawn where the picture has it and moves with the head.
    """
    rest = as_complex(preview.rest_px[FACE.start : FACE.stop])
    height_px, width_px = map_x.shape
    for (inner, outer, lids), closed in zip(_EYES, closing, strict=True):
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


def _draw_mouth(frame: np.ndarray, preview: MotionPreview, face: np.ndarray) -> None:
    """Open the mouth in place: a dark cavity inside the new inner lips, the picture's teeth under the upper lip."""
    import cv2

    rest = preview.rest_px[FACE.start : FACE.stop]
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
    inside = _polygon(outline - [x0, y0], (y1 - y0, x1 - x0), blur_px=0.02 * float(np.ptp(outline[:, 0])))
    # lit by the picture's own light: the lips' colour, much darker, deepest under the upper lip
    lips = cv2.fillPoly(np.zeros(frame.shape[:2], np.uint8), [np.rint(rest[48:60]).astype(np.int32)], 1)
    lip_colour = np.array(cv2.mean(preview.picture, mask=lips)[:3], np.float32)
    depth = np.linspace(0.16, 0.34, y1 - y0, dtype=np.float32)[:, None, None]
    cavity = np.broadcast_to(lip_colour * depth, (y1 - y0, x1 - x0, 3)).astype(np.float32)
    if rest_gap_px > 1.5:
        a, b = similarity(as_complex(face[_UPPER_INNER]), as_complex(rest[_UPPER_INNER]), (0.6, 1.6))
        xs, ys = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
        source = a * (xs + 1j * ys) + b
        maps = source.real.astype(np.float32), source.imag.astype(np.float32)
        teeth = cv2.remap(preview.picture, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        shown = _polygon(_rounded(rest[_INNER_LIP]), frame.shape[:2], blur_px=0.6)
        shown = cv2.remap(shown, *maps, cv2.INTER_LINEAR)[..., None]
        cavity = teeth * shown + cavity * (1 - shown)
    cover = (strength * inside)[..., None]
    frame[y0:y1, x0:x1] = np.rint(frame[y0:y1, x0:x1] * (1 - cover) + cavity * cover).astype(np.uint8)


def _polygon(outline: np.ndarray, shape: tuple[int, ...], blur_px: float) -> np.ndarray:
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


def _head_ring(rest_px: np.ndarray, matte: np.ndarray | None) -> np.ndarray:
    """Points [M, 2] that go with the skull: around hair or hat at the matte's edge, and beside the eyes."""
    face = rest_px[FACE.start : FACE.stop]
    size_px = face_height(rest_px)
    chin, brows = face[8], face[17:27].mean(axis=0)
    up = (brows - chin) / max(size_px, 1e-6)
    side = np.array([-up[1], up[0]])
    centre = 0.5 * (chin + brows) + 0.2 * size_px * up
    points = []
    for angle in np.linspace(-0.62 * np.pi, 0.62 * np.pi, 14):
        ray = np.cos(angle) * up + np.sin(angle) * side
        reach = 1.1
        if matte is not None:
            steps = np.linspace(0.6, 1.6, 41)
            xy = np.rint(centre + steps[:, None] * size_px * ray).astype(int)
            x, y = np.clip(xy[:, 0], 0, matte.shape[1] - 1), np.clip(xy[:, 1], 0, matte.shape[0] - 1)
            outside = np.flatnonzero(matte[y, x] < 0.5)
            reach = steps[outside[0]] if len(outside) else steps[-1]
        points.append(centre + reach * size_px * ray)
    # a blink must not bend brows, glasses or cheeks: these stay with the skull
    for (inner, outer, lids), brow in zip(_EYES, (face[17:22], face[22:27]), strict=True):
        width_px = np.hypot(*(face[outer] - face[inner]))
        for up_idx, low_idx in lids:
            points.append(0.5 * (face[up_idx] + brow.mean(axis=0)))
            points.append(face[low_idx] - 0.5 * width_px * up)
    return np.array(points)


def _torso_controls(rest_px: np.ndarray, score: np.ndarray, height_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Torso points [N, 2] and how each mixes the shifts of neck, shoulders and hips [N, 5]."""
    right, left = rest_px[RIGHT_SHOULDER], rest_px[LEFT_SHOULDER]
    neck = 0.5 * (right + left)
    right_hip, left_hip = _hips(rest_px, score)
    base = np.stack([neck, right, left, right_hip, left_hip])
    mixes = [np.eye(5)[i] for i in range(5)]
    for t in (1 / 4, 1 / 2, 3 / 4):
        mixes += [[0, 1 - t, 0, t, 0], [0, 0, 1 - t, 0, t], [0, (1 - t) / 2, (1 - t) / 2, t / 2, t / 2]]
    mixes += [[0, 1.3, -0.3, 0, 0], [0, -0.3, 1.3, 0, 0], [0.5, 0.5, 0, 0, 0], [0.5, 0, 0.5, 0, 0]]
    mixes = [np.asarray(mix, np.float64) for mix in mixes]
    points = [mix @ base for mix in mixes]
    for elbow, shoulder in ((RIGHT_ELBOW, 1), (LEFT_ELBOW, 2)):  # an arm that is no layer hangs on its shoulder
        if score[elbow] >= VISIBLE_SCORE and 0 <= rest_px[elbow][1] < height_px:
            points.append(rest_px[elbow])
            mixes.append(0.7 * np.eye(5)[shoulder] + 0.3 * np.eye(5)[shoulder + 2])
    return np.array(points), np.array(mixes)


def _hips(rest_px: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Right and left hip [2, 2]: as seen, or where an adult's are below the shoulders."""
    seen = score[[RIGHT_HIP, LEFT_HIP]] >= VISIBLE_SCORE
    right, left = rest_px[RIGHT_SHOULDER], rest_px[LEFT_SHOULDER]
    across = left - right
    below = np.array([-across[1], across[0]]) * 1.4  # torso length over shoulder width
    guess = np.stack([right + below + 0.15 * across, left + below - 0.15 * across])
    return np.where(seen.all(), rest_px[[RIGHT_HIP, LEFT_HIP]], guess)


def _body_shift(preview: MotionPreview, posed: np.ndarray) -> np.ndarray:
    """Shifts [5, 2] of neck, shoulders and hips in pixels, at most a shoulder width; unseen hips sway half as far."""
    rest = preview.rest_px
    limit_px = np.hypot(*(rest[LEFT_SHOULDER] - rest[RIGHT_SHOULDER]))
    shoulders = posed[[RIGHT_SHOULDER, LEFT_SHOULDER]] - rest[[RIGHT_SHOULDER, LEFT_SHOULDER]]
    hip_points = [RIGHT_HIP, LEFT_HIP]
    if (preview.score[hip_points] >= VISIBLE_SCORE).all():
        hips = posed[hip_points] - rest[hip_points]
    else:
        hips = np.repeat(0.5 * shoulders.mean(axis=0, keepdims=True), 2, axis=0)
    shifts = np.vstack([shoulders.mean(axis=0, keepdims=True), shoulders, hips]).astype(np.float64)
    lengths = np.hypot(*shifts.T)[:, None]
    return shifts * np.minimum(1.0, limit_px / np.maximum(lengths, 1e-6))


def _attached_head(
    preview: MotionPreview, posed: np.ndarray, face: np.ndarray, head_a: complex, head_b: complex
) -> tuple[np.ndarray, complex]:
    """Hold the head within 0.6 face heights of where the shoulders carry it: a neck does not stretch further."""
    rest_face = preview.rest_px[FACE.start : FACE.stop]
    carried = _body_shift(preview, posed)[0] if len(preview.torso_px) else np.zeros(2)
    relative = face.mean(axis=0) - rest_face.mean(axis=0) - carried
    length, limit = float(np.hypot(*relative)), 0.6 * face_height(preview.rest_px)
    pull = relative * (1 - min(1.0, limit / max(length, 1e-6)))
    return face - pull, head_b - complex(pull[0], pull[1])


def _torso_polygon(preview: MotionPreview, shape: tuple[int, ...]) -> np.ndarray:
    """[H, W] bool: shoulders to hips and on to the lap, opaque under the arms."""
    import cv2

    rest = preview.rest_px
    right_hip, left_hip = _hips(rest, preview.score)
    out = 0.12 * (left_hip - right_hip)  # the hip joints lie inside the body
    down = 3 * (right_hip + left_hip - rest[RIGHT_SHOULDER] - rest[LEFT_SHOULDER])  # the lap: past the border
    corners = np.array(
        [
            rest[RIGHT_SHOULDER],
            rest[LEFT_SHOULDER],
            left_hip + out,
            left_hip + out + down,
            right_hip - out + down,
            right_hip - out,
        ]
    )
    return cv2.fillPoly(np.zeros(shape, np.uint8), [np.rint(corners).astype(np.int32)], 1) > 0


def _face_problem(points_px: np.ndarray, score: np.ndarray, height_px: int, width_px: int) -> str | None:
    """Why the face cannot be warped, None when it can."""
    face = points_px[FACE.start : FACE.stop]
    seen = (score[FACE.start : FACE.stop] >= VISIBLE_SCORE).mean()
    if seen < 0.8:
        return f"only {100 * seen:.0f} % of the face's keypoints are visible in the initial pose"
    inside = ((face >= 0) & (face < [width_px, height_px])).all(axis=1).mean()
    if inside < 0.8:
        return f"only {100 * inside:.0f} % of the initial pose's face lies inside the picture"
    z = as_complex(face)
    five = np.array([z[36:42].mean(), z[42:48].mean(), z[30], z[48], z[54]])
    a, b = similarity(_FIVE_POINTS, five, (1e-3, 1e6))
    misfit = np.sqrt((abs(five - a * _FIVE_POINTS - b) ** 2).mean()) / abs(a)
    jaw_width, size_px = abs(z[16] - z[0]) / abs(a), abs(z[8] - z[17:27].mean())
    # 0.3 eye distances: a half turned head still passes, scattered points do not
    if misfit > 0.3 or not 0.9 < jaw_width < 4 or size_px > 3.5 * abs(a) or a.real <= 0 or abs(a) < 4:
        return "the initial pose's face keypoints do not form a face"
    return None


def _shoulder_problem(points_px: np.ndarray, score: np.ndarray, height_px: int, width_px: int) -> str | None:
    """Why the torso cannot be a layer, None when it can."""
    shoulders = points_px[[RIGHT_SHOULDER, LEFT_SHOULDER]]
    if (score[[RIGHT_SHOULDER, LEFT_SHOULDER]] < VISIBLE_SCORE).any():
        return "a shoulder is hidden in the initial pose"
    if ((shoulders < 0) | (shoulders >= [width_px, height_px])).any():
        return "a shoulder lies outside the picture in the initial pose"
    face = points_px[FACE.start : FACE.stop]
    ratio = (shoulders[1, 0] - shoulders[0, 0]) / max(float(np.ptp(face[:, 0])), 1e-6)
    if not 0.8 < ratio < 6 or shoulders[:, 1].mean() < face[27:36, 1].mean():
        return "the initial pose's shoulders do not fit its face"
    return None


def _within_reach(points_px: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """[134, 2] float64 without NaN, at most one picture outside of the picture."""
    if points_px.shape != (NUM_KEYPOINTS, 2):
        raise InputError(
            f"the pose has keypoints of shape {points_px.shape}; a frame needs ({NUM_KEYPOINTS}, 2). "
            "Give one frame of a pose sequence."
        )
    size = np.array([width_px, height_px], np.float64)
    return np.clip(np.nan_to_num(points_px.astype(np.float64), posinf=1e6, neginf=-1e6), -size, 2 * size)


@lru_cache(maxsize=8)
def _border(height_px: int, width_px: int) -> np.ndarray:
    """[28, 2] points around the picture's border."""
    t = np.linspace(0, 1, 8)[:-1, None] * [width_px - 1, height_px - 1]
    x, y = t.T
    corner = np.array([width_px - 1.0, height_px - 1.0])
    zero = np.zeros(7)
    return np.vstack(
        [
            np.stack([x, zero], 1),
            np.stack([zero + corner[0], y], 1),
            np.stack([corner[0] - x, zero + corner[1]], 1),
            np.stack([zero, corner[1] - y], 1),
        ]
    )


def _moved(points: np.ndarray, a: complex, b: complex) -> np.ndarray:
    z = a * as_complex(points) + b
    return np.stack([z.real, z.imag], axis=-1)


def _fallback(preview: MotionPreview, reason: str) -> MotionPreview:
    log.warning("motion preview: %s", reason)
    return replace(preview, fallback_reason=reason)


def _checked_picture(picture: np.ndarray) -> np.ndarray:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or min(picture.shape[:2]) < 16:
        raise InputError(
            f"the picture has shape {picture.shape} and type {picture.dtype}; the preview needs "
            "[height, width, 3] uint8 RGB of at least 16 x 16 px. Convert it first."
        )
    return np.ascontiguousarray(picture)


def _checked_mask(mask: np.ndarray | None, height_px: int, width_px: int) -> np.ndarray | None:
    if mask is None:
        return None
    if mask.shape != (height_px, width_px):
        raise InputError(
            f"the person mask has shape {mask.shape}, the picture is {height_px} x {width_px} px; make "
            "the mask from the same picture, or leave it out to let the preview find the person."
        )
    return np.clip(np.nan_to_num(mask.astype(np.float32)), 0.0, 1.0)

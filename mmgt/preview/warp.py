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

from ..poses import PoseSequence
from ..poses.skeleton import FACE
from .arm import ArmLayer, arm_mask, arm_motion_px, make_arm, place_arm, visible_arms
from .bands import Between, by_rows, go_on
from .checks import checked_mask, checked_picture, face_problem, matte_problem, shoulder_problem, within_reach
from .face import close_eyes, draw_mouth, eye_closing, face_targets
from .geometry import as_complex, as_points
from .head import attached_head, head_ring
from .matte import background_plate, clean_colours, fill, grown, person_matte, soften, with_alpha
from .spline import backward_map
from .torso import body_shifts, torso_controls, torso_polygon

logger = logging.getLogger("mmgt")

BODY_STIFFNESS, FACE_STIFFNESS = 2e-3, 2e-5  # spline smoothing per control (face heights): lips and lids are exact
REST_RADIUS_PX = 2.5  # at 512 px: the picture's own detail fades out as the person leaves its first pose


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
    picture: np.ndarray,
    initial_pose: PoseSequence,
    person_mask: np.ndarray | None = None,
    between: Between = go_on,
) -> MotionPreview:
    """Cut a picture into background, body and arms.

    picture: [H, W, 3] uint8 RGB, any size. initial_pose: the person in it; frame 0 counts, and its scores decide what
    is visible. person_mask: [H, W] 0..1, 1 on the person; without it GrabCut looks for the person.
    between: called between the steps; may raise to cancel.
    Raises InputError for another shape or type. A picture or pose that cannot be cut is no error: see
    ``MotionPreview.fallback_reason`` (also logged).
    """
    picture = checked_picture(picture)
    height_px, width_px = picture.shape[:2]
    mask = checked_mask(person_mask, height_px, width_px)
    rest_px = within_reach(initial_pose.sized(height_px, width_px).pixels[0].numpy(), height_px, width_px)
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
    problem = face_problem(rest_px, score, height_px, width_px)
    if problem:
        return _fallback(still, f"{problem}; the picture stays still")
    head_only = replace(still, head_px=head_ring(rest_px, None), still=False)
    problem = shoulder_problem(rest_px, score, height_px, width_px)
    if problem:
        return _fallback(head_only, f"{problem}; the whole picture is warped instead of layers")
    between()
    torso_px, torso_mix = torso_controls(rest_px, score, height_px)
    whole = replace(head_only, torso_px=torso_px, torso_mix=torso_mix)
    matte = soften(mask) if mask is not None else person_matte(picture, rest_px, score, between)
    problem = matte_problem(matte)
    if problem:
        return _fallback(whole, f"{problem}; the whole picture is warped instead of layers")
    return _cut_layers(whole, matte, between)


def render_frame(preview: MotionPreview, keypoints_px: np.ndarray, between: Between = go_on) -> np.ndarray:
    """One frame [H, W, 3] uint8 RGB of the picture in another pose.

    keypoints_px: [134, 2] pixels of the picture; points that are not finite or far outside are pulled back.
    between: called between the steps; may raise to cancel.
    A generated pose's own score is not trusted: what is visible was decided by the initial pose.
    """
    import cv2

    if preview.still:
        return preview.picture.copy()
    height_px, width_px = preview.picture.shape[:2]
    posed = within_reach(np.asarray(keypoints_px), height_px, width_px)
    rest_face, posed_face = preview.rest_px[FACE.start : FACE.stop], posed[FACE.start : FACE.stop]
    has_torso = len(preview.torso_px) > 0
    shifts = body_shifts(preview.rest_px, preview.score, posed) if has_torso else np.zeros((5, 2))
    face, head_a, head_b = face_targets(rest_face, posed_face)
    face, head_b = attached_head(preview.rest_px, face, head_b, carried=shifts[0])
    rest, target, stiffness = _controls(preview, shifts, face, head_a, head_b)
    between()
    map_x, map_y, drift = backward_map(rest, target, stiffness, face, height_px, width_px, between)
    close_eyes(map_x, map_y, rest_face, face, eye_closing(rest_face, posed_face))
    between()

    if preview.body is None:
        frame = cv2.remap(preview.picture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        draw_mouth(frame, preview.picture, rest_face, face)
        return frame

    def composed(plate: np.ndarray, map_x: np.ndarray, map_y: np.ndarray) -> np.ndarray:
        # the border's pixels go on outside: where the picture cuts the person off, no gap opens
        moved = cv2.remap(preview.body, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.extractChannel(moved, 3) * np.float32(1 / 255)
        return cv2.blendLinear(cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB), plate, alpha, 1 - alpha)

    frame = by_rows(composed, preview.plate, map_x, map_y, between=between)
    draw_mouth(frame, preview.picture, rest_face, face)
    between()

    rest_radius_px = REST_RADIUS_PX * max(height_px, width_px) / 512
    at_rest = cv2.resize(np.exp(-(drift**2) / (2 * rest_radius_px**2)), (width_px, height_px))
    for arm in preview.arms:
        between()
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

    def detailed(frame: np.ndarray, residual: np.ndarray, at_rest: np.ndarray) -> np.ndarray:
        return cv2.add(frame, cv2.multiply(residual, cv2.merge([at_rest] * 3)), dtype=cv2.CV_8U)

    return by_rows(detailed, frame, preview.residual, at_rest, between=between)


def preview_motion(
    picture: np.ndarray,
    initial_pose: PoseSequence,
    poses: PoseSequence,
    person_mask: np.ndarray | None = None,
    progress: Callable[[int, int], None] | None = None,
    refine: Callable[[np.ndarray, int], np.ndarray] | None = None,
) -> Iterator[np.ndarray]:
    """Frames [H, W, 3] uint8 RGB one after the other, as ``prepare_preview`` and ``render_frame`` make them.

    refine: called with each frame and its index, returns it mended (``refinement.Refiner``). A picture that stays still
    is left alone.
    progress: called with (frames that are done, their number) after each frame, and several times before; may raise to
    cancel. The memory used does not grow with the number of poses.
    """
    num_done = 0

    def between() -> None:
        if progress is not None:
            progress(num_done, poses.num_frames)

    preview = prepare_preview(picture, initial_pose, person_mask, between)
    points_px = poses.sized(*picture.shape[:2]).pixels
    for frame_points_px in points_px:
        frame = render_frame(preview, frame_points_px.numpy(), between)
        yield frame if refine is None or preview.still else refine(frame, num_done)
        num_done += 1
        between()


def _cut_layers(whole: MotionPreview, matte: np.ndarray, between: Between) -> MotionPreview:
    """Plate, body without arms, arms, and what they miss of the picture."""
    picture, rest_px, score = whole.picture, whole.rest_px, whole.score
    height_px, width_px = matte.shape
    between()
    plate = background_plate(picture, matte, between)
    torso = torso_polygon(rest_px, score, matte.shape)
    arms = []
    for arm in visible_arms(rest_px, score, height_px, width_px):
        between()
        arms.append((arm, *arm_mask(rest_px, score, arm, matte, torso)))
    body_colours, body_alpha = clean_colours(picture, matte, plate, between), matte
    if arms:
        between()
        taken = np.maximum.reduce([mask for _, mask, *_ in arms])
        body_colours, body_alpha = _without_arms(body_colours, matte, taken, torso, between)

    def composite(colours: np.ndarray, plate: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        alpha = alpha[..., None]
        return np.rint(colours * alpha + plate * (1 - alpha)).astype(np.uint8)

    behind = by_rows(composite, body_colours, plate, body_alpha, between=between)
    layers = tuple(
        make_arm(picture, behind, mask, rest_px, arm, hand, reach, between) for arm, mask, hand, reach in arms
    )
    cut = replace(
        whole,
        head_px=head_ring(rest_px, matte),
        body=with_alpha(body_colours, body_alpha, between),
        plate=plate,
        arms=layers,
        residual=np.zeros(picture.shape, np.float32),
    )
    at_rest = render_frame(cut, rest_px, between)
    between()
    return replace(cut, residual=np.subtract(picture, at_rest, dtype=np.float32))


def _without_arms(
    picture: np.ndarray, matte: np.ndarray, taken: np.ndarray, torso: np.ndarray, between: Between
) -> tuple[np.ndarray, np.ndarray]:
    """Colours and alpha of the body with the arms painted out: filled inside the torso, transparent outside."""
    near_arm = grown(taken > 0.02, 0.012)
    between()
    outside = grown(matte < 0.9, 0.012)  # the background must not flow into the torso
    filled = fill(picture, near_arm | outside, between)
    colours = np.where(near_arm[..., None], filled, picture)
    between()
    return colours, np.where(near_arm, soften(torso) * matte, matte).astype(np.float32)


def _controls(
    preview: MotionPreview, shifts: np.ndarray, face: np.ndarray, head_a: complex, head_b: complex
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The spline's points: (in the picture [N, 2], in the new pose [N, 2], stiffness [N])."""
    height_px, width_px = preview.picture.shape[:2]
    head = as_points(head_a * as_complex(preview.head_px) + head_b)
    rest, target = [preview.rest_px[FACE.start : FACE.stop], preview.head_px], [face, head]
    stiffness = [np.full(68, FACE_STIFFNESS), np.full(len(head), BODY_STIFFNESS)]
    if len(preview.torso_px):
        body = preview.torso_px + preview.torso_mix @ shifts
        rest.append(preview.torso_px)
        target.append(body)
        stiffness.append(np.full(len(body), BODY_STIFFNESS))
    if preview.body is None:  # the whole picture bends: its border holds still
        border = _border(height_px, width_px)
        rest.append(border)
        target.append(border)
        stiffness.append(np.full(len(border), FACE_STIFFNESS))
    return np.vstack(rest), np.vstack(target), np.concatenate(stiffness)


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


def _fallback(preview: MotionPreview, reason: str) -> MotionPreview:
    logger.warning("motion preview: %s", reason)
    return replace(preview, fallback_reason=reason)

"""Cut the person out of one picture without any weights: alpha matte, background plate, clean colours."""

from __future__ import annotations

import numpy as np

from ..poses.skeleton import BROWS, CHIN, FACE, LEFT_HAND, LEFT_SHOULDER, RIGHT_HAND, RIGHT_SHOULDER, is_visible
from .bands import Between, as_large, as_shape, by_rows, go_on
from .geometry import face_height

GRABCUT_SIDE_PX = 384  # GrabCut takes 0.3 s at this size; smaller lost the top of a hat, larger gains nothing
PLATE_SHRINK = 4  # Telea's cost grows with the hole's area; behind a person a soft fill is enough
PLATE_SIDE_PX = 512  # at most: 12 Mpx at quarter size would be filled for minutes, without an answer to a cancel
EDGE_FRACTION = 0.004  # softness of the matte's edge as a fraction of the picture's longer side: 2 px at 512

ARMS = ((2, 3), (3, 4), (5, 6), (6, 7))  # limbs of the skeleton: shoulder to elbow to wrist


def person_matte(picture: np.ndarray, points_px: np.ndarray, score: np.ndarray, between: Between = go_on) -> np.ndarray:
    """Find the person by GrabCut (Rother et al. 2004) seeded with the skeleton.

    picture: [H, W, 3] uint8 RGB. points_px: [134, 2] float32 pixels. score: [134], below 0.3 is not used.
    Needs a visible face and shoulders. Returns [H, W] float32, 0 background to 1 person, with a soft edge.
    """
    import cv2

    height_px, width_px = picture.shape[:2]
    scale = min(1.0, GRABCUT_SIDE_PX / max(height_px, width_px))
    size = max(1, round(width_px * scale)), max(1, round(height_px * scale))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    seeds = _seeds(size, points_px * scale, score)
    labels = seeds.copy()
    cv2.setRNGSeed(0)  # GrabCut starts its colour clusters from OpenCV's own generator
    behind, before = np.zeros((1, 65)), np.zeros((1, 65))
    for mode in (cv2.GC_INIT_WITH_MASK, cv2.GC_EVAL, cv2.GC_EVAL, cv2.GC_EVAL):
        cv2.grabCut(small, labels, None, behind, before, 1, mode)
        between()
    person = ((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)).astype(np.uint8)
    thread_px = max(3, round(0.03 * max(size)) | 1)  # ropes and rims beside a person are no part of it
    person = cv2.morphologyEx(person, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (thread_px,) * 2))
    person = _connected_to(person, seeds == cv2.GC_FGD)
    seen = as_shape(picture)
    matte = cv2.resize(person.astype(np.float32), (seen.shape[1], seen.shape[0]), interpolation=cv2.INTER_LINEAR)
    return as_large(_refine_edge(matte, seen), height_px, width_px)


def soften(mask: np.ndarray) -> np.ndarray:
    """Round off a hard mask's edge: [H, W] float 0..1 -> [H, W] float32 0..1."""
    import cv2

    shape = as_shape(mask.astype(np.float32))
    sigma_px = max(0.7, EDGE_FRACTION * max(shape.shape))
    return as_large(np.clip(cv2.GaussianBlur(shape, (0, 0), sigma_px), 0.0, 1.0), *mask.shape)


def grown(mask: np.ndarray, share: float) -> np.ndarray:
    """A mask [H, W] bool grown by a share of the picture's longer side, at least 2 px: [H, W] bool."""
    import cv2

    shape = as_shape(mask)
    margin_px = max(2, round(share * max(shape.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin_px + 1,) * 2)
    return as_large(cv2.dilate(shape.astype(np.float32), kernel), *mask.shape) > 0.5


def background_plate(picture: np.ndarray, matte: np.ndarray, between: Between = go_on) -> np.ndarray:
    """The picture [H, W, 3] uint8 without the person: Telea's inpainting (2004) at quarter size under the matte."""
    hole = grown(matte > 0.02, 0.02)  # 10 px at 512: hair and rim that the matte misses
    between()
    return fill(picture, hole, between)


def fill(picture: np.ndarray, hole: np.ndarray, between: Between = go_on) -> np.ndarray:
    """Inpaint [H, W, 3] uint8 where hole [H, W] bool is true, softly joined at the hole's rim."""
    import cv2

    height_px, width_px = hole.shape
    shrink = max(PLATE_SHRINK, -(-max(hole.shape) // PLATE_SIDE_PX))
    size = max(1, width_px // shrink), max(1, height_px // shrink)
    # the mean of known pixels only: a plain shrink would pull the person's colour across the rim
    known = (~hole).astype(np.float32)
    share = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
    colour = []
    for channel in cv2.split(picture):
        between()
        colour.append(cv2.resize(channel * known, size, interpolation=cv2.INTER_AREA))
    small = np.clip(np.dstack(colour) / np.maximum(share, 1e-3)[..., None], 0, 255).astype(np.uint8)
    small_hole = (share < 0.25).astype(np.uint8)
    if small_hole.all():  # nothing known to continue from
        return picture.copy()
    between()
    filled = cv2.inpaint(small, small_hole, 3, cv2.INPAINT_TELEA)
    filled = cv2.resize(filled, (width_px, height_px), interpolation=cv2.INTER_CUBIC)

    def joined(picture: np.ndarray, filled: np.ndarray, hole: np.ndarray) -> np.ndarray:
        inside = cv2.blur(hole.astype(np.float32), (2 * shrink + 1,) * 2) * hole
        inside = np.minimum(1.0, 2.0 * np.maximum(inside - 0.5, 0.0))[..., None]  # 0 at the rim: no visible seam
        return np.rint(picture * (1 - inside) + filled * inside).astype(np.uint8)

    return by_rows(joined, picture, filled, hole, reach_px=shrink, between=between)


def clean_colours(picture: np.ndarray, matte: np.ndarray, behind: np.ndarray, between: Between = go_on) -> np.ndarray:
    """The person's own colours [H, W, 3] uint8, free of background, and continued beyond the matte's edge.

    Where the matte is half transparent the picture is ``matte * person + (1 - matte) * behind``: solved for the
    person, so that compositing at rest gives the picture back. Where it is (almost) empty the nearest person colours
    go on, so that a moved edge carries no halo.
    """
    import cv2

    radius_px = max(6, round(0.012 * max(matte.shape)))  # reaches across the matte's soft edge

    def cleaned(picture: np.ndarray, matte: np.ndarray, behind: np.ndarray) -> np.ndarray:
        core = (matte > 0.97).astype(np.float32)
        near = cv2.blur(core, (2 * radius_px + 1,) * 2)
        colours = cv2.blur(picture.astype(np.float32) * core[..., None], (2 * radius_px + 1,) * 2)
        known = near > 0.02
        extended = np.where(known[..., None], colours / np.maximum(near, 1e-3)[..., None], picture)
        alpha = matte[..., None]
        solved = (picture - (1 - alpha) * behind.astype(np.float32)) / np.maximum(alpha, 0.05)
        trust = np.clip((alpha - 0.1) / 0.5, 0.0, 1.0)  # below 0.6 the division amplifies errors of ``behind``
        person = np.where(alpha > 0.97, picture, trust * np.clip(solved, 0, 255) + (1 - trust) * extended)
        return np.clip(np.rint(person), 0, 255).astype(np.uint8)

    return by_rows(cleaned, picture, matte, behind, reach_px=radius_px, between=between)


def with_alpha(colours: np.ndarray, alpha: np.ndarray, between: Between = go_on) -> np.ndarray:
    """Colours [H, W, 3] uint8 and alpha [H, W] 0..1 as RGBA [H, W, 4] uint8."""

    def joined(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        return np.dstack([colours, np.rint(255 * alpha).astype(np.uint8)])

    return by_rows(joined, colours, alpha, between=between)


def _seeds(size: tuple[int, int], points_px: np.ndarray, score: np.ndarray) -> np.ndarray:
    """GrabCut's four labels [h, w] uint8 from the skeleton: surely and probably person or background."""
    import cv2

    width_px, height_px = size
    face_px = face_height(points_px)
    face_points = points_px[FACE.start : FACE.stop]
    chin, brow_centre = points_px[CHIN], points_px[BROWS].mean(axis=0)
    up = (brow_centre - chin) / max(face_px, 1e-6)
    tilt_deg = float(np.degrees(np.arctan2(up[0], -up[1])))
    shoulders = points_px[[RIGHT_SHOULDER, LEFT_SHOULDER]]
    shoulder_px = float(np.hypot(*(shoulders[1] - shoulders[0])))

    def canvas() -> np.ndarray:
        return np.zeros((height_px, width_px), np.uint8)

    def whole(xy: np.ndarray) -> np.ndarray:
        return np.rint(np.clip(xy, -4096, 4096)).astype(np.int32)

    def head(across: float, along: float, shift: float) -> np.ndarray:
        centre = whole(0.5 * (chin + brow_centre) + shift * face_px * up)
        axes = whole(np.array([across * face_px, along * face_px]))
        return cv2.ellipse(canvas(), centre.tolist(), axes.tolist(), tilt_deg, 0, 360, 1, -1)

    def torso(widen: float) -> np.ndarray:
        outwards = 0.5 * widen * (shoulders[1] - shoulders[0])
        top_right, top_left = shoulders[0] - outwards, shoulders[1] + outwards
        jaw_right, jaw_left = points_px[[30, 34] if widen < 0 else [28, 36]]
        floor_px = height_px + 5
        corners = [jaw_right, jaw_left, top_left, [top_left[0], floor_px], [top_right[0], floor_px], top_right]
        return cv2.fillPoly(canvas(), [whole(np.array(corners))], 1)

    def arms(thickness: float) -> np.ndarray:
        lines = canvas()
        for a, b in ARMS:
            if is_visible(min(score[a], score[b])):
                cv2.line(lines, whole(points_px[a]).tolist(), whole(points_px[b]).tolist(), 1, max(1, int(thickness)))
        return lines

    def collar(reach: float) -> np.ndarray:  # collars and scarves stand out beside the neck
        centre = whole(shoulders.mean(axis=0)).tolist()
        return cv2.circle(canvas(), centre, max(1, int(reach * shoulder_px)), 1, -1)

    def hands(reach_px: float) -> np.ndarray:
        drawn = canvas()
        for hand in (LEFT_HAND, RIGHT_HAND):
            seen = points_px[hand][is_visible(score[hand])]
            for point in seen:
                cv2.circle(drawn, whole(point).tolist(), max(1, int(reach_px)), 1, -1)
        return drawn

    face = cv2.fillConvexPoly(canvas(), cv2.convexHull(whole(face_points)), 1)
    # each factor is a body proportion, tuned on portraits: hair and hat reach 1.4 face heights above the face's middle
    possible = head(1.05, 1.5, 0.25) | torso(0.4) | collar(0.55) | arms(0.7 * shoulder_px) | hands(0.35 * face_px)
    probable = head(0.72, 1.15, 0.25) | torso(0.25) | collar(0.5) | arms(0.28 * shoulder_px) | hands(0.12 * face_px)
    sure = face | torso(-0.3) | arms(0.1 * shoulder_px) | hands(0.05 * face_px)
    labels = np.full((height_px, width_px), cv2.GC_BGD, np.uint8)
    for region, label in ((possible, cv2.GC_PR_BGD), (probable, cv2.GC_PR_FGD), (sure, cv2.GC_FGD)):
        labels[region > 0] = label
    return labels


def _connected_to(mask: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Keep the parts of a mask [h, w] that touch the seeds, and close holes smaller than 1 % of the person."""
    import cv2

    _, parts = cv2.connectedComponents(mask)
    kept = np.isin(parts, np.unique(parts[seeds & (mask > 0)])) & (mask > 0)
    _, gaps, stats, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8))
    small = np.flatnonzero(stats[:, cv2.CC_STAT_AREA] < 0.01 * kept.sum())
    return kept | np.isin(gaps, small[small > 0])


def _refine_edge(matte: np.ndarray, picture: np.ndarray) -> np.ndarray:
    """Snap the matte's edge to the picture's: guided filter (He et al. 2010) on luminance, then a slight feather."""
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255.0
    window = (2 * max(2, round(0.01 * max(matte.shape))) + 1,) * 2

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, window)

    mean_grey, mean_matte = mean(grey), mean(matte)
    slope = (mean(grey * matte) - mean_grey * mean_matte) / (mean(grey * grey) - mean_grey**2 + 1e-3)
    refined = mean(slope) * grey + mean(mean_matte - slope * mean_grey)
    refined = np.clip((refined - 0.3) / 0.6, 0.0, 1.0)  # the filter leaves a veil beside the edge: a halo once moved
    return soften(refined)

"""Picture -> keypoints of one person with MediaPipe Holistic.

The last release with its models inside is 0.10.21; newer ones read them from a file, ``holistic_landmarker.task``. Its
body points are defined a little differently from DWPose's:
shoulders sit about 8 % of the shoulder width higher and further in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..errors import InputError
from ..people import Detection, check_picture
from ..weights.catalog import MEDIAPIPE, advice
from ..weights.files import check_file
from .coco import coco_to_openpose

TWO_LINE_INSTALL = (
    "`pip install --no-deps mediapipe==0.10.21` and then `pip install absl-py attrs flatbuffers matplotlib sounddevice "
    "'protobuf<7'`"
)
MODEL_COMPLEXITY = 1  # the only one whose models are inside the package; 0 and 2 download theirs

# COCO-WholeBody order: nose, eyes, ears, shoulders, elbows, wrists, hips, knees, ankles; left before right.
COCO_BODY = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)
# Big toe, small toe, heel; left, right. There is no small toe: it takes the place of the big one, at half its score.
COCO_FEET = (31, 31, 29, 32, 32, 30)
FEET_SCORE = (1, 0.5, 1, 1, 0.5, 1)
COCO_NOSE, COCO_LEFT_EYE, COCO_RIGHT_EYE = 0, 1, 2

# Vertices of the face mesh in iBUG order; the person's right side is left in the picture and comes first.
# fmt: off
JAW_LINE = (127, 234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152,
            377, 400, 378, 379, 365, 397, 288, 361, 323, 454, 356)
RIGHT_BROW, LEFT_BROW = (70, 63, 105, 66, 107), (336, 296, 334, 293, 300)
NOSE_BRIDGE, NOSE_BASE, NOSE_TIP = (168, 6, 197, 195, 5, 4), (98, 97, 2, 326, 327), 4
RIGHT_EYE, LEFT_EYE = (33, 160, 158, 133, 153, 144), (362, 385, 387, 263, 373, 380)
# The lips' contours as four arcs: right corner, top, left corner, bottom, right corner.
OUTER_LIP_ARCS = ((61, 185, 40, 39, 37, 0), (0, 267, 269, 270, 409, 291),
                  (291, 375, 321, 405, 314, 17), (17, 84, 181, 91, 146, 61))
INNER_LIP_ARCS = ((78, 191, 80, 81, 82, 13), (13, 312, 311, 310, 415, 308),
                  (308, 324, 318, 402, 317, 14), (14, 87, 178, 88, 95, 78))
# fmt: on
NUM_JAW_POINTS, NUM_BRIDGE_POINTS, POINTS_PER_OUTER_ARC, POINTS_PER_INNER_ARC = 17, 4, 3, 2
NUM_FACE_POINTS, NUM_HAND_POINTS = 68, 21


@dataclass(frozen=True)
class MediaPipePose:
    """MediaPipe Holistic up to 0.10.21, in still-picture mode; finds one person."""

    holistic: Any  # mediapipe.solutions.holistic.Holistic

    def detect(self, picture: np.ndarray) -> Detection:
        """picture: [H, W, 3] uint8 RGB -> nobody or one person; points outside of the picture have score 0."""
        check_picture(picture)
        found = self.holistic.process(np.ascontiguousarray(picture))
        body, face, left_hand, right_hand = (
            None if part is None else part.landmark
            for part in (
                found.pose_landmarks,
                found.face_landmarks,
                found.left_hand_landmarks,
                found.right_hand_landmarks,
            )
        )
        return _detection(body, face, left_hand, right_hand, size_px=picture.shape[:2])


@dataclass(frozen=True)
class MediaPipeTask:
    """The same networks in newer releases, read from their ``.task`` file."""

    landmarker: Any  # mediapipe.tasks.vision.HolisticLandmarker
    as_image: Any  # [H, W, 3] uint8 RGB -> mediapipe.Image

    def detect(self, picture: np.ndarray) -> Detection:
        """As ``MediaPipePose.detect``."""
        check_picture(picture)
        found = self.landmarker.detect(self.as_image(np.ascontiguousarray(picture)))
        return _detection(
            found.pose_landmarks,
            found.face_landmarks,
            found.left_hand_landmarks,
            found.right_hand_landmarks,
            size_px=picture.shape[:2],
        )


Landmarks: TypeAlias = (
    "Sequence[Any] | None"  # with x, y as fractions of the picture, those of the body with their visibility
)


def _detection(
    body: Landmarks, face: Landmarks, left_hand: Landmarks, right_hand: Landmarks, size_px: Sequence[int]
) -> Detection:
    """Landmarks, None or empty for parts that were not found -> nobody or one person."""
    height_px, width_px = size_px
    if not body:
        return Detection(
            np.zeros((0, 4)),
            np.zeros(0),
            np.zeros((0, 134, 2)),
            np.zeros((0, 134), np.float32),
            height_px,
            width_px,
        )
    visibility = np.array([point.visibility for point in body])
    places = [_pixels(part, height_px, width_px) if part else None for part in (face, left_hand, right_hand)]
    keypoints, score = landmarks_to_coco(_pixels(body, height_px, width_px), visibility, *places)
    is_inside = ((keypoints >= 0) & (keypoints <= (width_px, height_px))).all(axis=-1)
    keypoints, score = coco_to_openpose(keypoints, score * is_inside)
    shown = keypoints[score > 0] if (score > 0).any() else keypoints
    box = np.concatenate([shown.min(axis=0), shown.max(axis=0)])
    confidence = visibility.mean()
    return Detection(box[None], confidence[None], keypoints[None], score[None].astype(np.float32), height_px, width_px)


def load_mediapipe(task: Path | None = None) -> MediaPipePose | MediaPipeTask:
    """MediaPipe, ready to detect. task: where ``holistic_landmarker.task`` is, for a release without models inside.

    Raises InputError if MediaPipe is missing, lacks its models or does not fit its protobuf.
    """
    others = (
        "use DWPose, or give a pose file ('Load Poses', or --poses on the "
        "command line) or a POSE_KEYPOINT of another detector"
    )
    try:
        import mediapipe
    except ImportError as error:
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"MediaPipe cannot be imported ({reason}); run {TWO_LINE_INSTALL} (Python 3.9 to 3.12), or {others}."
        ) from error
    if not hasattr(mediapipe, "solutions"):
        if task is not None:
            return _load_task(mediapipe, task)
        version = getattr(mediapipe, "__version__", "of unknown version")
        raise InputError(
            f"MediaPipe {version} has no `solutions` and no models inside any more; put {MEDIAPIPE.name}, from "
            f"{MEDIAPIPE.page}, into models/{MEDIAPIPE.folder} (`mmgt weights get {MEDIAPIPE.key}`), or take the last "
            f"one with them, 0.10.21: run {TWO_LINE_INSTALL} (Python 3.9 to 3.12), or {others}."
        )
    try:
        holistic = mediapipe.solutions.holistic.Holistic(
            static_image_mode=True, model_complexity=MODEL_COMPLEXITY, refine_face_landmarks=True
        )
    except (AttributeError, TypeError) as error:  # protobuf 7 took away what 0.10.21 asks it for
        import google.protobuf

        raise InputError(
            f"MediaPipe {mediapipe.__version__} does not work with the installed protobuf "
            f"{google.protobuf.__version__} ({error}); it needs protobuf below 7. Run `pip install 'protobuf<7'` if "
            f"nothing else here needs a newer one, or {others}."
        ) from error
    return MediaPipePose(holistic)


def _load_task(mediapipe: Any, task: Path) -> MediaPipeTask:
    check_file(task, advice(MEDIAPIPE))
    try:
        landmarker = mediapipe.tasks.vision.HolisticLandmarker.create_from_model_path(str(task))
    except (RuntimeError, ValueError, OSError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"MediaPipe cannot read {task} ({reason}); {advice(MEDIAPIPE)}.") from error
    return MediaPipeTask(
        landmarker, lambda picture: mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=picture)
    )


def _pixels(landmarks: Sequence[Any], height_px: int, width_px: int) -> np.ndarray:
    """Landmarks in fractions of the picture -> [N, 2] px."""
    return np.array([(point.x * width_px, point.y * height_px) for point in landmarks])


def landmarks_to_coco(
    body: np.ndarray,
    visibility: np.ndarray,
    face: np.ndarray | None,
    left_hand: np.ndarray | None,
    right_hand: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Holistic's landmarks in px -> COCO-WholeBody keypoints [133, 2] and their score [133].

    body [33, 2] with visibility [33]; face [468 or 478, 2]; hands [21, 2]. A part that was not found (None) has score
    0. Nose and eyes come from the face mesh where there is one: the body's own lie 5 to 15 px off.
    """
    keypoints = [body[list(COCO_BODY)], body[list(COCO_FEET)]]
    score = [visibility[list(COCO_BODY)], visibility[list(COCO_FEET)] * FEET_SCORE]
    if face is not None:
        keypoints[0][COCO_NOSE] = face[NOSE_TIP]
        keypoints[0][COCO_LEFT_EYE] = face[list(LEFT_EYE)].mean(axis=0)
        keypoints[0][COCO_RIGHT_EYE] = face[list(RIGHT_EYE)].mean(axis=0)
    for part, num_points in (
        (None if face is None else face_68(face), NUM_FACE_POINTS),
        (left_hand, NUM_HAND_POINTS),
        (right_hand, NUM_HAND_POINTS),
    ):
        keypoints.append(np.zeros((num_points, 2)) if part is None else part)
        score.append(np.full(num_points, float(part is not None)))
    return np.concatenate(keypoints), np.concatenate(score)


def face_68(mesh: np.ndarray) -> np.ndarray:
    """MediaPipe's face mesh [468 or 478, 2] -> the 68 iBUG points [68, 2]."""

    def at(vertices: tuple[int, ...]) -> np.ndarray:
        return mesh[list(vertices)]

    def contour(arcs: tuple[tuple[int, ...], ...], points_per_arc: int) -> np.ndarray:
        # the last point of an arc is the first of the next
        return np.concatenate([spread_evenly(at(arc), points_per_arc + 1)[:-1] for arc in arcs])

    return np.concatenate(
        [
            spread_evenly(at(JAW_LINE), NUM_JAW_POINTS),
            at(RIGHT_BROW),
            at(LEFT_BROW),
            spread_evenly(at(NOSE_BRIDGE), NUM_BRIDGE_POINTS),
            at(NOSE_BASE),
            at(RIGHT_EYE),
            at(LEFT_EYE),
            contour(OUTER_LIP_ARCS, POINTS_PER_OUTER_ARC),
            contour(INNER_LIP_ARCS, POINTS_PER_INNER_ARC),
        ]
    )


def spread_evenly(line: np.ndarray, num_points: int) -> np.ndarray:
    """Points at equal distances along a polyline [N, 2] -> [num_points, 2], its two ends included."""
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    along = np.concatenate([[0.0], steps.cumsum()])  # [N] px
    wanted = np.linspace(0, along[-1], num_points)
    return np.stack([np.interp(wanted, along, line[:, 0]), np.interp(wanted, along, line[:, 1])], axis=1)

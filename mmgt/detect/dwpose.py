"""Picture -> the keypoints of the people in it with DWPose (arXiv 2307.15880) through onnxruntime.

YOLOX finds the people (``boxes``), a SimCC network the 133 COCO-WholeBody keypoints of each (``keypoints``). Both
networks read BGR, as they were trained.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..people import Detection, Detector, check_picture
from ..weights.catalog import DWPOSE, YOLOX, advice
from ..weights.files import check_file
from .boxes import letterbox, person_boxes
from .coco import NUM_COCO_KEYPOINTS, coco_to_openpose
from .keypoints import centre_and_scale, crop_person, decode_simcc
from .sessions import DETECTOR_FILE, POSE_FILE, best_providers, check_model, import_onnxruntime, open_session

logger = logging.getLogger("mmgt")

SHORT_SIDE_PX, SIDE_MULTIPLE_PX = 512, 64  # size of the prepared picture
PICTURES_AT_ONCE = 2


@dataclass(frozen=True)
class DWPose:
    """The two networks. provider: the onnxruntime execution provider that runs them."""

    detector: Any  # onnxruntime.InferenceSession: [1, 3, h, w] -> [1, anchors, 5 + classes]
    pose_net: Any  # onnxruntime.InferenceSession: [1, 3, h, w] -> [1, 133, 2 w], [1, 133, 2 h]
    provider: str

    def detect(self, picture: np.ndarray) -> Detection:
        return detect_people(self, picture)


def load_dwpose(detector_path: Path, pose_path: Path, providers: Sequence[str] | None = None) -> DWPose:
    """Open the two ONNX files with whichever flavour of onnxruntime is installed.

    providers: onnxruntime execution providers, the preferred first; None = the best that works (CUDA, others, CPU).
    Raises InputError for a missing onnxruntime, an unknown provider, an unreadable file or another model.
    """
    for path, file in ((detector_path, YOLOX), (pose_path, DWPOSE)):
        check_file(Path(path), advice(file))
    onnxruntime = import_onnxruntime()
    if providers is None:
        providers = best_providers(onnxruntime.get_available_providers())
    unknown = [name for name in providers if name not in onnxruntime.get_available_providers()]
    if unknown or not providers:
        raise InputError(
            f"execution provider {', '.join(unknown) or '(none given)'} is not in this onnxruntime; choose from "
            f"{', '.join(onnxruntime.get_available_providers())}, or install the flavour of onnxruntime that has it."
        )
    detector = open_session(onnxruntime, Path(detector_path), providers)
    pose_net = open_session(onnxruntime, Path(pose_path), detector.get_providers())
    check_model(detector, Path(detector_path), DETECTOR_FILE)
    check_model(pose_net, Path(pose_path), POSE_FILE)
    provider = pose_net.get_providers()[0]
    logger.info("DWPose runs on %s (onnxruntime %s)", provider, onnxruntime.__version__)
    return DWPose(detector, pose_net, provider)


def detect_people(model: DWPose, picture: np.ndarray) -> Detection:
    """All the people in a picture, the most confident first.

    picture: [H, W, 3] uint8 RGB; boxes and keypoints are in its pixels, scores in 0..1.
    """
    check_picture(picture)
    height_px, width_px = picture.shape[:2]
    prepared = prepare_picture(picture)
    prepared_height_px, prepared_width_px = prepared.shape[:2]
    boxes, confidence = find_boxes(model.detector, prepared)  # [P, 4], [P]
    keypoints, score = coco_to_openpose(*find_keypoints(model.pose_net, prepared, boxes))  # [P, 134, 2], [P, 134]
    scale = np.array([width_px / prepared_width_px, height_px / prepared_height_px])
    return Detection(boxes * np.tile(scale, 2), confidence, keypoints * scale, score.clip(0, 1), height_px, width_px)


def prepare_picture(picture: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 RGB -> BGR with a short side of 512 px and both sides multiples of 64 px."""
    import cv2

    height, width = picture.shape[:2]
    zoom = SHORT_SIDE_PX / min(height, width)
    new_height, new_width = (round(side * zoom / SIDE_MULTIPLE_PX) * SIDE_MULTIPLE_PX for side in (height, width))
    bgr = np.ascontiguousarray(picture[..., ::-1])
    return cv2.resize(bgr, (new_width, new_height), interpolation=cv2.INTER_LANCZOS4 if zoom > 1 else cv2.INTER_AREA)


def find_boxes(detector: Any, prepared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The prepared BGR picture -> boxes [P, 4] in its pixels and their confidence [P]."""
    (network_input,) = detector.get_inputs()
    height_px, width_px = network_input.shape[2:]
    canvas, ratio = letterbox(prepared, height_px, width_px)
    (output,) = detector.run(None, {network_input.name: canvas.transpose(2, 0, 1)[None].astype(np.float32)})
    return person_boxes(output[0], height_px, width_px, ratio)


def find_keypoints(pose_net: Any, prepared: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The prepared BGR picture and boxes [P, 4] -> keypoints [P, 133, 2] in its pixels and scores [P, 133]."""
    (network_input,) = pose_net.get_inputs()
    height_px, width_px = network_input.shape[2:]
    centres, scales = centre_and_scale(boxes, width_px / height_px)
    keypoints = np.zeros((len(boxes), NUM_COCO_KEYPOINTS, 2))
    score = np.zeros((len(boxes), NUM_COCO_KEYPOINTS), np.float32)
    for p, (centre, scale) in enumerate(zip(centres, scales, strict=True)):
        crop = crop_person(prepared, centre, scale, height_px, width_px)
        simcc_x, simcc_y = pose_net.run(None, {network_input.name: crop[None]})
        location, score[p] = decode_simcc(simcc_x[0], simcc_y[0])
        keypoints[p] = location / (width_px, height_px) * scale + centre - scale / 2
    return keypoints, score


def detect_each(detector: Detector, pictures: Iterable[np.ndarray]) -> Iterator[Detection]:
    """The people of one picture after another; few pictures are held at a time.

    DWPose's published networks take one picture at a time: two run at once, so that one is prepared meanwhile.
    """
    if not isinstance(detector, DWPose):
        yield from map(detector.detect, pictures)
        return
    with ThreadPoolExecutor(PICTURES_AT_ONCE) as pool:
        running: deque[Future[Detection]] = deque()
        for picture in pictures:
            running.append(pool.submit(detector.detect, picture))
            if len(running) == PICTURES_AT_ONCE:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()

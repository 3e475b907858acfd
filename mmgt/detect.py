"""Picture -> the keypoints of the people in it.

DWPose (arXiv 2307.15880) through onnxruntime: YOLOX (arXiv 2107.08430) finds the people, a SimCC network
(arXiv 2107.03332) the 133 COCO-WholeBody keypoints of each. Both networks read BGR, as they were trained.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch

from .errors import InputError
from .poses import PoseSequence
from .skeleton import VISIBLE_SCORE
from .weights.catalog import DWPOSE, YOLOX, advice
from .weights.files import check_file

log = logging.getLogger("mmgt")

DETECTOR_FILE, POSE_FILE = YOLOX.name, DWPOSE.name

SHORT_SIDE_PX, SIDE_MULTIPLE_PX = 512, 64  # size of the prepared picture
MAX_ASPECT = 16  # longer pictures would be resized to more than 512 x 8192 px, and hold no person
CANVAS_GREY = 114  # YOLOX's padding
STRIDES_PX = (8, 16, 32)  # YOLOX's three grids
PERSON_CLASS = 0  # COCO
MIN_PERSON_SCORE, MAX_OVERLAP = 0.3, 0.45
BOX_MARGIN = 1.25  # the pose network sees this much of the box
SIMCC_BINS_PER_PX = 2
NUM_COCO_KEYPOINTS = 133
# ImageNet's mean and deviation, listed R, G, B but applied to B, G, R: the published network was exported with it.
PIXEL_MEAN = np.array([123.675, 116.28, 103.53])
PIXEL_DEVIATION = np.array([58.395, 57.12, 57.375])

COCO_LEFT_SHOULDER, COCO_RIGHT_SHOULDER = 5, 6
COCO_NECK = 17  # where the neck is inserted, behind COCO's 17 body points
OPENPOSE_BODY_FROM_COCO = (0, 17, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)

PICTURES_AT_ONCE = 2

Compat = Literal["none", "reference"]
PersonOrder = Literal["largest", "highest score", "left to right"]

OTHER_WAYS = YOLOX.instead


@dataclass(frozen=True)
class Detection:
    """The P people in one picture, the most confident first.

    boxes_px: [P, 4] float64, x0 y0 x1 y1. confidence: [P] float64, that the box holds a person, 0..1.
    keypoints_px: [P, 134, 2] float64. score: [P, 134] float32, 0..1. height_px, width_px: the picture's size.
    """

    boxes_px: np.ndarray
    confidence: np.ndarray
    keypoints_px: np.ndarray
    score: np.ndarray
    height_px: int
    width_px: int

    @property
    def num_people(self) -> int:
        return len(self.boxes_px)


class Detector(Protocol):
    """Anything that finds people: DWPose, MediaPipePose."""

    def detect(self, picture: np.ndarray) -> Detection:
        """picture: [H, W, 3] uint8 RGB."""


@dataclass(frozen=True)
class DWPose:
    """The two networks. provider: the onnxruntime execution provider that runs them."""

    detector: Any  # onnxruntime.InferenceSession: [1, 3, h, w] -> [1, anchors, 5 + classes]
    pose_net: Any  # onnxruntime.InferenceSession: [1, 3, h, w] -> [1, 133, 2 w], [1, 133, 2 h]
    provider: str

    def detect(self, picture: np.ndarray) -> Detection:
        return detect_people(self, picture)


# --- finding and opening ------------------------------------------------------------------------------------------


def load_dwpose(detector_path: Path, pose_path: Path, providers: Sequence[str] | None = None) -> DWPose:
    """Open the two ONNX files with whichever flavour of onnxruntime is installed.

    providers: onnxruntime execution providers, the preferred first; None = the best that works (CUDA, others, CPU).
    Raises InputError for a missing onnxruntime, an unknown provider, an unreadable file or another model.
    """
    for path, file in ((detector_path, YOLOX), (pose_path, DWPOSE)):
        check_file(Path(path), advice(file))
    onnxruntime = _import_onnxruntime()
    if providers is None:
        providers = best_providers(onnxruntime.get_available_providers())
    unknown = [name for name in providers if name not in onnxruntime.get_available_providers()]
    if unknown or not providers:
        raise InputError(
            f"execution provider {', '.join(unknown) or '(none given)'} is not in this onnxruntime; choose from "
            f"{', '.join(onnxruntime.get_available_providers())}, or install the flavour of onnxruntime that has it."
        )
    detector = _open_session(onnxruntime, Path(detector_path), providers)
    pose_net = _open_session(onnxruntime, Path(pose_path), detector.get_providers())
    _check_model(detector, Path(detector_path), DETECTOR_FILE)
    _check_model(pose_net, Path(pose_path), POSE_FILE)
    provider = pose_net.get_providers()[0]
    log.info("DWPose runs on %s (onnxruntime %s)", provider, onnxruntime.__version__)
    return DWPose(detector, pose_net, provider)


def best_providers(available: Sequence[str]) -> list[str]:
    """CUDA, then the other accelerators in onnxruntime's order, then the CPU.

    Left out: TensorRT (builds engines for minutes) and Azure (sends the picture to a server).
    """
    last, first = "CPUExecutionProvider", "CUDAExecutionProvider"
    usable = [name for name in available if not name.startswith(("Tensorrt", "NvTensorRT", "Azure"))]
    return sorted(usable, key=lambda name: (name == last, name != first))


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:  # also a GPU flavour whose system libraries are missing
        reason = str(error).partition("\n")[0] or "cannot be imported"
    else:
        if hasattr(onnxruntime, "InferenceSession"):
            return onnxruntime
        reason = "its folder is empty, as after uninstalling one of two flavours"
    raise InputError(
        f"DWPose needs onnxruntime ({reason}); run `pip install onnxruntime` (or onnxruntime-gpu, "
        f"onnxruntime-directml: one of them), or {OTHER_WAYS}."
    )


def _open_session(onnxruntime: Any, path: Path, providers: Sequence[str]) -> Any:
    """Fall back to the CPU where an accelerator cannot take the model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: its warnings are about graph optimisation
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:  # onnxruntime's exceptions have no base class of their own
        reason = str(error).partition("\n")[0][:200]
        if list(providers) != ["CPUExecutionProvider"]:
            session = _open_session(onnxruntime, path, ["CPUExecutionProvider"])
            log.warning("%s cannot run %s (%s): the CPU does", providers[0], path.name, reason)
            return session
        raise InputError(
            f"{path} cannot be read as an ONNX model ({reason}); it may be truncated or of another format. Download "
            f"DWPose's {DETECTOR_FILE} and {POSE_FILE} again, or {OTHER_WAYS}."
        ) from error


def _check_model(session: Any, path: Path, wanted: str) -> None:
    looks_like = _recognise(session)
    if looks_like == wanted:
        return
    shapes = "; ".join(
        f"{kind} {', '.join(f'{value.name} {list(value.shape)}' for value in values)}"
        for kind, values in (("input", session.get_inputs()), ("output", session.get_outputs()))
    )
    expected = {
        DETECTOR_FILE: "a YOLOX person detector: input [1, 3, H, W], output [1, H W (1/64 + 1/256 + 1/1024), 85]",
        POSE_FILE: "a 133-point SimCC pose network: input [1, 3, H, W], outputs [1, 133, 2 W] and [1, 133, 2 H]",
    }
    what = f"looks like {looks_like} (are the two files swapped?)" if looks_like else "is another model"
    raise InputError(f"{path} ({shapes}) {what}; expected here is {expected[wanted]}. Give DWPose's {wanted}.")


def _recognise(session: Any) -> str | None:
    """DETECTOR_FILE or POSE_FILE if the inputs and outputs are those of its kind. A symbolic size fits any."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not _fits(inputs[0].shape, (1, 3, None, None)):
        return None
    height, width = inputs[0].shape[2:]
    if not isinstance(height, int) or not isinstance(width, int):
        return None
    shapes = [output.shape for output in outputs]
    if len(shapes) == 2 and all(
        _fits(shape, (1, NUM_COCO_KEYPOINTS, SIMCC_BINS_PER_PX * side))
        for shape, side in zip(shapes, (width, height), strict=True)
    ):
        return POSE_FILE
    num_anchors = sum((height // stride) * (width // stride) for stride in STRIDES_PX)
    if len(shapes) == 1 and _fits(shapes[0], (1, num_anchors, None)):
        num_columns = shapes[0][2]
        return DETECTOR_FILE if not isinstance(num_columns, int) or num_columns > 5 else None
    return None


def _fits(shape: Sequence[int | str | None], expected: Sequence[int | None]) -> bool:
    return len(shape) == len(expected) and all(
        want is None or not isinstance(size, int) or size == want for size, want in zip(shape, expected, strict=True)
    )


# --- picture -> people --------------------------------------------------------------------------------------------


def initial_pose_of(
    detector: Detector, picture: np.ndarray, person: PersonOrder = "largest", index: int = 0
) -> PoseSequence:
    """The pose of one person in the picture, as a sequence of one frame on the picture as it was given.

    picture: [H, W, 3] uint8 RGB. person, index: see ``choose_person``. Raises InputError if nobody is found, or
    fewer than index + 1 people.
    """
    return choose_person(detector.detect(picture), person, index)


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


def choose_person(people: Detection, person: PersonOrder = "largest", index: int = 0) -> PoseSequence:
    """One of the people as a pose sequence of one frame.

    person: the order in which they are counted; index: the place in it, from 0. Raises InputError for nobody, or an
    index out of range.
    """
    check_person_order(person)
    if not people.num_people:
        raise InputError(
            f"nobody was found in the picture of {people.width_px}x{people.height_px} px; it must show a person's "
            "head and shoulders. Give another picture or crop it around the person, or give the pose "
            "(--poses, 'Load Poses')."
        )
    if not 0 <= index < people.num_people:
        raise InputError(
            f"person {index} was asked for, but the picture shows {_count(people.num_people)}; choose an index of "
            f"0..{people.num_people - 1} (0 = the first by '{person}')."
        )
    row = int(people_in_order(people, person)[index])
    if people.num_people > 1:
        log.info("the picture shows %d people; number %d by '%s' is taken", people.num_people, index, person)
    return PoseSequence.from_pixels(
        torch.from_numpy(people.keypoints_px[row : row + 1].copy()),
        torch.from_numpy(people.score[row : row + 1].copy()),
        height_px=people.height_px,
        width_px=people.width_px,
    )


def check_person_order(person: str) -> None:
    """Raises InputError for a word that is no ``PersonOrder``."""
    if person not in get_args(PersonOrder):
        raise InputError(f"person {person!r} is unknown; choose one of {', '.join(get_args(PersonOrder))}.")


def people_in_order(people: Detection, person: PersonOrder) -> np.ndarray:
    """The people's rows [P] in the order in which they are counted."""
    x0, y0, x1, y1 = people.boxes_px.T
    rank = {"largest": -(x1 - x0) * (y1 - y0), "highest score": -people.confidence, "left to right": x0 + x1}[person]
    return np.argsort(rank, kind="stable")


def _count(num_people: int) -> str:
    return "1 person" if num_people == 1 else f"{num_people} people"


def detect_people(model: DWPose, picture: np.ndarray, compat: Compat = "none") -> Detection:
    """All the people in a picture, the most confident first.

    picture: [H, W, 3] uint8 RGB. compat "reference" is what the MMGT authors do: where nobody is found the whole
    picture counts as a person, all pixels are those of the prepared picture (short side 512), and scores are the
    network's own. Else an empty picture has no people, pixels are those of the picture given, scores are in 0..1.
    """
    check_picture(picture)
    height_px, width_px = picture.shape[:2]
    prepared = prepare_picture(picture)
    prepared_height_px, prepared_width_px = prepared.shape[:2]
    boxes, confidence = _find_boxes(model.detector, prepared)  # [P, 4], [P]
    if compat == "reference" and not len(boxes):
        boxes, confidence = np.array([[0.0, 0.0, prepared_width_px, prepared_height_px]]), np.zeros(1)
    keypoints, score = coco_to_openpose(*_find_keypoints(model.pose_net, prepared, boxes))  # [P, 134, 2], [P, 134]
    if compat == "reference":
        return Detection(boxes, confidence, keypoints, score, prepared_height_px, prepared_width_px)
    scale = np.array([width_px / prepared_width_px, height_px / prepared_height_px])
    return Detection(boxes * np.tile(scale, 2), confidence, keypoints * scale, score.clip(0, 1), height_px, width_px)


def check_picture(picture: np.ndarray) -> None:
    """Raises InputError unless the picture is [H, W, 3] uint8 of a usable shape."""
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8 or not picture.size:
        raise InputError(
            f"the picture is {list(picture.shape)} {picture.dtype}; a detector needs [H, W, 3] uint8 RGB. "
            "Convert it first."
        )
    height_px, width_px = picture.shape[:2]
    if max(height_px, width_px) > MAX_ASPECT * min(height_px, width_px):
        raise InputError(
            f"the picture has {width_px}x{height_px} px; its long side may be at most {MAX_ASPECT} times the short "
            "side. Crop it around the person."
        )


def _find_boxes(detector: Any, prepared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The prepared BGR picture -> boxes [P, 4] in its pixels and their confidence [P]."""
    (network_input,) = detector.get_inputs()
    height_px, width_px = network_input.shape[2:]
    canvas, ratio = letterbox(prepared, height_px, width_px)
    (output,) = detector.run(None, {network_input.name: canvas.transpose(2, 0, 1)[None].astype(np.float32)})
    return person_boxes(output[0], height_px, width_px, ratio)


def _find_keypoints(pose_net: Any, prepared: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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


# --- one step each ------------------------------------------------------------------------------------------------


def prepare_picture(picture: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 RGB -> BGR with a short side of 512 px and both sides multiples of 64 px."""
    import cv2

    height, width = picture.shape[:2]
    zoom = SHORT_SIDE_PX / min(height, width)
    new_height, new_width = (round(side * zoom / SIDE_MULTIPLE_PX) * SIDE_MULTIPLE_PX for side in (height, width))
    bgr = np.ascontiguousarray(picture[..., ::-1])
    return cv2.resize(bgr, (new_width, new_height), interpolation=cv2.INTER_LANCZOS4 if zoom > 1 else cv2.INTER_AREA)


def letterbox(picture: np.ndarray, height_px: int, width_px: int) -> tuple[np.ndarray, float]:
    """The picture at the top left of a grey canvas [height, width, 3], as large as fits, and its zoom."""
    import cv2

    height, width = picture.shape[:2]
    ratio = min(height_px / height, width_px / width)
    new_height, new_width = int(height * ratio), int(width * ratio)
    canvas = np.full((height_px, width_px, 3), CANVAS_GREY, np.uint8)
    canvas[:new_height, :new_width] = cv2.resize(picture, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    return canvas, ratio


def decode_yolox(output: np.ndarray, height_px: int, width_px: int) -> np.ndarray:
    """YOLOX's raw rows [anchors, 5 + classes] -> the same rows with centre and size (columns 0..3) in canvas px.

    Rows: the cells of the grids of stride 8, 16, 32, x fastest. Columns 4.. (objectness, classes) are 0..1 already.
    """
    grids = [np.mgrid[: height_px // s, : width_px // s][::-1].reshape(2, -1).T for s in STRIDES_PX]  # x, y
    cell = np.concatenate(grids)  # [anchors, 2]
    stride = np.repeat(STRIDES_PX, [len(grid) for grid in grids])[:, None]
    decoded = output.astype(np.float32)  # float64 would move the crop's last bits away from the authors'
    decoded[:, :2] = (decoded[:, :2] + cell) * stride
    decoded[:, 2:4] = np.exp(decoded[:, 2:4]) * stride
    return decoded


def person_boxes(output: np.ndarray, height_px: int, width_px: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """YOLOX's raw rows [anchors, 5 + classes] -> boxes [P, 4] in picture px and their score [P], highest first."""
    decoded = decode_yolox(output, height_px, width_px)
    score = decoded[:, 4] * decoded[:, 5 + PERSON_CLASS]
    # Boxes below the threshold cannot suppress one above it, so they may leave before the suppression.
    decoded, score = decoded[score > MIN_PERSON_SCORE], score[score > MIN_PERSON_SCORE]
    centre, half_size = decoded[:, :2], decoded[:, 2:4] / 2
    boxes = np.concatenate([centre - half_size, centre + half_size], axis=1) / ratio
    kept = suppress_overlaps(boxes, score)
    return boxes[kept].astype(np.float64), score[kept].astype(np.float64)


def suppress_overlaps(boxes_px: np.ndarray, score: np.ndarray, max_overlap: float = MAX_OVERLAP) -> np.ndarray:
    """Greedy non-maximum suppression of one class: boxes [N, 4], score [N] -> kept indices, highest score first.

    A box covers its last pixel too (x1 - x0 + 1 px wide). Of equal scores the later box comes first.
    """
    corner_0, corner_1 = boxes_px[:, :2], boxes_px[:, 2:]
    area = (corner_1 - corner_0 + 1).prod(axis=1)
    order = np.argsort(score, kind="stable")[::-1]
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        shared = np.minimum(corner_1[best], corner_1[rest]) - np.maximum(corner_0[best], corner_0[rest]) + 1
        intersection = shared.clip(min=0).prod(axis=1)
        overlap = intersection / (area[best] + area[rest] - intersection)
        order = rest[overlap <= max_overlap]
    return np.array(kept, dtype=np.int64)


def centre_and_scale(boxes_px: np.ndarray, aspect: float) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [P, 4] -> centre [P, 2] and size [P, 2] of the crop of that aspect (width / height) around each."""
    corner_0, corner_1 = boxes_px[:, :2], boxes_px[:, 2:]
    width, height = (BOX_MARGIN * (corner_1 - corner_0)).T
    is_wide = width > aspect * height
    size = np.stack([np.where(is_wide, width, aspect * height), np.where(is_wide, width / aspect, height)], axis=1)
    return (corner_0 + corner_1) / 2, size


def crop_person(
    picture: np.ndarray, centre: np.ndarray, scale: np.ndarray, height_px: int, width_px: int
) -> np.ndarray:
    """The crop of a BGR picture around ``centre`` [2], ``scale`` [2] px large, as the pose network reads it.

    Returns [3, height, width] float32.
    """
    import cv2

    # Three points fix the map: the centre, half a width above it, and from there half a width to the left.
    source = np.array([centre, centre - (0, scale[0] / 2), centre - (scale[0] / 2, scale[0] / 2)], np.float32)
    middle = np.array([width_px / 2, height_px / 2])
    target = np.array([middle, middle - (0, width_px / 2), middle - (width_px / 2, width_px / 2)], np.float32)
    crop = cv2.warpAffine(
        picture, cv2.getAffineTransform(source, target), (width_px, height_px), flags=cv2.INTER_LINEAR
    )
    return ((crop - PIXEL_MEAN) / PIXEL_DEVIATION).transpose(2, 0, 1).astype(np.float32)


def decode_simcc(simcc_x: np.ndarray, simcc_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Evidence along each axis [K, 2 w], [K, 2 h] -> location [K, 2] in network px, and score [K].

    The score is the smaller of the two maxima; a keypoint without positive evidence lies at bin -1.
    """
    bins = np.stack([simcc_x.argmax(axis=1), simcc_y.argmax(axis=1)], axis=1)
    score = np.minimum(simcc_x.max(axis=1), simcc_y.max(axis=1))
    bins[score <= 0] = -1
    return bins / SIMCC_BINS_PER_PX, score


def coco_to_openpose(keypoints: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """133 COCO-WholeBody points -> our 134 (see ``skeleton``): [..., 133, 2], [..., 133] -> [..., 134, 2], [..., 134].

    The neck is the middle of the shoulders, and is seen (score 1) where both of them are.
    """
    shoulders = [COCO_LEFT_SHOULDER, COCO_RIGHT_SHOULDER]
    neck = keypoints[..., shoulders, :].mean(axis=-2)
    neck_score = (score[..., shoulders] > VISIBLE_SCORE).all(axis=-1)
    keypoints = np.insert(keypoints, COCO_NECK, neck, axis=-2)
    score = np.insert(score, COCO_NECK, neck_score, axis=-1)
    order = [*OPENPOSE_BODY_FROM_COCO, *range(len(OPENPOSE_BODY_FROM_COCO), NUM_COCO_KEYPOINTS + 1)]
    return keypoints[..., order, :], score[..., order]

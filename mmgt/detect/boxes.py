"""Where the people are: YOLOX (arXiv 2107.08430) before and after its network."""

from __future__ import annotations

import numpy as np

CANVAS_GREY = 114  # YOLOX's padding
STRIDES_PX = (8, 16, 32)  # YOLOX's three grids
PERSON_CLASS = 0  # COCO
MIN_PERSON_SCORE, MAX_OVERLAP = 0.3, 0.45


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

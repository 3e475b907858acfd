"""DWPose against the authors' detector: pictures through tiny ONNX stand-ins, and each step by itself."""

import hashlib

import cv2
import numpy as np
import pytest
import torch
from authors_dwpose import detect_people_as_authors
from golden import golden_files, read

from mmgt.detect import load_dwpose
from mmgt.detect.boxes import decode_yolox, letterbox, person_boxes, suppress_overlaps
from mmgt.detect.dwpose import detect_people, prepare_picture
from mmgt.detect.keypoints import centre_and_scale, crop_person, decode_simcc
from mmgt.media import read_picture
from mmgt.poses.vector import mask_legs, normalise

NETWORK_SIZE_PX = 640, 640  # YOLOX's canvas
CROP_SIZE_PX = 384, 288
CV2_MAJOR = int(cv2.__version__.split(".")[0])


def close_but_for_opencv_5(ours, golden, atol):
    """OpenCV 5 warps up to 3 grey levels differently: scores move a little, and now and then a point by one bin."""
    if CV2_MAJOR < 5:
        close(ours, golden, atol)
    else:
        assert (np.abs(ours - golden) > 0.01).mean() < 0.02


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def close(ours, golden, atol):
    np.testing.assert_allclose(ours, golden, rtol=0, atol=atol)


def cases():
    """Golden files with a picture; dwpose_nms and dwpose_simcc are single steps."""
    return [p for p in golden_files("stage1", "dwpose_") if p.values[0] is None or "image" in read(p.values[0])[1]]


def beside(path, suffix):
    return path.with_name(f"{path.stem}_{suffix}")


@pytest.mark.parametrize("path", cases())
def test_pictures(path):
    expected, metadata = read(path)
    picture = read_picture(path.with_name(metadata["image"]))
    prepared = prepare_picture(picture)
    assert sha256(prepared) == metadata["sha256_resized_bgr"]
    canvas, ratio = letterbox(prepared, *NETWORK_SIZE_PX)
    assert ratio == pytest.approx(float(metadata["letterbox_ratio"]))
    assert sha256(canvas.transpose(2, 0, 1).astype(np.float32)) == metadata["sha256_det_input_f32"]

    model = load_dwpose(beside(path, "tiny_yolox.onnx"), beside(path, "tiny_pose.onnx"), ["CPUExecutionProvider"])
    people = detect_people_as_authors(model, picture)
    if len(expected["boxes_xyxy"]):
        close(people.boxes_px, expected["boxes_xyxy"], 1e-3)
    else:
        assert detect_people(model, picture).num_people == 0  # only the authors' way takes the whole picture
        close(people.boxes_px, [[0, 0, prepared.shape[1], prepared.shape[0]]], 0)
    points = np.concatenate([people.keypoints_px, people.score[..., None].astype(np.float64)], axis=-1)
    close_but_for_opencv_5(points.reshape(len(points), -1), expected["keypoints_134_flat"], 1e-3)
    reference = normalise(points[0])
    close_but_for_opencv_5(reference, expected["reference_pose_402_normalised"], 1e-6)
    close_but_for_opencv_5(mask_legs(reference)[None], expected["reference_pose_402_mask_leg"], 1e-6)

    (centre, *_), (scale, *_) = centre_and_scale(people.boxes_px, CROP_SIZE_PX[1] / CROP_SIZE_PX[0])
    crop = crop_person(prepared, centre, scale, *CROP_SIZE_PX)
    if CV2_MAJOR < 5:
        assert sha256(crop) == metadata["sha256_pose_input_f32"]


@pytest.mark.parametrize("path", cases())
def test_default_maps_back_to_the_given_picture(path):
    """The same people lie in the pixels of the picture as it was given."""
    _, metadata = read(path)
    picture = read_picture(path.with_name(metadata["image"]))
    model = load_dwpose(beside(path, "tiny_yolox.onnx"), beside(path, "tiny_pose.onnx"), ["CPUExecutionProvider"])
    ours, theirs = detect_people(model, picture), detect_people_as_authors(model, picture)
    if ours.num_people:
        zoom = np.array([theirs.width_px / picture.shape[1], theirs.height_px / picture.shape[0]])
        close(ours.keypoints_px * zoom, theirs.keypoints_px, 1e-6)
        assert (ours.height_px, ours.width_px) == picture.shape[:2]


@pytest.mark.parametrize("path", golden_files("stage1", "dwpose_nms"))
def test_decoding_and_suppression(path):
    golden, metadata = read(path)
    num_anchors = sum((NETWORK_SIZE_PX[0] // s) * (NETWORK_SIZE_PX[1] // s) for s in (8, 16, 32))
    raw = np.zeros((num_anchors, golden["raw"].shape[1]), np.float32)
    raw[golden["raw_rows"]] = golden["raw"]
    close(decode_yolox(raw, *NETWORK_SIZE_PX)[golden["raw_rows"]], golden["decoded"], 1e-3)

    boxes, scores = golden["boxes"].astype(np.float64), golden["scores"].astype(np.float64)
    max_overlap, min_score = float(metadata["nms_thr"]), float(metadata["score_thr"])
    kept, golden_kept = suppress_overlaps(boxes, scores[:, 0], max_overlap), golden["nms_keep_class0"]
    # equal scores (the many zeros) have no defined order, so only boxes above the threshold are compared
    likely_kept, likely_golden = (rows[scores[rows, 0] > min_score] for rows in (kept, golden_kept))
    assert len(likely_golden)
    np.testing.assert_array_equal(likely_kept, likely_golden)
    detections = []
    for class_idx, score in enumerate(scores.T):
        likely = np.flatnonzero(score > min_score)
        kept = likely[suppress_overlaps(boxes[likely], score[likely], max_overlap)]
        detections += [[*boxes[row], score[row], class_idx] for row in kept]
    close(np.array(detections), golden["dets"], 1e-4)

    output = np.zeros((num_anchors, golden["detector_raw"].shape[1]), np.float32)
    output[golden["detector_rows"]] = golden["detector_raw"]
    height, width = golden["detector_image_hw"]
    ratio = min(NETWORK_SIZE_PX[0] / height, NETWORK_SIZE_PX[1] / width)
    found, _ = person_boxes(output, *NETWORK_SIZE_PX, ratio)
    close(found, golden["detector_boxes"], 1e-3)


@pytest.mark.parametrize("path", golden_files("stage1", "dwpose_simcc"))
def test_crop_and_simcc(path):
    golden, metadata = read(path)
    picture = golden["image_bgr"]
    size = np.array([golden["simcc_x"].shape[2] // 2, golden["simcc_y"].shape[2] // 2])  # width, height
    location, score = decode_simcc(golden["simcc_x"][0], golden["simcc_y"][0])
    close(score[None], golden["scores"], 1e-6)
    whole = np.array([[0.0, 0.0, picture.shape[1], picture.shape[0]]])
    for boxes, suffix in ((golden["bbox"], ""), (whole, "_nobox")):
        (centre,), (scale,) = centre_and_scale(boxes, size[0] / size[1])
        close(centre, golden[f"center{suffix}"], 1e-6)
        close(scale, golden[f"scale{suffix}"], 1e-4)
        close((location / size * scale + centre - scale / 2)[None], golden[f"keypoints{suffix}"], 1e-3)
    (centre,), (scale,) = centre_and_scale(golden["bbox"], size[0] / size[1])
    crop = crop_person(picture, centre, scale, size[1], size[0])
    close(crop[:, ::4, ::4], golden["pose_input_4x"], 1e-4 if CV2_MAJOR < 5 else 0.06)
    if CV2_MAJOR < 5:
        assert sha256(crop) == metadata["sha256_pose_input_f32"]
    assert torch.isfinite(torch.from_numpy(crop)).all()

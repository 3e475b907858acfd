"""Pose pictures and motion masks against the authors' renderer."""

import hashlib
import json

import cv2
import numpy as np
import pytest
import torch
from golden import golden_files, read

from mmgt.poses import PoseSequence
from mmgt.poses.draw import draw_pose
from mmgt.poses.motion_mask import motion_masks
from mmgt.poses.vector import FRAME_PX, denormalise

# OpenCV 4.12 and later draw polygons that reach far outside of the canvas differently (up to 461 pixels of a frame).
SAME_POLYGONS = tuple(int(n) for n in cv2.__version__.split(".")[:2]) <= (4, 11)
OTHER_POLYGON_PIXELS = 500


def sha256(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def frames(path):
    tensors, metadata = read(path)
    points = denormalise(torch.from_numpy(tensors["pose_normalised"]))  # [T, 134, 3] float32
    np.testing.assert_array_equal(points.flatten(1).numpy(), tensors["pose_pixels"])
    return tensors, metadata, points.numpy()


def golden_render_files():
    return [p for p in golden_files("stage1", "render_edge") if "full_pose" not in p.id]


@pytest.mark.parametrize("path", golden_render_files())
def test_pose_pictures(path):
    tensors, metadata, points = frames(path)
    expected_sha = json.loads(metadata["sha256_pose_rgb"])
    for t, frame in enumerate(points):
        picture = draw_pose(frame[:, :2], frame[:, 2], FRAME_PX, FRAME_PX)
        if SAME_POLYGONS:
            assert sha256(picture) == expected_sha[t], f"frame {t}"
        small = cv2.resize(picture, tensors["pose_down_32"].shape[1:3], interpolation=cv2.INTER_AREA)
        different = (small != tensors["pose_down_32"][t]).any(axis=-1).sum()
        assert different == 0 or (not SAME_POLYGONS and different <= OTHER_POLYGON_PIXELS)


@pytest.mark.parametrize("path", golden_files("stage1", "render_edge_full_pose"))
def test_full_pose_pictures(path):
    tensors, metadata = read(path)
    others = [read(p.values[0]) for p in golden_render_files()]
    poses, _ = next(other for other in others if other[1]["seed"] == metadata["seed"])
    for name, expected in tensors.items():
        frame = denormalise(poses["pose_normalised"][int(name.removeprefix("frame"))])
        picture = draw_pose(frame[:, :2], frame[:, 2], *expected.shape[:2])
        different = (picture != expected).any(axis=-1).sum()
        assert different == 0 or (not SAME_POLYGONS and different <= OTHER_POLYGON_PIXELS)


@pytest.mark.parametrize("path", golden_render_files())
def test_motion_masks(path):
    tensors, metadata, points = frames(path)
    poses = PoseSequence.from_pixels(
        torch.from_numpy(points[..., :2]), torch.from_numpy(points[..., 2]), height_px=FRAME_PX, width_px=FRAME_PX
    )
    masks = motion_masks(poses, FRAME_PX, FRAME_PX)
    face_and_hands = torch.maximum(masks.face, masks.hands)
    for name, mask in (("hands", masks.hands), ("lips", masks.lips), ("face_plus_hands", face_and_hands)):
        expected = np.unpackbits(tensors[f"masks_packbits_{name}"], axis=-1)
        np.testing.assert_array_equal(mask.numpy().astype(np.uint8), expected, err_msg=name)
    np.testing.assert_array_equal(masks.background.numpy(), 1 - face_and_hands.numpy())

    # The authors add face and hands in uint8: 255 + 255 wraps to 254. Their files follow from ours.
    wrapped = ((masks.face * 255).to(torch.uint8) + (masks.hands * 255).to(torch.uint8)).numpy()
    for t, expected_sha in enumerate(json.loads(metadata["sha256_face_plus_hands"])):
        assert sha256(wrapped[t]) == expected_sha
    for name, mask in (("lips", masks.lips), ("hands", masks.hands)):
        for t, expected_sha in enumerate(json.loads(metadata[f"sha256_{name}"])):
            assert sha256((mask[t] * 255).to(torch.uint8).numpy()) == expected_sha


def mask_box(mask):
    """Inclusive x0, y0, x1, y1 of a mask, -1 where it is empty."""
    y, x = np.nonzero(mask.numpy())
    return [x.min(), y.min(), x.max(), y.max()] if len(x) else [-1] * 4


@pytest.mark.parametrize("path", golden_files("stage1", "e2e_stage1"))
def test_end_to_end_boxes(path):
    tensors, _ = read(path)
    points = denormalise(torch.from_numpy(tensors["smoothed"]))[tensors["frames_index"]]
    poses = PoseSequence.from_pixels(points[..., :2], points[..., 2], height_px=FRAME_PX, width_px=FRAME_PX)
    masks = motion_masks(poses, FRAME_PX, FRAME_PX)
    for name, mask in (
        ("lips", masks.lips),
        ("hands", masks.hands),
        ("face_plus_hands", torch.maximum(masks.face, masks.hands)),
    ):
        for t in range(len(mask)):
            np.testing.assert_allclose(mask_box(mask[t]), tensors[f"{name}_bbox"][t], atol=1)

"""Which frames, slices and masks the authors' training takes."""

import json

import numpy as np
import pytest
import torch
from authors_training import Slicing, complement_mask, unit_range_guard
from clip_sets import swaying_set
from golden import golden_files, golden_folder, read

from mmgt.mmhaa.audio_proj import around_each_frame
from mmgt.mmhaa.masks import FACE_BLUR, LIP_BLUR, blurred_mask, mask_pyramid, network_masks
from mmgt.poses.skeleton import LEGS, NUM_KEYPOINTS
from mmgt.poses.vector import denormalise, normalise
from mmgt.speech.features import NUM_HANDCRAFTED
from mmgt.training.authors_rules import start_range, target_range
from mmgt.training.mmhaa import AUTHORS_MASKS
from mmgt.training.smga import PoseWindows


def facts(name):
    path = golden_folder("training") / name
    if not path.is_file():
        pytest.skip(f"no {path}")
    return json.loads(path.read_text())


def both_ends(frames):
    return [frames[0], frames[-1]]


@pytest.mark.parametrize("fps", [25, 24])
def test_slices(fps):
    cases = facts("slicing.json")[f"fps{fps}"]
    assert cases
    for case in cases:
        slicing = Slicing(case["window"], case["stride"], fps)
        sounds = slicing.samples(case["samples"], case["sample_rate"])
        assert sounds == [tuple(ends) for ends in case["audio_samples"]]
        for cut, name in (
            (slicing.features, "feature_rows"),
            (slicing.keypoints, "keypoint_rows"),
            (slicing.videos, "video_frames"),
        ):
            assert cut(case["frames"], len(sounds)) == [tuple(ends) for ends in case[name]], (case["seconds"], name)


def test_where_a_window_of_stage_two_may_start():
    for length, expected in facts("data_rules.json")["stage2_clip"]["video_length_to_start_range"]:
        starts = start_range(length)
        assert not starts if isinstance(expected, str) else both_ends(starts) == expected, length


def test_which_frames_process_one_pairs_with_a_photo():
    for case in facts("data_rules.json")["process1_pairs"]["cases"]:
        frames = target_range(case["video_length"], case["reference"])
        assert both_ends(frames) == case["target_range_inclusive"], case


def test_the_guard_of_unit_ranges():
    for case in facts("data_rules.json")["guard"]:
        guarded = unit_range_guard(torch.tensor(case["inp"]))
        torch.testing.assert_close(guarded, torch.tensor(case["out"]), rtol=0, atol=1e-7)


@pytest.mark.parametrize("path", golden_files("training", "smga_loss"))
def test_the_guard_in_the_loop(path):
    tensors, _ = read(path)
    for case in ("a", "b"):
        guarded = unit_range_guard(torch.from_numpy(tensors[f"guard.{case}.in"]))
        np.testing.assert_allclose(guarded, tensors[f"guard.{case}.out"], rtol=0, atol=1e-7)


@pytest.mark.parametrize("path", golden_files("training", "train_masks"))
def test_the_complement_wraps_around(path):
    tensors, _ = read(path)
    third = complement_mask(tensors["frames.face_hands"], tensors["frames.lips"])
    np.testing.assert_array_equal(third, tensors["third_complement_u8"])


@pytest.mark.parametrize("path", golden_files("training", "train_masks"))
def test_masks_that_training_takes(path):
    """Blurred, stretched and halved, for pictures of 512 and 128 px; a frame without a box has none anywhere."""
    tensors, metadata = read(path)
    regions = {
        "face": (tensors["frames.face_hands"], FACE_BLUR),
        "lips": (tensors["frames.lips"], LIP_BLUR),
        "third_hands": (tensors["frames.hands"], LIP_BLUR),
        "third_complement": (tensors["third_complement_u8"], LIP_BLUR),
    }
    for name, (frames, kernel) in regions.items():
        blurred = np.stack([blurred_mask(frame, kernel) for frame in frames])
        np.testing.assert_allclose(blurred / 255, tensors[f"{name}_blur64"] / 255, atol=1.01 / 255)
        for side_px in (512, 128):
            levels = mask_pyramid(frames, kernel, side_px // 8, side_px // 8)
            for level, masks in enumerate(levels):
                golden = tensors.get(f"s{side_px}.{name}_l{level}")
                if golden is None:  # at 512 px the first level is the blurred mask
                    golden = tensors[f"{name}_blur64"].reshape(len(frames), -1) / 255
                np.testing.assert_allclose(masks, golden, atol=1.01 / 255, err_msg=f"{name} {side_px} {level}")
    # The branches of process 2 with the authors' data: face with hands, lips, and the hands alone.
    face = tensors["frames.face_hands"]
    branches = network_masks(face, tensors["frames.lips"], 16, 16, tensors["frames.hands"], AUTHORS_MASKS)
    for level, masks in enumerate(branches):
        for name, mask in zip(("third_hands", "face", "lips"), masks, strict=True):
            np.testing.assert_allclose(mask, tensors[f"s128.{name}_l{level}"], atol=1.01 / 255, err_msg=name)
    facts_of_masks = json.loads(metadata["info"])
    assert all(not mask[frame].any() for mask in branches[0] for frame in facts_of_masks["empty_frames"])


def test_the_rows_of_speech_that_a_clip_hears():
    facts_of_clip = facts("data_rules.json")["stage2_clip"]
    default = facts_of_clip["default"]
    rows = torch.arange(default["video_length"])[:, None, None]
    frames = range(default["start"], default["start"] + default["n_sample_frames"])
    assert around_each_frame(rows, frames)[..., 0, 0].tolist() == default["audio_rows"]
    assert default["audio_rows"][:3] == facts_of_clip["audio_rows"]
    ours = start_range(default["video_length"], default["n_sample_frames"])
    assert both_ends(ours) == default["start_range_inclusive"] == default["reference_range_inclusive"]


def test_poses_are_normalised_alike():
    poses = facts("data_rules.json")["poses"]
    points = np.zeros((NUM_KEYPOINTS, 3))
    points[: len(poses["values"]), 0] = poses["values"]
    for dtype, name in ((np.float64, "normalised_float64"), (np.float32, "normalised_float32")):
        vector = normalise(points.astype(dtype))
        assert vector.dtype == dtype
        np.testing.assert_allclose(vector[0 : 3 * len(poses["values"]) : 3], poses[name], rtol=0, atol=1e-7)
    np.testing.assert_allclose(denormalise(normalise(points))[: len(poses["values"]), 0], poses["denormalised"])
    assert list(LEGS) == poses["mask_leg_points"]


def test_what_a_window_of_stage_one_holds(tmp_path):
    """Its first frame is the condition, and as long as the target; WavLM stands before the hand-crafted features."""
    rule = facts("data_rules.json")["gesture_dataset"]
    first, stop = rule["target_rows"]
    windows = PoseWindows(swaying_set(tmp_path / "set", 2, rule["file_rows"]), stop - first)
    assert [start for _, start in windows.windows] == [rule["condition_row"]]
    poses, features = windows.batch(1, torch.Generator())
    assert poses.shape == (1, stop - first, 402)
    assert poses.dtype == features.dtype == torch.float32
    (_, *wavlm), (_, *baseline) = rule["condition_columns"]
    assert wavlm[1] == baseline[0]
    assert baseline[1] - baseline[0] == NUM_HANDCRAFTED == features.shape[-1]

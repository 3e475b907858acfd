"""Which frames, slices and masks the authors' training takes."""

import json

import numpy as np
import pytest
import torch
from authors_training import Slicing, complement_mask, unit_range_guard
from golden import golden_files, golden_folder, read

from mmgt.training.authors_rules import start_range, target_range


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


@pytest.mark.parametrize("path", golden_files("training", "train_masks"))
def test_the_complement_wraps_around(path):
    tensors, _ = read(path)
    third = complement_mask(tensors["frames.face_hands"], tensors["frames.lips"])
    np.testing.assert_array_equal(third, tensors["third_complement_u8"])

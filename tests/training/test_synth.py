"""The drawn set: styles that differ, lips that follow the speech, and what `mmgt data` says of it."""

import shutil

import numpy as np
import pytest
import torch
from avatar import syllables
from clip_sets import swaying_set

from mmgt.cli import main
from mmgt.media import read_picture
from mmgt.rhythm import rhythm_poses
from mmgt.rhythm.cues import hear_speech
from mmgt.training.clip_pictures import clip_pictures
from mmgt.training.pose_statistics import lip_gap, pose_statistics
from mmgt.training.synth import STYLES, synthesise
from mmgt.world.presenter import presenter

SPEAKS = pytest.mark.skipif(not (shutil.which("espeak-ng") or shutil.which("flite")), reason="no espeak-ng, no flite")
SPEECH = syllables(12)


@pytest.fixture(scope="module")
def spoken():
    """Of every style three presenters."""
    return {
        style: [rhythm_poses(SPEECH, presenter(seed), seed=seed, amplitudes=how) for seed in range(3)]
        for style, how in STYLES.items()
    }


def test_styles_differ_where_they_say_so(spoken):
    of = {style: pose_statistics(poses) for style, poses in spoken.items()}
    assert of["hands"].hand_speed > 2.5 * of["calm"].hand_speed
    assert of["lively"].hand_speed > 1.2 * of["even"].hand_speed > 1.5 * of["calm"].hand_speed
    assert of["nodding"].head_speed > 1.5 * of["hands"].head_speed
    assert of["nodding"].hand_speed < 0.8 * of["even"].hand_speed
    assert of["lively"].lip_gap > of["even"].lip_gap > of["calm"].lip_gap


@pytest.mark.parametrize("style", STYLES)
def test_lips_follow_the_speech_in_every_style(spoken, style):
    opening = hear_speech(SPEECH).opening
    for poses in spoken[style]:
        gap = lip_gap(poses)[8:]  # the first frames ease out of the still
        assert np.corrcoef(gap, opening[8:])[0, 1] > 0.9
        assert gap[opening[8:] == 0].max() < 0.25 * gap.max()


@SPEAKS
def test_a_synthetic_set_is_drawn_and_inspected(tmp_path, capsys):
    clips = synthesise(2, tmp_path / "set", seed=3)
    entry = clips.entries[0]
    pictures = clip_pictures(clips, entry, [0, 20], 64)
    assert pictures.shape == (2, 64, 64, 3)
    assert (pictures[0] != pictures[1]).any()
    assert main(["data", "inspect", str(tmp_path / "set"), "--sheet", str(tmp_path / "sheet.png")]) == 0
    said = capsys.readouterr().out
    assert "train: 1 clips" in said
    assert "hand speed" in said
    sheet = read_picture(tmp_path / "sheet.png")
    assert sheet.shape == (4 * 192, 4 * 192, 3)
    assert (sheet[:192] > 0).all(axis=-1).mean() > 0.9  # a picture, not a pose on black


@SPEAKS
def test_a_killed_run_goes_on_where_it_was(tmp_path):
    whole = synthesise(2, tmp_path / "whole", seed=5)
    synthesise(1, tmp_path / "part", seed=5)
    both = synthesise(2, tmp_path / "part", seed=5)
    assert both.entries == whole.entries
    for entry in whole.entries:
        assert torch.equal(both.poses(entry).keypoints, whole.poses(entry).keypoints)
        assert torch.equal(both.features(entry), whole.features(entry))
        assert both.metadata(entry) == whole.metadata(entry)


def test_a_set_without_pictures_says_so(tmp_path, capsys):
    clips = swaying_set(tmp_path / "set", source="test")
    assert main(["data", "inspect", str(clips.folder)]) == 0
    assert "test: 1 clips, 4 s" in capsys.readouterr().out
    assert main(["data", "inspect", str(clips.folder), "--sheet", str(tmp_path / "sheet.png")]) == 2
    assert "neither a film nor a presenter" in capsys.readouterr().err

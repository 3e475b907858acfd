"""``mmgt demo`` with tiny random networks in the place of those that are shipped."""

import sys

import av
import numpy as np
import pytest
import soundfile
import torch
from small_networks import write_small_networks

from mmgt.assets import PRESENTER, PRESENTER_POSE, SPEECH
from mmgt.cli import main
from mmgt.commands import demo
from mmgt.detect.example_portrait import pose_of_example
from mmgt.media import read_marks, read_picture, read_recording
from mmgt.mmhaa.presets import PRESETS, Preset
from mmgt.pose_files import load_poses
from mmgt.weights.places import find_all
from mmgt.world import portrait

SIDE, NUM_FRAMES = 64, 13


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Networks, 0.5 s of speech and 64 px in the place of the demo's; returns the folder of networks."""
    models = tmp_path / "models"
    write_small_networks(models, SIDE)
    speech = read_recording(SPEECH)
    soundfile.write(tmp_path / "speech.wav", speech.samples[0, : speech.rate_hz // 2], speech.rate_hz)
    for module in ("mmgt.assets", find_all.__module__):
        monkeypatch.setattr(sys.modules[module], "MODELS", models)
    monkeypatch.setattr(sys.modules["mmgt.assets"], "SPEECH", tmp_path / "speech.wav")
    monkeypatch.setattr(demo, "VIDEO_PX", SIDE)
    monkeypatch.setitem(PRESETS, "small", Preset("ddim", 1, 1.0, PRESETS["small"].options))
    return models


def test_the_presenter_speaks(small, tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--out", str(out), "--seed", "1"]) == 0
    said = capsys.readouterr().out
    assert "SMGA 100 %" in said
    assert "sampling 100 % (1/1)" in said
    for name in ("demo.mp4", "poses.mp4", "masks.mp4"):
        with av.open(str(out / name)) as container:
            assert (container.streams.video[0].frames, len(container.streams.audio)) == (NUM_FRAMES, 1)
        assert read_marks(out / name).source_uri.endswith("/trainedAlgorithmicMedia") == (name != "demo.mp4")
    assert load_poses(out / "poses.json").num_frames == NUM_FRAMES
    person = portrait(demo.PRESENTER_SEEDS + 1, SIDE)
    np.testing.assert_array_equal(read_picture(out / "portrait.png"), person.picture)
    sheet = read_picture(out / "contact_sheet.png")
    assert sheet.shape == (5 * SIDE, demo.CONTACT_SHEET_COLUMNS * SIDE, 3)
    rows = sheet.reshape(5, SIDE, -1, SIDE, 3).transpose(0, 2, 1, 3, 4).astype(float)
    assert all(np.abs(a - b).mean() > 1 for idx, a in enumerate(rows) for b in rows[idx + 1 :])
    np.testing.assert_array_equal(rows[0, 0], person.picture)
    networks = {network["name"] for network in read_marks(out / "demo.mp4").record["networks"]}
    assert networks == {"smga", "mmhaa", "vae"}


def test_without_the_small_networks_the_photo_is_shown(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys.modules[find_all.__module__], "MODELS", tmp_path)
    shown = []
    monkeypatch.setattr(demo, "animate_photo", shown.append)
    assert main(["demo", "--out", str(tmp_path / "demo")]) == 0
    assert len(shown) == 1
    assert "not in this copy" in capsys.readouterr().out


def test_the_example_presenter_is_the_demo_s_first():
    person = portrait(demo.PRESENTER_SEEDS)
    np.testing.assert_array_equal(read_picture(PRESENTER), person.picture)
    torch.testing.assert_close(load_poses(PRESENTER_POSE).pixels, person.pose.pixels, atol=1e-3, rtol=0)
    assert pose_of_example(person.picture[::2, ::2]) == PRESENTER_POSE
    assert pose_of_example(portrait(demo.PRESENTER_SEEDS + 1).picture) is None

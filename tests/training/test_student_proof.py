"""The measures of a student, by their own oracles, and the command's table."""

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode
from video_sets import NARROW

from mmgt.cli import main
from mmgt.media import read_picture
from mmgt.mmhaa.network import authors_state
from mmgt.mmhaa.presets import Preset
from mmgt.ops import attend
from mmgt.training.clips import ClipSet
from mmgt.training.new_networks import new_mmhaa
from mmgt.training.student_proof import MORE_FLOP, _numbers, prove_student, student_table
from mmgt.training.synth import draw_clip
from mmgt.training.video_proof import Judge, unseen_clips
from mmgt.training.video_set import VideoSet

pytestmark = pytest.mark.usefixtures("one_thread")
SIDE = 64


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    return ClipSet.write_index(folder, [draw_clip(folder / "c.safetensors", 3, 0, range(12))])  # held out


@pytest.fixture(scope="module")
def videos(clips):
    return VideoSet(clips, SIDE, whole_clips=False)


@pytest.fixture(scope="module")
def networks():
    made = new_mmhaa(NARROW, 0, with_video=True)
    for network in (made.reference_unet, made.video_network):
        network.eval().requires_grad_(False)
    return made


def test_each_loss_of_a_student_is_in_its_number(videos):
    (clip,) = unseen_clips(videos, 1, 6, seed=0)
    judge = Judge.of(videos, clip)
    truth = judge.truth.astype(float)
    itself = _numbers(judge, judge.truth, 1.5)
    assert (itself.psnr_db, itself.colour, itself.tflop) == (math.inf, 0, 1.5)
    wanted = np.mean([(truth[t + 1] - truth[t]) ** 2 for t in range(5)])
    assert itself.energy == pytest.approx(wanted, rel=1e-4)
    frozen = np.stack([judge.truth[0]] * 6)
    assert _numbers(judge, frozen, 0).energy == 0
    red = np.clip(truth + np.array([9, 0, 0]), 0, 255).astype(np.uint8)
    assert _numbers(judge, red, 0).colour == pytest.approx(9, abs=0.5)
    blurred = (truth + np.roll(truth, 3, axis=2)) / 2
    assert _numbers(judge, blurred.astype(np.uint8), 0).psnr_db < 40


def test_attention_on_a_processor_is_counted():
    """Two products of every query with every key, over the heads' widths."""
    q, k = torch.randn(3, 5, 8), torch.randn(3, 7, 8)
    with torch.inference_mode(), FlopCounterMode(display=False, custom_mapping=MORE_FLOP) as counter:
        attend(q, k, k, 2)
    assert counter.get_total_flops() == 2 * 2 * 3 * 5 * 7 * 8


def test_work_grows_with_steps_and_guidance_and_the_same_call_gives_the_same(videos, networks):
    def found():
        ways = {str(given): (networks, Preset("ddim", *given)) for given in ((1, 1.0), (2, 1.0), (3, 1.0), (3, 2.0))}
        shown = []
        return prove_student(ways, videos, 1, 4, show=shown.extend), shown

    (rows, shown), (again, _) = found(), found()
    assert str(rows) == str(again)
    assert list(rows) == ["truth", "(1, 1.0)", "(2, 1.0)", "(3, 1.0)", "(3, 2.0)"]
    work = [row.tflop for row in rows.values()]
    step = work[2] - work[1]
    assert work[0] == 0 < step
    assert work[3] - work[2] == pytest.approx(step)
    assert 3 * 1.8 * step < work[4] - (work[1] - step) < 3 * 2 * step, "rows share queries, keys and values at first"
    assert [np.shape(row) for row in shown] == [(4, SIDE, SIDE, 3)] * 5
    assert student_table(rows, 1).count("\n| ") == 5


def test_the_command_compares_a_student_with_its_teacher(clips, networks, tmp_path, capsys):
    state = authors_state(networks.reference_unet.state_dict(), networks.video_network.state_dict())
    config = {**json.loads(NARROW.heads), "schedule": "scaled_linear", "side_px": SIDE}
    for name, more in (("teacher", {}), ("student", {"student_steps": 1, "shared_noise": 1.0})):
        save_file(state, tmp_path / f"{name}.safetensors", {"config": json.dumps({**config, **more})})
    files = ["--teacher", str(tmp_path / "teacher.safetensors"), "--data", str(clips.folder), "--device", "cpu"]
    given = ["train", "compare-student", *files, "--clips", "1", "--frames", "3", "--teacher-steps", "2", "--guidance"]
    sheet = tmp_path / "sheet.png"
    student = ["--student", str(tmp_path / "student.safetensors"), "--sheet", str(sheet)]
    assert main([*given, "2", *student]) == 0
    printed = capsys.readouterr().out
    for row in ("truth", "teacher, 2 steps, cfg 2", "teacher, 1 steps", "student, 1 steps"):
        assert f"| {row} |" in printed
    numbers = {line.split("|")[1].strip(): line.split("|")[2:] for line in printed.splitlines() if line[:1] == "|"}
    assert numbers["teacher, 1 steps"] == numbers["student, 1 steps"], "here it is its teacher"
    assert read_picture(sheet).shape == (4 * SIDE, 3 * SIDE, 3)
    assert main([*given, "2", *student]) == 2, "the sheet is there"
    assert main([*given, "1", "--student", str(tmp_path / "teacher.safetensors")]) == 2
    assert "is no student; give a file of `mmgt train student`" in capsys.readouterr().err

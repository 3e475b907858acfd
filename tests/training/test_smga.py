import os
import signal
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from clip_sets import swaying_set
from killing import Killed, killed_at
from safetensors.torch import load_file

from mmgt.errors import InputError
from mmgt.evaluation.speech_motion import MOVING_JOINTS
from mmgt.poses.skeleton import FACE, LIPS
from mmgt.poses.vector import TrainingFrame
from mmgt.smga.load import load_smga
from mmgt.smga.sample import SamplerSettings, sample_poses
from mmgt.training.clips import ClipSet
from mmgt.training.run import STATE, step_generator
from mmgt.training.smga import PoseWindows, SMGATraining, drawn_timesteps, new_network, train_smga, training_loss
from mmgt.training.smga_loss import SMGALoss
from mmgt.world.presenter import presenter

TINY = SMGATraining(num_steps=6, batch=2, width=16, feed_forward_width=32, num_layers=1, num_heads=2)


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def clips(tmp_path):
    return swaying_set(tmp_path / "set")


def train(clips, out, settings=TINY, **kw):
    return train_smga(clips.folder, out, settings, save_every=2, **kw)


def test_a_killed_run_ends_with_the_same_weights_as_one_that_was_not(clips, tmp_path):
    whole = train(clips, tmp_path / "whole").state_dict()
    for step in (1, 3, 4, 6):
        with pytest.raises(Killed):
            train(clips, tmp_path / "killed", progress=killed_at(step))
    resumed = train(clips, tmp_path / "killed").state_dict()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    states = [load_file(tmp_path / name / STATE) for name in ("whole", "killed")]
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert (tmp_path / "whole" / "losses.csv").read_text() == (tmp_path / "killed" / "losses.csv").read_text()


def test_a_stopped_run_saves_the_step_it_was_in(clips, tmp_path):
    code = (
        "import os, signal, sys, torch\n"
        "torch.set_num_threads(1)\n"
        "from pathlib import Path\n"
        "from mmgt.training.smga import *\n"
        "def stop(step, *_):\n"
        "    if step == 3: os.kill(os.getpid(), signal.SIGTERM)\n"
        "s = SMGATraining(num_steps=6, batch=2, width=16, feed_forward_width=32, num_layers=1, num_heads=2)\n"
        "train_smga(Path(sys.argv[1]), Path(sys.argv[2]), s, save_every=100, progress=stop)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, clips.folder, tmp_path / "run"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert done.returncode in (-signal.SIGINT, 1, 130), done.stderr
    assert "KeyboardInterrupt" in done.stderr
    whole = train(clips, tmp_path / "whole").state_dict()
    resumed = train(clips, tmp_path / "run").state_dict()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_a_half_written_state_is_never_taken(clips, tmp_path):
    with pytest.raises(Killed):
        train(clips, tmp_path / "run", progress=killed_at(3))
    state = (tmp_path / "run" / STATE).read_bytes()
    (tmp_path / "run" / f".{STATE}.1.unfinished").write_bytes(state[: len(state) // 2])
    assert train(clips, tmp_path / "run") is not None


def test_a_run_does_not_go_on_with_other_settings(clips, tmp_path):
    train(clips, tmp_path / "run", SMGATraining(**{**TINY.__dict__, "num_steps": 2}))
    with pytest.raises(InputError, match="batch was 2 and is 3"):
        train(clips, tmp_path / "run", SMGATraining(**{**TINY.__dict__, "num_steps": 2, "batch": 3}))


def test_a_checkpoint_is_the_average_and_loads_like_a_published_one(clips, tmp_path):
    average = train(clips, tmp_path / "run")
    loaded = load_smga(tmp_path / "run" / "smga.safetensors")
    assert loaded.config == average.config
    assert all(torch.equal(loaded.state_dict()[key], value) for key, value in average.state_dict().items())


def test_dropped_samples_learn_without_speech(clips):
    """What a dropped sample predicts does not depend on its speech."""
    network = new_network(TINY, 35)
    poses, features = PoseWindows(clips, 80).batch(2, step_generator(0, 0))
    drop = torch.tensor([True, False])
    first = network(poses, poses[:, 0], features, torch.tensor([5, 5]), drop)
    other = network(poses, poses[:, 0], features + 1, torch.tensor([5, 5]), drop)
    assert torch.equal(first[0], other[0])
    assert not torch.allclose(first[1], other[1])


def test_windows_are_the_clips_frames(clips):
    windows = PoseWindows(clips, 80)
    assert [start for _, start in windows.windows] == [0, 10, 20, 0, 10, 20]
    poses, features = windows._window(1)
    truth = clips.poses(clips.entries[0])
    frame = TrainingFrame(truth.frames(10, 11))
    ours = frame.poses(poses).keypoints[[0, 7], 24:]  # legs are the initial pose's
    torch.testing.assert_close(ours, truth.keypoints[[10, 17], 24:], atol=1e-4, rtol=0)
    assert torch.equal(features, clips.features(clips.entries[0])[10:90])


def test_learning_lowers_the_loss(clips, tmp_path):
    settings = SMGATraining(**{**TINY.__dict__, "num_steps": 60, "learning_rate": 3e-3, "average_decay": 0.9})
    trained = train_smga(clips.folder, tmp_path / "run", settings, save_every=60)
    batch = PoseWindows(clips, 80).batch(8, step_generator(9, 9))

    def loss(network):
        with torch.no_grad():
            return training_loss(network, *batch, settings, step_generator(7, 7)).item()

    assert loss(trained) < 0.3 * loss(new_network(settings, 35))


def test_a_folder_that_is_no_set_is_refused(tmp_path):
    with pytest.raises(InputError, match="no training set"):
        ClipSet(tmp_path)


@pytest.mark.parametrize(
    "switches",
    [
        {"two_branches": False},
        {"film": False},
        {"start_pose": "add", "begin": "random"},
        {"target_offset": 1},
        {"optimiser": "adamw", "warm_up": 2, "loss": SMGALoss("paper", lip_weight=10)},
    ],
)
def test_a_file_says_which_network_it_holds(clips, tmp_path, switches):
    settings = replace(TINY, num_steps=2, **switches)
    learned = train(clips, tmp_path / "run", settings)
    loaded = load_smga(tmp_path / "run" / "smga.safetensors")
    assert loaded.config == learned.config == settings.config(35)
    sampled = [
        sample_poses(network, clips.features(clips.entries[0]), presenter(0), seed=0, settings=SamplerSettings(2))
        for network in (learned, loaded)
    ]
    assert torch.equal(sampled[0].keypoints, sampled[1].keypoints)


def test_the_next_frame_as_target_comes_after_the_initial_pose(clips):
    whole, after = PoseWindows(clips, 81), PoseWindows(clips, 80, offset=1)
    poses, features = (rows.clone() for rows in after.spread())
    assert torch.equal(poses, whole.spread()[0])
    assert torch.equal(features, whole.spread()[1][:, 1:])


def test_dropout_is_drawn_from_the_step_and_off_when_sampled(clips, tmp_path):
    runs = [train(clips, tmp_path / str(i), replace(TINY, dropout=rate)) for i, rate in enumerate((0.5, 0.5, 0.0))]
    weights = [run.state_dict()["layers.0.feed_forward.contract.weight"] for run in runs]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    features = clips.features(clips.entries[0])
    twice = [sample_poses(runs[0], features, presenter(0), seed=0, settings=SamplerSettings(1)) for _ in range(2)]
    assert torch.equal(twice[0].keypoints, twice[1].keypoints)


def test_the_mouths_shape_is_weighed_without_the_heads_motion():
    poses = torch.randn(2, 80, 402, generator=torch.Generator().manual_seed(0))
    nod, smile = poses.clone(), poses.clone()
    face, lips = (slice(3 * some.start + 1, 3 * some.stop, 3) for some in (FACE, LIPS))
    nod[..., face] += 0.1
    smile[..., lips] += 0.1
    loss = SMGALoss(lip_weight=7)
    assert loss.lip_terms(nod, poses).abs().max() < 1e-10
    share = 1 - len(LIPS) / len(FACE)  # of the lips' shift that is not the face's mean
    expected = 7 * (0.1 * share) ** 2 / 2  # x does not move
    assert torch.allclose(loss.lip_terms(smile, poses), torch.tensor([expected, 0.0, 0.0]), atol=1e-6)
    assert torch.allclose(loss(smile, poses) - SMGALoss()(smile, poses), torch.tensor(expected), atol=1e-5)


def test_gestures_are_weighed_by_how_joints_move_not_by_where_they_are():
    poses = torch.zeros(2, 80, 402)
    elsewhere, striking, open_hand = poses + 0.1, poses.clone(), poses.clone()
    wrist_y = 3 * MOVING_JOINTS[4] + 1
    striking[:, 40:, wrist_y] = 0.1  # one jump: a velocity of 0.1, then an acceleration of 0.1 and one of -0.1
    open_hand[:, 40:, 3 * 100] = 0.1
    loss, num_channels = SMGALoss(gesture_weight=5), 2 * len(MOVING_JOINTS)
    assert loss.gesture_terms(elsewhere, poses).abs().max() < 1e-12
    assert loss.gesture_terms(open_hand, poses).abs().max() == 0
    expected = [5 * 0.01 / 79 / num_channels, 5 * 0.02 / 78 / num_channels]
    torch.testing.assert_close(loss.gesture_terms(striking, poses), torch.tensor(expected))
    added = loss(striking, poses) - SMGALoss()(striking, poses)
    torch.testing.assert_close(added, torch.tensor(sum(expected)), atol=1e-8, rtol=1e-4)


def test_low_timesteps_are_squares_of_uniform_ones():
    drawn = drawn_timesteps("low", 20_000, step_generator(0, 0))
    assert 0 <= drawn.min() < drawn.max() < 1000
    for level in (10, 100, 500):
        assert (drawn < level).float().mean().item() == pytest.approx((level / 1000) ** 0.5, abs=0.01)
    uniform = drawn_timesteps("uniform", 20_000, step_generator(0, 0))
    assert torch.equal(uniform, torch.randint(1000, (20_000,), generator=step_generator(0, 0)))


def test_a_run_goes_on_from_a_trained_network(clips, tmp_path):
    """Over other statistics of speech too: what it samples before the first step is what the file samples."""
    train(clips, tmp_path / "before")
    file = tmp_path / "before" / "smga.safetensors"
    other = swaying_set(tmp_path / "other", num_clips=3)
    settings = replace(TINY, num_steps=1, learning_rate=1e-12, average_decay=0.5)
    begun = train(other, tmp_path / "run", settings, start=file)
    features = clips.features(clips.entries[0])
    sampled = [
        sample_poses(network, features, presenter(0), seed=0, settings=SamplerSettings(2)).keypoints
        for network in (begun, load_smga(file))
    ]
    torch.testing.assert_close(*sampled, atol=1e-4, rtol=0)
    with pytest.raises(InputError, match=r"holds an SMGA of width 16 \(not 32\)"):
        train(other, tmp_path / "wider", replace(settings, width=32), start=file)
    with pytest.raises(InputError, match="start was"):  # a run does not change what it began from
        train(other, tmp_path / "run", settings, start=tmp_path / "run" / "smga.safetensors")

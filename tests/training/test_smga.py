import os
import signal
import subprocess
import sys

import pytest
import torch
from clip_sets import swaying_set
from killing import Killed, killed_at
from safetensors.torch import load_file

from mmgt.errors import InputError
from mmgt.pose_vector import TrainingFrame
from mmgt.smga.load import load_smga
from mmgt.training.clips import ClipSet
from mmgt.training.run import STATE, step_generator
from mmgt.training.smga import PoseWindows, SMGATraining, new_network, train_smga, training_loss

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

"""What an aligned SMGA does before it has learned anything."""

from dataclasses import replace

import pytest
import torch
from clip_sets import swaying_set

from mmgt.errors import InputError
from mmgt.poses.vector import mask_legs
from mmgt.smga.model import Rotary
from mmgt.training.smga import PoseWindows, SMGATraining, new_network
from mmgt.training.smga_start import SpeechScale, begin_aligned, pose_components

SETTINGS = SMGATraining(width=64, feed_forward_width=64, num_layers=2, num_heads=4)
PX = 2 / 1000  # a pixel in normalised units


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    return PoseWindows(swaying_set(tmp_path_factory.mktemp("start") / "set", num_clips=8), 80).spread()


@pytest.mark.parametrize("ablation", [{}, {"two_branches": False}, {"film": False}])
def test_the_initial_pose_comes_out_as_it_went_in(windows, ablation):
    poses, features = windows
    network = new_network(replace(SETTINGS, **ablation), features.shape[-1]).eval()
    begin_aligned(network, poses)
    noise = torch.randn(poses.shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        out = network(noise, mask_legs(poses[:, 0]), features, torch.full((len(poses),), 500))
    assert (out - poses[:, :1]).abs().max() < PX


def test_a_frame_attends_to_the_speech_of_its_time(windows):
    poses, features = windows
    network = new_network(SETTINGS, features.shape[-1]).eval()
    begin_aligned(network, poses)
    attention = network.layers[0].face.cross_attention
    generator = torch.Generator().manual_seed(0)
    rotary = Rotary(64, 82, "cpu")
    frames, speech = (
        rotary(norm(torch.randn(80, 64, generator=generator)))
        for norm in (network.layers[0].face.norm_2, network.memory_norm)
    )
    first_head = slice(0, 16)
    with torch.no_grad():
        scores = attention.query(frames)[:, first_head] @ attention.key(speech)[:, first_head].T
    distance = (scores.argmax(dim=1) - torch.arange(80)).abs()
    assert distance.float().median() <= 1
    assert distance.float().mean() < 6  # at random it would be 27


def test_components_span_motion_first(windows):
    poses, _ = windows
    mean, basis, deviations = pose_components(poses, 32)
    assert torch.allclose(basis @ basis.T, torch.eye(len(basis)), atol=1e-4)
    rest = (poses - mean) - (poses - mean) @ basis.T @ basis
    assert rest.abs().max() < 0.1 * PX
    motion = ((poses - poses[:, :1]) @ basis.T).flatten(0, 1)
    moving = int((deviations.diff() > 0).nonzero()[0]) + 1 if (deviations.diff() > 0).any() else len(basis)
    assert torch.allclose(motion.square().mean(0).sqrt()[:moving], deviations[:moving], rtol=1e-3, atol=1e-6)


def test_a_folded_scale_is_normalised_speech():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(40, 80, 35, generator=generator) * torch.linspace(0.1, 200, 35) - 100
    features[..., 3] = 7.0  # never changes
    scale = SpeechScale.of(features.flatten(0, 1))
    normalised = scale.normalised(features)
    assert normalised.mean(dim=(0, 1)).abs().max() < 1e-3
    assert (normalised.std(dim=(0, 1)) - 1).abs().sort().values[:-1].max() < 1e-3
    network, raw = (new_network(replace(SETTINGS, width=16, num_heads=2), 35).eval() for _ in range(2))
    raw.load_state_dict(scale.folded(network.state_dict()))
    with torch.no_grad():
        assert torch.allclose(network.speech_projection(normalised), raw.speech_projection(features), atol=1e-3)


def test_added_start_poses_cannot_begin_aligned():
    with pytest.raises(InputError, match="begin at random"):
        SMGATraining(start_pose="add")

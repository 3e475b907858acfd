"""FGD: a random auto-encoder in the layout of the trained one, on poses whose numbers are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mmgt.errors import InputError
from mmgt.evaluation.distributions import frechet_distance
from mmgt.evaluation.pose_autoencoder import (
    CLIP_FRAMES,
    NUM_NUMBERS,
    PoseAutoencoder,
    latent_measures,
    latents_of,
    load_pose_autoencoder,
    pose_clips,
)
from mmgt.evaluation.poses import POINTS
from mmgt.poses.skeleton import LEFT_SHOULDER, RIGHT_SHOULDER
from mmgt.world.presenter import presenter


def swaying(num_frames=200, amplitude=0.02, seed=0):
    draw = np.random.default_rng(seed)
    poses = presenter(0).at([0] * num_frames)
    way = np.convolve(draw.normal(0, 1, (num_frames + 24)), np.ones(25) / 5, "valid")
    return replace(poses, keypoints=poses.keypoints + amplitude * torch.from_numpy(way).float()[:, None, None])


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PoseAutoencoder().eval()


def test_windows_are_the_poses_in_shoulder_widths():
    poses = swaying(100)
    clips = pose_clips(poses, 10)
    assert clips.shape == (3, CLIP_FRAMES, NUM_NUMBERS)
    points = clips.unflatten(2, (len(POINTS), 2))
    shoulders = [POINTS.index(point) for point in (LEFT_SHOULDER, RIGHT_SHOULDER)]
    assert (points[:, :, shoulders].diff(dim=2).norm(dim=-1) - 1).abs().max() < 1e-3
    torch.testing.assert_close(clips[1, :70], clips[0, 10:])
    moved = replace(poses, keypoints=0.5 * poses.keypoints + 0.2)  # smaller, elsewhere
    torch.testing.assert_close(pose_clips(moved, 10), clips, atol=2e-4, rtol=0)
    score = poses.score.clone()
    score[50:, POINTS[0]], score[:, POINTS[1]] = 0, 0
    hidden = pose_clips(replace(poses, score=score), 20).unflatten(2, (len(POINTS), 2))
    assert (hidden[0, 50:, 0] == hidden[0, 49, 0]).all()
    assert (hidden[:, :, 1] == 0).all()
    assert len(pose_clips(swaying(79), 1)) == 0


def test_fgd_is_nothing_for_equals_and_grows_with_noise(network):
    reference = swaying()
    own = latents_of(network, reference)
    assert own.shape == (121, 32)
    draw = torch.Generator().manual_seed(0)
    noise = torch.randn(reference.keypoints.shape, generator=draw)
    found = []
    for level in (0, 0.002, 0.01, 0.05):
        latents = latents_of(network, replace(reference, keypoints=reference.keypoints + level * noise))
        rows = {row.name: row for row in latent_measures(latents, own)}
        found.append(rows["FGD"].value)
        assert frechet_distance(own, latents) == pytest.approx(rows["FGD"].value, rel=1e-6, abs=1e-9)
    assert found[0] == pytest.approx(0, abs=1e-9)
    assert found == sorted(found)
    still = {row.name: row.value for row in latent_measures(latents_of(network, presenter(0).at([0] * 90)), own)}
    assert still["diversity of gestures"] == pytest.approx(0, abs=1e-6)
    assert still["diversity of gestures of the reference"] > 0
    assert still["FGD"] > still["FGD of two halves of the reference"]
    assert latent_measures(own[:1], own) == latent_measures(own, own[:3]) == []


def test_a_file_is_loaded_strictly(network, tmp_path):
    path = tmp_path / "fgd.safetensors"
    save_file(network.state_dict(), path)
    np.testing.assert_array_equal(latents_of(load_pose_autoencoder(path), swaying()), latents_of(network, swaying()))
    other = {key: value for key, value in network.state_dict().items() if key != "to_latents.bias"}
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"is no auto-encoder of poses .*to_latents.bias.*mmgt train fgd"):
        load_pose_autoencoder(tmp_path / "other.safetensors")
    (tmp_path / "text").write_text("no network")
    with pytest.raises(InputError, match="mmgt train fgd"):
        load_pose_autoencoder(tmp_path / "text")

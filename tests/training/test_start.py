"""What stage II begins from: every tensor has a place, and what a file lacks begins as new."""

import pytest
import torch
from safetensors.torch import save_file
from video_sets import NARROW

from mmgt.errors import InputError
from mmgt.training.new_networks import new_mmhaa
from mmgt.training.start import StartFiles, start_networks


def networks(seed):
    return new_mmhaa(NARROW, seed, with_video=True)


@pytest.fixture
def unet(tmp_path):
    """A UNet without motion and audio, as Stable Diffusion's is published."""
    own = ("pose_guider.", "audioproj.")
    tensors = {
        key: tensor.contiguous()
        for key, tensor in networks(1).video_network.state_dict().items()
        if not key.startswith(own) and "motion_modules" not in key and "audio_modules" not in key
    }
    path = tmp_path / "unet.safetensors"
    save_file(tensors, path)
    return path, tensors


def test_both_unets_begin_from_one_and_the_rest_as_new(unet):
    path, tensors = unet
    begun, new = networks(2), networks(2)
    start_networks(begun, StartFiles(unet=path))
    for name in ("reference_unet", "video_network"):
        state, untouched = getattr(begun, name).state_dict(), getattr(new, name).state_dict()
        for key, tensor in state.items():
            assert torch.equal(tensor, tensors[key] if key in tensors else untouched[key]), key
    assert any(key not in tensors for key in begun.video_network.state_dict())


def test_a_unet_that_lacks_a_tensor_is_named(unet, tmp_path):
    path, tensors = tmp_path / "less.safetensors", dict(unet[1])
    del tensors["conv_in.weight"]
    save_file(tensors, path)
    with pytest.raises(InputError, match=r"1 missing \(conv_in.weight\).*of the same widths"):
        start_networks(networks(2), StartFiles(unet=path))


def test_motion_modules_alone(tmp_path):
    tensors = {
        key: tensor.contiguous()
        for key, tensor in networks(1).video_network.state_dict().items()
        if ".motion_modules." in key
    }
    path = tmp_path / "motion.safetensors"
    save_file(tensors, path)
    begun, new = networks(2), networks(2).video_network.state_dict()
    start_networks(begun, StartFiles(motion=path))
    begun = begun.video_network.state_dict()
    assert tensors
    assert all(torch.equal(begun[key], tensors.get(key, new[key])) for key in begun)

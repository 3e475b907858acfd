import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_pictures import VAE_WIDTHS, tiny_vae_state

from mmgt.errors import InputError
from mmgt.standalone.vae import LATENT_SCALE, decode_latents, encode_picture, load_vae

PICTURE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)


def own_layout(state):
    """Stable Diffusion's own names for the tensors of diffusers' VAE, as its released files have them."""
    own, last = {}, len(VAE_WIDTHS) - 1
    for key, value in state.items():
        parts = key.split(".")
        match parts:
            case [coder, "down_blocks", i, "resnets", j, *rest]:
                name = [coder, "down", i, "block", j, *rest]
            case [coder, "up_blocks", i, "resnets", j, *rest]:
                name = [coder, "up", str(last - int(i)), "block", j, *rest]
            case [coder, "down_blocks", i, "downsamplers", "0", *rest]:
                name = [coder, "down", i, "downsample", *rest]
            case [coder, "up_blocks", i, "upsamplers", "0", *rest]:
                name = [coder, "up", str(last - int(i)), "upsample", *rest]
            case [coder, "mid_block", "resnets", j, *rest]:
                name = [coder, "mid", f"block_{int(j) + 1}", *rest]
            case [coder, "mid_block", "attentions", "0", *rest]:
                layer = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out": "proj_out"}[rest[0]]
                name = [coder, "mid", "attn_1", layer, rest[-1]]
                value = value[..., None, None] if value.ndim == 2 else value
            case [coder, "conv_norm_out", kind]:
                name = [coder, "norm_out", kind]
            case _:
                name = parts
        own[".".join(name).replace("conv_shortcut", "nin_shortcut")] = value
    return own


def former_names(state):
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = dict(state)
    for new, old in names.items():
        renamed = {key.replace(f"attentions.0.{new}", f"attentions.0.{old}"): value for key, value in renamed.items()}
    return renamed


def within_a_checkpoint(state):
    return {
        "model.diffusion_model.input_blocks.0.0.weight": torch.zeros(1),
        **{f"first_stage_model.{key}": value for key, value in own_layout(state).items()},
    }


def as_trained(state):
    return {**own_layout(state), "loss.logvar": torch.zeros(()), "model_ema.decay": torch.zeros(())}


LAYOUTS = {"own": own_layout, "former": former_names, "checkpoint": within_a_checkpoint, "training": as_trained}


@pytest.fixture(scope="module")
def vae(tmp_path_factory):
    path = tmp_path_factory.mktemp("vae") / "vae.safetensors"
    save_file(tiny_vae_state(), path)
    return load_vae(path)


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_published_layout_is_the_same_vae(vae, layout, tmp_path):
    state = layout(tiny_vae_state())
    assert set(state) != set(tiny_vae_state())
    torch.save({"state_dict": state}, tmp_path / "vae.ckpt")
    other = load_vae(tmp_path / "vae.ckpt")
    for (name, tensor), (other_name, other_tensor) in zip(
        vae.state_dict().items(), other.state_dict().items(), strict=True
    ):
        assert name == other_name
        assert torch.equal(tensor, other_tensor), name


def test_a_folder_of_diffusers(vae, tmp_path):
    vae.save_pretrained(tmp_path / "sd-vae-ft-mse")
    other = load_vae(tmp_path / "sd-vae-ft-mse")
    torch.testing.assert_close(encode_picture(other, PICTURE), encode_picture(vae, PICTURE))


def test_the_number_of_groups_may_be_in_the_metadata(tmp_path):
    save_file(tiny_vae_state(), tmp_path / "v.safetensors", {"config": json.dumps({"norm_num_groups": 4})})
    assert load_vae(tmp_path / "v.safetensors").config.norm_num_groups == 4


def test_latents_are_the_scaled_mean(vae):
    latents = encode_picture(vae, PICTURE)
    assert latents.shape == (1, 4, 3, 4)
    pixels = torch.from_numpy(PICTURE).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        moments = vae.quant_conv(vae.encoder(pixels))
    torch.testing.assert_close(latents, moments[:, :4] * LATENT_SCALE, atol=1e-6, rtol=1e-5)


def test_frames_come_in_chunks_and_in_order(vae):
    latents = torch.randn(5, 4, 2, 3, generator=torch.Generator().manual_seed(0)) * 3
    chunks = list(decode_latents(vae, latents, frames_at_once=2))
    assert [len(chunk) for chunk in chunks] == [2, 2, 1]
    frames = torch.cat(chunks)
    assert frames.shape == (5, 3, 16, 24)
    assert frames.min() >= 0
    assert frames.max() <= 1
    for t in range(5):
        (alone,) = decode_latents(vae, latents[t : t + 1])
        torch.testing.assert_close(frames[t : t + 1], alone, atol=1e-5, rtol=0)


def test_another_model_is_named(tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"vision_model.embeddings.class_embedding": torch.zeros(3)}, path)
    with pytest.raises(InputError, match=r"is a CLIP image encoder, not a VAE .* take sd-vae-ft-mse"):
        load_vae(path)
    save_file(tiny_vae_state(latent_channels=16), path)
    with pytest.raises(InputError, match=r"of another model \(16 latent channels"):
        load_vae(path)
    broken = tiny_vae_state()
    del broken["decoder.conv_norm_out.bias"]
    save_file(broken, path)
    with pytest.raises(InputError, match=r"1 missing \(decoder\.conv_norm_out\.bias"):
        load_vae(path)
    with pytest.raises(InputError, match=r"there is no file .*sd-vae-ft-mse"):
        load_vae(tmp_path / "none.safetensors")

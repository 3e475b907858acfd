"""SMGA's network, schedule and sampler against the authors'."""

import numpy as np
import pytest
import torch
from golden import config, golden_files, part, read

from mmgt.diffusion import cosine_alpha_bar, spaced_times
from mmgt.smga.load import build_smga
from mmgt.smga.sample import SamplerSettings, sample_track

FORWARD_ATOL, SAMPLING_ATOL = 3e-5, 5e-5


def build(tensors, metadata, prefix="sd", key="config"):
    state_dict = {name: torch.from_numpy(value) for name, value in part(tensors, prefix).items()}
    return build_smga(state_dict, num_heads=config(metadata, key)["num_heads"])


def torches(tensors, prefix):
    return {name: torch.from_numpy(value) for name, value in part(tensors, prefix).items()}


def close(ours, golden, atol):
    np.testing.assert_allclose(np.asarray(ours), golden, rtol=0, atol=atol)


@pytest.mark.parametrize("path", golden_files("stage1", "smga_forward"))
@torch.no_grad()
def test_forward(path):
    tensors, metadata = read(path)
    model, given, expected = build(tensors, metadata), torches(tensors, "in"), part(tensors, "out")
    assert (
        vars(model.config).items()
        >= {
            "width": config(metadata)["latent_dim"],
            "num_layers": config(metadata)["num_layers"],
            "audio_channels": config(metadata)["cond_feature_dim"],
        }.items()
    )
    x, pose, features, t = given["x"], given["cond_frame"], given["cond"], given["t"]
    with_speech, without = model(x, pose, features, t), model(x, pose, features, t, drop=True)
    close(with_speech, expected["cond"], FORWARD_ATOL)
    close(without, expected["uncond"], FORWARD_ATOL)
    close(without + (with_speech - without) * 2, expected["guided_w2"], FORWARD_ATOL)
    close(without + (with_speech - without) * 1.5, expected["guided_w1p5"], FORWARD_ATOL)
    close(model(x[:1], pose[:1], features[:1], t[:1]), expected["unbatched_cond"], FORWARD_ATOL)


@pytest.mark.parametrize("path", golden_files("stage1", "smga_forward"))
@torch.no_grad()
def test_intermediates(path):
    tensors, metadata = read(path)
    model, given, tap = build(tensors, metadata), torches(tensors, "in"), part(tensors, "tap")
    layers: list[torch.Tensor] = []
    projections: list[torch.Tensor] = []
    for layer in model.layers:
        layer.register_forward_hook(lambda _module, _in, out: layers.append(out))
    model.pose_projection.register_forward_hook(lambda _module, _in, out: projections.append(out))
    model(given["x"], given["cond_frame"], given["cond"], given["t"])
    close(projections[0][:1], tap["input_projection_face"], FORWARD_ATOL)
    close(projections[1][:1], tap["input_projection_body"], FORWARD_ATOL)
    for idx, out in enumerate(layers):
        close(out[:1], tap[f"layer{idx}"], FORWARD_ATOL)

    speech = model.encode_speech(given["cond"])
    close(speech.tokens[:1], tap["cond_tokens_after_encoder"], FORWARD_ATOL)
    close(speech.summary, tap["cond_hidden"], FORWARD_ATOL)
    time_summary, time_tokens = model.embed_time(given["t"], torch.float32)
    close(speech.summary + time_summary, tap["to_time_cond_plus_cond_hidden"], FORWARD_ATOL)
    close(model.memory_norm(torch.cat([speech.tokens, time_tokens], dim=1))[:1], tap["norm_cond"], FORWARD_ATOL)


@pytest.mark.parametrize("path", golden_files("stage1", "smga_forward"))
@torch.no_grad()
def test_guided_rows_equal_two_passes(path):
    """The shared-row guided path gives what two plain passes give."""
    tensors, metadata = read(path)
    model, given, expected = build(tensors, metadata), torches(tensors, "in"), part(tensors, "out")
    speech = model.encode_speech(given["cond"])
    null = model.without_speech(speech)
    rows = type(speech)(torch.stack([null.tokens, speech.tokens], 1), torch.stack([null.summary, speech.summary], 1))
    conditions = model.conditions(rows, given["t"][None, :, None]).at(0)
    close(model.guided(given["x"], given["cond_frame"], conditions, 2.0), expected["guided_w2"], FORWARD_ATOL)


@pytest.mark.parametrize("path", golden_files("stage1", "smga_sampling"))
def test_schedule(path):
    sched = part(read(path)[0], "sched")
    alpha_bar = cosine_alpha_bar(len(sched["alphas_cumprod"]))
    close(alpha_bar, sched["alphas_cumprod"], 1e-7)
    np.testing.assert_allclose((1 / alpha_bar).sqrt(), sched["sqrt_recip_alphas_cumprod"], rtol=2e-6)
    assert spaced_times(len(sched["times"]) - 1) == sched["times"].tolist()


@pytest.mark.parametrize("path", golden_files("stage1", "smga_sampling"))
def test_sampling(path):
    tensors, metadata = read(path)
    model, given = build(tensors, metadata), torches(tensors, "in")
    base = given["noise_base"]
    settings = SamplerSettings(len(tensors["sched.times"]) - 1, float(metadata["guidance_weight"]))

    def rolled(draw_idx):
        return torch.roll(base, shifts=(draw_idx, 13 * draw_idx), dims=(1, 2))[0]

    sampled = sample_track(model, given["cond"], given["cond_frame"][0], rolled, settings)
    close(sampled[None], tensors["out.x0"], SAMPLING_ATOL)

    generator = torch.Generator().manual_seed(int(metadata["torch_rng_seed"]))
    drawn = sample_track(
        model,
        given["cond"],
        given["cond_frame"][0],
        lambda _draw_idx: torch.randn(base.shape, generator=generator)[0],
        settings,
    )
    close(drawn[None], tensors["out.x0_torch_seed"], SAMPLING_ATOL)

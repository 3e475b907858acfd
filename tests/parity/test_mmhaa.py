"""MM-HAA's networks against the authors' (golden/stage2): every module by itself, then the whole denoising UNet."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from golden import config, golden_files, golden_folder, part, read
from stage2 import as_frames, as_video, load, tensor, tiny_net

from mmgt.mmhaa.attention import AudioModule
from mmgt.mmhaa.audio_proj import AudioProjection, around_each_frame
from mmgt.mmhaa.config import UNetConfig
from mmgt.mmhaa.load import build_mmhaa
from mmgt.mmhaa.motion import MotionModule
from mmgt.mmhaa.network import authors_state
from mmgt.mmhaa.pose_guider import PoseGuider
from mmgt.mmhaa.unet import VideoContext

UNIT_ATOL, MOTION_ATOL, UNET_ATOL = 1e-5, 2e-5, 1e-4


def close(ours, golden, atol):
    np.testing.assert_allclose(ours.detach().numpy(), golden, rtol=0, atol=atol)


@pytest.mark.parametrize("path", golden_files("stage2", "audio_proj"))
def test_audio_projection(path):
    tensors, _ = read(path)
    weights = part(tensors, "weights")
    module = load(AudioProjection(*AudioProjection.sizes(weights), device="meta"), weights)
    close(module(tensor(tensors["audio_embeds"])), tensors["tokens"], UNIT_ATOL)


@pytest.mark.parametrize("path", golden_files("stage2", "audio_window"))
def test_audio_window(path):
    tensors, _ = read(path)
    pairs = [(name, name.replace("emb", "windows")) for name in tensors if "emb" in name]
    pairs = [(a, b) for a, b in pairs if b in tensors] or [tuple(sorted(tensors, key=lambda k: tensors[k].ndim))]
    for emb, windows in pairs:
        np.testing.assert_array_equal(around_each_frame(tensor(tensors[emb])), tensors[windows])


@pytest.mark.parametrize("path", golden_files("stage2", "pose_guider"))
def test_pose_guider(path):
    tensors, _ = read(path)
    weights = part(tensors, "weights")
    widths, out_width = PoseGuider.sizes(weights)
    module = load(PoseGuider(widths, out_width, device="meta"), weights)
    close(as_video(module(as_frames(tensors["pose"])), 1), tensors["features"], UNIT_ATOL)


@pytest.mark.parametrize("path", golden_files("stage2", "motion_module"))
def test_motion_module(path):
    tensors, metadata = read(path)
    heads = config(metadata)["num_attention_heads"]
    for case in sorted({key.split(".")[0] for key in tensors}):
        given = part(tensors, case)
        rows, width, num_frames = given["input"].shape[:3]
        module = load(MotionModule(width, heads, device="meta"), part(given, "weights"))
        close(as_video(module(as_frames(given["input"]), num_frames), rows), given["output"], MOTION_ATOL)


@pytest.mark.parametrize("path", golden_files("stage2", "audio_module"))
def test_audio_module(path):
    tensors, metadata = read(path)
    for case, sizes in config(metadata).items():
        given = part(tensors, case)
        module = load(
            AudioModule(sizes["channels"], sizes["inner_dim"], sizes["heads"], sizes["audio_dim"], device="meta"),
            part(given, "weights"),
        )
        rows, _, num_frames = given["input"].shape[:3]
        assert rows == 2
        assert not given["audio_tokens"][0].any()  # row 0 is without speech
        x, speech = as_frames(given["input"]), tensor(given["audio_tokens"][1])
        output = module.block.fused_output(speech)
        silence, attended = (
            module.block.keys_values(torch.zeros_like(speech), output),
            module.block.keys_values(speech, output),
        )
        # [3 branches, 2 rows, F, n]: in this file, and only here, the rows have masks of their own
        masks = torch.stack([tensor(given[f"mask_{name}"]).unflatten(0, (2, -1)) for name in ("full", "face", "lip")])
        for strengths, name in (((1.0, 1, 2), "output_scale_1_1_2"), ((1.0, 1, 1), "output_scale_none")):
            weights = torch.tensor(strengths)
            without = module(x[:num_frames], silence, masks[:, 0], weights, (True,))
            with_speech = module(x[num_frames:], attended, masks[:, 1], weights, (True,))
            close(as_video(torch.cat([without, with_speech]), 2), given[name], MOTION_ATOL)
            # two rows at once: row 0 hears nothing, by the biases alone
            both = module(x, attended, masks[:, 1], weights, (False, True))
            close(both[num_frames:], with_speech.numpy(), MOTION_ATOL)
            silent = module(x[:num_frames], silence, masks[:, 1], weights, (True,))
            close(both[:num_frames], silent.numpy(), MOTION_ATOL)


def unet_inputs(given, denoising, features, strengths):
    token, speech = tensor(given["clip_tokens"])[-1:], tensor(given["audio_tokens"])[-1]
    levels = len(denoising.config.widths) - 1
    return VideoContext(
        pose_features=as_frames(given["pose_features"]),
        references=denoising.reference_keys_values(features, token),
        audio=denoising.audio_keys_values(speech, denoising.fused_audio_outputs(speech)),
        masks=tuple(
            torch.stack([tensor(given[f"mask_{name}_l{level}"]) for name in ("full", "face", "lip")])
            for level in range(levels)
        ),
        strengths=torch.tensor(strengths),
    )


@pytest.mark.parametrize("path", [p for p in golden_files("stage2", "unet") if "trace" not in p.id])
@torch.no_grad()
def test_unet(path):
    given, metadata = read(path)
    net = tiny_net()
    reference, denoising = net.reference_unet, net.video_network
    features = reference.read_photo(tensor(given["ref_latents"]), tensor(given["clip_tokens"])[-1:])
    rounded = {name: value.half().float() for name, value in features.items()}
    strengths = tuple(json.loads(metadata["motion_scale"]))
    latents = as_frames(given["sample"])
    timestep = tensor(given["timestep"]).reshape(1)
    cases = (
        ("out_cfg", features, strengths, (False, True)),
        ("out_cfg_bank_fp16", rounded, strengths, (False, True)),
        ("out_cfg_eval_mode_no_motion_scale", features, (1.0, 1.0, 1.0), (False, True)),
        ("out_cond_only", features, strengths, (True,)),
    )
    for name, seen, weights, rows in cases:
        context = replace(unet_inputs(given, denoising, seen, weights), rows=rows)
        out, _ = denoising(latents[-len(rows) * context.num_frames :], timestep, context)
        close(as_video(out, len(rows)), given[name], UNET_ATOL)


@pytest.mark.parametrize("path", golden_files("stage2", "unet_trace"))
@torch.no_grad()
def test_unet_trace(path):
    trace, _ = read(path)
    (given_path,) = [p.values[0] for p in golden_files("stage2", "unet") if "trace" not in p.id]
    given, metadata = read(given_path)
    net = tiny_net()
    reference, denoising = net.reference_unet, net.video_network
    features = reference.read_photo(tensor(given["ref_latents"]), tensor(given["clip_tokens"])[-1:])
    for name, expected in part(trace, "bank").items():
        close(features[name.removesuffix(".transformer_blocks.0")], expected[-1:], UNET_ATOL)

    seen = {}
    for name, module in denoising.named_modules():
        if f"block.{name}" in trace and not name.endswith(tuple(f"blocks.{i}" for i in range(9))) and "mid" not in name:
            module.register_forward_hook(lambda _module, _in, out, name=name: seen.setdefault(name, out))
    context = unet_inputs(given, denoising, features, tuple(json.loads(metadata["motion_scale"])))
    denoising(as_frames(given["sample"]), tensor(given["timestep"]).reshape(1), context)
    assert len(seen) >= 5
    for name, out in seen.items():
        expected = trace[f"block.{name}"]
        close(as_video(out, 2), expected, UNET_ATOL + 1e-5 * np.abs(expected).max())


def test_the_published_layout_loads_strictly():
    keys = golden_folder("keys") / "keys_net.json"
    if not keys.is_file():
        pytest.skip(f"no {keys}")
    layout = {key: torch.empty(shape, device="meta") for key, shape in json.loads(keys.read_text()).items()}
    net = build_mmhaa(layout)
    assert net.video_network.config == UNetConfig()
    back = authors_state(net.reference_unet.state_dict(), net.video_network.state_dict())
    assert {key: value.shape for key, value in back.items()} == {key: value.shape for key, value in layout.items()}

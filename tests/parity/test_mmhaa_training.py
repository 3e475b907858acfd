"""Stage II's training step against the authors': schedule, noise, target, loss and gradients of both processes."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from golden import config, golden_files, golden_folder, part, read
from recipe import digest, state_dict
from stage2 import tensor, tiny_file

from mmgt.diffusion import (
    linear_alpha_bar_zero_snr,
    min_snr_weight_v,
    scaled_linear_alpha_bar_zero_snr,
    signal_to_noise,
)
from mmgt.mmhaa.network import authors_state, build_networks, network_states
from mmgt.standalone.image_encoder import load_image_encoder
from mmgt.training.loop import Learner
from mmgt.training.mmhaa import BothNetworks, MMHAATraining
from mmgt.training.mmhaa_loss import Clip, MMHAALoss, noise_of, predict
from mmgt.training.optimisers import adamw
from mmgt.training.processes import IMAGE, VIDEO, trainable, zero_unused
from mmgt.training.run import Run, learning
from mmgt.training.video_set import ImageEncoder
from mmgt.weights import load_strictly


def golden_names(process):
    return json.loads((golden_folder("training") / "train_names.json").read_text())[f"process{process}"]


@cache
def golden_weights():
    meta = json.loads((golden_folder("training") / "net_train.json").read_text())
    weights = state_dict(meta["shapes"], meta["seed"])
    assert digest(weights) == meta["sha256"]
    return weights, meta


def networks(process):
    """The golden networks; process 1 has no motion and audio modules."""
    weights, meta = golden_weights()
    if process == 1:
        names = golden_names(1)
        weights = {key: weights[key] for key in names["trainable"] + names["frozen"]}
    weights = {key: tensor(value) for key, value in weights.items()}
    built = build_networks(weights, meta["config"]["heads"], meta["config"]["motion_heads"])
    for module, state in zip((built.reference_unet, built.video_network), network_states(weights), strict=True):
        load_strictly(module, state, "golden weights")
    return built


def clips(tensors, process, drop_image):
    """The golden batch, clip by clip: clip, noise, timestep."""
    given = {name: tensor(value) for name, value in part(tensors, "in").items()}
    num_clips, num_frames = given["latents"].shape[0], given["latents"].shape[2]
    for i in range(num_clips):
        frames = slice(i * num_frames, (i + 1) * num_frames)
        masks = (
            tuple(torch.stack([given[f"mask_{b}_l{q}"][frames] for b in ("full", "face", "lip")]) for q in range(3))
            if process == 2
            else ()
        )
        clip = Clip(
            latents=given["latents"][i].transpose(0, 1),
            photo_latents=given["ref_latents"][i : i + 1],
            image_token=given["clip_token_zero_picture"] if drop_image else given["clip_token"][i : i + 1],
            pose_pictures=given["pose_frames_u8"][i].float() / 255,
            audio=given["audio_embeddings"][i] if process == 2 else None,
            masks=masks,
        )
        noise = noise_of(given["noise"][i].transpose(0, 1), given["noise_offset_draw"][i])
        yield clip, noise, int(given["timesteps"][i])


@pytest.mark.parametrize("path", golden_files("training", "stage2_process1"))
@pytest.mark.parametrize("case", ["none", "drop_image", "none_bank_fp16"])
def test_image_process(path, case):
    check_step(path, 1, case)


@pytest.mark.parametrize("path", golden_files("training", "stage2_process2"))
@pytest.mark.parametrize("case", ["none", "drop_image", "drop_audio", "drop_both", "none_bank_fp16"])
def test_video_process(path, case):
    check_step(path, 2, case)


@pytest.mark.parametrize("path", golden_files("training", "stage2_process2"))
def test_branches_of_other_strengths(path):
    """What a motion scale of 1, 2, 3 would give in their training, where it acts with gradient checkpointing only."""
    tensors, _ = read(path)
    nets, loss, losses, predictions = networks(2), MMHAALoss(), [], []
    with torch.no_grad():
        for clip, noise, timestep in clips(tensors, 2, drop_image=False):
            timesteps = torch.tensor([timestep])
            noisy = loss.noisy(clip, noise, timesteps)
            v = predict(nets, clip, noisy, timesteps, strengths=(1.0, 2.0, 3.0))
            predictions.append(v.transpose(0, 1))
            losses.append(loss(v, clip, noise, timesteps))
    np.testing.assert_allclose(torch.stack(predictions), tensors["none_scale_1_2_3.model_pred"], atol=1e-4)
    np.testing.assert_allclose(torch.stack(losses).mean(), tensors["none_scale_1_2_3.loss"], rtol=1e-5)


def check_step(path, process, case):
    tensors, _ = read(path)
    nets = networks(process)
    names = trainable(nets, IMAGE if process == 1 else VIDEO)
    drop_image, drop_audio = case in ("drop_image", "drop_both"), case in ("drop_audio", "drop_both")
    loss, losses, predictions = MMHAALoss(), [], []
    for i, (clip, noise, timestep) in enumerate(clips(tensors, process, drop_image)):
        timesteps = torch.tensor([timestep])
        noisy = loss.noisy(clip, noise, timesteps)
        np.testing.assert_allclose(noise, tensors["noise_total"][i].swapaxes(0, 1), atol=1e-6)
        np.testing.assert_allclose(noisy, tensors["noisy_latents"][i].swapaxes(0, 1), atol=1e-6)
        np.testing.assert_allclose(loss.target(clip, noise, timesteps), tensors["target"][i].swapaxes(0, 1), atol=1e-6)
        np.testing.assert_allclose(loss.weights(timesteps), tensors["weights"][i : i + 1], rtol=1e-5)
        v = predict(nets, clip, noisy, timesteps, drop_image, drop_audio, round_features=case.endswith("fp16"))
        predictions.append(v.detach().transpose(0, 1))
        error = loss.errors(v, clip, noise, timesteps)
        if f"{case}.loss_per_sample" in tensors:
            np.testing.assert_allclose(error.item(), tensors[f"{case}.loss_per_sample"][i], rtol=1e-5)
        losses.append(loss(v, clip, noise, timesteps))
    np.testing.assert_allclose(torch.stack(predictions), tensors[f"{case}.model_pred"], atol=2e-4)
    total = torch.stack(losses).mean()
    np.testing.assert_allclose(total.item(), tensors[f"{case}.loss"], rtol=1e-5)

    total.backward()
    gradients = authors_state(
        {k: p.grad for k, p in nets.reference_unet.named_parameters()},
        {k: p.grad for k, p in nets.video_network.named_parameters()},
    )
    reached = {key for key, gradient in gradients.items() if gradient is not None}
    golden = golden_names(process)
    assert sorted(names) == sorted(golden["trainable"])
    assert not reached & set(golden["frozen"])
    norms, largest = tensors[f"{case}.grad_norms"], tensors[f"{case}.grad_norms"].max()
    rtol = 1e-3 if case.endswith("fp16") else 1e-4
    for name, norm in zip(golden["trainable"], norms, strict=True):
        ours = gradients[name].double().norm().item() if name in reached else 0.0
        assert norm >= 0 or name not in reached, name
        assert abs(ours - max(norm, 0)) <= rtol * max(norm, 0) + 1e-5 * largest, (name, ours, norm)
    for name, gradient in part(tensors, f"{case}.grad").items():
        np.testing.assert_allclose(gradients[name], gradient, rtol=1e-3, atol=1e-5 * np.abs(gradient).max())
    if f"{case}.grad_total_norm" in tensors:
        check_update(nets, tensors, case)


def check_update(nets, tensors, case):
    """Gradients clipped at 1 and a step of AdamW, by a run's own loop (the authors' process 2: in 8 bits)."""
    settings = MMHAATraining()
    both = BothNetworks(nets)
    before = {name: parameter.detach().clone() for name, parameter in both.named_parameters()}
    zero_unused(nets)
    norm = torch.nn.utils.get_total_norm([p.grad for p in learning(both).values() if p.grad is not None])
    np.testing.assert_allclose(norm.item(), tensors[f"{case}.grad_total_norm"], rtol=1e-4)
    optimiser = adamw(learning(both).values(), settings.learning_rate, settings.weight_decay)
    Learner(Run(Path()), both, optimiser, lambda *_: {}, max_norm=settings.max_norm).update()
    moved = authors_state(dict(nets.reference_unet.named_parameters()), dict(nets.video_network.named_parameters()))
    for name, golden in part(tensors, f"{case}.after_step").items():
        np.testing.assert_allclose(moved[name].detach(), golden, rtol=0, atol=1e-7, err_msg=name)
    assert all(torch.equal(p, before[name]) for name, p in both.named_parameters() if p.grad is None)


@pytest.mark.parametrize("path", golden_files("training", "schedule_train"))
def test_schedule(path):
    tensors, metadata = read(path)
    sampled = linear_alpha_bar_zero_snr()
    np.testing.assert_allclose(sampled, tensors["p2.val.alphas_cumprod"], atol=1e-7)
    np.testing.assert_allclose(betas(sampled), tensors["p2.val.betas"], atol=1e-6)
    alpha_bar = scaled_linear_alpha_bar_zero_snr()
    np.testing.assert_allclose(betas(alpha_bar), tensors["p2.train.betas"], atol=1e-6)
    np.testing.assert_allclose(alpha_bar, tensors["p2.train.alphas_cumprod"], atol=1e-7)
    assert alpha_bar[-1] == 0
    np.testing.assert_allclose(signal_to_noise(alpha_bar), tensors["snr_all"], rtol=1e-4, atol=1e-9)
    gamma = config(metadata, "hyper")["p1"]["snr_gamma"]
    np.testing.assert_allclose(min_snr_weight_v(alpha_bar, gamma), tensors["weight_all"], rtol=1e-5)
    for process in ("p1", "p2"):
        times = torch.from_numpy(tensors[f"{process}.t"])
        snr = signal_to_noise(alpha_bar)[times]
        np.testing.assert_allclose(snr, tensors[f"{process}.snr"], rtol=1e-4, atol=1e-9)
        np.testing.assert_allclose(snr, tensors[f"{process}.snr_float64"], rtol=2e-3, atol=1e-9)
        np.testing.assert_allclose(MMHAALoss().weights(times), tensors[f"{process}.weight"], rtol=1e-5)


def betas(alpha_bar):
    alpha_bar = torch.cat([alpha_bar.new_ones(1), alpha_bar])
    return 1 - alpha_bar[1:] / alpha_bar[:-1]


@pytest.mark.parametrize("path", golden_files("training", "schedule_train"))
@pytest.mark.parametrize("process", ["p1", "p2"])
def test_the_defaults_are_the_authors_settings(path, process):
    hyper = config(read(path)[1], "hyper")[process]
    solver, ours = hyper["solver"], MMHAATraining()
    (group,) = adamw([torch.nn.Parameter(torch.zeros(1))], ours.learning_rate, ours.weight_decay).param_groups
    names = ("learning_rate", "adam_weight_decay", "adam_epsilon", "max_grad_norm", "gradient_accumulation_steps")
    assert [solver[name] for name in names] == [group["lr"], group["weight_decay"], group["eps"], ours.max_norm, 1]
    assert (solver["adam_beta1"], solver["adam_beta2"]) == group["betas"]
    names = ("noise_offset", "snr_gamma", "seed", "uncond_ratio")
    assert [hyper[name] for name in names] == [ours.noise_offset, ours.loss.snr_gamma, ours.seed, ours.drops.image]
    if process == "p2":
        assert hyper["uncond_audio_ratio"] == ours.drops.audio


@pytest.mark.parametrize("path", golden_files("training", "clip_zero_picture"))
def test_what_a_dropped_photo_shows_to_clip(path, tmp_path):
    """A picture of the mean colour, which is not a black one."""
    tensors, _ = read(path)
    encoder = ImageEncoder(load_image_encoder(tiny_file(tmp_path, "clip")), "tiny")
    np.testing.assert_allclose(encoder.zero_picture()[0], tensors["zero_pixel_values.image_embeds"], atol=1e-5)
    black = encoder.tokens(np.zeros((1, 64, 64, 3), np.uint8))
    np.testing.assert_allclose(black[0], tensors["black_picture.image_embeds"], atol=1e-5)

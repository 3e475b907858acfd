"""Stage II's schedule, windows, masks, pictures and denoising loop against the authors' (golden/stage2)."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from golden import config, golden_files, read
from recipe import normalish
from stage2 import as_frames, as_video, tensor, tiny_net

from mmgt.diffusion import NUM_TRAIN_STEPS, ddim_step_v, linear_alpha_bar_zero_snr, trailing_times
from mmgt.mmhaa.drive import Drive
from mmgt.mmhaa.masks import FACE_BLUR, LIP_BLUR, blurred_mask, network_masks
from mmgt.mmhaa.pictures import PictureSize, photo_canvas, photo_for_clip, picture_for_network
from mmgt.mmhaa.sample import DDIM, Video, VideoOptions, VideoRun, guided, sample_latents
from mmgt.windows import looped_windows

# Other builds of OpenCV and Pillow round resized masks differently by one grey level.
MASK_ATOL = 1e-7 if cv2.__version__.startswith(("4.10", "4.11")) else 1 / 255 + 1e-6


def close(ours, golden, atol):
    np.testing.assert_allclose(np.asarray(ours), golden, rtol=0, atol=atol)


@pytest.mark.parametrize("path", golden_files("stage2", "scheduler"))
def test_schedule_and_steps(path):
    tensors, metadata = read(path)
    schedule = config(metadata)
    alpha_bar = linear_alpha_bar_zero_snr(schedule["beta_start"], schedule["beta_end"])
    close(alpha_bar, tensors["alphas_cumprod"], 1e-7)
    assert alpha_bar[-1] == 0
    for num_steps, times in json.loads(metadata["steps"]).items():
        assert trailing_times(int(num_steps)) == times["timesteps"]
        seed, shape = int(metadata["seed"]), tensors[f"samples_{num_steps}"].shape[1:]
        x = tensor(normalish(f"s{num_steps}", shape, seed))
        close(x, tensors[f"samples_{num_steps}"][0], 0)
        for i, t in enumerate(times["timesteps"]):
            later = t - NUM_TRAIN_STEPS // int(num_steps)
            assert max(later, -1) == times["prev"][i]
            v = tensor(normalish(f"v{num_steps}.{i}", shape, seed))
            x = ddim_step_v(x, v, alpha_bar[t], alpha_bar[later] if later >= 0 else 1.0)
            close(x, tensors[f"samples_{num_steps}"][i + 1], 1e-5)


@pytest.mark.parametrize("path", golden_files("stage2", "context", ".json"))
def test_windows(path):
    for case in json.loads(path.read_text())["cases"]:
        ours = looped_windows(case["frames"], case["context_size"], case["overlap"], case["stride"], case["step"])
        assert ours == case["windows"], case


@pytest.mark.parametrize("path", golden_files("stage2", "masks"))
def test_masks(path):
    tensors, metadata = read(path)
    height, width = (side // 8 for side in json.loads(metadata["img_size"]))
    for name, kernel in (("face", FACE_BLUR), ("lips", LIP_BLUR)):
        for t, frame in enumerate(tensors[f"{name}_frames"]):
            close(blurred_mask(frame, kernel) / 255, tensors[f"{name}_blur64"][t] / 255, MASK_ATOL)
    levels = network_masks(tensors["face_frames"], tensors["lips_frames"], height, width)
    for level, masks in enumerate(levels):
        for name, mask in zip(("full", "face", "lips"), masks, strict=True):
            close(mask, tensors[f"{name}_l{level}"], MASK_ATOL)


@pytest.mark.parametrize("path", golden_files("stage2", "preprocess"))
def test_pictures(path):
    tensors, metadata = read(path)
    height, width = int(metadata["height"]), int(metadata["width"])
    close(photo_for_clip(tensors["image"]), tensors["clip_pixel_values"], 1e-6)
    size = PictureSize(height, width)
    pose = picture_for_network(tensors["image"], size)[None, :, :height, :width]
    close(pose, tensors["pose_input"], 1e-6)
    photo = tensor(photo_canvas(tensors["image"], size))[:height, :width].float() / 255 * 2 - 1
    close(photo.permute(2, 0, 1)[None], tensors["vae_input"], 1e-6)


@pytest.mark.parametrize("path", [p for p in golden_files("stage2", "pipeline") if "io" not in p.id])
def test_denoising_loop(path):
    given, metadata = read(path)
    settings = config(metadata)
    net = tiny_net()
    network, pose_features = net.video_network, as_frames(given["pose_features"])
    network.pose_guider = torch.nn.Identity()  # the file holds the guider's output, and no pictures
    masks = [
        torch.stack([tensor(given[f"mask_{name}_l{level}"]) for name in ("full", "face", "lip")])
        for level in range(network.num_mask_levels)
    ]
    photo = net.read_photo(tensor(given["ref_latents"]), tensor(given["clip_embeds"]))
    drive = Drive(
        num_frames=settings["frames"],
        size=PictureSize(settings["height"], settings["width"]),
        pictures=lambda frames: pose_features[list(frames)],
        masks=lambda frames: tuple(level[:, list(frames)] for level in masks),
        speech=tensor(given["audio_emb"]),
        strengths=tuple(settings["motion_scale"]),
    )
    video = Video(photo, drive, VideoOptions(settings["context_frames"], settings["context_overlap"], looped=True))
    noise, scheduler, cfg = as_frames(given["initial_noise"]), DDIM(settings["steps"]), settings["guidance_scale"]
    assert scheduler.timesteps == given["timesteps"].tolist()
    first_v = guided(VideoRun(network, video).predict(noise, scheduler.timesteps[0]), cfg)
    close(as_video(first_v, 1), given["guided_v_steps"][0], 1e-4)

    steps = []
    sample_latents(VideoRun(network, video), noise, scheduler, cfg, lambda _step, _total, x: steps.append(x))
    for latents, expected, atol in zip(steps, given["latents_steps"], (1e-4, 3e-4, 5e-4), strict=True):
        close(as_video(latents, 1), expected, atol)

    rounded = {name: value.half().float() for name, value in photo.features.items()}
    rounded_video = replace(video, photo=replace(photo, features=rounded))
    final = sample_latents(VideoRun(network, rounded_video), noise, scheduler, cfg)
    close(as_video(final, 1), given["latents_final_bank_fp16"], 5e-4)

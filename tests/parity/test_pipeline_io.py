"""A whole run from pictures to decoded frames, through the functions of ``mmgt generate``, against the authors'."""

import math

import numpy as np
import PIL
import pytest
import torch
from golden import config, golden_files, read
from stage2 import as_frames, as_video, tensor, tiny_file, tiny_net

from mmgt.mmhaa.drive import Drive, GivenPictures
from mmgt.mmhaa.masks import network_masks
from mmgt.mmhaa.pictures import PictureSize, photo_canvas
from mmgt.mmhaa.sample import DDIM, Video, VideoOptions, VideoRun, sample_latents
from mmgt.standalone.image_encoder import encode_photo, load_image_encoder
from mmgt.standalone.vae import decode_latents, encode_picture, load_vae
from mmgt.standalone.video import frames_of, read_photo

PICTURE_ATOL, NETWORK_ATOL, LATENTS_ATOL, FRAMES_ATOL = 1e-6, 1e-5, 5e-4, 1e-3


def close(ours, golden, atol):
    np.testing.assert_allclose(np.asarray(ours), golden, rtol=0, atol=atol)


@pytest.mark.skipif(
    int(PIL.__version__.split(".")[0]) < 13,
    reason="recorded with Pillow 13; the Lanczos filter of older ones gives up to 2 of 255 more or less",
)
@pytest.mark.parametrize("path", golden_files("stage2", "pipeline_io"))
def test_pictures_to_frames(path, tmp_path):
    given, metadata = read(path)
    between, _ = read(path.with_name(path.name.replace("pipeline_io", "pipeline")))
    settings = config(metadata)
    size = PictureSize(settings["height"], settings["width"])
    networks = tiny_net()
    vae, clip = load_vae(tiny_file(tmp_path, "vae")), load_image_encoder(tiny_file(tmp_path, "clip"))

    close(encode_photo(clip, given["ref_image"]), between["clip_embeds"], NETWORK_ATOL)
    close(encode_picture(vae, photo_canvas(given["ref_image"], size)), between["ref_latents"], NETWORK_ATOL)
    photo = read_photo(networks, vae, clip, given["ref_image"], size)

    pictures = GivenPictures(tensor(given["pose_frames"]).float() / 255, size)
    close(pictures([0]), given["pose_input_frame0"], PICTURE_ATOL)
    num_frames = settings["frames"]
    pose_features = networks.video_network.pose_guider(pictures(range(num_frames)))
    close(as_video(pose_features, 1), between["pose_features"], NETWORK_ATOL)

    side = math.isqrt(math.prod(size.latent_shape))  # the authors' masks are square, and meet tokens in flat order
    masks = network_masks(given["face_frames"], given["lips_frames"], side, side)
    for level, parts in enumerate(masks):
        for name, part in zip(("full", "face", "lip"), parts, strict=True):
            close(part, between[f"mask_{name}_l{level}"], PICTURE_ATOL)

    drive = Drive(
        num_frames=num_frames,
        size=size,
        pictures=pictures,
        masks=lambda frames: tuple(level[:, list(frames)] for level in masks),
        speech=tensor(between["audio_emb"]),
        strengths=tuple(settings["motion_scale"]),
    )
    options = VideoOptions(settings["context_frames"], settings["context_overlap"], looped=True)
    run = VideoRun(networks.video_network, Video(photo, drive, options))
    noise = as_frames(between["initial_noise"])
    latents = sample_latents(run, noise, DDIM(settings["steps"]), settings["guidance_scale"])
    close(as_video(latents, 1), between["latents_steps"][-1], LATENTS_ATOL)

    index = torch.from_numpy(given["decoded_index"])
    frames = torch.cat(list(decode_latents(vae, latents[index])))
    close(frames.transpose(0, 1), given["decoded_frames"], FRAMES_ATOL)
    written = np.stack(list(frames_of(vae, latents[index], size, lambda *_: None)))
    close(written, given["decoded_frames"].transpose(1, 2, 3, 0) * 255, 0.5 + 255 * FRAMES_ATOL)

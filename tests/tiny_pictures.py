"""A tiny random VAE and CLIP image encoder, as state dicts in their published keys."""

import torch
from diffusers import AutoencoderKL
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

VAE_WIDTHS = (8, 16, 16, 16)
CLIP_CONFIG = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 1,
    "image_size": 224,
    "patch_size": 56,
}


def tiny_vae_state(seed=0, latent_channels=4):
    torch.manual_seed(seed)
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * len(VAE_WIDTHS),
        up_block_types=("UpDecoderBlock2D",) * len(VAE_WIDTHS),
        block_out_channels=VAE_WIDTHS,
        norm_num_groups=8,
        latent_channels=latent_channels,
    )
    return vae.state_dict()


def tiny_clip_state(projection_dim, seed=0):
    torch.manual_seed(seed)
    return CLIPVisionModelWithProjection(CLIPVisionConfig(projection_dim=projection_dim, **CLIP_CONFIG)).state_dict()

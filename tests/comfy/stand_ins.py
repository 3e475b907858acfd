"""Small random networks under the published files' names, in the published key layouts.

Core builds its VAE and CLIP at full size only: those two are large (0.8 GB on disk) and as random as the others.
"""

import json
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from tiny import HEADS, NUM_LAYERS, tiny_state
from tiny_smga import TINY_SMGA, tiny_smga_state

from mmgt.speech.features import NUM_HANDCRAFTED

SPEECH_WIDTH = 24
CLIP_WIDTH = 768
CONVOLUTIONS = {"conv_dim": [16] * 7, "num_conv_pos_embedding_groups": 4, "num_conv_pos_embeddings": 16}
TRANSFORMER = {"hidden_size": SPEECH_WIDTH, "intermediate_size": 32, "num_attention_heads": 4}


def write_stand_ins(models: Path) -> None:
    """All files of the catalogue but DWPose's, below ComfyUI's models folder."""
    torch.manual_seed(0)
    for folder in ("mmgt", "audio_encoders", "vae", "clip_vision"):
        (models / folder).mkdir(parents=True, exist_ok=True)
    net = tiny_state(image_width=CLIP_WIDTH, speech_width=SPEECH_WIDTH)
    torch.save({"state_dict": net, "config": HEADS}, models / "mmgt" / "net-32500.pth")
    torch.save({"ema_state_dict": _smga(), "config": {"num_heads": 4}}, models / "mmgt" / "audio2pose_best_model.pt")
    _write_encoders(models / "audio_encoders")
    _write_vae(models / "vae" / "sd-vae-ft-mse.safetensors")
    _write_clip(models / "clip_vision" / "sd-image-variations-image-encoder.bin")


def _smga():
    return tiny_smga_state(config=replace(TINY_SMGA, audio_channels=SPEECH_WIDTH + NUM_HANDCRAFTED), seed=None)


def _write_encoders(folder: Path) -> None:
    from transformers import Wav2Vec2Config, Wav2Vec2Model, WavLMConfig, WavLMModel

    heads = {"config": json.dumps({"num_heads": 4})}
    wav2vec2 = Wav2Vec2Model(Wav2Vec2Config(num_hidden_layers=NUM_LAYERS, **CONVOLUTIONS, **TRANSFORMER))
    state = {f"wav2vec2.{key}": tensor.contiguous() for key, tensor in wav2vec2.state_dict().items()}
    save_file(state, folder / "wav2vec2-base-960h.safetensors", heads)
    large = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
    wavlm = WavLMModel(WavLMConfig(num_hidden_layers=2, **CONVOLUTIONS, **TRANSFORMER, **large))
    torch.save(wavlm.state_dict(), folder / "wavlm-large.bin")


def _write_vae(path: Path) -> None:
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
    )
    save_file({key: tensor.half().contiguous() for key, tensor in vae.state_dict().items()}, path)


def _write_clip(path: Path) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    large = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=24,
        num_attention_heads=16,
        patch_size=14,
        projection_dim=CLIP_WIDTH,
    )
    clip = CLIPVisionModelWithProjection(large)
    torch.save({key: tensor.half() for key, tensor in clip.state_dict().items()}, path)

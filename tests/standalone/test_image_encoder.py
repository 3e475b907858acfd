import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_pictures import CLIP_CONFIG, tiny_clip_state
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from mmgt.errors import InputError
from mmgt.mmhaa.pictures import photo_for_clip
from mmgt.standalone.image_encoder import encode_photo, load_image_encoder

PICTURE = np.random.default_rng(0).integers(0, 256, (60, 40, 3), np.uint8)
PROJECTION_DIM = 24


def saved(path, state, **config):
    save_file(state, path, {"config": json.dumps(config)} if config else None)
    return path


def plain(**changes):
    """transformers' own model with the tiny weights."""
    torch.manual_seed(0)
    config = CLIPVisionConfig(projection_dim=PROJECTION_DIM, **{**CLIP_CONFIG, **changes})
    return CLIPVisionModelWithProjection(config).eval()


def test_the_token_is_the_projected_embedding(tmp_path):
    encoder = load_image_encoder(saved(tmp_path / "clip.safetensors", tiny_clip_state(PROJECTION_DIM)))
    token = encode_photo(encoder, PICTURE)
    assert token.shape == (1, 1, PROJECTION_DIM)
    with torch.no_grad():
        expected = plain()(photo_for_clip(PICTURE)).image_embeds
    torch.testing.assert_close(token[0], expected, atol=1e-6, rtol=1e-5)


def test_heads_may_be_in_the_metadata(tmp_path):
    path = saved(tmp_path / "clip.safetensors", tiny_clip_state(PROJECTION_DIM), num_attention_heads=4)
    with torch.no_grad():
        expected = plain(num_attention_heads=4)(photo_for_clip(PICTURE)).image_embeds
    torch.testing.assert_close(encode_photo(load_image_encoder(path), PICTURE)[0], expected, atol=1e-6, rtol=1e-5)


def test_a_folder_with_its_config_and_the_older_files_position_ids(tmp_path):
    plain(num_attention_heads=4).save_pretrained(tmp_path / "image_encoder")
    token = encode_photo(load_image_encoder(tmp_path / "image_encoder"), PICTURE)
    older = tiny_clip_state(PROJECTION_DIM) | {"vision_model.embeddings.position_ids": torch.arange(17)[None]}
    torch.save(older, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text((tmp_path / "image_encoder" / "config.json").read_text())
    assert torch.equal(encode_photo(load_image_encoder(tmp_path), PICTURE), token)


def test_another_model_is_named(tmp_path):
    path = tmp_path / "other.safetensors"
    with pytest.raises(InputError, match=r"is a VAE, not a CLIP image encoder .* sd-image-variations"):
        load_image_encoder(saved(path, {"decoder.conv_in.weight": torch.zeros(3)}))
    without = {key: value for key, value in tiny_clip_state(8).items() if not key.startswith("visual_projection")}
    with pytest.raises(InputError, match="with its projection"):
        load_image_encoder(saved(path, without))
    larger = tiny_clip_state(8) | {"vision_model.embeddings.position_embedding.weight": torch.zeros(26, 64)}
    with pytest.raises(InputError, match="pictures of 280 px"):
        load_image_encoder(saved(path, larger))

"""Tiny WavLM and wav2vec2 with random weights: 32 wide, 2 and 3 layers."""

import torch
import transformers

from mmgt.speech.encoders import Wav2Vec2, WavLM

TINY = {
    "hidden_size": 32,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "conv_dim": (16,) * 7,
    "num_conv_pos_embedding_groups": 4,
}
TINY_WAVLM = TINY | {"num_hidden_layers": 2, "num_conv_pos_embeddings": 16, "num_buckets": 32}
TINY_WAV2VEC2 = TINY | {"num_hidden_layers": 3, "num_conv_pos_embeddings": 8}
IS_LARGE = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}


def wavlm_network(**config):
    config = transformers.WavLMConfig(**IS_LARGE | {"max_bucket_distance": 800} | config)
    return transformers.WavLMModel(config).eval()


def wav2vec2_network(**config):
    """With the head for recognition, as it is published."""
    return transformers.Wav2Vec2ForCTC(transformers.Wav2Vec2Config(vocab_size=5, **config)).eval()


def tiny_wavlm(seed=0):
    torch.manual_seed(seed)
    return WavLM(wavlm_network(**TINY_WAVLM))


def tiny_wav2vec2(seed=0):
    torch.manual_seed(seed)
    return Wav2Vec2(wav2vec2_network(**TINY_WAV2VEC2).wav2vec2)

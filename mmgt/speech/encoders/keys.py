"""State-dict keys: the published files <-> transformers', which are ours.

Read are Hugging Face's files, with or without the ``wavlm.`` or ``wav2vec2.`` prefix and in both spellings of the
weight norm, and the original ``WavLM-Large.pt`` (fairseq's names).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

# Heads and quantizers of training, and the stand-in for masked steps: no feature depends on them.
_UNUSED = re.compile(r"(lm_head|quantizer|project_q|project_hid)\.|(masked_spec_embed|mask_emb)$")

# (fairseq's WavLM, transformers); {i} is a layer's number. The first that a key begins with counts.
_WAVLM_NAMES = (
    ("feature_extractor.conv_layers.{i}.0.", "feature_extractor.conv_layers.{i}.conv."),
    ("feature_extractor.conv_layers.{i}.2.1.", "feature_extractor.conv_layers.{i}.layer_norm."),
    ("layer_norm.", "feature_projection.layer_norm."),
    ("post_extract_proj.", "feature_projection.projection."),
    ("encoder.pos_conv.0.", "encoder.pos_conv_embed.conv."),
    ("encoder.layers.{i}.self_attn.grep_linear.", "encoder.layers.{i}.attention.gru_rel_pos_linear."),
    ("encoder.layers.{i}.self_attn.grep_a", "encoder.layers.{i}.attention.gru_rel_pos_const"),
    ("encoder.layers.{i}.self_attn.relative_attention_bias.", "encoder.layers.{i}.attention.rel_attn_embed."),
    ("encoder.layers.{i}.self_attn.", "encoder.layers.{i}.attention."),
    ("encoder.layers.{i}.self_attn_layer_norm.", "encoder.layers.{i}.layer_norm."),
    ("encoder.layers.{i}.fc1.", "encoder.layers.{i}.feed_forward.intermediate_dense."),
    ("encoder.layers.{i}.fc2.", "encoder.layers.{i}.feed_forward.output_dense."),
)

# (old files, torch's parametrization): the weight norm of the convolution that tells positions.
_WEIGHT_NORM_NAMES = tuple(
    (f"encoder.pos_conv_embed.conv.{old}", f"encoder.pos_conv_embed.conv.parametrizations.weight.{new}")
    for old, new in (("weight_g", "original0"), ("weight_v", "original1"))
)


def from_published(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """A published state dict -> transformers' keys, without what is not used.

    prefix: what Hugging Face's files put before the network's keys where it has a head.
    """
    bare = ((key.removeprefix("module.").removeprefix(prefix), tensor) for key, tensor in state.items())
    return {
        _renamed(_renamed(key, _WAVLM_NAMES), _WEIGHT_NORM_NAMES): tensor
        for key, tensor in bare
        if not _UNUSED.match(key)
    }


def to_original_wavlm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state dict of ``WavLM.network`` in the keys of ``WavLM-Large.pt``."""
    back, norm_back = [[(theirs, ours) for ours, theirs in names] for names in (_WAVLM_NAMES, _WEIGHT_NORM_NAMES)]
    return {_renamed(_renamed(key, norm_back), back): tensor for key, tensor in state.items()}


def _renamed(key: str, names: Iterable[tuple[str, str]]) -> str:
    """The key with its beginning changed from the first to the second of ``names``; others stay."""
    for old, new in names:
        pattern = re.escape(old).replace(r"\{i\}", r"(\d+)")
        renamed, count = re.subn(f"^{pattern}", new.replace("{i}", r"\1"), key)
        if count:
            return renamed
    return key

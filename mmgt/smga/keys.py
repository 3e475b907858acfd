"""State-dict keys: the authors' layout (``audio2pose_best_model.pt``) <-> ours.

The authors' dict also holds 96 tensors that no output depends on (per decoder layer: self_attn, norm_*_3, film_*_3)
and copies of the rotary frequencies; they are dropped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

_UNUSED = re.compile(
    r"(^|\.)rotary\.freqs$|^seqTransDecoder\.stack\.\d+\.(self_attn\.|norm_(face|body)_3\.|film_(face|body)_3\.)"
)

# (authors, ours), applied in order
_RENAMES = (
    ("seqTransDecoder.stack.", "layers."),
    ("cond_encoder.", "speech_layers."),
    ("face_self_attn.", "face.self_attention."),
    ("face_cross_attn.", "face.cross_attention."),
    ("body_self_attn.", "body.self_attention."),
    ("body_cross_attn.", "body.cross_attention."),
    ("norm_face_", "face.norm_"),
    ("norm_body_", "body.norm_"),
    ("norm_final.", "norm."),
    ("film_face_1.block.1.", "face.film_1."),
    ("film_face_2.block.1.", "face.film_2."),
    ("film_body_1.block.1.", "body.film_1."),
    ("film_body_2.block.1.", "body.film_2."),
    ("film_final.block.1.", "film."),
    ("linear1.", "feed_forward.expand."),
    ("linear2.", "feed_forward.contract."),
    ("non_attn_cond_projection.0.", "summary_norm."),
    ("non_attn_cond_projection.1.", "summary_in."),
    ("non_attn_cond_projection.3.", "summary_out."),
    ("cond_projection.", "speech_projection."),
    ("input_projection.", "pose_projection."),
    ("final_layer.", "output_projection."),
    ("norm_cond.", "memory_norm."),
    ("time_mlp.1.", "time_in."),
    ("to_time_cond.0.", "time_to_summary."),
    ("to_time_tokens.0.", "time_to_tokens."),
    ("null_cond_embed", "null_tokens"),
    ("null_cond_hidden", "null_summary"),
    ("out_proj.", "output."),
)
_SPEECH_LAYER_RENAMES = ((".self_attn.", ".self_attention."), (".norm1.", ".norm_1."), (".norm2.", ".norm_2."))


def from_authors(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The authors' state dict (an optional "module." prefix is stripped) -> ours."""
    ours: dict[str, Tensor] = {}
    for key, tensor in state_dict.items():
        key = key.removeprefix("module.")
        if _UNUSED.search(key):
            continue
        for theirs, our in _RENAMES:
            key = key.replace(theirs, our)
        if key.startswith("speech_layers."):
            for theirs, our in _SPEECH_LAYER_RENAMES:
                key = key.replace(theirs, our)
        if ".in_proj_" in key:  # query, key and value stacked
            for name, part in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                ours[key.replace("in_proj_", f"{name}.")] = part
        else:
            ours[key] = tensor
    return ours


def to_authors(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Ours -> the authors' layout, without the tensors that nothing depends on."""
    theirs: dict[str, Tensor] = {}
    for key, tensor in state_dict.items():
        part = re.search(r"\.(query|key|value)\.(weight|bias)$", key)
        if part and part[1] != "query":
            continue
        if part:
            stem = key[: part.start()]
            tensor = torch.cat([state_dict[f"{stem}.{name}.{part[2]}"] for name in ("query", "key", "value")])
            key = f"{stem}.in_proj_{part[2]}"
        if key.startswith("speech_layers."):
            for their, our in _SPEECH_LAYER_RENAMES:
                key = key.replace(our, their)
        for their, our in reversed(_RENAMES):
            key = _replace_component(key, our, their)
        theirs[key] = tensor
    return theirs


def _replace_component(key: str, old: str, new: str) -> str:
    """Replace ``old`` where it begins a dotted component, so that "norm." does not match "memory_norm."."""
    return re.sub(rf"(^|(?<=\.)){re.escape(old)}", new, key)

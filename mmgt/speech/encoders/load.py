"""WavLM-Large and wav2vec2-base from the files in which they are published; sizes come from the tensors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import InputError
from ...weights import Checkpoint, load_strictly, open_checkpoint, recognise
from ...weights.catalog import WAV2VEC2, WAVLM, advice
from ...weights.files import config_number, config_of, published_config
from ...weights.signatures import HUBERT
from .keys import from_published
from .networks import Wav2Vec2, WavLM
from .waveform import CONV_KERNELS, CONV_STRIDES

logger = logging.getLogger("mmgt")

WAVLM_ADVICE, WAV2VEC2_ADVICE = advice(WAVLM), advice(WAV2VEC2)

MAX_DISTANCE = 800  # steps: beyond it WavLM's relative positions are all alike; no tensor shows it
HEAD_WIDTH = 64  # of wav2vec2; no tensor shows its number of heads
LARGE_WIDTH = 1024  # of wav2vec2-large

_MODEL_TYPE = "wav2vec2"  # in transformers' configurations
_PROJECTION = "feature_projection.projection.weight"
_RELATIVE_POSITIONS = "encoder.layers.0.attention.rel_attn_embed.weight"  # only WavLM has them
_SECOND_NORM = "feature_extractor.conv_layers.1.layer_norm.weight"  # base models norm the first convolution only


def load_wavlm(path: Path, dtype: torch.dtype = torch.float32) -> WavLM:
    """WavLM-Large from a file (on the CPU), its weights as ``dtype``.

    Relative positions reach 800 steps, as published, unless the ``config`` of the file (JSON in its metadata) has
    another ``max_distance``.
    """
    checkpoint = open_checkpoint(path, WAVLM_ADVICE)
    max_distance = config_number(checkpoint, config_of(checkpoint), "max_distance", MAX_DISTANCE)
    return build_wavlm(checkpoint.tensors, max_distance, str(path), dtype)


def load_wav2vec2(path: Path, dtype: torch.dtype = torch.float32) -> Wav2Vec2:
    """wav2vec2-base-960h from a file (on the CPU), its weights as ``dtype``.

    It has a head for every 64 channels, as published, unless the ``config`` of the file has another ``num_heads``.
    """
    checkpoint = open_checkpoint(path, WAV2VEC2_ADVICE)
    _check_model_type(checkpoint)
    return build_wav2vec2(
        checkpoint.tensors, config_number(checkpoint, config_of(checkpoint), "num_heads", None), str(path), dtype
    )


def _check_model_type(checkpoint: Checkpoint) -> None:
    """Raise InputError if a file's configuration names another model; warn where neither that nor its keys tell."""
    named = published_config(checkpoint).get("model_type")
    if named not in (None, _MODEL_TYPE):
        raise InputError(f"{checkpoint.path} is {named}, as its config says, not wav2vec2-base; {WAV2VEC2_ADVICE}.")
    if named is None and _PROJECTION in checkpoint.tensors:
        logger.warning(
            "%s may be wav2vec2 or HuBERT: their networks have the same keys, and no config.json beside it says which; "
            "it is taken for wav2vec2. If lips do not follow the speech, %s",
            checkpoint.path,
            WAV2VEC2_ADVICE,
        )


def build_wavlm(
    tensors: Mapping[str, Tensor],
    max_distance: int = MAX_DISTANCE,
    source: str = "the state dict",
    dtype: torch.dtype = torch.float32,
) -> WavLM:
    """WavLM, ready to encode, from a published state dict. Raises InputError for another model, WavLM-Base included."""
    state = from_published(tensors, "wavlm.")
    if _RELATIVE_POSITIONS not in state:
        raise InputError(f"{source} is {recognise(tensors)}, not WavLM-Large; {WAVLM_ADVICE}.")
    if _SECOND_NORM not in state:
        raise InputError(f"{source} is WavLM-Base; SMGA was trained with WavLM-Large: {WAVLM_ADVICE}.")

    def build(transformers: Any) -> nn.Module:
        num_buckets, num_heads = state[_RELATIVE_POSITIONS].shape
        config = transformers.WavLMConfig(
            **_sizes(state),
            num_attention_heads=num_heads,
            num_buckets=num_buckets,
            max_bucket_distance=max_distance,
            feat_extract_norm="layer",
            do_stable_layer_norm=True,
        )
        return transformers.WavLMModel(config)

    return WavLM(_loaded(build, state, dtype, source, WAVLM_ADVICE))


def build_wav2vec2(
    tensors: Mapping[str, Tensor],
    num_heads: int | None = None,
    source: str = "the state dict",
    dtype: torch.dtype = torch.float32,
) -> Wav2Vec2:
    """wav2vec2, ready to encode, from a published state dict.

    num_heads: by default one for every 64 channels. Raises InputError for another model, wav2vec2-large included.
    """
    state = from_published(tensors, "wav2vec2.")
    kind = "WavLM" if _RELATIVE_POSITIONS in state else recognise(tensors)
    if _RELATIVE_POSITIONS in state or _PROJECTION not in state or kind == HUBERT:
        raise InputError(f"{source} is {kind}, not wav2vec2-base; {WAV2VEC2_ADVICE}.")
    width = len(state["feature_projection.projection.weight"])
    if _SECOND_NORM in state or width == LARGE_WIDTH:
        raise InputError(
            f"{source} is a large wav2vec2, {width} wide; MMGT's video network was trained with wav2vec2-base: "
            f"{WAV2VEC2_ADVICE}."
        )

    def build(transformers: Any) -> nn.Module:
        config = transformers.Wav2Vec2Config(
            **_sizes(state),
            num_attention_heads=num_heads or max(1, width // HEAD_WIDTH),
            feat_extract_norm="group",
            do_stable_layer_norm=False,
        )
        return transformers.Wav2Vec2Model(config)

    return Wav2Vec2(_loaded(build, state, dtype, source, WAV2VEC2_ADVICE))


def _sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """What the configurations of both networks have in common. Raises KeyError or ValueError."""
    convolutions = [state[f"feature_extractor.conv_layers.{i}.conv.weight"] for i in range(len(CONV_KERNELS))]
    kernels = tuple(weight.shape[2] for weight in convolutions)
    if kernels != CONV_KERNELS:
        raise ValueError(f"its convolutions span {kernels} samples instead of {CONV_KERNELS}")
    width, group_width, position_taps = state["encoder.pos_conv_embed.conv.parametrizations.weight.original1"].shape
    return {
        "hidden_size": width,
        "num_hidden_layers": 1 + max(int(key.split(".")[2]) for key in state if key.startswith("encoder.layers.")),
        "intermediate_size": len(state["encoder.layers.0.feed_forward.intermediate_dense.weight"]),
        "conv_dim": tuple(len(weight) for weight in convolutions),
        "conv_kernel": CONV_KERNELS,
        "conv_stride": CONV_STRIDES,
        "num_conv_pos_embeddings": position_taps,
        "num_conv_pos_embedding_groups": width // group_width,
        "mask_time_prob": 0.0,
        "mask_feature_prob": 0.0,
    }


def _loaded(
    build: Callable[[Any], nn.Module], state: Mapping[str, Tensor], dtype: torch.dtype, source: str, advice: str
) -> nn.Module:
    """The network that ``build`` makes on ``meta`` with transformers, and its tensors. Raises InputError."""
    try:
        import transformers
    except ImportError as error:
        raise InputError(
            f"transformers cannot be imported ({error}), and WavLM and wav2vec2 need it; run `pip install "
            "transformers`, or encode the speech with hand-crafted features only."
        ) from error
    try:
        with torch.device("meta"):
            network = build(transformers)
    except (KeyError, ValueError) as error:
        raise InputError(f"{source} is not complete (its sizes cannot be read: {error}); {advice}.") from error
    load_strictly(network, {key: tensor.to(dtype) for key, tensor in state.items()}, source)
    return network.eval().requires_grad_(False)

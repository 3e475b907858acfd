"""What a checkpoint is, from the names and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

SMGA = "MMGT SMGA (stage I)"
MMHAA = "the MMGT video network (net-*.pth, stage II)"
IMAGE_NETWORKS = "MMGT's image network (process 1 of stage II, before it learned motion and speech)"
WAVLM_ORIGINAL = "WavLM (WavLM-Large.pt)"
WAVLM = "WavLM (Hugging Face)"
WAV2VEC2 = "wav2vec2"
HUBERT = "HuBERT"
VAE = "a VAE"
TINY_VAE = "a tiny auto-encoder (TAESD)"
CLIP = "a CLIP image encoder"
CONTEXTUAL_GESTURE = "Contextual Gesture (all of its networks)"
GESTURE_ALIGNMENT = "Contextual Gesture's alignment alone (`mmgt train alignment`)"
GESTURE_TOKENS = "Contextual Gesture's tokenizers alone (`mmgt train tokens`)"
REFINEMENT = "a refinement of Preview Motion (`mmgt train refine`)"
OPTIMIZER = "an optimizer's state, without the network it was training"
LORA = "a LoRA"
EMPTY = "a file without tensors"

PREFIXES = ("reference_unet", "denoising_unet", "pose_guider", "audioproj")  # of stage II, all in one file
SMGA_KEY = "seqTransDecoder.stack.0.face_self_attn.out_proj.weight"

# Keys that only one kind of checkpoint has; the first match names the file.
_SIGNATURES = (
    (SMGA_KEY, SMGA),
    ("seqTransDecoder.stack.0.self_attn.in_proj_weight", "an EDGE or S2G-MDDiffusion gesture model"),
    ("generator.parts.face.masked.own", CONTEXTUAL_GESTURE),
    ("pairs.face.gesture.mean", GESTURE_ALIGNMENT),
    ("face.codebooks", GESTURE_TOKENS),
    ("decode.0.spade_1.scale_and_shift.weight", REFINEMENT),
    ("imageproj.proj.weight", "Hallo's net.pth"),
    ("add_embedding.linear_1.weight", "an SDXL UNet"),
    ("controlnet_cond_embedding.conv_in.weight", "a ControlNet"),
    ("encoder.layers.0.self_attn.grep_linear.weight", WAVLM_ORIGINAL),
    ("wavlm.encoder.layers.0.attention.gru_rel_pos_linear.weight", WAVLM),
    ("encoder.layers.0.attention.gru_rel_pos_linear.weight", WAVLM),
    ("wav2vec2.feature_projection.projection.weight", WAV2VEC2),
    ("hubert.feature_projection.projection.weight", HUBERT),
    ("label_embs_concat", HUBERT),  # of its training; the rest is called as wav2vec2's
    ("feature_projection.projection.weight", WAV2VEC2),
    ("decoder.conv_in.weight", VAE),
    ("taesd_decoder.1.weight", TINY_VAE),
    ("vision_model.embeddings.class_embedding", CLIP),
    ("blocks.0.weight", "a pose guider or face locator alone (Moore-AnimateAnyone, EchoMimic, MMGT's first process)"),
)
_HUBERT_HEAD = "final_proj.weight"  # beside a network without prefix (ContentVec)
_STABLE_DIFFUSION = "model.diffusion_model.input_blocks.0.0.weight"
_SDXL = "model.diffusion_model.label_emb.0.0.weight"
_CROSS_ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
_MOTION = "down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight"
_WHISPER_TINY_WIDTH, _SD2_TEXT_WIDTH = 384, 1024  # what the UNets of EchoMimic and of Stable Diffusion 2 attend to
_OPTIMIZER_KEY = re.compile(r"(^|\.)state\.\d+\.")
_LORA_KEY = re.compile(r"lora_(up|down|A|B|unet|te)|_lora\.(up|down)\.")


def recognise(tensors: Mapping[str, Tensor]) -> str:
    """What a checkpoint is, in words, from its keys; tensors may lie on ``meta``."""
    if not tensors:
        return EMPTY
    tensors = unwrapped(tensors)
    if any(map(_LORA_KEY.search, tensors)):
        return LORA
    if _SDXL in tensors or any(key.startswith("conditioner.embedders.") for key in tensors):
        return "an SDXL checkpoint"
    if _STABLE_DIFFUSION in tensors:
        return "a Stable Diffusion checkpoint (SD-1.5 or 2)"
    for signature, name in _SIGNATURES:
        if signature in tensors:
            return HUBERT if name == WAV2VEC2 and _HUBERT_HEAD in tensors else name
    if "denoising_unet.conv_in.weight" in tensors:
        return _recognise_wrapper(tensors)
    if _CROSS_ATTENTION in tensors:
        return _recognise_unet(tensors)
    if _MOTION in tensors:
        return "a motion module alone (AnimateDiff, Moore-AnimateAnyone, EchoMimic)"
    if any(map(_OPTIMIZER_KEY.search, tensors)):
        return OPTIMIZER
    return f"an unknown model of {len(tensors)} tensors (first: {min(tensors)})"


_WRAPPERS = ("module.", "state_dict.", "_orig_mod.", "model.")
_COMPILED = "._orig_mod."  # torch.compile of a part
_LDM = "model.diffusion_model."  # Stable Diffusion's own layout


def unwrapped(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without what wrappers leave on their keys: several GPUs, torch.compile, training frameworks.

    A prefix is taken off where every key has it.
    """
    plain = {key.replace(_COMPILED, "."): tensor for key, tensor in tensors.items()}
    while plain and not any(key.startswith(_LDM) for key in plain):
        prefix = next((prefix for prefix in _WRAPPERS if all(key.startswith(prefix) for key in plain)), None)
        if prefix is None:
            break
        plain = {key.removeprefix(prefix): tensor for key, tensor in plain.items()}
    return plain


def _recognise_wrapper(tensors: Mapping[str, Tensor]) -> str:
    missing = [prefix for prefix in PREFIXES if not any(key.startswith(f"{prefix}.") for key in tensors)]
    if missing == ["audioproj"] and not any(".motion_modules." in key for key in tensors):
        return IMAGE_NETWORKS
    if missing:
        return f"a video network like MMGT's, but without {', '.join(missing)}"
    return MMHAA


def _recognise_unet(tensors: Mapping[str, Tensor]) -> str:
    """Which of the UNets in diffusers' names this is; some of them have the very same keys."""
    width = tensors[_CROSS_ATTENTION].shape[1]
    if width == _WHISPER_TINY_WIDTH:
        return "EchoMimic's denoising UNet"
    if width == _SD2_TEXT_WIDTH:
        return "a Stable Diffusion 2 UNet"
    if "conv_out.weight" not in tensors:
        return "a reference UNet alone (Moore-AnimateAnyone, EchoMimic, or MMGT's first training process)"
    if _MOTION in tensors:
        return "a denoising UNet with motion modules alone (Moore-AnimateAnyone, AnimateDiff)"
    return (
        "a Stable Diffusion 1.5 UNet in diffusers' layout (Moore-AnimateAnyone's denoising_unet.pth has the same keys)"
    )

import pytest
import torch

from mmgt.weights import recognise
from mmgt.weights.signatures import unwrapped

CROSS_ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
MOTION = "down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight"
NET = [f"{prefix}.conv_in.weight" for prefix in ("reference_unet", "denoising_unet", "pose_guider")]


def layout(*keys, **shapes):
    return {key: torch.empty(shapes.get(key, (2, 2)), device="meta") for key in keys}


def unet(width, *more):
    return {**layout("conv_in.weight", *more), CROSS_ATTENTION: torch.empty(320, width, device="meta")}


@pytest.mark.parametrize(
    ("tensors", "name"),
    [
        (layout("seqTransDecoder.stack.0.face_self_attn.out_proj.weight"), "MMGT SMGA"),
        (layout("seqTransDecoder.stack.0.self_attn.in_proj_weight"), "EDGE"),
        (layout(*NET, "audioproj.proj1.weight"), "the MMGT video network"),
        (layout(*NET), "MMGT's image network (process 1 of stage II"),
        (layout(*NET, f"denoising_unet.{MOTION}"), "like MMGT's, but without audioproj"),
        (layout(*NET[:2], "face_locator.conv_in.weight", "imageproj.proj.weight", "audioproj.x"), "Hallo"),
        (layout("model.diffusion_model.input_blocks.0.0.weight", "cond_stage_model.x"), "Stable Diffusion checkpoint"),
        (layout("model.diffusion_model.input_blocks.0.0.weight", "conditioner.embedders.0.x"), "an SDXL checkpoint"),
        (
            layout("model.diffusion_model.input_blocks.0.0.weight", "model.diffusion_model.label_emb.0.0.weight"),
            "an SDXL checkpoint",
        ),
        (layout("add_embedding.linear_1.weight", "conv_in.weight"), "an SDXL UNet"),
        (unet(768, "conv_out.weight"), "a Stable Diffusion 1.5 UNet in diffusers' layout (Moore-AnimateAnyone"),
        (unet(1024, "conv_out.weight"), "a Stable Diffusion 2 UNet"),
        (unet(768), "a reference UNet alone (Moore-AnimateAnyone"),
        (unet(768, "conv_out.weight", MOTION), "a denoising UNet with motion modules alone"),
        (unet(384, "conv_out.weight"), "EchoMimic's denoising UNet"),
        (layout("conv_in.weight", "blocks.0.weight", "conv_out.weight"), "a pose guider or face locator alone"),
        (layout(MOTION), "a motion module alone (AnimateDiff"),
        (layout(f"module.{MOTION}"), "a motion module alone (AnimateDiff"),
        (layout("lora_unet_down_blocks_0.lora_down.weight"), "a LoRA"),
        (layout("unet.down_blocks.0.attn1.to_q.lora_A.weight"), "a LoRA"),
        (layout("down_blocks.0.attn1.processor.to_q_lora.up.weight"), "a LoRA"),
        (layout("controlnet_cond_embedding.conv_in.weight", "conv_in.weight"), "a ControlNet"),
        (layout("state.0.exp_avg", "state.0.exp_avg_sq"), "an optimizer's state"),
        (layout("optimizer_state_dict.state.0.exp_avg"), "an optimizer's state"),
        (layout("encoder.layers.0.self_attn.grep_linear.weight"), "WavLM (WavLM-Large.pt)"),
        (
            layout(
                "encoder.layers.0.attention.gru_rel_pos_linear.weight",
                "feature_projection.projection.weight",
            ),
            "WavLM (Hugging Face)",
        ),
        (layout("wavlm.encoder.layers.0.attention.gru_rel_pos_linear.weight"), "WavLM (Hugging Face)"),
        (layout("wav2vec2.feature_projection.projection.weight", "lm_head.weight"), "wav2vec2"),
        (layout("feature_projection.projection.weight"), "wav2vec2"),
        (layout("decoder.conv_in.weight", "encoder.conv_in.weight"), "a VAE"),
        (layout("vision_model.embeddings.class_embedding", "visual_projection.weight"), "a CLIP image encoder"),
        (layout("something.else"), "unknown model of 1 tensors (first: something.else)"),
        ({}, "a file without tensors"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_kind_is_named(tensors, name):
    assert name in recognise(tensors)


def test_the_prefix_of_parallel_training_hides_nothing():
    assert recognise(layout("module.decoder.conv_in.weight")) == "a VAE"


@pytest.mark.parametrize(
    "wrapper", ["module.", "model.", "state_dict.", "_orig_mod.", "state_dict.model.", "model._orig_mod."]
)
def test_what_wrappers_leave_on_keys_is_taken_off(wrapper):
    plain = layout("decoder.conv_in.weight")
    wrapped = {f"{wrapper}{key}": tensor for key, tensor in plain.items()}
    assert unwrapped(wrapped).keys() == plain.keys()
    assert recognise(wrapped) == recognise(plain) == "a VAE"


def test_a_prefix_of_some_keys_is_a_name():
    tensors = {**layout("model.a"), **layout("b")}
    assert unwrapped(tensors).keys() == tensors.keys()
    compiled_part = unwrapped(layout("denoising_unet._orig_mod.conv_in.weight"))
    assert "denoising_unet.conv_in.weight" in compiled_part


def test_stable_diffusions_own_layout_keeps_its_prefix():
    tensors = layout("model.diffusion_model.input_blocks.0.0.weight")
    assert unwrapped(tensors).keys() == tensors.keys()

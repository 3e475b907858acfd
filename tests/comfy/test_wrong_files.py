"""Every loader of ours, given every kind of wrong file: one sentence that names both, and the server goes on."""

import json

import pytest
import torch
from safetensors.torch import save, save_file
from test_signatures import CROSS_ATTENTION, MOTION, NET, layout, unet

from mmgt.assets import ASTRONAUT_POSE
from mmgt.media import read_picture

pytestmark = pytest.mark.comfy

SDXL = layout("model.diffusion_model.input_blocks.0.0.weight", "conditioner.embedders.0.x")
SD15 = layout("model.diffusion_model.input_blocks.0.0.weight", "cond_stage_model.x")
MODELS = {
    "sd15.safetensors": (SD15, "Stable Diffusion checkpoint"),
    "sdxl.safetensors": (SDXL, "an SDXL checkpoint"),
    "denoising_unet.pth": (unet(768, "conv_out.weight", MOTION), "Moore-AnimateAnyone"),
    "reference_unet.pth": (unet(768), "Moore-AnimateAnyone"),
    "hallo.pth": (layout(*NET[:2], "face_locator.conv_in.weight", "imageproj.proj.weight", "audioproj.x"), "Hallo"),
    "echomimic.pth": (unet(384, "conv_out.weight"), "EchoMimic"),
    "mm_sd_v15.ckpt": (layout(MOTION), "AnimateDiff"),
    "lora.safetensors": (layout("lora_unet_down_blocks_0.lora_down.weight"), "a LoRA"),
    "optimizer.pt": (layout("state.0.exp_avg", "state.0.exp_avg_sq"), "an optimizer's state"),
}
BYTES = {
    "lfs.safetensors": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "git-lfs pointer"),
    "page.safetensors": (b"<!DOCTYPE html><html>404", "is a web page"),
    "empty.safetensors": (b"", "is empty"),
    "cut.safetensors": (save({CROSS_ATTENTION: torch.zeros(8, 8)})[:-9], "may be truncated"),
}
LOADERS = {
    "SMGA": ("MMGT_LoadSMGAModel", "smga"),
    "MM-HAA": ("MMGT_LoadMMHAAModel", "mmhaa"),
    "WavLM": ("MMGT_LoadAudioEncoder", "wavlm"),
    "wav2vec2": ("MMGT_LoadAudioEncoder", "wav2vec2"),
}


@pytest.fixture(scope="module")
def wrong_files(server):
    for folder in ("mmgt", "audio_encoders"):
        models = server.base / "models" / folder
        models.mkdir(parents=True, exist_ok=True)
        for name, (tensors, _) in MODELS.items():
            small = {key: torch.zeros(tensor.shape) for key, tensor in tensors.items()}
            if name.endswith(".safetensors"):
                save_file(small, models / name)
            else:
                torch.save(small, models / name)
        for name, (content, _) in BYTES.items():
            (models / name).write_bytes(content)
    return {name: says for name, (_, says) in {**MODELS, **BYTES}.items()}


@pytest.mark.parametrize("network", LOADERS)
def test_a_wrong_file_is_one_sentence(server, wrong_files, network):
    node, name = LOADERS[network]
    for file, says in wrong_files.items():
        sentence = refused(server, node, **{name: file})
        assert says in sentence, (file, sentence)
        assert file in sentence, (file, sentence)
    assert server.get("/system_stats")


@pytest.mark.parametrize(("content", "says"), [(b"<!DOCTYPE html>", "web page"), (b"", "empty"), (b"\x08\x07", "ONNX")])
def test_a_wrong_pose_detector_is_one_sentence(server, content, says):
    for name in ("wrong.onnx", "other.onnx"):
        (server.base / "models" / "mmgt" / name).write_bytes(content)
    sentence = refused(server, "MMGT_LoadPoseDetector", detector="wrong.onnx", pose="other.onnx")
    if "needs onnxruntime" in sentence:  # which alone can tell that these bytes are no network
        pytest.skip("the python that ComfyUI runs in has no onnxruntime")
    assert "wrong.onnx" in sentence
    assert says in sentence


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"filename_prefix": "../away"}, "outside of ComfyUI's output folder"),
        ({"filename_prefix": "video/" + "a" * 249}, "shorter one"),
        ({"filename_prefix": "b" * 300 + "/video"}, "shorter one"),
        ({"codec": "vp9"}, "h264, h265, av1"),
    ],
)
def test_a_place_that_no_video_can_go_to_is_said_before_anything_runs(server, chosen, says):
    vae = server.get("/object_info")["VAELoader"]["input"]["required"]["vae_name"][0][0]
    prompt = {
        "latent": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
        "vae": {"class_type": "VAELoader", "inputs": {"vae_name": vae}},
        "file": {
            "class_type": "MMGT_DecodeVideoToFile",
            "inputs": {"latent": ["latent", 0], "vae": ["vae", 0], "fps": 25.0, "codec": "h264"}
            | {"filename_prefix": "video/mmgt"}
            | chosen,
        },
    }
    with pytest.raises(RuntimeError) as error:
        server.run(prompt)
    assert says in str(error.value)
    assert "prompt_outputs_failed_validation" in str(error.value)


@pytest.mark.parametrize("prefix", ["../away", "video/" + "a" * 249, "b" * 300 + "/poses"])
def test_a_place_that_no_poses_can_go_to_is_said_before_anything_runs(server, prefix):
    (server.base / "input" / "poses.json").write_bytes(ASTRONAUT_POSE.read_bytes())
    prompt = {
        "poses": {"class_type": "MMGT_LoadPoses", "inputs": {"file": "poses.json"}},
        "saved": {"class_type": "MMGT_SavePoses", "inputs": {"poses": ["poses", 0], "filename_prefix": prefix}},
    }
    with pytest.raises(RuntimeError, match=r"outside of ComfyUI's output folder|shorter one") as error:
        server.run(prompt)
    assert "prompt_outputs_failed_validation" in str(error.value)


def test_openpose_files_without_a_size_are_given_one(server):
    """OpenPose's own files do not say how large their picture was."""
    person = {"pose_keypoints_2d": [256.0, 128.0, 1.0] * 18}
    (server.base / "input" / "frame.json").write_text(json.dumps({"version": 1.3, "people": [person]}))
    inputs = {"file": "frame.json"}
    prompt = {
        "poses": {"class_type": "MMGT_LoadPoses", "inputs": inputs},
        "drawn": {
            "class_type": "MMGT_DrawPoses",
            "inputs": {"poses": ["poses", 0], "width": 0, "height": 0, "style": "MM-HAA"},
        },
        "shown": {"class_type": "PreviewImage", "inputs": {"images": ["drawn", 0]}},
    }
    inputs |= {"canvas_width": 0, "canvas_height": 0}
    with pytest.raises(RuntimeError, match=r"no canvas size; give .* canvas_width and canvas_height"):
        server.run(prompt)
    inputs |= {"canvas_width": 640}
    with pytest.raises(RuntimeError, match="the canvas is 640x0 px; give both sides"):
        server.run(prompt)
    inputs |= {"canvas_height": 360}
    (shown,) = server.run(prompt)["shown"]["images"]
    assert read_picture(server.base / "temp" / shown["subfolder"] / shown["filename"]).shape == (360, 640, 3)


def refused(server, node, **chosen):
    """What is said to a loader with these files; the other inputs have their defaults."""
    inputs = server.get("/object_info")[node]["input"]["required"]
    defaults = {name: spec[1]["default"] for name, spec in inputs.items() if "default" in spec[1]}
    prompt = {
        "loader": {"class_type": node, "inputs": {**defaults, **chosen}},
        "shown": {"class_type": "PreviewAny", "inputs": {"source": ["loader", 0]}},
    }
    with pytest.raises(RuntimeError) as error:
        server.run(prompt)
    assert "Traceback" not in str(error.value)
    return str(error.value)

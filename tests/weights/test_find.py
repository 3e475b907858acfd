import pytest

from mmgt.errors import InputError
from mmgt.weights.catalog import CATALOG, check_found, find_all


def touched(folder, name):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_published_names_are_found_anywhere_below(tmp_path):
    wanted = {
        "smga": touched(tmp_path, "stage_1/audio2pose_best_model.pt"),
        "mmhaa": touched(tmp_path, "modules/net-32500.pth"),
        "vae": touched(tmp_path, "sd-vae-ft-mse/diffusion_pytorch_model.safetensors"),
        "clip": touched(tmp_path, "sd-image-variations-diffusers/image_encoder/pytorch_model.bin"),
        "wav2vec2": touched(tmp_path, "wav2vec2-base-960h/model.safetensors"),
        "wavlm": touched(tmp_path, "WavLM-Large.pt"),
    }
    touched(tmp_path, "sd-vae-ft-mse/config.json")
    touched(tmp_path, "sd-vae-ft-mse.md")
    assert find_all(tmp_path) == wanted
    check_found(tmp_path, wanted, [file.key for file in CATALOG if file.folder != "mmgt" or file.key in wanted])


def test_a_converted_file_comes_first(tmp_path):
    touched(tmp_path, "net-32500.pth")
    converted = touched(tmp_path, "net-32500.safetensors")
    assert find_all(tmp_path) == {"mmhaa": converted}


def test_all_that_is_missing_is_named(tmp_path):
    touched(tmp_path, "net-32500.pth")
    with pytest.raises(InputError) as error:
        check_found(tmp_path, find_all(tmp_path), ["mmhaa", "smga", "wav2vec2"])
    assert "wav2vec2-base-960h.safetensors (https://huggingface.co/facebook/wav2vec2-base-960h)" in str(error.value)
    assert "net-32500" not in str(error.value)
    with pytest.raises(InputError, match="there is no folder"):
        find_all(tmp_path / "none")

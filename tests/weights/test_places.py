import sys
from pathlib import Path

import pytest

from mmgt.errors import InputError
from mmgt.weights.catalog import BY_KEY, CATALOG, WAVLM
from mmgt.weights.places import check_found, find, find_all, in_models, is_shipped, models_folders, places


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


def test_find_prefers_converted_files_and_looks_below(tmp_path):
    smga, vae = BY_KEY["smga"], BY_KEY["vae"]
    assert find(smga, []) is None
    assert find(smga, [tmp_path / "absent", tmp_path]) is None
    pickle = touched(tmp_path, "stage_1/audio2pose_best_model.pt")
    assert find(smga, [tmp_path / "absent", tmp_path]) == pickle
    converted = touched(tmp_path, "audio2pose_best_model-fp16.safetensors")
    assert find(smga, [tmp_path]) == converted
    touched(tmp_path, "another/diffusion_pytorch_model.safetensors")
    assert find(vae, [tmp_path]) is None  # that name says nothing
    own_folder = touched(tmp_path, "sd-vae-ft-mse/diffusion_pytorch_model.safetensors")
    assert find(vae, [tmp_path]) == own_folder


@pytest.mark.parametrize("file", CATALOG, ids=lambda file: file.key)
def test_commands_look_where_the_nodes_do_and_in_the_same_order(tmp_path, monkeypatch, file):
    """By ComfyUI's folders: that of the file's kind, then ours; --models means a models folder, or any folder."""
    comfyui = tmp_path / "ComfyUI"
    comfyui.mkdir()
    monkeypatch.setenv("COMFYUI_PATH", str(comfyui))
    by_nodes = places(file, lambda name: [str(comfyui / "models" / name)])
    by_commands = places(file, in_models(None))
    assert [path for path in by_commands if path.is_relative_to(comfyui)] == by_nodes
    assert models_folders() == [comfyui / "models", Path("models")]
    assert places(file, in_models(comfyui / "models")) == [*by_nodes, comfyui / "models"]
    assert by_nodes[0].name == file.folder
    assert by_nodes[-1].name == "mmgt"


def test_the_folder_of_its_kind_comes_before_ours_and_that_before_any_other(tmp_path):
    found = [touched(tmp_path, f"{folder}wavlm-large.bin") for folder in ("old/", "mmgt/", "audio_encoders/")]
    while found:
        assert find(WAVLM, places(WAVLM, in_models(tmp_path))) == found[-1]
        found.pop().unlink()


def test_all_that_is_missing_is_named(tmp_path):
    touched(tmp_path, "net-32500.pth")
    with pytest.raises(InputError) as error:
        check_found(tmp_path, find_all(tmp_path), ["mmhaa", "smga", "wav2vec2"])
    assert "wav2vec2-base-960h.safetensors (https://huggingface.co/facebook/wav2vec2-base-960h)" in str(error.value)
    assert "net-32500" not in str(error.value)
    with pytest.raises(InputError, match="there is no folder"):
        find_all(tmp_path / "none")


@pytest.fixture
def small(tmp_path, monkeypatch):
    """The small networks as they are shipped, by their keys, and an empty models folder of the user's."""
    folder = tmp_path / "shipped"
    monkeypatch.setattr(sys.modules[find_all.__module__], "MODELS", folder)
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return {file.key: touched(folder, f"{file.folder}/{file.shipped}") for file in CATALOG if file.shipped}


def test_what_is_shipped_comes_last_and_never_into_a_named_folder(tmp_path, small):
    assert find_all(None) == small
    assert small.keys() == {"smga", "mmhaa", "vae"}
    assert all(map(is_shipped, small.values()))
    own = touched(tmp_path / "models", "mmgt/audio2pose_best_model.pt")
    assert find_all(None) == {**small, "smga": own}
    assert find_all(tmp_path / "models") == {"smga": own}


def test_the_small_video_network_and_its_vae_stay_together(tmp_path, small):
    vae = touched(tmp_path / "models", "vae/sd-vae-ft-mse.safetensors")
    assert find_all(None) == small  # their VAE is of no use with it
    network = touched(tmp_path / "models", "mmgt/net-32500.pth")
    assert find_all(None) == {"smga": small["smga"], "mmhaa": network, "vae": vae}
    vae.unlink()
    assert "vae" not in find_all(None)

"""Stage II under core's samplers, in ComfyUI's own process: see ``inside.py``."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from comfyui import ARGUMENTS, COMFYUI, PYTHON, REPOSITORY, need_comfyui
from golden import golden_folder
from safetensors.torch import save_file
from tiny import HEADS, tiny_state

pytestmark = pytest.mark.comfy

NUM_WINDOWS = 2  # of the 14 frames in ``inside.py``


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    need_comfyui()
    checkpoint = tmp_path_factory.mktemp("tiny") / "net.safetensors"
    save_file(
        {key: tensor.contiguous() for key, tensor in tiny_state().items()}, checkpoint, {"config": json.dumps(HEADS)}
    )
    golden = golden_folder("stage2") if (golden_folder("stage2") / "net_tiny.json").is_file() else "-"
    script = Path(__file__).with_name("inside.py")
    command = [PYTHON, str(script), str(COMFYUI), str(REPOSITORY), str(checkpoint), str(golden), *ARGUMENTS]
    done = subprocess.run(command, cwd=COMFYUI, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_our_sampler_is_cores(facts):
    same = ("ksampler_equals_ours", "advanced_equals_ksampler", "custom_equals_ksampler", "sockets_override")
    assert [facts[name] for name in (*same, "refined_equals_ksampler", "denoise_0_keeps")] == [0] * 6
    assert facts["seeds_differ"] > 0.1
    assert facts["refined_differs"] > 0.01


def test_every_kind_of_sampler_runs(facts):
    assert all(facts["finite"].values()), facts["finite"]
    assert facts["one_step"]


def test_the_fast_preset_is_its_parts(facts):
    assert facts["fast_equals_its_parts"] == 0


def test_the_network_is_told_the_less_noisy_timestep(facts):
    assert facts["told_at_every_level"] == list(range(1000))
    assert facts["told_between_levels"] == [332, 333]


def test_a_network_is_sampled_as_its_metadata_says_it_was_trained(facts):
    assert len(facts["parametrisations"]) == 3
    assert all(error < 1e-3 for error in facts["parametrisations"].values()), facts["parametrisations"]


def test_a_student_is_taken_without_being_told(facts):
    assert facts["student_untold"] == [0, 0, 0]
    assert facts["student_said_at_first"] == []
    assert facts["student_misused"]
    (sentence,) = facts["student_said"]
    assert "distilled to 2 steps without guidance, but it is sampled with 3 steps and with guidance" in sentence


@pytest.mark.parametrize(
    ("steps", "denoise", "listed"), [(3, 1.0, 3), (25, 1.0, 25), (30, 1.0, 30), (10, 0.4, 25), (30, 0.01, 1000)]
)
def test_trailing_sigmas_are_the_papers(facts, steps, denoise, listed):
    """Timesteps of the authors' list, at the noise levels that their DDIM reaches: t - 1000 // N."""
    times = [int(t) for t in np.round(np.arange(1000, 0, -1000 / listed)) - 1]
    told, levels, off, end = facts["trailing"][f"{steps} {denoise}"]
    assert told == times[-steps:]
    assert levels == [999, *(t - 1000 // listed for t in times[:-1])][-steps:]
    assert off < 1e-4
    assert end == 0


def test_attention_is_cores_and_an_override_of_another_node_acts(facts):
    assert facts["attention_overrides"] > 0
    assert facts["overridden_attention"] == 0
    assert facts["attention_overrides_left"] == 0


def test_trailing_sigmas_of_another_model_are_its_own(facts):
    assert facts["trailing_of_another"] == facts["trailing_of_another_expected"]


def test_another_seed_reads_the_photo_once_and_a_run_leaves_nothing(facts):
    assert facts["photo_readings"] == 1
    assert facts["runs_left"] == facts["runs_left_after_cancel"] == 0


def test_the_unconditional_row_costs_nothing_where_it_does_not_act(facts):
    assert facts["rows_guided"] == [[False, True]] * 2
    assert facts["rows_at_cfg_1"] == [[True]] * 2
    assert facts["windows_of_two_steps"] == 2 * NUM_WINDOWS
    assert facts["zero_out_is_negative"] == 0


def test_memory_is_estimated_for_a_window(facts):
    assert facts["memory_long_over_short"] < 1.5  # 1000 frames against 14


def test_sizes(facts):
    assert facts["latent_shape"] == [14, 4, 8, 16]  # 56 x 72 px on a canvas of 64 x 128 px
    assert facts["decoded_shape"] == [14, 56, 72, 3]
    assert facts["video_size"] == [72, 56]
    assert facts["one_frame"] == [1, 4, 8, 16]


def test_cancel_within_one_window(facts):
    assert facts["cancel"].startswith("InterruptProcessingException")
    assert facts["windows_before_cancel"] == 2


def test_a_lora_for_sd15_acts(facts):
    assert facts["lora_acts"] > 0.01
    assert facts["lora_is_undone"] == 0
    assert facts["lora_equals_added"] < 1e-5


def test_partly_loaded_is_loaded(facts):
    assert facts["layers_patched_late"] == 1
    assert facts["partly_loaded_equals_loaded"] == 0


def test_weight_dtypes(facts):
    for name, expected, tolerance in (
        ("fp16", ["torch.float16"], 0.01),
        ("bf16", ["torch.bfloat16"], 0.05),
        ("fp8_e4m3fn", ["torch.float32", "torch.float8_e4m3fn"], 0.5),  # matrices only
    ):
        kinds, error = facts["dtypes"][name]
        assert kinds == expected
        assert error < tolerance, name


@pytest.mark.parametrize("what", ["inputs", "decoded", "refined"])
def test_fp16_intermediates_are_taken(facts, what):
    if f"fp16_{what}" not in facts:
        pytest.skip("this ComfyUI has no fp16 intermediates")
    assert facts[f"fp16_{what}"] < 0.01


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("frames", "the latents are [5, 4, 8, 16]"),
        ("text", "connect positive and negative of MM-HAA Conditioning"),
        ("area", "has an area"),
        ("vae", "16 latent channels"),
        ("clip", "an embedding of [1, 20]"),
        ("model", "take Load MM-HAA Model"),
        ("no frames", "0 frames"),
        ("nothing", "nothing to move by"),
        ("masks", "there are 3 face masks for 14 frames of pose pictures"),
        ("one mask", "no lips mask"),
        ("overlap", "less than the window of 8 frames"),
        ("decode", "take the VAE that the photo was encoded with"),
    ],
)
def test_bad_input_is_one_sentence(facts, what, says):
    assert facts["errors"][what].startswith("InputError: ")
    assert says in facts["errors"][what]


def test_ddim_with_our_sigmas_is_the_authors_pipeline(facts):
    """Core's last sigma is large where the authors' is infinite; the rest is theirs."""
    if "golden_rms" not in facts:
        pytest.skip("no golden pipeline (set MMGT_GOLDEN)")
    assert facts["golden_rms"] < 2e-3
    assert facts["golden_max"] < 1e-2

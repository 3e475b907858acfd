"""``mmgt preview --smga`` with small random networks: by hand-crafted features, and by WavLM before them."""

import argparse
import json

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from portrait import astronaut
from safetensors.torch import save_file
from tiny_contextual import save_tiny_contextual
from tiny_encoders import TINY_WAVLM, wav2vec2_network, wavlm_network
from tiny_refinement import save_tiny_refinement

from mmgt.assets import ASTRONAUT_POSE, SPEECH, TINY_GESTURES
from mmgt.cli import main
from mmgt.commands.stage_one import add_stage_one_options, pose_settings_of
from mmgt.contextual_gesture.load import load_contextual_gesture
from mmgt.contextual_gesture.sample import GestureSettings, sample_gestures
from mmgt.media import VideoReader, read_marks, read_recording
from mmgt.pose_files import load_poses
from mmgt.smga.candidates import sample_candidates
from mmgt.smga.config import SMGAConfig
from mmgt.smga.keys import to_authors
from mmgt.smga.load import load_smga
from mmgt.smga.model import SMGA
from mmgt.smga.sample import SamplerSettings, sample_poses
from mmgt.speech.encode import encode_speech
from mmgt.speech.encoders import load_wavlm
from mmgt.standalone.contextual import transformers_dtype
from mmgt.standalone.speech_to_poses import PoseSettings

HANDCRAFTED, WAVLM = 35, TINY_WAVLM["hidden_size"]
FEW_STEPS = SamplerSettings(num_steps=3)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A portrait, 0.5 s of speech that begins in silence, two SMGAs and a WavLM."""
    folder = tmp_path_factory.mktemp("preview")
    Image.fromarray(astronaut()).resize((128, 128)).save(folder / "portrait.png")
    speech = read_recording(SPEECH)
    samples = np.concatenate([np.zeros(speech.rate_hz // 5, np.float32), speech.samples[0, : speech.rate_hz * 3 // 10]])
    soundfile.write(folder / "speech.wav", samples, speech.rate_hz)
    for name, channels in (("smga", HANDCRAFTED), ("smga_of_wavlm", WAVLM + HANDCRAFTED)):
        torch.manual_seed(0)
        smga = SMGA(SMGAConfig(width=32, feed_forward_width=64, num_layers=2, num_heads=8, audio_channels=channels))
        for parameter in smga.parameters():
            if parameter.ndim > 1:
                torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
        save_file({k: v.clone() for k, v in to_authors(smga.state_dict()).items()}, folder / f"{name}.safetensors")
    torch.manual_seed(0)
    save_file(wavlm_network(**TINY_WAVLM).state_dict(), folder / "wavlm-large.safetensors")
    return folder


def preview(files, out, *words, **more):
    options = {
        "image": files / "portrait.png",
        "audio": files / "speech.wav",
        "poses": ASTRONAUT_POSE,
        "poses_out": out.with_suffix(".json"),
        "smga_steps": FEW_STEPS.num_steps,
        "out": out,
        **more,
    }
    for name, value in options.items():
        words += (f"--{name.replace('_', '-')}", str(value))
    return main(["preview", *words])


def made(out):
    return load_poses(out.with_suffix(".json")).pixels


@pytest.mark.parametrize("name", ["smga", "smga_of_wavlm"])
def test_smga_moves_the_portrait_by_what_it_reads(files, tmp_path, name):
    """The poses are those of the library's own calls, but for the rounding of the file and of the fastest product."""
    out, path = tmp_path / "v.mp4", files / f"{name}.safetensors"
    assert preview(files, out, smga=path, models=files) == 0
    wavlm = load_wavlm(files / "wavlm-large.safetensors") if name == "smga_of_wavlm" else None
    speech = encode_speech(read_recording(files / "speech.wav"), wavlm=wavlm)
    assert speech.gesture.shape == (13, (wavlm is not None) * WAVLM + HANDCRAFTED)
    still = load_poses(ASTRONAUT_POSE).still_on(128, 128)
    expected, _ = sample_candidates(load_smga(path), speech, still, seed=0, settings=FEW_STEPS)
    np.testing.assert_allclose(made(out), expected.pixels, atol=0.01)
    assert out.stat().st_size > 1000


def test_contextual_gesture_moves_the_portrait(files, tmp_path, capsys):
    path = tmp_path / "contextual.safetensors"
    save_tiny_contextual(path)
    assert preview(files, tmp_path / "v.mp4", contextual_gesture=path, speaker="calm") == 0
    model, speech = load_contextual_gesture(path), encode_speech(read_recording(files / "speech.wav"))
    still = load_poses(ASTRONAUT_POSE).still_on(128, 128)
    model.generator.to(dtype := transformers_dtype(torch.device("cpu")))
    given = {"seed": 0, "speaking": speech.speaking, "style": model.style("calm")}
    expected = sample_gestures(model, speech.gesture.to(dtype), still, **given)
    np.testing.assert_allclose(made(tmp_path / "v.mp4"), expected.pixels, atol=0.01)
    for more, says in (
        ({"speaker": "who"}, "learned no speaker 'who'"),
        ({"smga": files / "smga.safetensors"}, "--smga and --contextual-gesture both make the poses"),
        ({"wavlm": files / "wavlm-large.safetensors"}, "was trained without WavLM; leave --wavlm out"),
    ):
        assert preview(files, tmp_path / "w.mp4", contextual_gesture=path, **more) == 2
        assert says in capsys.readouterr().err


def test_contextual_gesture_without_a_file_is_the_small_one_that_is_shipped(files, tmp_path, caplog):
    caplog.set_level("WARNING", "mmgt")
    assert preview(files, tmp_path / "shipped.mp4", "--contextual-gesture", seed=3) == 0
    assert f"{TINY_GESTURES.name}: a small network that comes with this pack" in caplog.text
    assert preview(files, tmp_path / "named.mp4", contextual_gesture=TINY_GESTURES, seed=3) == 0
    np.testing.assert_array_equal(made(tmp_path / "shipped.mp4"), made(tmp_path / "named.mp4"))


def test_a_refinement_mends_the_frames(files, tmp_path, capsys):
    """By the same poses; the file says that a network took part, and which."""
    network = save_tiny_refinement(tmp_path / "r.safetensors")
    plain, mended = tmp_path / "plain.mp4", tmp_path / "mended.mp4"
    assert preview(files, plain) == preview(files, mended, refine=network) == 0
    np.testing.assert_array_equal(made(plain), made(mended))
    before, after = (np.stack(list(VideoReader(path, 25)(range(13)))) for path in (plain, mended))
    assert np.abs(before[-1].astype(int) - after[-1]).max() > 8
    marks = read_marks(mended)
    assert marks.source_uri.endswith("compositeWithTrainedAlgorithmicMedia")
    assert [network["name"] for network in marks.record["networks"]] == ["refinement"]
    assert preview(files, tmp_path / "w.mp4", refine=files / "smga.safetensors") == 2
    said = capsys.readouterr().err
    assert "is MMGT SMGA (stage I), not a refinement of Preview Motion (`mmgt train refine`)" in said


def test_wavlm_can_be_named(files, tmp_path):
    (tmp_path / "empty").mkdir()
    given = {"smga": files / "smga_of_wavlm.safetensors", "wavlm": files / "wavlm-large.safetensors"}
    assert preview(files, tmp_path / "v.mp4", models=tmp_path / "empty", **given) == 0


def settings_of(*words):
    parser = argparse.ArgumentParser()
    add_stage_one_options(parser)
    return pose_settings_of(parser.parse_args(words), by_rules=False)


def test_what_is_not_given_is_the_authors():
    assert settings_of() == PoseSettings()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--smga-steps", "9"), SamplerSettings(num_steps=9)),
        (("--smga-guidance", "1.5"), SamplerSettings(guidance=1.5)),
        (("--smga-eta", "0"), SamplerSettings(eta=0)),
        (("--smga-overlap", "30"), SamplerSettings(overlap=30)),
        (("--smga-solver", "dpmpp_2m"), SamplerSettings(solver="dpmpp_2m")),
        (("--smga-spacing", "trailing"), SamplerSettings(spacing="trailing")),
        (("--candidates", "3"), PoseSettings(num_candidates=3)),
        (("--no-close-lips",), PoseSettings(close_lips=False)),
        (("--gesture-steps", "9"), PoseSettings(gestures=GestureSettings(num_steps=9))),
        (("--gesture-temperature", "0.5"), PoseSettings(gestures=GestureSettings(temperature=0.5))),
        (("--gesture-overlap", "30"), PoseSettings(gestures=GestureSettings(overlap=30))),
        (("--gesture-pace", "2"), PoseSettings(gestures=GestureSettings(pace_strength=2.0))),
        (("--speaker", "calm"), PoseSettings(speaker="calm")),
    ],
    ids=str,
)
def test_each_option_changes_one_thing(words, expected):
    wanted = expected if isinstance(expected, PoseSettings) else PoseSettings(sampler=expected)
    assert settings_of(*words) == wanted


def test_lips_that_are_not_closed_stay_as_sampled(files, tmp_path):
    smga = files / "smga.safetensors"
    assert preview(files, tmp_path / "v.mp4", "--no-close-lips", smga=smga) == 0
    still, speech = load_poses(ASTRONAUT_POSE).still_on(128, 128), encode_speech(read_recording(files / "speech.wav"))
    assert (speech.speaking < 1).any()
    sampled = sample_poses(load_smga(smga), speech.gesture, still, seed=0, settings=FEW_STEPS)
    np.testing.assert_allclose(made(tmp_path / "v.mp4"), sampled.pixels, atol=0.01)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"smga": "smga_of_wavlm.safetensors", "models": "."}, "reads WavLM: there is no wavlm-large.bin"),
        ({"smga": "smga_of_wavlm.safetensors", "wavlm": "wav2vec2.safetensors"}, "is wav2vec2, not WavLM"),
        ({"smga": "smga_of_wavlm.safetensors", "wavlm": "none.bin"}, "there is no file"),
        ({"smga": "smga.safetensors", "wavlm": "wavlm-large.safetensors"}, "was trained without WavLM"),
        ({"wavlm": "wavlm-large.safetensors"}, "give SMGA with --smga"),
        ({"smga": "smga.safetensors", "smga_solver": "heun"}, "must be one of ddim, dpmpp_2m"),
        ({"smga": "smga.safetensors", "smga_spacing": "even"}, "SMGA's spacing is 'even'"),
        ({"smga": "smga.safetensors", "seed": -1}, "the seed is -1"),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence_before_anything_runs(files, tmp_path, capsys, more, says):
    torch.manual_seed(0)
    config = {"config": json.dumps({"num_heads": 4})}
    save_file(wav2vec2_network(**TINY_WAVLM).state_dict(), tmp_path / "wav2vec2.safetensors", config)
    places = {
        "smga": files,
        "wavlm": tmp_path if more.get("wavlm") == "wav2vec2.safetensors" else files,
        "models": tmp_path,
    }
    given = {name: places[name] / value if name in places else value for name, value in more.items()}
    assert preview(files, tmp_path / "v.mp4", **given) == 2
    said = capsys.readouterr()
    (error,) = [line for line in said.err.splitlines() if line.startswith("mmgt: error: ")]
    assert says in error
    assert "%" not in said.out

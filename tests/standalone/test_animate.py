"""``mmgt generate`` and ``mmgt pose2video`` from files to files, with tiny random networks."""

import argparse
import hashlib
import json
import re
import signal
import weakref
from contextlib import contextmanager
from dataclasses import replace
from itertools import combinations

import av
import numpy as np
import pytest
import soundfile
import torch
from killed_generate import generate
from PIL import Image
from portrait import astronaut
from safetensors import safe_open
from safetensors.torch import save_file
from tiny import HEADS, IMAGE_WIDTH, small_state, tiny_state
from tiny_contextual import save_tiny_contextual
from tiny_encoders import TINY_WAV2VEC2, wav2vec2_network
from tiny_pictures import tiny_clip_state, tiny_vae_state

from mmgt.assets import ASTRONAUT_POSE, SPEECH
from mmgt.cli import main
from mmgt.commands.video_options import add_video_options
from mmgt.contextual_gesture.load import load_contextual_gesture
from mmgt.contextual_gesture.sample import GestureSettings, sample_gestures
from mmgt.errors import InputError
from mmgt.media import read_marks, read_picture, read_recording
from mmgt.mmhaa.drive import drive_video
from mmgt.mmhaa.pictures import PictureSize
from mmgt.mmhaa.presets import PRESETS, Preset
from mmgt.mmhaa.sample import VideoOptions
from mmgt.mmhaa.student import Student
from mmgt.pose_files import load_poses, save_poses
from mmgt.provenance import Provenance
from mmgt.smga.config import SMGAConfig
from mmgt.smga.keys import to_authors
from mmgt.smga.model import SMGA
from mmgt.speech.encode import encode_speech
from mmgt.speech.recording import Recording
from mmgt.standalone import animate, video
from mmgt.standalone.contextual import transformers_dtype
from mmgt.standalone.options import preset_of
from mmgt.standalone.schedulers import SCHEDULERS, check_scheduler
from mmgt.standalone.tiny_vae import build_tiny_vae, taesd_layout
from mmgt.standalone.video import VideoSettings
from mmgt.weights.places import find_all

WAV2VEC2_WIDTH = TINY_WAV2VEC2["hidden_size"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A folder with every network, under the published names."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    smga = SMGA(SMGAConfig(width=32, feed_forward_width=64, num_layers=2, num_heads=8, audio_channels=35))
    save_file(
        {key: value.clone() for key, value in to_authors(smga.state_dict()).items()},
        folder / "audio2pose_best_model.safetensors",
    )
    heads = {"config": json.dumps(HEADS)}
    video_network = tiny_state(speech_width=WAV2VEC2_WIDTH)
    save_file(
        {key: value.contiguous() for key, value in video_network.items()}, folder / "net-32500.safetensors", heads
    )
    save_file(tiny_vae_state(), folder / "sd-vae-ft-mse.safetensors")
    save_file(tiny_clip_state(IMAGE_WIDTH), folder / "sd-image-variations-image-encoder.safetensors")
    torch.manual_seed(0)
    save_wav2vec2(folder / "wav2vec2-base-960h.safetensors", TINY_WAV2VEC2)
    return folder


def save_wav2vec2(path, sizes):
    tensors = {key: value.contiguous() for key, value in wav2vec2_network(**sizes).wav2vec2.state_dict().items()}
    save_file(tensors, path, {"config": json.dumps({"num_heads": sizes["num_attention_heads"]})})


@pytest.fixture
def inputs(tmp_path, weights):
    Image.fromarray(astronaut()).save(tmp_path / "portrait.png")
    speech = read_recording(SPEECH)
    soundfile.write(tmp_path / "speech.wav", speech.samples[0, : speech.rate_hz // 2], speech.rate_hz)  # 13 frames
    return {
        "image": tmp_path / "portrait.png",
        "audio": tmp_path / "speech.wav",
        "weights": weights,
        "out": tmp_path / "v.mp4",
        "size": "64x64",
        "steps": 2,
    }


def run(command, inputs, *flags, **more):
    options = {name: value for name, value in {**inputs, **more}.items() if value is not None}
    words = [command, *flags]
    for name, value in options.items():
        values = value if isinstance(value, tuple) else (value,)
        words += [f"--{name.replace('_', '-')}", *map(str, values)]
    return main(words)


def frames_and_seconds(path):
    """Decoded frames [T, H, W, 3], and how long picture and sound last (sound None without any)."""
    with av.open(str(path)) as container:
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
        picture = float(container.streams.video[0].duration * container.streams.video[0].time_base)
        streams = container.streams.audio
        return frames, picture, float(streams[0].duration * streams[0].time_base) if streams else None


def one_sentence(capsys):
    error = capsys.readouterr().err.strip().splitlines()
    assert "Traceback" not in "".join(error)
    lines = [line for line in error if line.startswith("mmgt: error: ")]
    assert len(lines) == 1
    return lines[0]


@pytest.fixture
def pose_file(tmp_path):
    poses = load_poses(ASTRONAUT_POSE)
    moving = poses.at([0] * 14)
    moving.keypoints[:, :, 0] += torch.linspace(0, 0.1, 14)[:, None]
    save_poses(moving, tmp_path / "moving.json")
    return tmp_path / "moving.json"


def test_generate_leaves_a_video_with_the_recording(inputs, capsys):
    poses_out = inputs["out"].with_name("q.json")
    assert run("generate", inputs, poses_out=poses_out) == 0
    said = capsys.readouterr().out
    assert "SMGA 100 %" in said
    assert "sampling 100 % (2/2)" in said
    assert "decoding 100 % (13/13)" in said
    frames, picture_s, sound_s = frames_and_seconds(inputs["out"])
    assert frames.shape == (13, 64, 64, 3)
    assert frames.std() > 5
    assert abs(picture_s - sound_s) <= 1 / 25
    assert load_poses(poses_out).num_frames == 13
    of_video, of_poses = read_marks(inputs["out"]), read_marks(poses_out)
    assert of_video.source_uri.endswith("/compositeWithTrainedAlgorithmicMedia")
    assert of_poses.source_uri.endswith("/trainedAlgorithmicMedia")
    checksums = {network["name"]: network["sha256"] for network in of_video.record["networks"]}
    assert checksums.keys() == {"smga", "wav2vec2", "mmhaa", "vae", "clip"}
    (vae,) = inputs["weights"].glob("*vae*")
    assert checksums["vae"] == hashlib.sha256(vae.read_bytes()).hexdigest()
    assert {network["name"] for network in of_poses.record["networks"]} == {"smga"}  # which reads no WavLM here
    assert of_video.record["settings"]["video"]["preset"]["num_steps"] == 2

    assert run("generate", inputs) == 2  # a second run overwrites nothing
    assert "exists already" in one_sentence(capsys)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_killed_run_goes_on_to_the_same_file(inputs, tmp_path):
    """SIGKILL in sampling and in decoding, then the same command again: equal to the byte, and nothing left behind."""
    folder = tmp_path / "videos"
    folder.mkdir()
    given = [
        word for name in ("image", "audio", "weights", "size", "steps") for word in (f"--{name}", str(inputs[name]))
    ]
    whole, killed = (
        [*given, "--out", f"{folder / name}.mp4", "--poses-out", f"{folder / name}.json"]
        for name in ("whole", "killed")
    )
    assert generate(whole) == 0
    assert generate(killed, "sampling", 1) == -signal.SIGKILL
    assert [path.name for path in folder.glob("*killed*")] == [".killed.mp4.unfinished"]
    assert generate(killed, "decoding", 8, time="1800000000") == -signal.SIGKILL
    assert generate(killed, time="1900000000") == 0
    assert (folder / "killed.mp4").read_bytes() == (folder / "whole.mp4").read_bytes()
    assert {path.name for path in folder.iterdir()} == {"whole.mp4", "whole.json", "killed.mp4", "killed.json"}


def test_parts_of_other_poses_are_not_gone_on_with(inputs, tmp_path, monkeypatch):
    """The same command on a CPU that rounds otherwise: its poses differ in a last bit, so its video begins anew."""
    keys, make = [], animate.rhythm_poses

    @contextmanager
    def noted(out, key):
        keys.append(key)
        yield None

    monkeypatch.setattr(video, "unfinished_run", noted)
    for name, by in (("once", 1), ("again", 1), ("elsewhere", 1 + 2**-20)):
        monkeypatch.setattr(animate, "rhythm_poses", lambda *given, by=by, **named: moved(make(*given, **named), by))
        assert run("generate", inputs, "--rhythm", out=tmp_path / f"{name}.mp4") == 0
    assert keys[0] == keys[1] != keys[2]


def moved(poses, by):
    return replace(poses, keypoints=poses.keypoints * by)


def test_animate_is_what_generate_runs(inputs, tmp_path):
    """From arrays in memory, as from files; the poses are known between the stages."""
    assert run("generate", inputs, seed=3) == 0
    told = []

    def progress(label):
        told.append(label)
        return lambda step, total: None

    settings = animate.AnimateSettings(video=VideoSettings(64, 64, replace(PRESETS["authors"], num_steps=2)))
    made = animate.animate(
        read_picture(inputs["image"]),
        read_recording(inputs["audio"]),
        tmp_path / "w.mp4",
        inputs["weights"],
        settings,
        seed=3,
        progress=progress,
        poses_made=lambda poses, scores, _provenance: told.append((poses.num_frames, len(scores))),
    )
    assert told == ["checksums", "speech", "SMGA", (13, 1), "sampling", "decoding"]
    assert (made.video, made.poses.num_frames, made.scores[0].seed) == (tmp_path / "w.mp4", 13, 3)
    ours, theirs = (frames_and_seconds(path) for path in (made.video, inputs["out"]))
    assert np.array_equal(ours[0], theirs[0])
    assert ours[1:] == theirs[1:]


def test_the_seed_decides(inputs, tmp_path, pose_file, monkeypatch):
    """Same inputs and seed: the same file, but for its time, which is fixed here."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    shown = []
    for number, seed in enumerate((1, 1, 2)):
        out = tmp_path / f"{number}.mp4"
        assert run("pose2video", inputs, poses=pose_file, out=out, seed=seed, audio=None) == 0
        shown.append((out.read_bytes(), frames_and_seconds(out)[0]))
    assert shown[0][0] == shown[1][0]
    assert not np.array_equal(shown[0][1], shown[2][1])


def test_the_third_mask_is_an_option(inputs, tmp_path, pose_file, capsys):
    shown = []
    for number, chosen in enumerate(({}, {"third_mask": "hands"}, {"mask_set": "paper"}, {"masks": "none"})):
        out = tmp_path / f"{number}.mp4"
        assert run("pose2video", inputs, poses=pose_file, out=out, **chosen) == 0
        shown.append(frames_and_seconds(out)[0])
    assert not any(np.array_equal(a, b) for a, b in combinations(shown, 2))
    capsys.readouterr()
    wrong = {"masks": "still", "poses": tmp_path / "0.mp4", "out": tmp_path / "4.mp4"}
    assert run("pose2video", inputs, **wrong) == 2
    assert "has no motion masks to change" in one_sentence(capsys)
    assert run("pose2video", inputs, poses=pose_file, out=tmp_path / "4.mp4", background_mask=inputs["image"]) == 2
    assert "the background mask would act nowhere" in one_sentence(capsys)
    assert run("pose2video", inputs, poses=tmp_path / "0.mp4", out=tmp_path / "4.mp4", hands_branch="face") == 2
    assert "does not say where the hands are" in one_sentence(capsys)
    assert run("pose2video", inputs, poses=pose_file, out=tmp_path / "4.mp4", third_mask="lips") == 2
    assert "third_mask is 'lips'" in one_sentence(capsys)


def test_rhythm_needs_no_smga(inputs, weights, tmp_path, capsys, caplog):
    caplog.set_level("INFO", "mmgt")
    fewer = tmp_path / "weights"
    fewer.mkdir()
    for path in weights.iterdir():
        if not path.name.startswith("audio2pose"):
            (fewer / path.name).symlink_to(path)
    assert run("generate", inputs, weights=fewer) == 2
    sentence = one_sentence(capsys)
    assert "audio2pose_best_model.pt" in sentence
    assert "wavlm" in sentence
    assert "--rhythm" in sentence
    assert run("generate", inputs, "--rhythm", weights=fewer) == 0
    assert "Rhythm Audio2Pose: 13 frames" in caplog.text


def test_all_missing_weights_are_in_one_sentence(inputs, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run("generate", inputs, weights=tmp_path / "empty") == 2
    sentence = one_sentence(capsys)
    for name in ("audio2pose_best_model.pt", "net-32500.pth", "sd-vae-ft-mse", "sd-image-variations", "wav2vec2"):
        assert name in sentence
    assert run("pose2video", inputs, poses=ASTRONAUT_POSE, weights=tmp_path / "empty", audio=None) == 2
    sentence = one_sentence(capsys)
    assert "net-32500.pth" in sentence
    assert "wav2vec2" not in sentence


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_runs(inputs, pose_file, name):
    assert run("pose2video", inputs, poses=pose_file, scheduler=name, audio=None) == 0
    frames, _, sound_s = frames_and_seconds(inputs["out"])
    assert frames.shape == (14, 64, 64, 3)
    assert sound_s is None


def test_a_pose_video_drives_too(inputs, tmp_path, pose_file):
    drawn = tmp_path / "drawn.mp4"
    from mmgt.media import write_video
    from mmgt.poses.draw import draw_poses

    write_video(drawn, draw_poses(load_poses(pose_file), 96, 96), 25)
    assert run("pose2video", inputs, poses=drawn) == 0  # 14 frames, speech of 13
    frames, picture_s, sound_s = frames_and_seconds(inputs["out"])
    assert len(frames) == 13
    assert abs(picture_s - sound_s) <= 1 / 25


@pytest.mark.parametrize(
    "more",
    [
        {"cfg": 1},
        {"steps": 1},
        {"preset": "fast", "windows_at_once": 2},
        {"strengths": (0, 0, 0)},
        {"guidance_interval": (0.2, 0.6), "reuse_every": 2, "steps": 4},
        {"window": 24, "overlap": 8},
        {"dtype": "bfloat16"},
        {"size": "48x0"},
    ],
    ids=str,
)
def test_options_run(inputs, pose_file, more):
    assert run("pose2video", inputs, poses=pose_file, **more) == 0
    frames, *_ = frames_and_seconds(inputs["out"])
    assert len(frames) == 13


def test_the_looped_window_wraps(inputs, pose_file, tmp_path):
    assert run("pose2video", inputs, "--looped", poses=pose_file, audio=None) == 0
    assert run("pose2video", inputs, poses=pose_file, audio=None, out=tmp_path / "open.mp4") == 0
    assert not np.array_equal(*(frames_and_seconds(path)[0] for path in (inputs["out"], tmp_path / "open.mp4")))


@pytest.mark.parametrize(("height", "width"), [(401, 37), (40, 300)])
def test_any_photo_gives_its_own_shape(inputs, tmp_path, height, width):
    rgba = np.random.default_rng(0).integers(0, 256, (height, width, 4), np.uint8)
    Image.fromarray(rgba).save(tmp_path / "odd.png")
    small = "32x0" if height > width else "0x32"
    assert run("pose2video", inputs, poses=ASTRONAUT_POSE, image=tmp_path / "odd.png", size=small, audio=None) == 0
    frames, *_ = frames_and_seconds(inputs["out"])
    assert len(frames) == 1
    shown_height, shown_width = frames.shape[1:3]
    assert shown_height / shown_width == pytest.approx(height / width, rel=0.2)  # even sides


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"size": "wide"}, "give width x height"),
        ({"size": "9000x10"}, "must be 32 to 4096"),
        ({"seed": -1}, "seed is -1"),
        ({"steps": 0}, "steps is 0"),
        ({"cfg": "nan"}, "cfg is nan"),
        ({"window": 40}, "window is 40 frames"),
        ({"overlap": 12}, "overlap is 12 frames"),
        ({"guidance_interval": (0.8, 0.2)}, "start and end must be 0 to 1"),
        ({"scheduler": "magic"}, "choose one of ddim"),
        ({"strengths": ("1", "inf", "1")}, "the strengths are"),
        ({"device": "toaster"}, "the device toaster cannot be used"),
        ({"poses": "none.json"}, "there is no pose file"),
        ({"poses": "none.mp4"}, "there is no video"),
        ({"poses": SPEECH}, "has no picture in it"),
        ({"weights": "none"}, "there is no folder none"),
    ],
    ids=str,
)
def test_bad_input_is_one_sentence(inputs, capsys, more, says):
    assert run("pose2video", {**inputs, "poses": ASTRONAUT_POSE, **more}) == 2
    assert says in one_sentence(capsys)
    assert not inputs["out"].exists()


@pytest.mark.parametrize(
    ("name", "state", "says"),
    [
        ("net-32500.safetensors", lambda: tiny_vae_state(), "is a VAE, not the MMGT video network"),
        ("sd-vae-ft-mse.safetensors", lambda: tiny_clip_state(8), "is a CLIP image encoder, not a VAE"),
        ("sd-image-variations-image-encoder.safetensors", lambda: tiny_clip_state(8), "token is 8 wide"),
    ],
)
def test_the_wrong_network_is_named(inputs, weights, tmp_path, capsys, name, state, says):
    folder = with_another(weights, tmp_path / "weights", name)
    save_file(state(), folder / name)
    assert run("pose2video", inputs, poses=ASTRONAUT_POSE, weights=folder, audio=None) == 2
    assert says in one_sentence(capsys)
    assert not inputs["out"].exists()


def with_another(weights, folder, name):
    """The weights without one of them."""
    folder.mkdir()
    for path in weights.iterdir():
        if path.name != name:
            (folder / path.name).symlink_to(path)
    return folder


def test_speech_of_another_encoder_is_named(inputs, weights, tmp_path, pose_file, capsys):
    name = "wav2vec2-base-960h.safetensors"
    folder = with_another(weights, tmp_path / "weights", name)
    save_wav2vec2(folder / name, TINY_WAV2VEC2 | {"num_hidden_layers": 2})
    assert run("pose2video", inputs, poses=pose_file, weights=folder) == 2
    said = capsys.readouterr()
    assert "wav2vec2 gives 2 layers of 32 per frame" in said.err
    assert "%" not in said.out


@pytest.mark.parametrize(
    ("name", "left_out", "says"),
    [
        ("net-32500", "denoising_unet.conv_out.bias", "is no complete MMGT video network|1 missing"),
        ("sd-vae-ft-mse", "decoder.conv_in.bias", "1 missing \\(decoder.conv_in.bias\\)"),
        ("sd-image-variations-image-encoder", "vision_model.post_layernorm.bias", "1 missing"),
        ("wav2vec2-base-960h", "encoder.layer_norm.bias", "1 missing"),
    ],
)
def test_an_incomplete_file_is_said_before_the_first_network_runs(
    inputs, weights, tmp_path, capsys, name, left_out, says
):
    file = f"{name}.safetensors"
    folder = with_another(weights, tmp_path / "weights", file)
    with safe_open(weights / file, "pt") as given:
        tensors = {key: given.get_tensor(key) for key in given.keys() if key != left_out}
        assert len(tensors) == len(given.keys()) - 1
        save_file(tensors, folder / file, given.metadata())
    assert run("generate", inputs, weights=folder, poses=ASTRONAUT_POSE) == 2
    said = capsys.readouterr()
    assert re.search(says, said.err)
    assert "%" not in said.out


class Frame(np.ndarray):
    __hash__ = object.__hash__  # so that a set can hold it
    __eq__ = object.__eq__


class Alive:
    """How many of the things that it was shown lived at once."""

    def __init__(self):
        self.now, self.most = weakref.WeakSet(), 0

    def each(self, things):
        for thing in things:
            yield self.add(thing)
            del thing

    def add(self, thing):
        self.now.add(thing)
        self.most = max(self.most, len(self.now))
        return thing


def test_memory_does_not_grow_with_the_length(weights, tmp_path, monkeypatch):
    """As many pose pictures, decoded pictures and frames live at once in a long video as in a short one."""
    monkeypatch.setattr("mmgt.unfinished_run.PART_FRAMES", 2)  # so many lie in memory, at any length
    decode, frames_of = video.decode_latents, video.frames_of
    most = []
    for num_frames in (36, 108):
        pictures, decoded, frames = Alive(), Alive(), Alive()
        monkeypatch.setattr(video, "decode_latents", lambda *args, seen=decoded: seen.each(decode(*args)))
        as_frames = lambda *args, seen=frames: seen.each(frame.view(Frame) for frame in frames_of(*args))  # noqa: E731
        monkeypatch.setattr(video, "frames_of", as_frames)
        drive = drive_video(PictureSize(64, 64), poses=load_poses(ASTRONAUT_POSE).at([0] * num_frames))
        drawn = drive.pictures
        drive = replace(drive, pictures=lambda chosen, drawn=drawn, seen=pictures: seen.add(drawn(chosen)))
        speech = torch.zeros(num_frames, TINY_WAV2VEC2["num_hidden_layers"], WAV2VEC2_WIDTH)
        video.make_video(
            tmp_path / f"{num_frames}.mp4",
            np.zeros((64, 64, 3), np.uint8),
            replace(drive, speech=speech),
            find_all(weights),
            VideoSettings(preset=Preset("ddim", 1, 1.0, VideoOptions(12, 0)), device="cpu"),
            Provenance(),
            seed=0,
            sound=Recording(np.zeros((1, 640 * num_frames), np.float32), 16000),
            progress=lambda label: lambda step, total: None,
        )
        most.append((pictures.most, decoded.most, frames.most))
    assert most[0] == most[1]
    assert 1 <= min(most[1]) <= max(most[1]) <= 3


def test_an_unknown_sampler_is_answered_with_their_list_and_help_names_the_presets_values():
    with pytest.raises(InputError, match=", ".join(SCHEDULERS)):
        check_scheduler("?", 30)
    parser = argparse.ArgumentParser()
    add_video_options(parser)
    options = {action.dest: action for action in parser._actions}
    assert list(options["preset"].choices) == list(PRESETS)
    authors = PRESETS["authors"]
    for name, value in (
        ("scheduler", authors.scheduler),
        ("steps", authors.num_steps),
        ("cfg", authors.guidance),
        ("window", authors.options.window),
        ("overlap", authors.options.overlap),
        ("reuse_every", authors.options.reuse_every),
    ):
        assert f"(authors: {value})" in options[name].help


def test_options_take_the_place_of_the_presets():
    parser = argparse.ArgumentParser()
    add_video_options(parser)
    given = ["--weights", "w", "--out", "o", "--preset", "fast", "--steps", "7", "--guidance-interval", "0", "1"]
    fast = PRESETS["fast"]
    expected = Preset(
        fast.scheduler, 7, fast.guidance, VideoOptions(fast.options.window, fast.options.overlap, reuse_every=2)
    )
    assert preset_of(vars(parser.parse_args(given))) == expected


def test_a_student_is_sampled_as_its_file_says(inputs, weights, tmp_path, pose_file, capsys, caplog):
    """Without being told; what else is asked for is one sentence, and runs."""
    folder = with_another(weights, tmp_path / "weights", "net-32500.safetensors")
    tensors = {key: value.contiguous() for key, value in tiny_state(speech_width=WAV2VEC2_WIDTH).items()}
    config = json.dumps({**HEADS, **Student(3, 0.5).config})
    save_file(tensors, folder / "net-32500.safetensors", {"config": config})
    given = {**inputs, "weights": folder, "poses": pose_file, "audio": None}
    given.pop("steps")
    assert run("pose2video", given) == 0
    told = capsys.readouterr()
    assert "sampling 100 % (3/3)" in told.out
    assert "this network is a student" not in caplog.text
    settings = read_marks(inputs["out"]).record["settings"]["preset"]
    assert (settings["num_steps"], settings["guidance"], settings["shared_noise"]) == (3, 1.0, 0.5)
    tiny = tmp_path / "taesd.safetensors"
    save_file(taesd_layout(build_tiny_vae(8, 8).state_dict(), 0.18215), tiny)
    assert run("pose2video", given, out=tmp_path / "w.mp4", steps=1, cfg=2, window=8, decoder=tiny) == 0
    (decoder,) = (one for one in read_marks(tmp_path / "w.mp4").record["networks"] if one["name"] == "decoder")
    assert decoder["sha256"] == hashlib.sha256(tiny.read_bytes()).hexdigest()
    assert frames_and_seconds(tmp_path / "w.mp4")[0].shape == (14, 64, 64, 3)
    told = capsys.readouterr()
    assert "sampling 100 % (1/1)" in told.out
    (sentence,) = (record.getMessage() for record in caplog.records if "student" in record.getMessage())
    assert "sampled with 1 steps and with guidance; take 3 steps and cfg 1." in sentence


@pytest.mark.parametrize("name", ["net-32500", "sd-vae-ft-mse", "wav2vec2-base-960h"])
@pytest.mark.parametrize("command", ["generate", "pose2video"])
def test_every_file_is_opened_before_the_first_network_runs(
    inputs, weights, tmp_path, pose_file, capsys, name, command
):
    """An empty file is refused before anything is heard, detected or sampled."""
    folder = with_another(weights, tmp_path / "weights", f"{name}.safetensors")
    (folder / f"{name}.safetensors").touch()
    poses = pose_file if command == "pose2video" else ASTRONAUT_POSE
    assert run(command, inputs, weights=folder, poses=poses) == 2
    assert f"{name}.safetensors is empty" in one_sentence(capsys)
    assert "speech" not in capsys.readouterr().out


def test_mask_files_take_the_place_of_the_boxes(inputs, tmp_path, pose_file):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "none.png")
    assert run("pose2video", inputs, poses=pose_file) == 0
    assert run("pose2video", inputs, poses=pose_file, out=tmp_path / "w.mp4", lips_mask=tmp_path / "none.png") == 0
    boxes, none = (frames_and_seconds(tmp_path / name)[0].astype(int) for name in ("v.mp4", "w.mp4"))
    assert boxes.shape == none.shape
    assert np.abs(boxes - none).max() > 0


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"smga_steps": 0}, "steps must be 1..1000"),
        ({"smga_guidance": "nan"}, "SMGA's guidance is nan"),
        ({"canvas": "512"}, "the canvas is 512; give width x height"),
        ({"vocals": SPEECH}, "the vocals last 7.4"),
        ({"poses_out": "v.mp4"}, "v.mp4"),
    ],
)
def test_bad_options_of_stage_one_are_one_sentence(inputs, tmp_path, capsys, more, says):
    more = {name: tmp_path / value if name == "poses_out" else value for name, value in more.items()}
    assert run("generate", inputs, poses=ASTRONAUT_POSE, **more) == 2
    assert re.search(says, one_sentence(capsys))


def test_ablations_are_made_measured_and_resumed(inputs, tmp_path, pose_file, capsys, monkeypatch):
    smga = inputs["weights"] / "audio2pose_best_model.safetensors"
    out, more = tmp_path / "ablations", {"driving": pose_file, "trained": f"one branch={smga}"}
    words = {**inputs, "out": out, "poses": ASTRONAUT_POSE, "steps": 1, **more}
    assert run("ablate", words) == 0
    table = capsys.readouterr().out
    names = ["full", "no motion mask", "still mask", "no audio", "pose-driven", "one branch"]
    assert f"| Number | {' | '.join(names)} | Unit |" in table
    shown = {name: frames_and_seconds(out / f"{name}.mp4")[0] for name in names}
    lengths = {name: len(frames) for name, frames in shown.items()}
    assert [*lengths.values()][:4] == [13] * 4
    for name in names[1:4]:
        assert not np.array_equal(shown["full"], shown[name]), name
    rows = {clip["name"]: {row["name"]: row["value"] for row in clip["rows"]}
            for clip in json.loads((out / "ablation.json").read_text())["clips"]}  # fmt: skip
    assert rows["one branch"]["SSIM whole 64x64"] == pytest.approx(1)  # the same networks here
    assert rows["no audio"]["SSIM whole 64x64"] < 1
    assert rows["pose-driven"]["position error"] == 0
    assert "## Beside the paper's ordering" in table
    together, _, sound_s = frames_and_seconds(out / "side_by_side.mp4")
    assert together.shape[1:] == (2 * (64 + 22), 3 * 64, 3)
    assert sound_s > 0

    for made in ("animate", "animate_poses"):
        monkeypatch.setattr(f"mmgt.standalone.ablate.{made}", lambda *_args, **_more: pytest.fail("it is there"))
    assert run("ablate", words) == 0
    assert capsys.readouterr().out.split("| Number |")[1] == table.split("| Number |")[1]
    assert run("ablate", {**words, "seed": 1}) == 2
    assert "other files or settings" in one_sentence(capsys)
    assert run("ablate", {**words, "out": tmp_path}) == 2
    assert "something else in it" in one_sentence(capsys)


@pytest.fixture
def small_weights(tmp_path, weights):
    """A folder without any encoder: SMGA and the video network hear the hand-crafted features, and there is no CLIP."""
    folder = tmp_path / "small"
    folder.mkdir()
    for name in ("audio2pose_best_model.safetensors", "sd-vae-ft-mse.safetensors"):
        (folder / name).symlink_to(weights / name)
    config = {"config": json.dumps({**HEADS, "side_px": 64})}
    state = {key: value.contiguous() for key, value in small_state().items()}
    save_file(state, folder / "net-32500.safetensors", config)
    return folder


def test_a_small_network_needs_no_encoder_and_makes_videos_as_large_as_it_learned(inputs, small_weights):
    assert run("generate", inputs, weights=small_weights, size=None, cfg=1) == 0
    frames, _, _ = frames_and_seconds(inputs["out"])
    assert frames.shape == (13, 64, 64, 3)
    assert {network["name"] for network in read_marks(inputs["out"]).record["networks"]} == {"smga", "mmhaa", "vae"}


def test_speech_moves_what_a_small_network_makes(inputs, small_weights, pose_file):
    made = []
    for idx, audio in enumerate((inputs["audio"], None)):
        out = inputs["out"].with_name(f"{idx}.mp4")
        given = {**inputs, "audio": audio, "weights": small_weights, "out": out, "poses": pose_file}
        assert run("pose2video", given, size=None) == 0
        made.append(frames_and_seconds(out)[0][:13].astype(float))
    assert np.abs(made[0] - made[1]).mean() > 0.1


def test_contextual_gesture_makes_the_poses_of_a_video(inputs, tmp_path, capsys):
    """Its poses are the library's own; SMGA's file is not needed, and the record names the file that made them."""
    path = tmp_path / "contextual_gesture.safetensors"
    save_tiny_contextual(path)
    poses_out = tmp_path / "q.json"
    tokens = {"contextual_gesture": path, "gesture_steps": 3, "speaker": "lively", "poses_out": poses_out}
    assert run("generate", inputs, "--no-close-lips", **tokens, poses=ASTRONAUT_POSE) == 0
    model, still = load_contextual_gesture(path), load_poses(ASTRONAUT_POSE)
    speech = encode_speech(read_recording(inputs["audio"]))
    model.generator.to(dtype := transformers_dtype(torch.device("cpu")))
    given = {"settings": GestureSettings(num_steps=3), "style": model.style("lively")}
    expected = sample_gestures(model, speech.gesture.to(dtype), still, seed=0, **given)
    np.testing.assert_allclose(load_poses(poses_out).pixels, expected.pixels, atol=0.01)
    frames, _, _ = frames_and_seconds(inputs["out"])
    assert len(frames) == 13
    networks = [network["name"] for network in json.loads(poses_out.read_text())["mmgt_provenance"]["networks"]]
    assert networks == ["contextual_gesture"]
    other = {**tokens, "poses": ASTRONAUT_POSE, "poses_out": None, "out": tmp_path / "w.mp4"}
    assert run("generate", inputs, "--rhythm", **other) == 2
    assert "--rhythm and --contextual-gesture both make the poses" in one_sentence(capsys)

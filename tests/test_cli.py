import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from portrait import astronaut

from mmgt.assets import ASTRONAUT_POSE, SPEECH
from mmgt.cli import main
from mmgt.media import read_picture, read_recording
from mmgt.pose_files import load_poses
from mmgt.speech.recording import Recording


def write_wav(path, seconds, rate_hz=16000):
    import soundfile

    speech = read_recording(SPEECH)
    soundfile.write(path, Recording(speech.samples[:, : round(seconds * 16000)], 16000).mono_at(rate_hz), rate_hz)
    return path


@pytest.fixture
def inputs(tmp_path):
    Image.fromarray(astronaut()).save(tmp_path / "portrait.png")
    return {"image": tmp_path / "portrait.png", "audio": write_wav(tmp_path / "speech.wav", 0.5), "folder": tmp_path}


def preview(inputs, **more):
    options = {"image": inputs["image"], "audio": inputs["audio"], "out": inputs["folder"] / "v.mp4", **more}
    words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    return main(["preview", *words])


def test_demo_leaves_what_the_readme_promises(tmp_path, capsys):
    out = tmp_path / "demo"
    assert main(["demo", "--photo", "--out", str(out)]) == 0
    assert "preview 100 % (186/186)" in capsys.readouterr().out
    poses = load_poses(out / "poses.json")
    assert poses.num_frames == read_recording(SPEECH).num_frames(25) == 186
    for name in ("demo.mp4", "poses.mp4"):
        with av.open(str(out / name)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert video.frames == 186
            assert abs(float(video.duration * video.time_base) - float(audio.duration * audio.time_base)) < 0.04
    with av.open(str(out / "demo.mp4")) as container:
        as_rgb = {"format": "rgb24", "src_colorspace": "ITU709", "dst_colorspace": "DEFAULT"}  # for PyAV before 17
        frames = [frame.reformat(**as_rgb).to_ndarray().astype(float) for frame in container.decode(video=0)]
    assert np.abs(frames[0] - astronaut()).mean() < 3  # frame 0 is the photo, but for H.264
    assert max(np.abs(frame - frames[0]).mean() for frame in frames) > 2  # and then it moves
    sheet = read_picture(out / "contact_sheet.png")
    assert sheet.shape == (512, 6 * 256, 3)

    assert main(["demo", "--photo", "--out", str(out)]) == 2  # a second run overwrites nothing
    assert "exists already" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "says"), [(17, "sample 1 to 16"), (2, "Rhythm makes the poses")])
def test_candidates_that_cannot_be_are_one_sentence(inputs, capsys, number, says):
    assert preview(inputs, candidates=number) == 2
    assert says in one_sentence(capsys)


def test_a_demo_that_is_broken_off_can_be_given_again(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mmgt.poses.draw.draw_poses", interrupted)
        patch.setattr("mmgt.preview.preview_motion", lambda *_, **__: [np.zeros((64, 64, 3), np.uint8)])
        assert main(["demo", "--photo", "--out", str(tmp_path)]) == 130
    assert list(tmp_path.iterdir()) == []


def test_a_refused_demo_leaves_nothing(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path / "demo"), "--seed", "-1"]) == 2
    assert "seed" in one_sentence(capsys)
    assert not (tmp_path / "demo").exists()


def test_preview_of_the_example_needs_no_detector(inputs):
    poses_out = inputs["folder"] / "q.json"
    assert preview(inputs, poses_out=poses_out, seed=3, models=inputs["folder"]) == 0
    assert load_poses(poses_out).num_frames == 13  # ceil(0.5 s x 25)
    assert (inputs["folder"] / "v.mp4").stat().st_size > 1000


def test_preview_with_a_pose_file_and_another_seed(inputs):
    for seed in (0, 1):
        name = inputs["folder"] / f"q{seed}.json"
        assert (
            preview(inputs, poses=ASTRONAUT_POSE, poses_out=name, seed=seed, out=f"{inputs['folder']}/{seed}.mp4") == 0
        )
    first, second = (json.loads((inputs["folder"] / f"q{seed}.json").read_text()) for seed in (0, 1))
    assert first["frames"] != second["frames"]


def one_sentence(capsys):
    error = capsys.readouterr().err.strip().splitlines()
    assert "Traceback" not in "".join(error)
    lines = [line for line in error if line.startswith("mmgt: error: ")]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("image", None, "there is no picture"),
        ("image", b"", "is empty"),
        ("image", b"text", "is not a picture"),
        ("audio", None, "there is no recording"),
        ("audio", b"", "is empty"),
        ("audio", b"this is text, not sound", "cannot be read as sound"),
        ("poses", None, "there is no pose file"),
        ("poses", b"{}", "holds no poses"),
        ("smga", None, "there is no file"),
        ("smga", b"PK\x03\x04 half a zip", "may be truncated"),
    ],
)
def test_bad_input_is_one_sentence(inputs, capsys, name, content, says):
    path = inputs["folder"] / f"bad_{name}"
    if content is not None:
        path.write_bytes(content)
    assert preview(inputs, **{"poses": ASTRONAUT_POSE, name: path}) == 2
    assert says in one_sentence(capsys)
    assert not (inputs["folder"] / "v.mp4").exists()


def test_an_existing_output_is_kept(inputs, capsys):
    (inputs["folder"] / "v.mp4").write_text("mine")
    assert preview(inputs) == 2
    assert "exists already" in one_sentence(capsys)
    assert (inputs["folder"] / "v.mp4").read_text() == "mine"


def test_without_a_detector_all_three_ways_are_named(inputs, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "mediapipe", None)
    Image.fromarray(astronaut()[:, ::-1]).save(inputs["folder"] / "other.png")
    assert preview(inputs, image=inputs["folder"] / "other.png", models=inputs["folder"]) == 2
    sentence = one_sentence(capsys)
    for way in ("yolox_l.onnx", "mediapipe==0.10.21", "--poses"):
        assert way in sentence


def test_a_pose_of_another_picture_is_refused(inputs, capsys):
    Image.fromarray(astronaut()[:300]).save(inputs["folder"] / "wide.png")
    assert preview(inputs, image=inputs["folder"] / "wide.png", poses=ASTRONAUT_POSE) == 2
    assert "512x512 px, but the picture has 512x300 px" in one_sentence(capsys)


def test_requirements_are_the_dependencies():
    """ComfyUI-Manager reads requirements.txt, pip reads pyproject.toml: they must say the same."""
    root = Path(__file__).parents[1]
    if not (root / "requirements.txt").is_file():
        pytest.skip("not a checkout")
    lines = [line for line in (root / "requirements.txt").read_text().splitlines() if not line.startswith("#")]
    block = (root / "pyproject.toml").read_text().split("dependencies = [")[1].split("]")[0]
    assert lines == [line.strip().strip('",') for line in block.strip().splitlines()]
    assert not any("torch" in line or "==" in line.partition(";")[0] for line in lines)


def test_a_command_is_found_before_torch_is_imported():
    """It takes more than a second, which `mmgt --help` and a wrong option need not wait for."""
    listed = "from mmgt.cli import _parser; _parser(); import sys; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True).stdout.strip() == "False"

"""Preview Motion's refinement inside a real ComfyUI, with a tiny random network."""

import numpy as np
import pytest
from graphs import our_nodes
from tiny_refinement import save_tiny_refinement, tiny_refinement

from mmgt.assets import PRESENTER_POSE
from mmgt.media import read_picture

pytestmark = pytest.mark.comfy
FILE = "test_refinement.safetensors"


@pytest.fixture(scope="module")
def files(server):
    """A refinement that changes frames, one that is not trained, and what is none, in models/mmgt."""
    folder = server.base / "models" / "mmgt"
    save_tiny_refinement(folder / FILE)
    save_tiny_refinement(folder / "untrained_refinement.safetensors", tiny_refinement(trained=False))
    (folder / "no_refinement.safetensors").write_bytes(b"<html>")
    (server.base / "input" / PRESENTER_POSE.name).write_bytes(PRESENTER_POSE.read_bytes())


def graph(**chosen):
    """The example's presenter by 0.4 s of speech, 128 px, as pictures."""

    def node(class_type, **inputs):
        return {"class_type": class_type, "inputs": inputs}

    amplitudes = dict.fromkeys(("body", "head", "hands", "face", "lips"), 1.0)
    return {
        "example": node("MMGT_ExamplePresenterAndSpeech"),
        "short": node("TrimAudioDuration", audio=["example", 1], start_index=0.0, duration=0.4),
        "initial": node("MMGT_LoadPoses", file=PRESENTER_POSE.name, canvas_width=0, canvas_height=0),
        "poses": node("MMGT_RhythmAudio2Pose", audio=["short", 0], initial_pose=["initial", 0], seed=1, **amplitudes),
        "preview": node(
            "MMGT_PreviewMotion",
            image=["example", 0],
            poses=["poses", 0],
            initial_pose=["initial", 0],
            long_side=128,
            **chosen,
        ),
        "file": node("SaveImage", images=["preview", 0], filename_prefix="refined/frame"),
    }


def frames(server, **chosen):
    shown = server.run(graph(**chosen))["file"]["images"]
    return np.stack([read_picture(server.base / "output" / each["subfolder"] / each["filename"]) for each in shown])


def test_it_is_chosen_on_preview_motion(server, files):
    options = our_nodes(server)["MMGT_PreviewMotion"]["input"]["optional"]["refinement"]
    names = options[0] if isinstance(options[0], list) else options[1]["options"]
    assert names[0] == "none"
    assert FILE in names
    plain = frames(server)
    assert np.array_equal(frames(server, refinement="none"), plain)
    assert np.array_equal(frames(server, refinement="untrained_refinement.safetensors"), plain)
    mended = frames(server, refinement=FILE)
    assert mended.shape == plain.shape
    assert any(not np.array_equal(a, b) for a, b in zip(mended, plain, strict=True))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("none.safetensors", "there is no file 'none.safetensors' (mends Preview Motion's frames)"),
        ("no_refinement.safetensors", "is a web page, not weights"),
    ],
)
def test_another_file_is_said_before_anything_runs(server, files, name, says):
    with pytest.raises(RuntimeError) as error:
        server.run(graph(refinement=name))
    assert says in str(error.value)
    assert "prompt_outputs_failed_validation" in str(error.value)

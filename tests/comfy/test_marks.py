"""What files say of themselves that a real ComfyUI writes: our nodes' own, and what core encodes anew."""

import json

import pytest
import soundfile
from graphs import nodes_of, prompt_of, video_of, with_loaders

from mmgt.assets import SPEECH
from mmgt.media import read_marks, read_recording
from mmgt.media.marking import find_mark_in_frames

pytestmark = pytest.mark.comfy
SECONDS = 0.6


@pytest.fixture(scope="module")
def prompt(server):
    """Graph 01, small and short."""
    speech = read_recording(SPEECH)
    soundfile.write(
        server.base / "input" / "words.wav", speech.samples.T[: round(SECONDS * speech.rate_hz)], speech.rate_hz
    )
    prompt = with_loaders(prompt_of(server, "preview_from_speech"), audio="words.wav")
    (preview,) = nodes_of(prompt, "MMGT_PreviewMotion")
    (rhythm,) = nodes_of(prompt, "MMGT_RhythmAudio2Pose")
    preview["long_side"], rhythm["seed"] = 128, 5
    return prompt


def saved(server, outputs, key):
    return video_of(server, outputs[key])


def key_of(prompt, class_type, **having):
    (key,) = (
        key
        for key, node in prompt.items()
        if node["class_type"] == class_type and having.items() <= node["inputs"].items()
    )
    return key


def test_every_file_of_a_graph_says_what_it_is(server, prompt):
    outputs = server.run(prompt)
    shown = saved(server, outputs, key_of(prompt, "SaveVideo", filename_prefix="video/mmgt_preview"))
    drawn = saved(server, outputs, key_of(prompt, "SaveVideo", filename_prefix="video/mmgt_poses"))
    poses = server.base / outputs[key_of(prompt, "MMGT_SavePoses")]["text"][0]
    for path, word in ((shown, "compositeSynthetic"), (drawn, "algorithmicMedia"), (poses, "algorithmicMedia")):
        marks = read_marks(path)
        assert marks.says_generated
        assert marks.source_uri == f"http://cv.iptc.org/newscodes/digitalsourcetype/{word}"
        assert marks.aigc["ProduceID"] == marks.record["id"]
        assert marks.record["seed"] == 5
        assert bool(marks.xmp) == (path.suffix == ".mp4")
        text = json.dumps(marks.as_json())
        assert not any(name in text for name in ("words.wav", "portrait", "mmgt_p", str(server.base)))


def test_what_core_encodes_anew_is_marked_behind_mark_video_only(server, prompt):
    preview = key_of(prompt, "MMGT_PreviewMotion")

    def node(class_type, **inputs):
        return {"class_type": class_type, "inputs": inputs}

    graph = {
        **prompt,
        "large": node("ImageScaleBy", image=[preview, 0], upscale_method="lanczos", scale_by=1.5),
        "joined": node("CreateVideo", images=["large", 0], audio=["speech", 0], fps=25),
        "bare": node("SaveVideo", video=["joined", 0], filename_prefix="video/bare", format="auto", codec="auto"),
        "marked": node(
            "MMGT_MarkVideo",
            video=["joined", 0],
            file="none: the connected video",
            source_type="compositeSynthetic",
            filename_prefix="unused",
            visible_label=True,
            invisible_mark=True,
        ),
        "kept": node("SaveVideo", video=["marked", 0], filename_prefix="video/kept", format="auto", codec="auto"),
        "said": node("MMGT_ReadProvenance", video=["marked", 0], file="none: the connected video"),
    }
    outputs = server.run(graph)
    bare, kept = (saved(server, outputs, key) for key in ("bare", "kept"))
    assert not read_marks(bare).says_generated
    marks = read_marks(kept)
    assert marks.source_uri.endswith("/compositeSynthetic")
    assert marks.xmp
    assert any("scale_by" in name and value == 1.5 for name, value in marks.record["settings"].items())
    assert json.dumps(marks.record["id"]) in outputs["said"]["text"][0]
    assert not list((server.base / "output").glob("unused*"))
    assert find_mark_in_frames(kept).is_marked
    assert not find_mark_in_frames(bare).is_marked

    name, plain = f"video/{bare.name} [output]", {"visible_label": False, "invisible_mark": False}
    graph = {
        "marked": node(
            "MMGT_MarkVideo", **plain, file=name, source_type="compositeSynthetic", filename_prefix="video/copy"
        ),
        "said": node("MMGT_ReadProvenance", video=["marked", 0], file="none: the connected video"),
        "again": node("SaveVideo", video=["marked", 0], filename_prefix="video/again", format="auto", codec="auto"),
        "before": node("MMGT_ReadProvenance", file=name),
    }
    outputs = server.run(graph)
    copy, again = (saved(server, outputs, key) for key in ("marked", "again"))
    assert read_marks(copy).says_generated
    assert read_marks(again).record == read_marks(copy).record  # core's copy keeps texts
    assert read_marks(again).aigc == read_marks(copy).aigc
    assert outputs["before"]["text"][0] == "no mark says it is generated"
    assert outputs["said"]["text"][0].startswith("says it is generated")


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"file": "../secret.mp4"}, "outside"),
        ({"file": "nothing.mp4"}, "no file"),
        ({"file": "none: the connected video"}, "connect a VIDEO"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(server, inputs, said):
    prompt = {"read": {"class_type": "MMGT_ReadProvenance", "inputs": inputs}}
    with pytest.raises(RuntimeError, match=said):
        server.run(prompt)

"""``workflows/api/``: prompts with inputs by name."""

import json

import pytest
import soundfile
from graphs import REPOSITORY, decoded, prompt_of, video_of
from small_networks import write_small_networks

from mmgt.assets import SPEECH
from mmgt.media import read_recording

FOLDER = REPOSITORY / "workflows" / "api"
SCHEMAS = json.loads((REPOSITORY / "tests" / "comfy" / "schema_snapshot.json").read_text())
GRAPHS = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
SAVED = {"audio_to_video_small": "start_here", "audio_to_video": "03_audio_to_video"}
OURS = ("portrait", "speech", "seed")


@pytest.mark.parametrize("name", SAVED)
def test_inputs_have_names_and_links_lead_somewhere(name):
    prompt = GRAPHS[name]
    assert set(GRAPHS) == set(SAVED)
    assert prompt.keys() >= {*OURS, "poses", "sampler", "video"}
    for key, node in prompt.items():
        assert node["_meta"]["title"] == key
        for given, value in node["inputs"].items():
            assert not isinstance(value, list) or value[0] in prompt, (key, given)
        if node["class_type"] in SCHEMAS:
            assert node["inputs"].keys() <= {given for given, _ in SCHEMAS[node["class_type"]]["inputs"]}


@pytest.mark.comfy
@pytest.mark.parametrize("name", SAVED)
def test_settings_are_those_of_the_saved_graph(server, name):
    """But for the loaders and the seed, which have names here."""
    saved = {node["class_type"]: node["inputs"] for node in prompt_of(server, SAVED[name]).values()}
    for key, node in GRAPHS[name].items():
        if key in (*OURS, "detector"):
            continue
        mine, theirs = ({given: value for given, value in inputs.items() if not isinstance(value, list)}
                        for inputs in (node["inputs"], saved[node["class_type"]]))  # fmt: skip
        theirs.pop("seed", None)
        assert {given: theirs.get(given) for given in mine} == mine, key


@pytest.mark.comfy
def test_the_small_one_runs(server):
    write_small_networks(server.base / "models", 64)
    speech = read_recording(SPEECH)
    soundfile.write(server.base / "input" / "half.wav", speech.samples[0, : speech.rate_hz // 2], speech.rate_hz)
    prompt = json.loads(json.dumps(GRAPHS["audio_to_video_small"]))
    prompt["speech"]["inputs"]["audio"] = "half.wav"
    prompt["seed"]["inputs"]["value"] = 3
    prompt["poses"]["inputs"]["steps"] = 2
    prompt["sampler"]["inputs"].update(preset="as set here", steps=1, cfg=1.0)
    frames, _, sound_seconds = decoded(video_of(server, server.run(prompt)["video"]))
    assert len(frames) == 13
    assert sound_seconds is not None

"""SMGA Re-sample and the sampler's candidates inside a real ComfyUI, with a tiny random SMGA."""

from pathlib import Path

import pytest
from graphs import nodes_of, our_nodes, prompt_of, without
from tiny_smga import save_tiny_smga, tiny_smga_state

from mmgt.motion_edit.tree import REGIONS
from mmgt.pose_files import load_poses
from mmgt.poses.skeleton import LEGS

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def prompt(server):
    """Encode Speech, the sampler, and Re-sample on its poses; "saved" and "again" save, "table" shows the scores."""
    path = server.base / "models" / "mmgt" / "calm_smga.safetensors"
    save_tiny_smga(path, tiny_smga_state(scale=0.02))
    prompt = without(prompt_of(server, "poses_for_other_packs"), "MMGT_LoadAudioEncoder")
    (loader,), (first,) = nodes_of(prompt, "MMGT_LoadSMGAModel"), nodes_of(prompt, "MMGT_SMGAAudio2PoseSampler")
    loader["smga"], first["steps"] = path.name, 3
    (sampler,) = (key for key, node in prompt.items() if node["class_type"] == "MMGT_SMGAAudio2PoseSampler")
    sockets = {name: first[name] for name in ("smga", "speech", "initial_pose")}
    resample = {
        **sockets,
        "poses": [sampler, 0],
        "seed": 1,
        "steps": 3,
        "guidance": 2.0,
        "eta": 1.0,
        "solver": "ddim",
        "spacing": "linspace",
        "close_lips": True,
        "candidates": 1,
        "window_overlap": 20,
        "keep_body": True,
        "keep_hands": False,
        "keep_face": False,
        "keep_lips": False,
        "keep_seconds": "0-1",
    }
    return {
        **prompt,
        "resample": {"class_type": "MMGT_SMGAResample", "inputs": resample},
        "saved": save([sampler, 0], "poses/given"),
        "again": save(["resample", 0], "poses/again"),
        "table": {"class_type": "PreviewAny", "inputs": {"source": ["resample", 1]}},
    }


def save(link, prefix):
    return {"class_type": "MMGT_SavePoses", "inputs": {"poses": link, "filename_prefix": prefix}}


def changed(prompt, **inputs):
    node = {**prompt["resample"], "inputs": {**prompt["resample"]["inputs"], **inputs}}
    return {**prompt, "resample": node}


def saved(outputs, key):
    return load_poses(Path(outputs[key]["text"][0]))


def test_the_body_is_kept_and_the_hands_are_new(server, prompt):
    outputs = server.run(changed(prompt, candidates=3))
    given, again = saved(outputs, "saved"), saved(outputs, "again")
    off = (given.pixels - again.pixels).norm(dim=-1)
    body = [point for point in REGIONS["body"] if point not in LEGS]
    assert off[:, body].max() < 2e-3  # of which the file's rounding is 1e-3 px
    assert off[:25].max() < 2e-3
    assert off[60:, REGIONS["hands"]].median() > 0.5
    (table,) = outputs["table"]["text"]
    *lines, _, _legend = table.splitlines()
    assert [line.split(":")[0] for line in lines] == ["seed 1", "seed 2", "seed 3"]
    assert sum(line.endswith("the best") for line in lines) == 1


def test_one_candidate_is_a_whole_track(server, prompt):
    outputs = server.run(prompt)
    assert saved(outputs, "again").num_frames == 186
    sampler = our_nodes(server)["MMGT_SMGAAudio2PoseSampler"]
    assert sampler["output"] == ["MMGT_POSES", "STRING"]


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ({"keep_seconds": "1,5-2"}, "is no span of seconds"),
        ({"keep_seconds": "8-9"}, "leaves the recording"),
        ({"keep_body": False, "keep_seconds": ""}, "nothing of them is kept"),
    ],
)
def test_a_wrong_choice_is_one_sentence(server, prompt, inputs, says):
    wrong = changed(prompt, **inputs)
    linked = {value[0] for node in wrong.values() for value in node["inputs"].values() if isinstance(value, list)}
    only = {key: node for key, node in wrong.items() if key in linked or key == "again"}  # core runs what else it can
    with pytest.raises(RuntimeError, match=says):
        server.run(only)

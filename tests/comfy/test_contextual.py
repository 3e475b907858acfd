"""Contextual Gesture's nodes and its graph inside a real ComfyUI, with the small network that is shipped."""

from pathlib import Path

import numpy as np
import pytest
from graphs import decoded, nodes_of, prompt_of, saved_poses, saving_poses, video_of

from mmgt.motion_edit.tree import REGIONS
from mmgt.pose_files import load_poses

pytestmark = pytest.mark.comfy


@pytest.fixture(scope="module")
def prompt(server):
    """The graph of the three ways, SMGA in few steps, its pose tracks saved, with a folder to find gestures in."""
    prompt = prompt_of(server, "compare_ways_to_poses")
    (smga,) = nodes_of(prompt, "MMGT_SMGAAudio2PoseSampler")
    smga["steps"] = 4
    (rhythm,) = nodes_of(prompt, "MMGT_RhythmAudio2Pose")
    for kind, title in (
        ("MMGT_ContextualGestureSampler", "new"),
        ("MMGT_ContextualGestureResample", "kept"),
        ("MMGT_FindGesturesForSpeech", "found"),
    ):
        saving_poses(prompt, kind, title)
    (found,) = nodes_of(prompt, "MMGT_FindGesturesForSpeech")
    found["folder"] = "collected"
    folder = server.base / "input" / "collected"
    folder.mkdir(exist_ok=True)
    (folder / "no_poses.json").write_text("{}")
    outputs = server.run(
        {"rhythm": {"class_type": "MMGT_RhythmAudio2Pose", "inputs": rhythm}, **needed_by(prompt, rhythm)}
    )
    (folder / "a.json").write_bytes(Path(outputs["save"]["text"][0]).read_bytes())
    return prompt


def needed_by(prompt, inputs):
    """What a node's inputs come from, and a Save Poses behind "rhythm"."""
    kept, waiting = {}, [value[0] for value in inputs.values() if isinstance(value, list)]
    while waiting:
        key = waiting.pop()
        kept[key] = prompt[key]
        waiting += [value[0] for value in prompt[key]["inputs"].values() if isinstance(value, list)]
    save = {"class_type": "MMGT_SavePoses", "inputs": {"poses": ["rhythm", 0], "filename_prefix": "given/a"}}
    return {**kept, "save": save}


def test_the_three_ways_stand_side_by_side_and_what_is_kept_is_kept(server, prompt):
    outputs = server.run(prompt)
    (saver,) = (key for key, node in prompt.items() if node["class_type"] == "SaveVideo")
    frames, seconds, sound_seconds = decoded(video_of(server, outputs[saver]))
    assert len(frames) == 186
    assert frames[0].shape == (384, 3 * 384, 3)
    assert abs(seconds - sound_seconds) < 0.05
    new, kept, found = (saved_poses(outputs, key) for key in ("new", "kept", "found"))
    assert new.num_frames == kept.num_frames == 186
    given = load_poses(server.base / "input" / "collected" / "a.json")
    face = [*REGIONS["face"], *REGIONS["lips"]]
    np.testing.assert_allclose(kept.pixels[:, face], given.pixels[:, face], atol=0.01)
    assert np.abs(kept.pixels[:, REGIONS["hands"]] - given.pixels[:, REGIONS["hands"]]).max() > 1
    np.testing.assert_allclose(found.pixels, given.pixels, atol=0.01)
    (ranking,) = (out["text"][0] for key, out in outputs.items() if prompt[key]["class_type"] == "PreviewAny")
    assert "collected/a.json" in ranking
    assert "left out" in ranking
    again = server.run(prompt)
    assert saved_poses(again, "new").num_frames == 186


def test_bad_input_is_one_sentence_on_the_node(server, prompt):
    (sampler,) = nodes_of(prompt, "MMGT_ContextualGestureSampler")
    (found,) = nodes_of(prompt, "MMGT_FindGesturesForSpeech")
    for node, values, words in (
        (sampler, {"speaker": "nobody"}, "learned no speaker 'nobody'; it knows calm, even, hands"),
        (sampler, {"example_poses": sampler["initial_pose"]}, "connect example_speech too"),
        (found, {"folder": "nothing"}, "there is no pose file in 'nothing'"),
        (found, {"place": 7}, "place 7 is beyond the 1 clips of 'collected'"),
    ):
        before = dict(node)
        node.update(values)
        try:
            with pytest.raises(RuntimeError, match=words):
                server.run(prompt)
        finally:
            node.clear()
            node.update(before)

"""MMGT Ablations in a real ComfyUI: its graph, with small random networks and nothing else."""

import json

import numpy as np
import pytest
import soundfile
from graphs import decoded, nodes_of, prompt_of, video_of
from small_networks import write_small_networks

from mmgt.assets import SPEECH
from mmgt.evaluation.ablation import FULL, NO_AUDIO, POSE_DRIVEN, TITLE_PX, VARIANTS
from mmgt.media import read_marks, read_recording

pytestmark = pytest.mark.comfy

NUM_FRAMES, SIDE = 6, 64


@pytest.fixture
def prompt(server):
    write_small_networks(server.base / "models", SIDE)
    speech = read_recording(SPEECH)
    samples = speech.samples[0, : speech.rate_hz * NUM_FRAMES // 25]
    soundfile.write(server.base / "input" / "ablated.wav", samples, speech.rate_hz)
    prompt = prompt_of(server, "ablations")
    (example,) = (key for key, node in prompt.items() if node["class_type"] == "MMGT_ExamplePresenterAndSpeech")
    prompt["half"] = {"class_type": "LoadAudio", "inputs": {"audio": "ablated.wav"}}
    (key,) = (key for key, node in prompt.items() if node["class_type"] == "MMGT_Ablations")
    prompt["numbers"] = {"class_type": "PreviewAny", "inputs": {"source": [key, 3]}}
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if value == [example, 1]:
                node["inputs"][name] = ["half", 0]
    nodes_of(prompt, "MMGT_Ablations")[0].update(preset="as set here", steps=1, cfg=1.0)
    nodes_of(prompt, "MMGT_SMGAAudio2PoseSampler")[0]["steps"] = 2
    return prompt


def test_all_variants_come_side_by_side_with_their_numbers(server, prompt):
    outputs = server.run(prompt)
    (saved,) = (outputs[key] for key, node in prompt.items() if node["class_type"] == "SaveVideo")
    path = video_of(server, saved)
    frames = np.stack(decoded(path)[0])
    assert frames.shape == (NUM_FRAMES, 2 * (SIDE + TITLE_PX), 3 * SIDE, 3)
    assert {each["name"].rpartition(": ")[2] for each in read_marks(path).record["networks"]} >= {"mmhaa", "vae_name"}
    clips = {clip["name"]: clip for clip in json.loads(outputs["numbers"]["text"][0])["clips"]}
    assert tuple(clips) == VARIANTS
    numbers = {name: {row["name"]: row["value"] for row in clip["rows"]} for name, clip in clips.items()}
    label = f"SSIM whole {SIDE}x{SIDE}"
    assert label not in numbers[FULL]  # it is what the others are compared with
    assert all(numbers[name][label] < 1 for name in VARIANTS[1:])
    assert numbers[POSE_DRIVEN]["position error"] == 0
    (table,) = (outputs[key]["text"][0] for key, node in prompt.items() if node["class_type"] == "MMGT_Ablations")
    assert f"| Number | {' | '.join(VARIANTS)} |" in table

    given = nodes_of(prompt, "MMGT_Ablations")[0]
    del given["driving_poses"]
    outputs = server.run(prompt)
    left = [clip["name"] for clip in json.loads(outputs["numbers"]["text"][0])["clips"]]
    assert left == [name for name in VARIANTS if name != POSE_DRIVEN]
    assert NO_AUDIO in left


def test_a_still_is_one_sentence(server, prompt):
    (key,) = (key for key, node in prompt.items() if node["class_type"] == "MMGT_DWPoseInitialPose")
    nodes_of(prompt, "MMGT_Ablations")[0]["poses"] = [key, 0]
    with pytest.raises(RuntimeError, match="there is one frame of poses"):
        server.run(prompt)

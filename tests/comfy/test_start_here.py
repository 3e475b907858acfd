"""The graph to start with in a real ComfyUI: nothing but the pack's own files, no encoder and no CLIP."""

import json

import numpy as np
import pytest
import soundfile
from graphs import decoded, nodes_of, prompt_of, video_of
from safetensors.torch import save_file
from small_networks import write_small_networks
from tiny import HEADS, tiny_state

from mmgt.assets import SPEECH
from mmgt.media import read_marks, read_recording

pytestmark = pytest.mark.comfy

NUM_FRAMES, SIDE = 13, 64


@pytest.fixture(scope="module")
def small(server):
    """Small random networks, and half a second of speech; a network that wants CLIP and wav2vec2 beside them."""
    write_small_networks(server.base / "models", SIDE)
    state = {key: value.contiguous() for key, value in tiny_state().items()}
    save_file(state, server.base / "models" / "mmgt" / "large.safetensors", {"config": json.dumps(HEADS)})
    speech = read_recording(SPEECH)
    soundfile.write(server.base / "input" / "half.wav", speech.samples[0, : speech.rate_hz // 2], speech.rate_hz)
    return server


@pytest.fixture
def prompt(small):
    """The graph with that speech, in few steps."""
    prompt = prompt_of(small, "start_here")
    (example,) = (key for key, node in prompt.items() if node["class_type"] == "MMGT_ExamplePresenterAndSpeech")
    prompt["half"] = {"class_type": "LoadAudio", "inputs": {"audio": "half.wav"}}
    for node in prompt.values():
        for name, value in node["inputs"].items():
            if value == [example, 1]:
                node["inputs"][name] = ["half", 0]
    (sampler,) = nodes_of(prompt, "MMGT_MMHAAVideoSampler")
    assert sampler["preset"] == "small"
    sampler.update(preset="as set here", steps=1, cfg=1.0)
    nodes_of(prompt, "MMGT_SMGAAudio2PoseSampler")[0]["steps"] = 2
    return prompt


def video(server, prompt):
    outputs = server.run(prompt)
    (saved,) = (outputs[key] for key, node in prompt.items() if node["class_type"] == "SaveVideo")
    path = video_of(server, saved)
    return path, *decoded(path)


def test_it_makes_a_video_as_large_as_the_network_learned(small, prompt):
    path, frames, seconds, sound_seconds = video(small, prompt)
    assert np.stack(frames).shape == (NUM_FRAMES, SIDE, SIDE, 3)
    assert abs(seconds - sound_seconds) <= 1 / 25
    checksums = {network["name"].rpartition(": ")[2] for network in read_marks(path).record["networks"]}
    assert checksums == {"smga", "mmhaa", "vae_name"}


def test_guidance_leads_away_from_a_row_without_photo_and_speech(small, prompt):
    """Also without CLIP, whose token is what tells the two rows of others apart."""
    (sampler,) = nodes_of(prompt, "MMGT_MMHAAVideoSampler")
    made = []
    for cfg in (1.0, 5.0):
        sampler["cfg"] = cfg
        made.append(np.stack(video(small, prompt)[1]).astype(float))
    assert np.abs(made[0] - made[1]).mean() > 0.1


def test_what_a_large_network_misses_is_one_sentence(small, prompt):
    nodes_of(prompt, "MMGT_LoadMMHAAModel")[0]["mmhaa"] = "large.safetensors"
    with pytest.raises(RuntimeError, match="encoded without wav2vec2"):
        small.run(prompt)
    (sampler,) = nodes_of(prompt, "MMGT_MMHAAVideoSampler")
    del sampler["speech"]
    with pytest.raises(RuntimeError, match="through CLIP, too; connect Load CLIP Vision"):
        small.run(prompt)

"""MMGT Evaluate in a real ComfyUI: the graph that compares two settings, with small random networks."""

import json

import numpy as np
import pytest
import soundfile
from graphs import decoded, nodes_of, prompt_of, video_of, with_loaders

from mmgt.assets import SPEECH
from mmgt.media import read_picture, read_recording

pytestmark = pytest.mark.comfy

NUM_FRAMES = 13


@pytest.fixture
def prompt(networks):
    speech = read_recording(SPEECH)
    samples = speech.samples[:, : speech.rate_hz * NUM_FRAMES // 25]
    soundfile.write(networks.base / "input" / "compared.wav", samples.T, speech.rate_hz)
    prompt = with_loaders(prompt_of(networks, "compare_two_settings"), audio="compared.wav")
    for sampler in nodes_of(prompt, "MMGT_MMHAAVideoSampler"):
        sampler.update(width=64, height=64, steps=2)
    for key, node in list(prompt.items()):
        if node["class_type"] == "MMGT_Evaluate":
            which = "b" if "reference" in node["inputs"] else "a"
            for name, output in (("json", 2), ("ssim", 3)):
                shown = {"class_type": "PreviewAny", "inputs": {"source": [key, output]}}
                prompt[f"{which} {name}"] = shown
    return prompt


def test_two_settings_are_compared(networks, prompt):
    outputs = networks.run(prompt)
    rows = {row["name"]: row for row in json.loads(outputs["b json"]["text"][0])["rows"]}
    assert rows["SSIM whole 64x64"]["n"] == rows["lip correlation"]["n"] == NUM_FRAMES
    assert float(outputs["b ssim"]["text"][0]) == pytest.approx(rows["SSIM whole 64x64"]["value"])
    assert rows["SSIM whole 64x64"]["value"] < 1
    assert outputs["a ssim"]["text"][0] == "nan"  # A has no reference
    tables = [outputs[key]["text"][0] for key, node in prompt.items() if node["class_type"] == "MMGT_Evaluate"]
    assert all("lip correlation: " in table and "(higher is better)" in table for table in tables)
    sizes = {
        read_picture(networks.base / file["type"] / file["subfolder"] / file["filename"]).shape
        for key, node in prompt.items()
        if node["class_type"] == "PreviewImage"
        for file in outputs[key]["images"]
    }
    assert min(min(size[:2]) for size in sizes) > 300
    (key,) = (key for key, node in prompt.items() if node["class_type"] == "SaveVideo")
    frames, _, _ = decoded(video_of(networks, outputs[key]))
    assert np.stack(frames).shape == (NUM_FRAMES, 64, 128, 3)

    for sampler in nodes_of(prompt, "MMGT_MMHAAVideoSampler"):
        sampler["masks"] = "authors' training"
    assert float(networks.run(prompt)["b ssim"]["text"][0]) == 1  # the same settings


def test_what_cannot_be_measured_is_one_sentence(networks, prompt):
    (given,) = (inputs for inputs in nodes_of(prompt, "MMGT_Evaluate") if "reference" not in inputs)
    del given["poses"], given["photo"]
    with pytest.raises(RuntimeError, match="there is nothing to compare the video with"):
        networks.run(prompt)
    (sampler, _) = nodes_of(prompt, "MMGT_MMHAAVideoSampler")
    sampler["background"] = ["mask", 0]
    prompt["mask"] = {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 64, "height": 64}}
    with pytest.raises(RuntimeError, match="the background mask would act nowhere"):
        networks.run(prompt)

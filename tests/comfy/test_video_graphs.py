"""The bundled graphs of stage II in a real ComfyUI, with small random networks."""

import numpy as np
import pytest
import soundfile
from graphs import decoded, nodes_of, prompt_of, video_of

from mmgt.assets import ASTRONAUT_POSE, SPEECH
from mmgt.audio import Recording
from mmgt.draw import draw_poses
from mmgt.media import read_picture, read_recording, write_video
from mmgt.poses import load_poses
from mmgt.rhythm import rhythm_poses

pytestmark = pytest.mark.comfy

SECONDS = 0.6
NUM_FRAMES = 15


@pytest.fixture(scope="module")
def inputs(networks):
    """A short recording, and a short video of pose pictures, in ComfyUI's input folder."""
    speech = read_recording(SPEECH)
    short = Recording(speech.samples[:, : round(SECONDS * speech.rate_hz)], speech.rate_hz)
    soundfile.write(networks.base / "input" / "short.wav", short.samples.T, short.rate_hz)
    poses = rhythm_poses(short, load_poses(ASTRONAUT_POSE), seed=0)
    write_video(networks.base / "input" / "poses.mp4", draw_poses(poses, 128, 128), 25.0, short)
    return networks


def small(prompt):
    """The graph at a size and a number of steps that a CPU can do."""
    for node in prompt.values():
        if "full_strength" in node["inputs"]:
            node["inputs"].update(width=64, height=64)
        if "steps" in node["inputs"]:
            node["inputs"]["steps"] = 2
    for loader in nodes_of(prompt, "LoadAudio"):
        loader["audio"] = "short.wav"
    return prompt


def run(server, prompt):
    (output,) = (output for output in server.run(prompt).values() if "images" in output)
    frames, seconds, sound_seconds = decoded(video_of(server, output))
    assert len(frames) == NUM_FRAMES
    assert frames[0].shape == (64, 64, 3)
    assert abs(seconds - sound_seconds) <= 1 / 25
    assert np.stack(frames).std() > 1
    return np.stack(frames).astype(float)


def test_audio_to_video(inputs):
    prompt = small(prompt_of(inputs, "audio_to_video"))
    first = run(inputs, prompt)
    assert np.abs(np.diff(first, axis=0)).mean() > 1  # it moves
    (sampler,) = nodes_of(prompt, "MMGT_MMHAAVideoSampler")
    sampler["seed"] = 1
    assert np.abs(run(inputs, prompt) - first).mean() > 1


def test_the_seed_decides(inputs):
    """Pictures, not the file: core's encoder gives unequal files of equal pictures of 64 x 64 px."""
    prompt = small(prompt_of(inputs, "audio_to_video"))
    (sampler,) = nodes_of(prompt, "MMGT_MMHAAVideoSampler")
    (decoder,) = (number for number, node in prompt.items() if node["class_type"] == "MMGT_DecodeVideo")
    for number, node in list(prompt.items()):
        if node["class_type"] == "SaveVideo":
            prompt[number] = {"class_type": "SaveImage", "inputs": {"images": [decoder, 0], "filename_prefix": "p"}}
    shown = []
    for seed in (5, 6, 5):
        sampler["seed"] = seed
        (output,) = (output for output in inputs.run(prompt).values() if "images" in output)
        shown.append(
            np.stack(
                [
                    read_picture(inputs.base / file["type"] / file["subfolder"] / file["filename"])
                    for file in output["images"]
                ]
            )
        )
    first, other, again = shown
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(float) - other).mean() > 1


def test_pose_video_to_video(inputs):
    run(inputs, small(prompt_of(inputs, "pose_video_to_video")))


def test_swap_sampler_and_scheduler(inputs):
    prompt = small(prompt_of(inputs, "swap_sampler_and_scheduler"))
    first = run(inputs, prompt)
    (chosen,) = nodes_of(prompt, "KSamplerSelect")
    chosen["sampler_name"] = "euler"
    assert np.abs(run(inputs, prompt) - first).mean() > 0.1


def test_another_seed_encodes_nothing_again(inputs):
    """Of the nodes before the sampler none runs again, and the sampler does not read the photo again."""
    prompt = small(prompt_of(inputs, "audio_to_video"))
    (sampler,) = nodes_of(prompt, "MMGT_MMHAAVideoSampler")
    inputs.run(prompt)
    sampler["seed"] = 5
    history = inputs.wait(inputs.queue(prompt))
    (cached,) = (data["nodes"] for name, data in history["status"]["messages"] if name == "execution_cached")
    ran = {node["class_type"] for key, node in prompt.items() if key not in cached}
    assert ran == {"MMGT_MMHAAVideoSampler", "MMGT_DecodeVideo", "SaveVideo"}


@pytest.mark.parametrize(
    ("node", "changed", "says"),
    [
        ("MMGT_LoadMMHAAModel", {"mmhaa": "audio2pose_best_model.pt"}, "is MMGT SMGA (stage I), not the MMGT video"),
        ("MMGT_LoadSMGAModel", {"smga": "net-32500.pth"}, "is the MMGT video network"),
        ("MMGT_LoadAudioEncoder", {"wav2vec2": "wavlm-large.bin"}, "is WavLM"),
        ("MMGT_LoadAudioEncoder", {"wav2vec2": "none: no video from speech"}, "encoded without wav2vec2"),
        ("MMGT_LoadAudioEncoder", {"wavlm": "none: hand-crafted features only"}, "35"),
        ("MMGT_LoadMMHAAModel", {"mmhaa": "gone.pth"}, "there is no file 'gone.pth'"),
        ("MMGT_MMHAAVideoSampler", {"overlap": 12}, "less than the window of 12 frames"),
    ],
)
def test_a_wrong_choice_is_one_sentence_and_the_server_goes_on(inputs, node, changed, says):
    prompt = small(prompt_of(inputs, "audio_to_video"))
    (given,) = nodes_of(prompt, node)
    given.update(changed)
    with pytest.raises(RuntimeError) as error:
        inputs.run(prompt)
    assert says in str(error.value)
    assert inputs.get("/system_stats")

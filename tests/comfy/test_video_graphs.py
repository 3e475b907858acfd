"""The bundled graphs of stage II in a real ComfyUI, with small random networks."""

import hashlib

import numpy as np
import pytest
import soundfile
import torch
from graphs import decoded, nodes_of, prompt_of, saved_poses, saving_poses, video_of, with_loaders, without

from mmgt.assets import ASTRONAUT_POSE, SPEECH
from mmgt.media import read_marks, read_picture, read_recording, write_video
from mmgt.pose_files import load_poses
from mmgt.poses.draw import OPENPOSE_STYLE, draw_poses
from mmgt.poses.skeleton import BODY, LIPS

pytestmark = pytest.mark.comfy

SECONDS = 0.6
NUM_FRAMES = 15
LONG_S = 3.6  # more than one window of SMGA's
LONG_FRAMES = 90


@pytest.fixture(scope="module")
def inputs(networks):
    """Recordings, and a short video of a person who sits still, in ComfyUI's input folder."""
    speech = read_recording(SPEECH)
    for name, start_s, end_s in (("short.wav", 0, SECONDS), ("other.wav", 2, 2 + SECONDS), ("long.wav", 0, LONG_S)):
        samples = speech.samples[:, round(start_s * speech.rate_hz) : round(end_s * speech.rate_hz)]
        soundfile.write(networks.base / "input" / name, samples.T, speech.rate_hz)
    portrait = read_picture(networks.base / "input" / "portrait.png")
    short = read_recording(networks.base / "input" / "short.wav")
    write_video(networks.base / "input" / "filmed.mp4", [portrait] * (NUM_FRAMES * 2), 50.0, short)
    return networks


def small(prompt):
    """The graph at a size and a number of steps that a CPU can do."""
    for node in prompt.values():
        if "full_strength" in node["inputs"]:
            node["inputs"].update(width=64, height=64)
        if "steps" in node["inputs"]:
            node["inputs"]["steps"] = 2
    return with_loaders(prompt, audio="short.wav")


def run(server, prompt, num_frames=NUM_FRAMES, size_px=64):
    outputs = [output for output in server.run(prompt).values() if "images" in output]
    (output,) = (output for output in outputs if output["images"][0]["type"] == "output")  # others show on their nodes
    frames, seconds, sound_seconds = decoded(video_of(server, output))
    assert len(frames) == num_frames
    assert frames[0].shape == (size_px, size_px, 3)
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


def pictures(server, prompt):
    """The frames of a graph that ends in Decode Video, [T, H, W, 3] uint8, as pictures.

    Core's encoder gives unequal files of equal pictures of 64 x 64 px.
    """
    (decoder,) = (number for number, node in prompt.items() if node["class_type"] == "MMGT_DecodeVideo")
    saver = {"class_type": "SaveImage", "inputs": {"images": [decoder, 0], "filename_prefix": "p"}}
    rest = {number: node for number, node in prompt.items() if node["class_type"] != "SaveVideo"}
    files = server.run({**rest, "pictures": saver})["pictures"]["images"]
    return np.stack([read_picture(server.base / f["type"] / f["subfolder"] / f["filename"]) for f in files])


def test_the_seed_decides(inputs):
    prompt = small(prompt_of(inputs, "audio_to_video"))
    (sampler,) = nodes_of(prompt, "MMGT_MMHAAVideoSampler")
    shown = []
    for seed in (5, 6, 5):
        sampler["seed"] = seed
        shown.append(pictures(inputs, prompt).astype(float))
    first, other, again = shown
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).mean() > 1


def test_masks_go_through_core_nodes(inputs):
    """Masks that a core node leaves as they are change nothing; grown ones, and hands in a branch, do."""
    prompt = small(prompt_of(inputs, "audio_to_video"))
    (sampler,) = nodes_of(prompt, "MMGT_MMHAAVideoSampler")
    first = pictures(inputs, prompt).astype(float)
    grown = {"mask": sampler["lips"], "expand": 0, "tapered_corners": True}
    prompt["grown"] = {"class_type": "GrowMask", "inputs": grown}
    sampler["lips"] = ["grown", 0]
    np.testing.assert_array_equal(pictures(inputs, prompt), first)
    grown["expand"] = 100
    assert np.abs(pictures(inputs, prompt) - first).mean() > 0.01
    grown["expand"] = 0
    background = [sampler["face"][0], 3]  # the portrait shows no hands
    sampler["hands"], sampler["hands_branch"] = background, "face"
    assert np.abs(pictures(inputs, prompt) - first).mean() > 0.01


def test_pose_video_to_video(inputs):
    """A filmed person, 30 frames at 50 a second: 15 frames at 25, fitted to the person of the photo."""
    prompt = small(prompt_of(inputs, "pose_video_to_video"))
    saving_poses(prompt, "MMGT_EditPoses", "fitted", region="whole person")
    saving_poses(prompt, "MMGT_EditPoses", "calmed", region="hands")
    outputs = inputs.run(prompt)
    poses, calmed = saved_poses(outputs, "fitted"), saved_poses(outputs, "calmed")
    assert torch.equal(calmed.keypoints[:, :92], poses.keypoints[:, :92])
    assert (poses.num_frames, poses.fps) == (NUM_FRAMES, 25)
    assert (poses.pixels[:, BODY] - load_poses(ASTRONAUT_POSE).pixels[:, BODY]).abs().max() < 5.12  # 1 % of the photo
    assert "the person was found in 30 of 30 frames" in str(outputs)
    run(inputs, prompt)


def lip_shapes(poses):
    """[T, 20] lip points as complex numbers without place, size and turn."""
    lips = torch.view_as_complex(poses.pixels[:, LIPS].contiguous())
    lips = lips - lips.mean(dim=1, keepdim=True)
    corners = lips[:, [6]] - lips[:, [0]]
    return (lips / corners).numpy()


def test_pose_body_audio_lips(inputs):
    """The body is the filmed one to the last bit; the lips have SMGA's shapes, and others with other speech."""
    prompt = small(prompt_of(inputs, "body_from_video_lips_from_audio"))
    for node, title in (
        ("MMGT_EditPoses", "body"),
        ("MMGT_SMGAAudio2PoseSampler", "speaking"),
        ("MMGT_CombinePoses", "both"),
    ):
        saving_poses(prompt, node, title)
    (combine,) = nodes_of(prompt, "MMGT_CombinePoses")
    combine["rest_in_silence"] = 0.0
    outputs = inputs.run(prompt)
    body, speaking, both = (saved_poses(outputs, title) for title in ("body", "speaking", "both"))
    assert both.num_frames == NUM_FRAMES
    np.testing.assert_array_equal(both.keypoints[:, BODY], body.keypoints[:, BODY])
    np.testing.assert_allclose(lip_shapes(both), lip_shapes(speaking), atol=1e-2)
    assert np.abs(np.diff(lip_shapes(both), axis=0)).max() > 0.1  # they move; the filmed person's do not
    for key, node in prompt.items():
        if node["class_type"] == "SaveVideo":
            frames, seconds, sound_seconds = decoded(video_of(inputs, outputs[key]))
            assert len(frames) == NUM_FRAMES
            assert abs(seconds - sound_seconds) <= 1 / 25
    for loader in nodes_of(prompt, "LoadAudio"):
        loader["audio"] = "other.wav"
    prompt = {key: node for key, node in prompt.items() if node["class_type"] != "SaveVideo"}  # the poses will do
    other = saved_poses(inputs.run(prompt), "both")
    np.testing.assert_array_equal(other.keypoints[:, BODY], body.keypoints[:, BODY])
    assert np.abs(lip_shapes(other) - lip_shapes(both)).max() > 0.1


def test_poses_for_other_packs(inputs):
    """An SMGA that hears WavLM; the pictures are OpenPose's of the saved poses, pixel by pixel."""
    prompt = small(prompt_of(inputs, "poses_for_other_packs"))
    (key,) = (key for key, node in prompt.items() if node["class_type"] == "MMGT_DrawPoses")
    prompt["pictures"] = {"class_type": "SaveImage", "inputs": {"images": [key, 0], "filename_prefix": "openpose"}}
    outputs = inputs.run(prompt)
    (keep,) = (key for key, node in prompt.items() if node["class_type"] == "MMGT_SavePoses")
    poses = saved_poses(outputs, keep)
    assert len(outputs["pictures"]["images"]) == poses.num_frames == NUM_FRAMES
    for saved, drawn in zip(
        outputs["pictures"]["images"], draw_poses(poses, 512, 512, style=OPENPOSE_STYLE), strict=True
    ):
        np.testing.assert_array_equal(read_picture(inputs.base / "output" / saved["filename"]), drawn)


def test_swap_sampler_and_scheduler(inputs):
    prompt = small(prompt_of(inputs, "swap_sampler_and_scheduler"))
    first = run(inputs, prompt)
    (chosen,) = nodes_of(prompt, "KSamplerSelect")
    chosen["sampler_name"] = "euler"
    assert np.abs(run(inputs, prompt) - first).mean() > 0.1


def test_a_second_pass_refines_the_enlarged_latent(inputs):
    prompt = small(prompt_of(inputs, "audio_to_video_second_pass"))
    (refined,) = (given for given in nodes_of(prompt, "MMGT_MMHAAVideoSampler") if "latent" in given)
    assert refined["denoise"] == 0.5
    for sampler in nodes_of(prompt, "MMGT_MMHAAVideoSampler"):
        sampler.update(width=128, height=128)
    refined.update(width=192, height=192)  # both are whole canvases: multiples of 64 px
    run(inputs, prompt, size_px=192)


def test_upscaled_with_another_enlarger_in_the_place_of_the_model(inputs):
    """No upscale model is at hand: core's Upscale Image By stands for it."""
    prompt = without(small(prompt_of(inputs, "audio_to_video_upscaled")), "UpscaleModelLoader")
    (enlarger,) = (node for node in prompt.values() if node["class_type"] == "ImageUpscaleWithModel")
    enlarger["class_type"] = "ImageScaleBy"
    enlarger["inputs"].update(upscale_method="lanczos", scale_by=2.0)
    run(inputs, prompt, size_px=128)
    marks = read_marks(
        max((inputs.base / "output" / "video").glob("mmgt_large*"), key=lambda path: path.stat().st_mtime)
    )
    assert marks.source_uri.endswith("/compositeWithTrainedAlgorithmicMedia")
    checksums = {network["name"].rpartition(": ")[2]: network["sha256"] for network in marks.record["networks"]}
    assert {"mmhaa", "smga", "wav2vec2", "vae_name", "clip_name"} <= checksums.keys()
    checkpoint = inputs.base / "models" / "mmgt" / nodes_of(prompt, "MMGT_LoadMMHAAModel")[0]["mmhaa"]
    assert checksums["mmhaa"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()


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
        ("MMGT_LoadAudioEncoder", {"wav2vec2": "none: hand-crafted features only"}, "encoded without wav2vec2"),
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

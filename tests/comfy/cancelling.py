"""Runs in ComfyUI's own process and interpreter: how often each long node looks whether the user has cancelled.

`python cancelling.py COMFYUI REPOSITORY SMGA COMFYUI_ARGUMENTS...` prints one JSON object: node -> the looks of a whole
run, how many steps the run has, the error of a run that is cancelled at its middle look, and that run's looks.
``test_cancel.py`` calls it and checks the facts.
"""

import json
import sys
from pathlib import Path

COMFYUI, REPOSITORY, SMGA, *arguments = sys.argv[1:]
sys.argv = [sys.argv[0], *arguments]
sys.path[:0] = [COMFYUI]

import comfy.options

comfy.options.enable_args_parsing()

import comfy.model_management as management
import torch
from load_pack import load_pack

load_pack(REPOSITORY)

from mmgt_pack.mmgt.assets import ASTRONAUT, ASTRONAUT_POSE, SPEECH
from mmgt_pack.mmgt.detect.find import find_detector
from mmgt_pack.mmgt.media import read_picture, read_recording
from mmgt_pack.mmgt.pose_files import load_poses
from mmgt_pack.mmgt.preview import bands
from mmgt_pack.mmgt.smga.load import load_smga
from mmgt_pack.nodes import audio, host, mask, pose, pose_video, smga, tensors, video
from small_parts import SmallVAE

torch.set_num_threads(1)  # tiny tensors
NUM_FRAMES, NUM_STEPS = 6, 4
photo = tensors.image(read_picture(ASTRONAUT)[None])
still = load_poses(ASTRONAUT_POSE)
poses = still.at([0] * NUM_FRAMES)
speech = tensors.audio(read_recording(SPEECH))
features = audio.EncodeSpeech.execute(audio=speech).args[0]
margins = dict.fromkeys(("face_margin", "lips_margin", "hands_margin"), 0.0)
warp = {"image": photo, "poses": poses, "initial_pose": still}
filmed = {
    "detector": find_detector(lambda folder: [Path(folder)]),
    "frames": photo.expand(NUM_FRAMES, -1, -1, -1),
    "fps": 25.0,
}
sampling = {"seed": 0, "steps": NUM_STEPS, "guidance": 2.0, "candidates": 1, "window_overlap": 20, "eta": 1.0}
sampling |= {"solver": "ddim", "spacing": "linspace", "close_lips": True}
latent = {"latent": {"samples": torch.zeros(NUM_FRAMES, 4, 8, 8)}, "vae": SmallVAE(), "fps": 25.0}
network = host.managed(load_smga(Path(SMGA), ops=host.OPERATIONS, dtype=None))


class ReadPhoto:
    """What every node with a photo begins with."""

    execute = staticmethod(tensors.picture)


NODES = {
    "a large photo that is read": (ReadPhoto, 16, {"image": photo}),
    "Preview Motion": (video.PreviewMotion, NUM_FRAMES, {**warp, "long_side": 256}),
    "Preview Motion of a large photo": (video.PreviewMotion, NUM_FRAMES, {**warp, "long_side": 0}),
    "DWPose Pose Video": (
        pose_video.DWPosePoseVideo,
        NUM_FRAMES,
        {**filmed, "person": "largest", "person_index": 0, "max_gap": 0.5, "smoothing": 1.0},
    ),
    "Draw Poses": (pose.DrawPoses, NUM_FRAMES, {"poses": poses, "width": 64, "height": 64, "style": "MM-HAA"}),
    "Motion Mask Builder": (
        mask.MotionMaskBuilder,
        NUM_FRAMES,
        {"poses": poses, "width": 64, "height": 64, "hold_frames": 0, **margins},
    ),
    "SMGA Audio2Pose Sampler": (
        smga.SMGAAudio2PoseSampler,
        NUM_STEPS,
        {"smga": network, "speech": features, "initial_pose": still, **sampling},
    ),
    "Decode Video": (video.DecodeVideo, NUM_FRAMES // video.DECODE_FRAMES, latent),
    "Decode Video to File": (
        video.DecodeVideoToFile,
        NUM_FRAMES // video.DECODE_FRAMES,
        {**latent, "codec": "h264", "filename_prefix": "cancelled"},
    ),
}
asked = management.throw_exception_if_processing_interrupted


def looks_of(node, given, cancelled_at=None):
    """How often a node looks whether it is cancelled, and what it ends in."""
    looks = []

    def looked():
        looks.append(1)
        if len(looks) == cancelled_at:
            management.interrupt_current_processing()
        asked()

    management.throw_exception_if_processing_interrupted = looked
    try:
        node.execute(**given)
    except BaseException as error:  # the tests read which; core's interrupt is no Exception since 0.20
        return len(looks), type(error).__name__
    finally:
        management.throw_exception_if_processing_interrupted = asked
    return len(looks), "no error"


facts: dict = {}
with torch.inference_mode():
    for name, (node, num_steps, given) in NODES.items():
        bands.BAND_PX = 2**14 if "large" in name else 2**20  # 16 bands of 512 x 512 px
        whole, ended = looks_of(node, given)
        assert ended == "no error", (name, ended)
        middle = max(1, whole // 2)
        facts[name] = [whole, num_steps, *reversed(looks_of(node, given, middle)), middle]
print(json.dumps(facts))

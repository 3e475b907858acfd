"""Runs in ComfyUI's own process and interpreter: every node, given values that graphs bring and that mean nothing.

`python wrong_values.py COMFYUI REPOSITORY CHECKPOINT COMFYUI_ARGUMENTS...` prints one JSON object: case -> the error's
type and words, or "no error". ``test_wrong_values.py`` calls it and checks the sentences.
"""

import json
import sys
from pathlib import Path

COMFYUI, REPOSITORY, CHECKPOINT, *arguments = sys.argv[1:]
sys.argv = [sys.argv[0], *arguments]
sys.path[:0] = [COMFYUI]

import comfy.options

comfy.options.enable_args_parsing()

import torch
from load_pack import load_pack

load_pack(REPOSITORY)

from mmgt_pack.mmgt.assets import ASTRONAUT, ASTRONAUT_POSE, SPEECH
from mmgt_pack.mmgt.detect.find import find_detector
from mmgt_pack.mmgt.media import read_picture, read_recording
from mmgt_pack.mmgt.pose_files import load_poses
from mmgt_pack.mmgt.speech.features import SpeechFeatures
from mmgt_pack.nodes import audio, host, mask, mmhaa, pose, pose_edit, pose_video, tensors, video
from small_parts import SmallClip, SmallVAE

NUM_FRAMES = 8
photo = tensors.image(read_picture(ASTRONAUT)[None])
still = load_poses(ASTRONAUT_POSE)
poses = still.at([0] * NUM_FRAMES)
speech = tensors.audio(read_recording(SPEECH))
detector = find_detector(lambda folder: [Path(folder)])


def said(node, **given):
    """What a node says to these values."""
    try:
        node.execute(**given)
    except Exception as error:  # the tests read which
        return f"{type(error).__name__}: {error}"
    return "no error"


PICTURES = {  # what an IMAGE may be
    "grey": photo[..., :1],
    "RGBA": torch.cat([photo, photo[..., :1]], dim=-1),
    "two channels": photo[..., :2],
    "NaN": photo * float("nan"),
    "no picture": photo[:0],
    "None": None,
    "seven": photo[:, :7, :7],
}
SOUNDS = {
    "None": None,
    "no samples": {**speech, "waveform": speech["waveform"][..., :0]},
    "no waveform": {**speech, "waveform": None},
    "NaN": {**speech, "waveform": speech["waveform"] * float("nan")},
}
stage_2 = host.load_photo_and_video_model(Path(CHECKPOINT), "fp32")
vae, clip = SmallVAE(), SmallClip()
latent = {"samples": torch.zeros(2, 4, 8, 8)}


def features(num_frames):
    nothing = torch.zeros(num_frames, 12, 768)
    return SpeechFeatures(torch.zeros(num_frames, 35), nothing, num_frames, 25.0, torch.ones(num_frames))


def detect(**given):
    return said(
        pose.DWPoseInitialPose,
        **{"detector": detector, "image": photo, "person": "largest", "person_index": 0, **given},
    )


def film(**given):
    settings = {"fps": 25.0, "person": "largest", "person_index": 0, "max_gap": 0.5, "smoothing": 1.0}
    return said(pose_video.DWPosePoseVideo, **{"detector": detector, "frames": photo, **settings, **given})


def masks(**given):
    margins = dict.fromkeys(("face_margin", "lips_margin", "hands_margin"), 0.0)
    return said(
        mask.MotionMaskBuilder, **{"poses": poses, "width": 0, "height": 64, "hold_frames": 0, **margins, **given}
    )


def preview(**given):
    return said(
        video.PreviewMotion, **{"image": photo, "poses": poses, "initial_pose": still, "long_side": 64, **given}
    )


def rhythm(**given):
    amplitudes = dict.fromkeys(("body", "head", "hands", "face", "lips"), 1.0)
    return said(pose.RhythmAudio2Pose, **{"audio": speech, "initial_pose": still, "seed": 0, **amplitudes, **given})


def combine(**given):
    sources = {"body": "A", "hands": "A", "face": "B", "lips": "B", "weight": 1.0, "fade": 0.0, "rest_in_silence": 1.0}
    return said(pose_edit.CombinePoses, **{"poses_a": poses, "poses_b": poses, **sources, **given})


def sample(**given):
    sizes = {"width": 64, "height": 64, "full_strength": 1.0, "face_strength": 1.0, "lips_strength": 2.0}
    options = {"window": 8, "overlap": 2, "looped": False, "guidance_start": 0.0, "guidance_end": 1.0, "reuse_every": 1}
    settings = {"seed": 3, "steps": 1, "cfg": 1.0, "sampler_name": "ddim", "scheduler": host.TRAILING, "denoise": 1.0}
    parts = {"model": stage_2, "vae": vae, "clip_vision": clip, "image": photo, "poses": poses}
    return said(mmhaa.MMHAAVideoSampler, **{**parts, **settings, **sizes, **options, **given})


def decode(**given):
    return said(video.DecodeVideo, **{"latent": latent, "vae": vae, "fps": 25.0, **given})


def to_file(**given):
    more = {"codec": "h264", "filename_prefix": "wrong"}
    return said(video.DecodeVideoToFile, **{"latent": latent, "vae": vae, "fps": 25.0, **more, **given})


def encode(**given):
    return said(audio.EncodeSpeech, **{"audio": speech, **given})


def halves(height, width):
    return (torch.arange(width) > width // 2).float().expand(1, height, width)


ones = torch.ones(NUM_FRAMES, 64, 64)
facts = {
    "nothing wrong": {
        "detect": detect(),
        "film": film(),
        "masks": masks(),
        "preview": preview(),
        "rhythm": rhythm(),
        "combine": combine(),
        "sample": sample(),
        "decode": decode(),
        "to file": to_file(),
        "encode": encode(),
    },
    "image": {
        name: {
            "detect": detect(image=image),
            "film": film(frames=image),
            "masks": masks(image=image),
            "preview": preview(image=image),
            "sample": sample(image=image),
            "pose pictures": sample(poses=None, pose_pictures=image),
        }
        for name, image in PICTURES.items()
    },
    "sound": {
        name: {
            "encode": encode(audio=sound),
            "vocals": encode(vocals=sound),
            "rhythm": rhythm(audio=sound),
            "combine": combine(speech=sound),
            "preview": preview(audio=sound),
            "decode": decode(audio=sound),
            "to file": to_file(audio=sound),
        }
        for name, sound in SOUNDS.items()
    },
    "size": {
        "masks": masks(width=7, height=7),
        "drawn": said(pose.DrawPoses, poses=poses, width=7, height=7),
        "preview": preview(long_side=7),
        "sample": sample(width=7, height=7),
        "second pass": sample(latent={"samples": torch.zeros(NUM_FRAMES, 4, 12, 12)}, denoise=0.5),
        "second pass in whole canvases": sample(latent={"samples": torch.zeros(NUM_FRAMES, 4, 16, 16)}, denoise=0.5),
        "speech of another wav2vec2": sample(speech=features(NUM_FRAMES)),
    },
    "length": {
        "one frame of poses": sample(poses=still, speech=features(8)),
        "one frame of poses, preview": preview(poses=still, audio=speech),
        "pictures of other poses": sample(pose_pictures=photo.repeat(3, 1, 1, 1)),
        "three masks": sample(face=ones[:3]),
        "three masks of pictures": sample(poses=None, pose_pictures=photo.repeat(8, 1, 1, 1), face=ones, lips=ones[:3]),
        "no masks": sample(face=ones[:0]),
    },
    "shape": {
        "mask of another aspect": sample(face=halves(33, 77)),
        "mask of another size": sample(face=halves(128, 128)),
        "even mask of another aspect": sample(face=torch.ones(1, 33, 77)),
        "mask without frames": sample(face=torch.ones(64, 64)),
        "NaN mask": sample(face=ones * float("nan")),
        "person mask of another aspect": preview(person_mask=torch.ones(1, 33, 77)),
        "person mask of another size": preview(person_mask=torch.ones(1, 64, 64)),
        "image of another aspect": masks(image=photo[:, :300]),
        "photo of another aspect": preview(image=photo[:, :300]),
    },
    "use": {
        "hands": sample(hands=ones),
        "hands heard": sample(hands=ones, hands_branch="face", speech=None),
        "denoise": sample(denoise=0.5),
    },
}
print(json.dumps(facts))

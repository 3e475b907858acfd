"""The node of the paper's ablations: one photo, one speech and one seed, the video made anew without one part each."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io

from ..mmgt.errors import InputError
from ..mmgt.evaluation.ablation import (
    FULL,
    NO_AUDIO,
    NO_MASK,
    POSE_DRIVEN,
    STILL_MASK,
    VARIANTS,
    ablation_markdown,
    beside,
)
from ..mmgt.evaluation.networks import NO_NETWORKS
from ..mmgt.evaluation.summary import Clip, summary_json
from ..mmgt.evaluation.video import HeldFrames, Report, evaluate_video
from ..mmgt.mmhaa.drive import STRENGTHS
from ..mmgt.mmhaa.masks import AUTHORS_INFERENCE, MASK_SETS
from ..mmgt.mmhaa.sample import VideoOptions
from ..mmgt.poses import POSE_FPS
from ..mmgt.provenance import digest
from . import host, sockets, tensors
from .evaluation import Batch, evaluation_networks, networks_input, state_of_networks
from .mmhaa import MMHAAVideoSampler, sampled
from .video import decoded


class Ablations(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        of_sampler = {given.id: given for given in MMHAAVideoSampler.define_schema().inputs}
        return host.schema(
            search_aliases=["ablation study", "compare videos", "motion mask", "metrics", "without audio"],
            node_id="MMGT_Ablations",
            display_name="MMGT Ablations",
            category="MMGT/evaluation",
            hidden=host.HIDDEN,
            description="The paper's ablations: from one photo, one speech and one seed the video as it is (full), "
            "without motion masks, with still masks, without audio, and along other poses; side by side, with numbers "
            "as of MMGT Evaluate. Samples four or five videos.",
            inputs=[
                *(of_sampler[name] for name in ("model", "vae", "image")),
                sockets.poses_input("poses", "How the person moves in all variants but pose-driven."),
                sockets.Speech.Input("speech", tooltip="From Encode Speech; all but 'no audio' hear it."),
                io.Audio.Input("audio", tooltip="The speech itself: the video's sound, beats and lips."),
                of_sampler["clip_vision"],
                sockets.poses_input(
                    "driving_poses",
                    "How a real person moved who said the same: pose-driven, and errors of the motion. Not connected: "
                    "pose-driven is left out.",
                    optional=True,
                ),
                io.Image.Input(
                    "reference",
                    optional=True,
                    tooltip="The real video at 25 frames a second. Not connected: all others are compared with full.",
                ),
                *(of_sampler[name] for name in ("seed", "steps", "cfg", "preset", "width", "height")),
                io.Combo.Input(
                    "masks",
                    options=list(MASK_SETS),
                    default=AUTHORS_INFERENCE,
                    tooltip="The three branches' masks of full, still mask, no audio and pose-driven.",
                ),
                networks_input(),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="All variants in rows of three, each under its name."),
                io.Video.Output(display_name="video", tooltip="The same with the speech, for Save Video."),
                io.String.Output(display_name="text", tooltip="A table with a column for each, as Markdown."),
                io.String.Output(display_name="json", tooltip="The same for programs, with all definitions."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, networks=True, **_):
        return state_of_networks(networks)

    @classmethod
    def execute(
        cls,
        model,
        vae,
        image,
        poses,
        speech,
        audio,
        seed,
        preset,
        networks,
        clip_vision=None,
        driving_poses=None,
        reference=None,
        **settings,
    ) -> io.NodeOutput:
        track, sound = tensors.poses(poses), tensors.recording(audio)
        driving = None if driving_poses is None else tensors.poses(driving_poses)
        if track.num_frames == 1:
            raise InputError("there is one frame of poses; connect a pose sequence, not the initial pose.")
        loaded = evaluation_networks() if networks else NO_NETWORKS
        changes: dict[str, dict[str, Any]] = {
            FULL: {},
            NO_MASK: {"mask_motion": "none"},
            STILL_MASK: {"mask_motion": "still"},
            NO_AUDIO: {"speech": None},
        }
        if driving is not None:
            changes[POSE_DRIVEN] = {"poses": driving}
        usual = {"vae": vae, "image": image, "poses": track, "speech": speech, "clip_vision": clip_vision}
        usual |= dict(zip(("full_strength", "face_strength", "lips_strength"), STRENGTHS, strict=True))
        usual |= asdict(VideoOptions()) | settings
        videos: dict[str, HeldFrames] = {}
        reports: dict[str, Report] = {}
        for name, change in changes.items():
            latent = sampled(model, seed=seed, preset=preset, **(usual | change))
            chunks = [(chunk.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy() for chunk in decoded(vae, latent)]
            videos[name] = HeldFrames(np.concatenate(chunks))
            against = Batch(reference, POSE_FPS) if reference is not None else None
            reports[name] = evaluate_video(
                videos[name],
                reference=against or (videos[FULL] if name != FULL else None),
                recording=sound,
                poses=driving if name == POSE_DRIVEN and driving is not None else track,
                reference_poses=driving,
                photo=tensors.picture(image),
                networks=loaded,
                progress=host.progress(),
            )
        clips = [Clip(name, report.rows, tuple(report.alarms.values())) for name, report in reports.items()]
        text = ablation_markdown(clips, reference is None, [name for name in VARIANTS if name not in changes])
        num_frames = min(video.num_frames for video in videos.values())
        images = tensors.image_batch(
            (beside({name: video([t])[0] for name, video in videos.items()}) for t in range(num_frames)), num_frames
        )
        made = host.how_video_was_made(cls, digest(*(video.frames for video in videos.values()), audio))
        video = tensors.video(images, POSE_FPS, audio, made)
        return io.NodeOutput(images, video, text, summary_json(clips, {}), ui=host.words(text))


NODES = [Ablations]

"""The node that measures a video: likeness to a reference, background, motion, beats, lips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from comfy_api.latest import io
from torch import Tensor

from ..mmgt.errors import InputError
from ..mmgt.evaluation.networks import NO_NETWORKS, Networks, computes_all, load_networks, network_files
from ..mmgt.poses import POSE_FPS
from ..mmgt.weights.catalog import EVALUATION_FOLDER
from . import host, sockets, tensors

NETWORK_MEMORY_BYTES = 1 << 30  # what I3D takes beside its weights for 16 frames

NUMBERS = {  # output -> the row of the report, whose name may go on with the size, and what it is
    "ssim": ("SSIM whole", "Structural likeness to the reference, whole frame, -1..1; higher is better."),
    "psnr": ("PSNR whole", "Likeness to the reference in dB, whole frame; higher is better."),
    "lip_correlation": ("lip correlation", "How well the mouth opens with the voice, -1..1; higher is better."),
    "lip_lag": ("lip lag", "By how many frames the lips come late (below 0: early); 0 is best."),
    "beat_alignment": ("beat alignment (BAS)", "How near the motion's beats lie to the sound's, 0..1; higher is "
                       "better."),
    "background_flicker": ("background flicker", "How much what surrounds the person trembles, levels of 255; lower "
                           "is better."),
    "largest_jump": ("largest jump", "How many times as much one frame changes as its neighbours; 1 is best."),
}  # fmt: skip


class Evaluate(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["metrics", "SSIM", "PSNR", "quality", "lip sync score", "beat alignment", "compare videos"],
            node_id="MMGT_Evaluate",
            display_name="MMGT Evaluate",
            category="MMGT/evaluation",
            description="Numbers of a video: likeness to a reference, stillness of the background, motion, beats, lips "
            "against speech, without weights; LPIPS, FID, FVD, KVD, LSE-D, LSE-C and FGD through files in "
            "models/mmgt_eval, where they are. Compare settings and seeds by them.",
            is_output_node=True,
            inputs=[
                io.Image.Input("image", tooltip="The video's frames. Behind Decode Video, Preview Motion, any batch."),
                io.Image.Input(
                    "reference",
                    optional=True,
                    tooltip="The real video of the same moments, or the same made with other settings: SSIM, PSNR. "
                    "Another size is resized; of another length both are compared up to the shorter's end.",
                ),
                sockets.poses_input(
                    "poses",
                    "How the person moves in image: regions, background, motion, beats, lips.",
                    optional=True,
                ),
                sockets.poses_input(
                    "reference_poses", "How the person should move: errors of the motion.", optional=True
                ),
                io.Audio.Input("audio", optional=True, tooltip="The speech: beats, lips; how long it lasts."),
                io.Image.Input(
                    "photo",
                    optional=True,
                    tooltip="What the background should stay like; without it, as in the first frame. Needs poses.",
                ),
                io.Float.Input(
                    "fps",
                    default=POSE_FPS,
                    min=1.0,
                    max=240.0,
                    step=0.001,
                    tooltip="Frames per second of image and reference. Everything is measured at 25.",
                ),
                networks_input(),
            ],
            outputs=[
                io.String.Output(display_name="text", tooltip="The table: value, unit, which way is good, meaning."),
                io.Image.Output(
                    display_name="plots",
                    tooltip="Errors over time, speed against speech with beats, motion heat map, worst frames: those "
                    "that the inputs allow.",
                ),
                io.String.Output(display_name="json", tooltip="The same for programs, with all definitions."),
                *(
                    io.Float.Output(display_name=name, tooltip=f"{meaning} NaN where its inputs are missing.")
                    for name, (_, meaning) in NUMBERS.items()
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, networks=True, **_):
        return state_of_networks(networks)

    @classmethod
    def execute(
        cls, image, fps, reference=None, poses=None, reference_poses=None, audio=None, photo=None, networks=True
    ) -> io.NodeOutput:
        from ..mmgt.evaluation.pictures import report_pictures, sheet
        from ..mmgt.evaluation.report import report_json, report_text
        from ..mmgt.evaluation.video import evaluate_video

        report = evaluate_video(
            Batch(image, fps),
            reference=None if reference is None else Batch(reference, fps),
            recording=None if audio is None else tensors.recording(audio),
            poses=None if poses is None else tensors.poses(poses),
            reference_poses=None if reference_poses is None else tensors.poses(reference_poses),
            photo=None if photo is None else tensors.picture(photo),
            networks=evaluation_networks() if networks else NO_NETWORKS,
            progress=host.progress(),
        )
        pages = sheet(report_pictures(report))
        plots = tensors.image(np.stack(pages)) if pages else torch.ones(1, 64, 64, 3)
        text = report_text(report)
        values = [
            next((row.value for row in report.rows if row.name.startswith(start)), math.nan)
            for start, _ in NUMBERS.values()
        ]
        return io.NodeOutput(text, plots, report_json(report, {}), *map(float, values), ui=host.words(text))


def networks_input() -> io.Boolean.Input:
    return io.Boolean.Input(
        "networks",
        default=True,
        optional=True,
        tooltip="Measure through the files in models/mmgt_eval, too, where they are: LPIPS, FID, FVD, KVD (with a "
        "reference), LSE-D, LSE-C (with poses and audio), FGD (with reference poses). On the GPU; without one about a "
        "minute for 3 s of video.",
    )


def _network_files() -> dict[str, Path]:
    return network_files(map(Path, host.models_named(EVALUATION_FOLDER)))


def state_of_networks(wanted: bool) -> str:
    """Changes when a file of the networks comes, goes or is replaced, for ``fingerprint_inputs``."""
    stats = {path: path.stat() for path in _network_files().values()} if wanted else {}
    return "; ".join(f"{path} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats.items())


def evaluation_networks() -> Networks:
    """Those whose files lie in models/mmgt_eval, on ComfyUI's device for now."""
    loaded = load_networks(_network_files())
    patcher = host.managed(loaded.modules)
    if not len(loaded.modules) or not computes_all(patcher.load_device):
        return loaded
    _, device = host.on_device(patcher, NETWORK_MEMORY_BYTES)
    return replace(loaded, device=device)


class Batch:
    """An IMAGE batch as ``evaluate_video`` reads frames: at 25 a second, one by one."""

    def __init__(self, images: Tensor, fps: float) -> None:
        if not isinstance(images, Tensor) or len(images) == 0:
            raise InputError("there are no frames to measure; connect an IMAGE batch, such as Decode Video's.")
        self.images, self.fps = images, fps
        self.num_frames = max(1, round(len(images) * POSE_FPS / fps))

    def __call__(self, frames: Sequence[int]) -> list[np.ndarray]:
        found = (min(int((t + 0.5) * self.fps / POSE_FPS), len(self.images) - 1) for t in frames)
        return [tensors.picture(self.images[idx : idx + 1]) for idx in found]


NODES = [Evaluate]

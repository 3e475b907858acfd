"""Measurements behind ``mmgt bench``: seconds of CPU time and memory, never part of a test."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from .poses import POSE_FPS


def machine() -> dict[str, Any]:
    return {
        "machine": _cpu_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def peak_rss_mib() -> float:
    """Largest resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def interleaved(first: Callable[[], object], second: Callable[[], object], num_runs: int) -> tuple[float, float]:
    """Least CPU seconds of each over ``num_runs`` runs in turn, after one warm-up of each."""
    first(), second()
    pairs = [(cpu_seconds(first), cpu_seconds(second)) for _ in range(num_runs)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


def bench_smga(num_runs: int = 3, num_steps: int = 50) -> dict[str, Any]:
    """SMGA at the paper's size, random weights, 80 frames: our guided sampler against plain batch-1 forwards.

    cpu_s: ``num_steps`` guided steps as ``sample_track`` takes them. plain_cpu_s: 2 x num_steps forwards, which is
    what the authors spend. ratio: the first over the second.
    """
    from .smga.config import SMGAConfig
    from .smga.model import SMGA
    from .smga.sample import SamplerSettings, sample_track, seeded_noise

    config = SMGAConfig()
    model = SMGA(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5, generator=generator)
    features = torch.randn(config.num_frames, config.audio_channels, generator=generator)
    initial = torch.rand(config.num_channels, generator=generator) - 0.5
    x = torch.randn(1, config.num_frames, config.num_channels, generator=generator)

    @torch.inference_mode()
    def plain() -> None:
        for step_idx in range(num_steps):
            for drop in (False, True):
                model(x, initial[None], features[None], torch.tensor([step_idx]), drop=drop)

    def guided() -> None:
        noise = seeded_noise(0, config.num_frames, config.num_channels)
        sample_track(model, features, initial, noise, SamplerSettings(num_steps))

    cpu_s, plain_cpu_s = interleaved(guided, plain, num_runs)
    return {
        "bench": "smga",
        "num_steps": num_steps,
        "num_frames": config.num_frames,
        "ratio": round(cpu_s / plain_cpu_s, 4),
        "cpu_s": round(cpu_s, 3),
        "plain_cpu_s": round(plain_cpu_s, 3),
        "video_s": config.num_frames / POSE_FPS,
        "peak_rss_mib": peak_rss_mib(),
        **machine(),
    }


def bench_preview(num_runs: int = 3, num_frames: int = 50) -> dict[str, Any]:
    """The preview warp of the demo's portrait (512 x 512) driven by its speech: CPU milliseconds a frame.

    Run it with one thread (`OMP_NUM_THREADS=1`) on one core to compare with the project's limit of 45 ms.
    """
    import cv2
    from skimage.data import astronaut

    from .assets import ASTRONAUT_POSE, SPEECH
    from .media import read_recording
    from .poses import load_poses
    from .rhythm import rhythm_poses
    from .warp import prepare_preview, preview_motion

    cv2.setNumThreads(1)
    picture, initial_pose = astronaut(), load_poses(ASTRONAUT_POSE)
    poses = rhythm_poses(read_recording(SPEECH), initial_pose, seed=0).frames(0, num_frames)

    def render() -> None:
        for _ in preview_motion(picture, initial_pose, poses):
            pass

    def prepare() -> None:
        prepare_preview(picture, initial_pose)

    render_s, prepare_s = interleaved(render, prepare, num_runs)
    return {
        "bench": "preview",
        "cpu_ms_per_frame": round((render_s - prepare_s) / num_frames * 1000, 2),
        "prepare_cpu_s": round(prepare_s, 3),
        "cpu_s": round(render_s, 3),
        "num_frames": num_frames,
        "height_px": picture.shape[0],
        "width_px": picture.shape[1],
        "peak_rss_mib": peak_rss_mib(),
        **machine(),
    }


BENCHES: dict[str, Callable[..., dict[str, Any]]] = {"smga": bench_smga, "preview": bench_preview}

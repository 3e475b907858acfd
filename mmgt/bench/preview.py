"""``mmgt bench preview``: what a frame of the preview costs."""

from __future__ import annotations

from typing import Any

from ..assets import ASTRONAUT, ASTRONAUT_POSE, SPEECH
from ..media import read_picture, read_recording
from ..pose_files import load_poses
from ..preview import prepare_preview, preview_motion
from ..rhythm import rhythm_poses
from .measure import interleaved, machine, peak_rss_mib


def bench_preview(num_runs: int = 3, num_frames: int = 50) -> dict[str, Any]:
    """The preview warp of the demo's portrait (512 x 512) driven by its speech: CPU milliseconds a frame.

    Run it with one thread (`OMP_NUM_THREADS=1`) on one core to compare with the project's limit of 45 ms.
    """
    import cv2

    cv2.setNumThreads(1)
    picture, initial_pose = read_picture(ASTRONAUT), load_poses(ASTRONAUT_POSE)
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

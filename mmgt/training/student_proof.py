"""What a student keeps of its teacher: both make people whom training never saw, from one noise, beside the truth.

Plain distillation loses sharpness, lips, movement and colours; each has a number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import mean

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from ..evaluation.report import table
from ..mmhaa.network import MMHAA
from ..mmhaa.presets import Preset
from .video_proof import Judge, sampled, unseen_clips
from .video_set import VideoSet

SHOWN = 6  # frames of a clip in a sheet


def _attention_flop(queries: torch.Size, keys: torch.Size, values: torch.Size, *_: object, **__: object) -> int:
    return sdpa_flop_count(queries, keys, values)


# What torch's counter leaves out: attention on a CPU.
MORE_FLOP = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_flop}


@dataclass(frozen=True)
class StudentNumbers:
    """One way to sample; means over the clips.

    psnr_db, face_db, lips_db: to the truth. mouth: correlation of the mouth's opening with the truth's, -1..1.
    colour: how far the video's mean is from the truth's in the worst channel, levels of 255. energy: mean squared
    difference of neighbouring frames, levels of 255 squared; less than the truth's is freezing. tflop: of both
    networks for all clips, without the VAE.
    """

    psnr_db: float
    face_db: float
    lips_db: float
    mouth: float
    colour: float
    energy: float
    tflop: float


def prove_student(
    ways: Mapping[str, tuple[MMHAA, Preset]],
    videos: VideoSet,
    num_clips: int = 8,
    num_frames: int = 24,
    seed: int = 0,
    device: torch.device = torch.device("cpu"),
    progress: Callable[[int, int], None] | None = None,
    show: Callable[[Sequence[Sequence[np.ndarray]]], None] | None = None,
) -> dict[str, StudentNumbers]:
    """Held-out clips as ``prove_video`` takes them, by each way's networks on ``device`` and preset; the truth first.

    show: takes a clip's rows of frames [H, W, 3] uint8, the truth's and each way's. Same arguments, same numbers.
    """
    found: dict[str, list[StudentNumbers]] = {}
    clips = unseen_clips(videos, num_clips, num_frames, seed)
    for idx, clip in enumerate(clips):
        judge = Judge.of(videos, clip)
        videos.latents(clip.entry, slice(0, 1), clip.person)  # kept, so that no way has to make them
        made, tflop = {"truth": judge.truth}, {"truth": 0.0}
        for name, (networks, preset) in ways.items():
            with FlopCounterMode(display=False, custom_mapping=MORE_FLOP) as counter:
                latents = sampled(networks, videos, clip, preset, seed + idx, device)
            made[name], tflop[name] = videos.coder.decode(latents), counter.get_total_flops() / 1e12
        for name, frames in made.items():
            found.setdefault(name, []).append(_numbers(judge, frames, tflop[name]))
        if show is not None:
            shown = np.linspace(0, num_frames - 1, min(SHOWN, num_frames)).round().astype(int)
            show([list(frames[shown]) for frames in made.values()])
        if progress is not None:
            progress(idx + 1, len(clips))
    return {name: _mean(numbers) for name, numbers in found.items()}


def _numbers(judge: Judge, frames: np.ndarray, tflop: float) -> StudentNumbers:
    found, moved = judge.numbers("", frames), np.diff(frames.astype(np.float32), axis=0)
    wrong = frames.mean(axis=(0, 1, 2)) - judge.truth.mean(axis=(0, 1, 2))
    energy = float(np.square(moved).mean()) if len(moved) else 0.0
    whole, face, lips, *_ = found.likeness
    return StudentNumbers(whole, face, lips, found.mouth, float(np.abs(wrong).max()), energy, tflop)


def _mean(clips: Sequence[StudentNumbers]) -> StudentNumbers:
    columns = {name: [asdict(clip)[name] for clip in clips] for name in asdict(clips[0])}
    seen = {name: [value for value in column if not np.isnan(value)] for name, column in columns.items()}
    means = {name: mean(column) if column else float("nan") for name, column in seen.items()}
    return StudentNumbers(**{**means, "tflop": sum(columns["tflop"])})


def student_table(rows: Mapping[str, StudentNumbers], num_clips: int) -> str:
    """A Markdown table."""
    head = [
        f"{num_clips} held-out clips, to the truth", "PSNR whole", "PSNR face", "PSNR lips",
        "mouth with the truth's (higher)", "mean colour, of 255 (lower)", "energy of frame differences", "TFLOP",
    ]  # fmt: skip
    cells = [
        [name, *(f"{v:.2f}" for v in (row.psnr_db, row.face_db, row.lips_db)), f"{row.mouth:.3f}", f"{row.colour:.2f}",
         f"{row.energy:.1f}", f"{row.tflop:.3f}"]
        for name, row in rows.items()
    ]  # fmt: skip
    return "\n".join(table(head, cells))

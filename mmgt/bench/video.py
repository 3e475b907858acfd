"""``mmgt bench video``: what a whole video of stage II costs, counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..mmhaa.presets import PRESETS
from .video_cost import FullSize, video_flop

AUTHORS_VIDEO_TFLOP = 10_730  # of their denoising calls for 80 frames at 512 x 512 px


def bench_video(
    num_runs: int = 0, latent: int = 64, num_frames: int = 80, preset: str = "fast", count: bool = True
) -> dict[str, Any]:
    """FLOP of a whole video by stage II, from the photo to the decoded frames.

    Counted on ``meta`` whatever ``num_runs`` and ``count`` say: nothing is timed.

    tflop: of the preset, and of each of its parts; tiny_decoder_tflop: with a decoder in TAESD's
    layout. alone_tflop: of the authors' preset with only one thing of this one.
    """
    full_size, authors, chosen = FullSize(latent), PRESETS["authors"], PRESETS[preset]

    def option(**values: Any) -> Any:
        return replace(authors, options=replace(authors.options, **values))

    theirs = chosen.options
    alone = {
        "none": authors,
        "steps": replace(authors, scheduler=chosen.scheduler, num_steps=chosen.num_steps),
        "guidance interval": option(guidance_start=theirs.guidance_start, guidance_end=theirs.guidance_end),
        "feature reuse": option(reuse_every=theirs.reuse_every),
        "windows": option(window=theirs.window, overlap=theirs.overlap, looped=theirs.looped),
    }

    def tflop(preset: Any) -> float:
        return round(sum(video_flop(full_size, preset, num_frames).values()) / 1e12, 1)

    parts = video_flop(full_size, chosen, num_frames)
    tiny = sum(parts.values()) - parts["VAE, frames"] + full_size.tiny_decoding(num_frames)
    return {
        "bench": "video",
        "preset": preset,
        "latent": latent,
        "num_frames": num_frames,
        "tflop": tflop(chosen),
        "tiny_decoder_tflop": round(tiny / 1e12, 1),
        "share_of_authors": round(tflop(chosen) / AUTHORS_VIDEO_TFLOP, 4) if (latent, num_frames) == (64, 80) else None,
        "parts_tflop": {name: round(cost / 1e12, 3) for name, cost in parts.items()},
        "alone_tflop": {name: tflop(variant) for name, variant in alone.items()},
    }

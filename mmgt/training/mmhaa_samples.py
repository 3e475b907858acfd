"""What stage II makes of held-out clips, as a picture to look at during a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..media import contact_sheet, write_png
from ..mmhaa.network import MMHAA
from ..mmhaa.sample import DDIM, Video, VideoOptions, VideoRun, sample_latents, share_noise
from .clips import ClipEntry
from .video_set import VideoSet

SAMPLE_STEPS = 20
FRAMES_SHOWN = 8


def sample_window(
    networks: MMHAA,
    videos: VideoSet,
    entry: ClipEntry,
    photo_frame: int,
    start: int,
    num_frames: int,
    device: torch.device,
    num_steps: int,
    guidance: float = 1.0,
    seed: int = 0,
    shared_noise: float = 0.0,
) -> Tensor:
    """Latents [F, 4, h, w] of a clip's frames, sampled from noise with a frame of the clip as the photo."""
    network = networks.video_network
    drive = videos.drive(entry, with_speech=hasattr(network, "audioproj")).between(start, start + num_frames)
    photo = slice(photo_frame, photo_frame + 1)
    latents, token = videos.latents(entry, photo), videos.tokens(entry, photo)
    seen = networks.read_photo(latents.to(device), token.to(device))
    options = VideoOptions(window=num_frames, overlap=min(4, num_frames - 1))
    noise = torch.randn(num_frames, *latents.shape[1:], generator=torch.Generator().manual_seed(seed))
    noise = share_noise(noise, shared_noise)
    run = VideoRun(network, Video(seen, drive, options))
    return sample_latents(run, noise.to(device), DDIM(num_steps, networks.parametrisation), guidance).cpu()


def write_samples(
    path: Path,
    networks: MMHAA,
    videos: VideoSet,
    chosen: Sequence[tuple[ClipEntry, int, int]],
    num_frames: int,
    device: torch.device,
    num_steps: int | None = None,
    shared_noise: float = 0.0,
) -> None:
    """Draw clips' frames, the truth above and the sample below. chosen: clips, photo frames and first frames.
    num_steps: of sampling, ``SAMPLE_STEPS`` if None.

    Of pictures there is one column for each clip, of videos a pair of rows for each of the first two.
    """
    pairs = []
    for entry, photo_frame, start in chosen if num_frames == 1 else chosen[:2]:
        sampled = sample_window(
            networks, videos, entry, photo_frame, start, num_frames, device, num_steps or SAMPLE_STEPS,
            shared_noise=shared_noise,
        )  # fmt: skip
        shown = np.linspace(0, num_frames - 1, min(FRAMES_SHOWN, num_frames)).round().astype(int)
        truth = videos.filmed(videos.clips, entry, [start + int(i) for i in shown], videos.side_px)
        pairs.append((list(truth), list(videos.coder.decode(sampled[shown].to(device)))))
    if num_frames == 1:
        pairs = [([truth[0] for truth, _ in pairs], [sample[0] for _, sample in pairs])]
    rows = [row for pair in pairs for row in pair]
    write_sheet(path, rows)


def write_sheet(path: Path, rows: Sequence[Sequence[np.ndarray]]) -> None:
    """Write rows of equally large [H, W, 3] uint8 pictures as one, over an earlier one of a killed run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    write_png(path, contact_sheet([tile for row in rows for tile in row], len(rows[0])))

"""What a refinement mends on people whom training never drew, in poses that it never saw: Preview Motion with and
without it, and the photo held still, each against the person drawn in those poses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import repeat

import numpy as np
import torch

from ..preview import preview_motion
from ..preview.refinement import Refiner
from ..preview.refinement_network import Refinement
from ..world import random_identity
from .clip_pictures import drawn_pictures
from .clips import ClipSet
from .video_proof import UNSEEN_PEOPLE, Judge, VideoNumbers, mean_of


def prove_refinement(
    network: Refinement,
    clips: ClipSet,
    num_clips: int = 20,
    num_frames: int = 16,
    seed: int = 0,
    device: torch.device = torch.device("cpu"),
    progress: Callable[[int, int], None] | None = None,
) -> list[VideoNumbers]:
    """Held-out clips with a person each; the photo is the clip's first frame. Same arguments, same numbers.

    num_frames: of each clip, spread evenly. Raises InputError for a set without held-out clips.
    """
    side_px, rows = network.config.side_px, dict[str, list[VideoNumbers]]()
    entries = clips.drawn_split("test")[:num_clips]
    for idx, entry in enumerate(entries):
        person = UNSEEN_PEOPLE + seed + idx
        frames = np.linspace(0, entry.num_frames - 1, min(num_frames, entry.num_frames)).round().astype(int).tolist()
        photo, *truth = drawn_pictures(clips, entry, [0, *frames], side_px, person)
        poses = clips.poses(entry).sized(side_px, side_px)
        initial_pose, shown = poses.frames(0, 1), poses.at(frames)
        judge = Judge(random_identity(person), photo, np.stack(truth), shown)
        refine = Refiner.of(network, photo, initial_pose, shown, device)
        ways: dict[str, Iterable[np.ndarray]] = {
            "Preview Motion": preview_motion(photo, initial_pose, shown),
            "Preview Motion, refined": preview_motion(photo, initial_pose, shown, refine=refine),
            "photo held still": repeat(photo),
        }
        for name, made in ways.items():
            rows.setdefault(name, []).append(judge.numbers(name, made))
        if progress is not None:
            progress(idx + 1, len(entries))
    return [mean_of(numbers) for numbers in rows.values()]

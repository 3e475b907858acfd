"""Whether Contextual Gesture has learned: retrieval, reconstruction, and poses for speech that it never heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import mean

import numpy as np
import torch
from torch import Tensor

from ..contextual_gesture.config import PARTS
from ..contextual_gesture.model import ContextualGesture
from ..contextual_gesture.motion import POINTS, MotionFrame
from ..contextual_gesture.sample import GestureSettings, check_features, sample_gestures
from ..errors import InputError
from ..evaluation.pose_autoencoder import PoseAutoencoder, latents_of
from ..evaluation.poses import frechet_distance
from ..poses import PoseSequence
from .clips import ClipEntry, ClipSet
from .gesture_alignment import NUM_FRAMES, Retrieval, retrieval
from .gesture_windows import GestureWindows
from .proofs import motion_numbers

SIDE_PX = 256  # of the picture that errors are told on
FGD_STRIDE = 10  # frames between windows
TRUTH, OURS, SHUFFLED = "truth", "Contextual Gesture", "Contextual Gesture, another clip's speech"
LOWEST, MEAN, HELD = "Contextual Gesture, layer 0 alone", "mean pose of the training set", "first pose held"
MEAN_CLIPS = 100  # that the mean pose is of


@dataclass(frozen=True)
class GestureRow:
    """Means over the clips: lips with loudness -1..1, beats 0..1, deviation of the wrists in px of the picture; and the
    Frechet distance of all windows' latents to the truth's (None without an auto-encoder)."""

    name: str
    lip_correlation: float
    beat_alignment: float
    moved_px: float
    fgd: float | None


@dataclass(frozen=True)
class ComparedGestures:
    """retrieval: of held-out windows. reconstruction_px: mean distance of modelled points after encoding and decoding
    held-out clips, on a 256 px picture, by the number of layers decoded. rows: ways from speech to poses."""

    num_clips: int
    retrieval: Retrieval
    reconstruction_px: dict[int, float]
    rows: list[GestureRow]


def compare_gestures(
    network: ContextualGesture,
    clips: ClipSet,
    num_clips: int = 50,
    settings: GestureSettings = GestureSettings(),
    seed: int = 0,
    autoencoder: PoseAutoencoder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ComparedGestures:
    """Held-out clips, each from its first pose: the truth, the network (also for another clip's speech, and without the
    residual layers), the training set's mean pose, the first pose held. num_clips: 2 or more.
    """
    entries = clips.of_split("test")[:num_clips]
    if len(entries) < 2:
        raise InputError(f"{clips.folder} has {len(entries)} held-out clips, but 2 or more are compared; add clips.")
    check_features(network, clips.features(entries[0]))
    numbers: dict[str, list[tuple[float, float, float]]] = {}
    latents: dict[str, list[np.ndarray]] = {}
    errors: dict[int, list[float]] = {}
    mean_motion = _mean_motion(clips)
    for idx, entry in enumerate(entries):
        truth, features = clips.poses(entry), clips.features(entry)
        first = truth.frames(0, 1)
        elsewhere = clips.features(entries[(idx + 1) % len(entries)])
        shuffled = elsewhere[torch.arange(len(features)) % len(elsewhere)]
        style = network.style(entry.speaker if entry.speaker in network.speakers else "")
        sampled = partial(sample_gestures, network, initial_pose=first, seed=seed + idx, settings=settings, style=style)
        ways = {
            TRUTH: truth,
            OURS: sampled(features),
            SHUFFLED: sampled(shuffled),
            LOWEST: sampled(features, with_residual=False),
            MEAN: MotionFrame(first).poses({part: mean_motion[part].expand(len(features), -1) for part in PARTS}),
            HELD: first.at([0] * truth.num_frames),
        }
        for name, poses in ways.items():
            lips, _lag, beats, moved_px = motion_numbers(poses, features)
            numbers.setdefault(name, []).append((lips, beats, moved_px))
            if autoencoder is not None:
                latents.setdefault(name, []).append(latents_of(autoencoder, poses, FGD_STRIDE))
        for layers, error_px in reconstruction_px(network, truth).items():
            errors.setdefault(layers, []).append(error_px)
        if progress is not None:
            progress(idx + 1, len(entries))
    rows = []
    for name, of_clips in numbers.items():
        fgd = None
        if autoencoder is not None:
            fgd = frechet_distance(np.concatenate(latents[name]), np.concatenate(latents[TRUTH]))
        lips, beats, moved = (mean(column) for column in zip(*of_clips, strict=True))
        rows.append(GestureRow(name, lips, beats, moved, fgd))
    found = retrieval(network.alignment, GestureWindows(clips, "test", NUM_FRAMES), seed=seed)
    return ComparedGestures(len(entries), found, {layers: mean(each) for layers, each in errors.items()}, rows)


@torch.no_grad()
def reconstruction_px(network: ContextualGesture, truth: PoseSequence) -> dict[int, float]:
    """Mean distance, on a 256 px picture, of the visible modelled points from the truth after tokens of the first layer
    alone, and of all layers."""
    frame = MotionFrame(truth.frames(0, 1))
    motion = frame.motion(truth)
    tokens = {part: network.tokenizer(part).encode(motion[part][None]) for part in PARTS}
    points = [*POINTS["face"], *POINTS["body"]]
    seen = truth.visible[:, points] & truth.visible[:1, points]
    scale = SIDE_PX / min(truth.height_px, truth.width_px)
    found = {}
    for layers in (1, network.config.tokens.num_layers):
        made = frame.poses({part: network.tokenizer(part).decode(tokens[part][..., :layers])[0] for part in PARTS})
        distance_px = (made.pixels - truth.pixels)[:, points].norm(dim=-1) * scale
        found[layers] = float(distance_px[seen].mean())
    return found


def _mean_motion(clips: ClipSet) -> dict[str, Tensor]:
    """[1, C] of each part: the training set's mean."""
    entries: list[ClipEntry] = (clips.of_split("train") or clips.entries)[:MEAN_CLIPS]
    motions = []
    for entry in entries:
        poses = clips.poses(entry)
        motions.append(MotionFrame(poses.frames(0, 1)).motion(poses))
    return {part: torch.cat([motion[part] for motion in motions]).mean(dim=0, keepdim=True) for part in PARTS}


def gestures_tables(compared: ComparedGestures) -> str:
    """Markdown; what is better is said in the headings."""
    found = compared.retrieval
    lines = [
        f"| speech found for a gesture among {found.batch} (higher) | {' | '.join(f'R@{k}' for k in found.recall)} |",
        f"|---|{'---|' * len(found.recall)}",
        f"| ours | {' | '.join(f'{share:.1%}' for share in found.recall.values())} |",
        f"| chance | {' | '.join(f'{min(k / found.batch, 1):.1%}' for k in found.recall)} |",
        "",
        f"| tokens of held-out clips, decoded (lower) | px of {SIDE_PX} |",
        "|---|---|",
        *(f"| {layers} layer{'s' * (layers > 1)} | {px:.2f} |" for layers, px in compared.reconstruction_px.items()),
        "",
        f"| {compared.num_clips} held-out clips | lips with loudness (higher) | beats (higher) | FGD (lower) "
        "| wrists move, px |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.name} | {row.lip_correlation:.3f} | {row.beat_alignment:.3f} "
        f"| {'-' if row.fgd is None else f'{row.fgd:.2f}'} | {row.moved_px:.1f} |"
        for row in compared.rows
    ]
    return "\n".join(lines)

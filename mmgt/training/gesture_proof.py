"""Whether Contextual Gesture has learned: retrieval, reconstruction, and poses for speech that it never heard."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from statistics import mean

import numpy as np
import torch
from torch import Tensor

from ..contextual_gesture.alignment import Alignment
from ..contextual_gesture.config import PARTS
from ..contextual_gesture.model import ContextualGesture
from ..contextual_gesture.motion import POINTS, MotionFrame
from ..contextual_gesture.sample import GestureSettings, check_features, sample_gestures
from ..evaluation.pose_autoencoder import PoseAutoencoder
from ..poses import PoseSequence
from .clips import ClipEntry, ClipSet
from .gesture_alignment import NUM_FRAMES, Retrieval, retrieval
from .gesture_windows import GestureWindows
from .proofs import STRIDE, Compared, HeldOutClip, compare_ways, comparison_table, fgd_latents, held_out

SIDE_PX = 256  # of the picture that errors are told on
OURS, SHUFFLED = "Contextual Gesture", "Contextual Gesture, another clip's speech"
OUT_OF_ORDER = "Contextual Gesture, its speech's frames shuffled"
ALIGNED, WITH_SPEECH = "FGD, aligned", "FGD with speech"
LOWEST, MEAN = "Contextual Gesture, layer 0 alone", "mean pose of the training set"
MEAN_CLIPS = 100  # that the mean pose is of


@dataclass(frozen=True)
class ComparedGestures:
    """retrieval: of held-out windows. reconstruction_px: mean distance of modelled points after encoding and decoding
    held-out clips, on a 256 px picture, by the number of layers decoded. rows: ways from speech to poses."""

    num_clips: int
    retrieval: Retrieval
    reconstruction_px: dict[int, float]
    rows: list[Compared]


def compare_gestures(
    network: ContextualGesture,
    clips: ClipSet,
    num_clips: int = 50,
    settings: GestureSettings = GestureSettings(),
    seed: int = 0,
    autoencoder: PoseAutoencoder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ComparedGestures:
    """Held-out clips, each from its first pose: the truth, the network (also for another clip's speech, for its own
    with the frames shuffled, and without the residual layers), the training set's mean pose, the first pose held.

    num_clips: 2 or more. FGD, aligned: through the towers of gestures, as FID in text-to-motion (Guo et al. 2022); the
    auto-encoder's 32 numbers hardly see a mouth. FGD with speech: of gestures beside the clip's own speech, the Frechet
    joint distance (DeVries et al. 2019). Without the speech, gestures as a whole are compared with gestures as a whole,
    which another clip's speech, as a whole no other speech, cannot change.
    """
    entries = held_out(clips, num_clips)
    check_features(network, clips.features(entries[0]))
    errors: dict[int, list[float]] = {}
    mean_motion = _mean_motion(clips)

    def ways(idx: int, clip: HeldOutClip) -> Iterable[tuple[str, PoseSequence]]:
        first, num_frames = clip.first, len(clip.features)
        style = network.style(clip.entry.speaker if clip.entry.speaker in network.speakers else "")
        sampled = partial(sample_gestures, network, initial_pose=first, seed=seed + idx, settings=settings, style=style)
        yield OURS, sampled(clip.features)
        yield SHUFFLED, sampled(clip.shuffled)
        order = torch.randperm(num_frames, generator=torch.Generator("cpu").manual_seed(seed + idx))
        yield OUT_OF_ORDER, sampled(clip.features[order])
        yield LOWEST, sampled(clip.features, with_residual=False)
        yield MEAN, MotionFrame(first).poses({part: mean_motion[part].expand(num_frames, -1) for part in PARTS})
        for layers, error_px in reconstruction_px(network, clip.truth).items():
            errors.setdefault(layers, []).append(error_px)

    def latents(poses: PoseSequence, features: Tensor) -> dict[str, np.ndarray]:
        both = aligned_latents(network.alignment, poses, features)
        gestures = both[:, : both.shape[1] // 2]
        return {**fgd_latents(autoencoder, poses), ALIGNED: gestures, WITH_SPEECH: both}

    rows = compare_ways(clips, entries, ways, latents, progress)
    found = retrieval(network.alignment, GestureWindows(clips, "test", NUM_FRAMES), seed=seed)
    return ComparedGestures(len(entries), found, {layers: mean(each) for layers, each in errors.items()}, rows)


@torch.no_grad()
def aligned_latents(alignment: Alignment, poses: PoseSequence, features: Tensor) -> np.ndarray:
    """[N, 4 D] float64 of windows of 80 frames in the aligned space: gestures of both parts, then speech for both, each
    of length 1.

    features [T, audio_channels]: of the speech that the poses should belong to.
    """
    motion = MotionFrame(poses.frames(0, 1)).motion(poses)
    starts = range(0, len(features) - NUM_FRAMES + 1, STRIDE)
    if not starts:
        return np.empty((0, 2 * len(PARTS) * alignment.config.width))

    def windows(frames: Tensor) -> Tensor:
        return torch.stack([frames[start : start + NUM_FRAMES] for start in starts])

    gestures = alignment.embed_motion({part: windows(motion[part]) for part in PARTS})
    speech = alignment.embed_speech(windows(features))
    return torch.cat([*gestures.values(), *speech.values()], dim=1).double().numpy()


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
        comparison_table(compared.rows, compared.num_clips),
    ]
    return "\n".join(lines)

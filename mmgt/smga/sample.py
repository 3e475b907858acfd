"""Speech features and an initial pose -> a pose sequence of any length (paper sections III-B and IV-A).

Long speech is one diffusion process over overlapping 80-frame windows: at every DDIM step the windows' predictions
are blended into one track, so that overlaps agree before the next step (joint out-painting). There is no seam to
hide afterwards. ``reference.py`` holds the authors' slice-by-slice loop.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..diffusion import SPACINGS, cosine_alpha_bar, ddim, dpmpp_2m, spaced_times
from ..errors import InputError, check_choice
from ..motion_edit.keep import KeptTrack
from ..poses import PoseSequence
from ..poses.lips import close_lips_in_silence
from ..poses.vector import TrainingFrame
from ..speech.features import NUM_HANDCRAFTED
from ..windows import blend_weights, blend_windows, cut_windows, window_starts
from .model import SMGA, Conditions, SpeechTokens

logger = logging.getLogger("mmgt")

SOLVERS = ("ddim", "dpmpp_2m")
MAX_OVERLAP = 60  # frames: a window of 80 moves on by at least 20


@dataclass(frozen=True)
class SamplerSettings:
    """How SMGA is sampled; the defaults are the authors', except that windows overlap.

    num_steps: of the solver. guidance: 1 = none, 2 = the authors'. eta: 1 = ancestral noise (the authors'), 0 = none;
    only DDIM has it. overlap: frames that neighbouring windows share, 1..60. solver, spacing: which of ``SOLVERS``
    goes along which of ``SPACINGS``' timesteps.
    """

    num_steps: int = 50
    guidance: float = 2.0
    eta: float = 1.0
    overlap: int = 20
    solver: str = "ddim"
    spacing: str = "linspace"

    def __post_init__(self) -> None:
        if not 1 <= self.num_steps <= 1000 or not 1 <= self.overlap <= MAX_OVERLAP or not 0 <= self.eta <= 1:
            raise InputError(
                f"SMGA cannot be sampled with {self}; steps must be 1..1000, the overlap 1..{MAX_OVERLAP} frames and "
                "eta 0..1. The defaults are 50, 20 and 1."
            )
        if not math.isfinite(self.guidance):
            raise InputError(f"SMGA's guidance is {self.guidance}; give a number (the authors take 2, 1 is none).")
        check_choice("SMGA's solver", self.solver, SOLVERS)
        check_choice("SMGA's spacing", self.spacing, SPACINGS)

    @property
    def times(self) -> list[int]:
        return spaced_times(self.num_steps, self.spacing)


# Windows that pass the network together. Their speech keys, values and FiLM vectors (26 MB a window at full size) are
# kept over all steps; with more windows than this they are made anew in each step, so that memory stays flat.
_WINDOWS_AT_ONCE = 8

Noise = Callable[[int], Tensor]


def seeded_noise(seed: int, *shape: int) -> Noise:
    """Draws of unit normal noise from one CPU generator: the same on every device. Called for i = 0, 1, 2, ..."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return lambda draw_idx: torch.randn(*shape, generator=generator)


class GuidedWindows:
    """SMGA with classifier-free guidance over the windows of one recording.

    features: [N, 80, audio_channels] on the device to compute on.
    """

    def __init__(self, model: SMGA, features: Tensor, settings: SamplerSettings) -> None:
        self.model, self.guidance = model, settings.guidance
        self.timesteps = torch.tensor(settings.times[:-1], device=features.device)
        self.batches = [self._without_and_with_speech(batch) for batch in features.split(_WINDOWS_AT_ONCE)]
        self.kept = self._conditions(self.batches[0], self.timesteps) if len(self.batches) == 1 else None

    def _without_and_with_speech(self, features: Tensor) -> SpeechTokens:
        speech = self.model.encode_speech(features)
        null = self.model.without_speech(speech)
        return SpeechTokens(
            torch.stack([null.tokens, speech.tokens], dim=1),  # [N, 2, L, D]
            torch.stack([null.summary, speech.summary], dim=1),
        )  # [N, 2, D]

    def _conditions(self, speech: SpeechTokens, timesteps: Tensor) -> Conditions:
        return self.model.conditions(speech, timesteps[:, None, None])

    def __call__(self, x: Tensor, initial_poses: Tensor, step_idx: int) -> Tensor:
        """x [N, 80, 402], initial_poses [N, 402] -> x0 [N, 80, 402], clamped to -1..1 after guidance."""
        if self.kept is not None:
            return self.model.guided(x, initial_poses, self.kept.at(step_idx), self.guidance).clamp(-1, 1)
        step = self.timesteps[step_idx : step_idx + 1]
        return torch.cat(
            [
                self.model.guided(some_x, some_poses, self._conditions(speech, step).at(0), self.guidance).clamp(-1, 1)
                for some_x, some_poses, speech in zip(
                    x.split(_WINDOWS_AT_ONCE), initial_poses.split(_WINDOWS_AT_ONCE), self.batches, strict=True
                )
            ]
        )


def check_features(model: SMGA, features: Tensor) -> None:
    """Raise InputError unless features are [T, audio_channels] of this model."""
    wanted = model.config.audio_channels
    given = features.shape[1] if features.ndim == 2 else None
    if given == wanted:
        return
    if wanted <= NUM_HANDCRAFTED:
        advice = "it was trained without WavLM: choose no WavLM file in Load Audio Encoder"
    elif given == NUM_HANDCRAFTED:
        advice = (
            "it was trained with WavLM: load a WavLM file in Load Audio Encoder, or use Rhythm Audio2Pose, which "
            "needs no weights"
        )
    else:
        advice = (
            f"it was trained with an encoder that gives {wanted - NUM_HANDCRAFTED}: load that one in Load Audio "
            "Encoder (WavLM-Large gives 1024)"
        )
    raise InputError(
        f"this SMGA reads {wanted} speech features per frame, but {list(features.shape)[1:]} were given; {advice}."
    )


@torch.inference_mode()
def sample_poses(
    model: SMGA,
    features: Tensor,
    initial_pose: PoseSequence,
    *,
    seed: int,
    speaking: Tensor | None = None,
    settings: SamplerSettings = SamplerSettings(),
    kept: KeptTrack | None = None,
    progress: Callable[[int, int], None] | None = None,
    device: torch.device | None = None,
) -> PoseSequence:
    """Sample poses for the whole recording.

    features: [T, audio_channels] float32 at 25 fps. initial_pose: one frame; its score decides what is visible.
    speaking: [T] of ``SpeechFeatures``; lips close where it is 0 (None: they stay as they are sampled).
    kept: what stays of a given track (``motion_edit.keep.kept_track``); the rest is made to fit to it.
    progress(step, num_steps) after each DDIM step. device: where to compute (default: where the model is).
    Returns T frames at 25 fps on the initial pose's picture. Same inputs and seed, same poses.
    """
    check_features(model, features)
    frame = TrainingFrame(initial_pose)
    noise = seeded_noise(seed, len(features), model.config.num_channels)
    start_s = time.perf_counter()
    replaced = None if kept is None else kept.in_vectors(frame)
    vectors = sample_track(model, features, frame.condition(), noise, settings, progress, device, replaced)
    seconds = time.perf_counter() - start_s
    logger.info(
        "SMGA on %s, %s: %d frames, %d steps, %.3f s a step, %.1f frames a second",
        device or model.null_tokens.device,
        model.null_tokens.dtype,
        len(vectors),
        settings.num_steps,
        seconds / settings.num_steps,
        len(vectors) / seconds,
    )
    poses = frame.poses(vectors)
    poses = poses if speaking is None else close_lips_in_silence(poses, speaking)
    return poses if kept is None else kept.laid_over(poses)


def sample_track(
    model: SMGA,
    features: Tensor,
    initial_vector: Tensor,
    noise: Noise,
    settings: SamplerSettings = SamplerSettings(),
    progress: Callable[[int, int], None] | None = None,
    device: torch.device | None = None,
    replaced: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """The joint sampler on pose vectors: features [T, C], initial_vector [402], noise draws [T, 402] -> [T, 402].

    A window that starts later than frame 0 takes the current track at its first frame as its initial pose, which is
    what the network was trained to continue (or at the frame before it: ``SMGAConfig.target_offset``). replaced: x0
    [T, 402] -> x0 with what is kept, after every step.
    """
    device = device or model.null_tokens.device
    num_frames, length = len(features), model.config.num_frames
    starts = window_starts(num_frames, length, settings.overlap)
    weights = blend_weights(starts, length, num_frames).to(device)
    windows = GuidedWindows(model, cut_windows(features.to(device), starts, length), settings)
    initial_poses = initial_vector.to(device).repeat(len(starts), 1)  # [N, 402]

    def denoise(x: Tensor, step_idx: int) -> Tensor:
        x0 = windows(cut_windows(x, starts, length), initial_poses, step_idx)
        track = blend_windows(x0, starts, weights, num_frames)
        if replaced is not None:
            track = replaced(track)
        initial_poses[1:] = track[[start - model.config.target_offset for start in starts[1:]]]
        return track

    def draw(draw_idx: int) -> Tensor:
        return noise(draw_idx).to(device)

    alpha_bar = cosine_alpha_bar().to(device)
    if settings.solver == "dpmpp_2m":
        return dpmpp_2m(denoise, draw, settings.times, alpha_bar, progress).float().cpu()
    return ddim(denoise, draw, settings.times, settings.eta, alpha_bar, progress).float().cpu()

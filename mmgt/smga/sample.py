"""Speech features and an initial pose -> a pose sequence of any length (paper sections III-B and IV-A).

Long speech is one diffusion process over overlapping 80-frame windows: at every DDIM step the windows' predictions
are blended into one track, so that overlaps agree before the next step (joint out-painting). There is no seam to
hide afterwards. ``reference.py`` holds the authors' slice-by-slice loop.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ..diffusion import cosine_alpha_bar, ddim, ddim_times
from ..errors import InputError
from ..poses import PoseSequence
from ..windows import blend_weights, blend_windows, cut_windows, window_starts
from .model import SMGA, Conditions, SpeechTokens
from .pose_vector import NUM_CHANNELS, TrainingFrame

NUM_STEPS = 50
GUIDANCE = 2.0
ETA = 1.0  # stochastic DDIM, as the authors sample
WINDOW_OVERLAP = 20  # frames, a quarter of a window

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

    model: on its device. features [N, 80, audio_channels]. num_steps: DDIM steps.
    """

    def __init__(self, model: SMGA, features: Tensor, num_steps: int, guidance: float) -> None:
        self.model, self.guidance = model, guidance
        self.timesteps = torch.tensor(ddim_times(num_steps)[:-1], device=features.device)
        self.batches = [self._with_and_without_speech(batch) for batch in features.split(_WINDOWS_AT_ONCE)]
        self.kept = self._listen(self.batches[0], self.timesteps) if len(self.batches) == 1 else None

    def _with_and_without_speech(self, features: Tensor) -> SpeechTokens:
        speech = self.model.encode_speech(features)
        null = self.model.without_speech(speech)
        return SpeechTokens(
            torch.stack([speech.tokens, null.tokens], dim=1),  # [N, 2, L, D]
            torch.stack([speech.summary, null.summary], dim=1),
        )  # [N, 2, D]

    def _listen(self, speech: SpeechTokens, timesteps: Tensor) -> Conditions:
        return self.model.listen(speech, timesteps[:, None, None])

    def __call__(self, x: Tensor, initial_poses: Tensor, step_idx: int) -> Tensor:
        """x [N, 80, 402], initial_poses [N, 402] -> x0 [N, 80, 402], clamped to -1..1 after guidance."""
        if self.kept is not None:
            return self.model.guided(x, initial_poses, self.kept.at(step_idx), self.guidance).clamp(-1, 1)
        step = self.timesteps[step_idx : step_idx + 1]
        return torch.cat(
            [
                self.model.guided(some_x, some_poses, self._listen(speech, step).at(0), self.guidance).clamp(-1, 1)
                for some_x, some_poses, speech in zip(
                    x.split(_WINDOWS_AT_ONCE), initial_poses.split(_WINDOWS_AT_ONCE), self.batches, strict=True
                )
            ]
        )


def check_features(model: SMGA, features: Tensor) -> None:
    """Raise InputError unless features are [T, audio_channels] of this model."""
    wanted = model.config.audio_channels
    if features.ndim != 2 or features.shape[1] != wanted:
        advice = (
            "it was trained with WavLM: load a WavLM file in Load Audio Encoder, or use Rhythm Audio2Pose, which "
            "needs no weights"
            if wanted > 35
            else "use the hand-crafted features only"
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
    num_steps: int = NUM_STEPS,
    guidance: float = GUIDANCE,
    eta: float = ETA,
    overlap: int = WINDOW_OVERLAP,
    progress: Callable[[int, int], None] | None = None,
) -> PoseSequence:
    """Sample poses for the whole recording.

    features: [T, audio_channels] float32 at 25 fps. initial_pose: one frame; its score decides what is visible.
    overlap: frames shared by neighbouring windows, 1..60. progress(step, num_steps) after each DDIM step.
    Returns T frames at 25 fps on the initial pose's picture. Same inputs and seed, same poses.
    """
    check_features(model, features)
    frame = TrainingFrame(initial_pose)
    noise = seeded_noise(seed, len(features), model.config.num_channels)
    vectors = sample_track(
        model,
        features,
        frame.condition(),
        noise,
        num_steps=num_steps,
        guidance=guidance,
        eta=eta,
        overlap=overlap,
        progress=progress,
    )
    return frame.poses(vectors)


def sample_track(
    model: SMGA,
    features: Tensor,
    initial_vector: Tensor,
    noise: Noise,
    *,
    num_steps: int = NUM_STEPS,
    guidance: float = GUIDANCE,
    eta: float = ETA,
    overlap: int = WINDOW_OVERLAP,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """The joint sampler on pose vectors: features [T, C], initial_vector [402], noise draws [T, 402] -> [T, 402].

    A window that starts later than frame 0 takes the current track at its first frame as its initial pose, which is
    what the network was trained to continue.
    """
    num_frames, length = len(features), model.config.num_frames
    if not 1 <= overlap <= length - 20:
        raise InputError(f"the window overlap is {overlap} frames; it must be 1..{length - 20}. 20 is a good value.")
    device = model.null_tokens.device
    starts = window_starts(num_frames, length, overlap)
    weights = blend_weights(starts, length, num_frames).to(device)
    windows = GuidedWindows(model, cut_windows(features.to(device), starts, length), num_steps, guidance)
    initial_poses = initial_vector.to(device).repeat(len(starts), 1)  # [N, 402]

    def denoise(x: Tensor, step_idx: int) -> Tensor:
        x0 = windows(cut_windows(x, starts, length), initial_poses, step_idx)
        track = blend_windows(x0, starts, weights, num_frames)
        initial_poses[1:] = track[starts[1:]]
        return track

    vectors = ddim(
        denoise, lambda draw_idx: noise(draw_idx).to(device), num_steps, eta, cosine_alpha_bar().to(device), progress
    )
    return vectors.float().cpu()


def sample_slice(
    model: SMGA,
    features: Tensor,
    initial_vector: Tensor,
    noise: Noise,
    *,
    num_steps: int = NUM_STEPS,
    guidance: float = GUIDANCE,
    eta: float = ETA,
) -> Tensor:
    """One window by itself: features [80, C], initial_vector [402], noise draws [80, 402] -> x0 [80, 402]."""
    return sample_track(model, features, initial_vector, noise, num_steps=num_steps, guidance=guidance, eta=eta)


__all__ = [
    "ETA",
    "GUIDANCE",
    "NUM_CHANNELS",
    "NUM_STEPS",
    "WINDOW_OVERLAP",
    "sample_poses",
    "sample_slice",
    "sample_track",
    "seeded_noise",
]

"""Stage II's sampling: windows of a video of any length, averaged where they overlap, then guidance and DDIM.

Paper section IV-A. Memory does not grow with the length: what a window reads is made when the window runs, and kept for
the first windows only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor, nn

from ..diffusion import NUM_TRAIN_STEPS, ddim_step_v, linear_alpha_bar_zero_snr, trailing_levels, trailing_times
from ..errors import InputError
from ..windows import looped_windows, open_windows
from .attention import AudioOutput, Reference, Rows
from .audio_proj import around_each_frame
from .drive import Drive
from .motion import MAX_FRAMES
from .network import Photo, VideoNetwork
from .unet import VideoContext

logger = logging.getLogger("mmgt")

GUIDED: Rows = (False, True)
MAX_KEPT_WINDOWS = 16  # 132 frames in windows of 12: a usual clip is prepared once, a long one stays flat


@dataclass(frozen=True)
class VideoOptions:
    """How a video is cut into windows, and what may be left out for speed (by default nothing).

    window, overlap: in frames of 40 ms; the network was trained on windows of 12 and has places for 32. looped: the
    last window wraps to the first frames, as the authors' do. guidance_start, guidance_end: outside of this part of
    the noise schedule (0 = pure noise, 1 = clean) only the row with photo and speech runs, at half the cost.
    reuse_every: n > 1 runs the whole network at every n-th step only; in between its lower levels are taken from the
    step before.
    """

    window: int = 12
    overlap: int = 4
    looped: bool = False
    guidance_start: float = 0.0
    guidance_end: float = 1.0
    reuse_every: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.window <= MAX_FRAMES:
            raise InputError(
                f"window is {self.window} frames; it must be 1 to {MAX_FRAMES}: the network has a place for "
                f"{MAX_FRAMES} frames and was trained on 12. Videos of any length are made of overlapping windows."
            )
        if not 0 <= self.overlap < self.window:
            raise InputError(
                f"overlap is {self.overlap} frames; it must be 0 to {self.window - 1}, less than the window of "
                f"{self.window} frames (trained: 12 with overlap 4)."
            )
        if not 0 <= self.guidance_start <= self.guidance_end <= 1:
            raise InputError(
                f"guidance runs from {self.guidance_start} to {self.guidance_end}; start and end must be 0 to 1 and in "
                "this order."
            )
        if self.reuse_every < 1:
            raise InputError(f"reuse_every is {self.reuse_every}; it must be 1 (no reuse) or more.")

    def windows(self, num_frames: int) -> list[list[int]]:
        make = looped_windows if self.looped else open_windows
        return make(num_frames, self.window, self.overlap)

    def guides(self, timestep: float) -> bool:
        """Whether guidance acts at a timestep 999 (noise) .. 0 (clean)."""
        return self.guidance_start <= 1 - timestep / (NUM_TRAIN_STEPS - 1) <= self.guidance_end


@dataclass(frozen=True)
class Video:
    """A photo, what drives it, and how it is sampled."""

    photo: Photo
    drive: Drive
    options: VideoOptions = VideoOptions()


class NumericalError(ArithmeticError):
    """The network gave NaN or infinite numbers, in float32 too."""


@dataclass(frozen=True)
class _Prepared:
    """What the network makes once per video, in one dtype."""

    references: dict[str, Reference]
    outputs: dict[str, AudioOutput]
    strengths: Tensor


@dataclass
class VideoRun:
    """One sampling run of a video: the network, and what it keeps between the steps.

    check() is called before each window; it may raise to cancel.
    """

    network: VideoNetwork
    video: Video
    check: Callable[[], None] = lambda: None
    _prepared: _Prepared | None = None
    _contexts: dict[tuple[int, ...], VideoContext] = field(default_factory=dict)
    _deep: dict[tuple[int, ...], dict[bool, Tensor]] = field(default_factory=dict)
    _last_timestep: float | None = None
    _num_steps: int = -1

    @torch.inference_mode()
    def predict(self, latents: Tensor, timestep: float, rows: Rows = GUIDED, where: str = "") -> Tensor:
        """v of all frames: latents [T, 4, h, w] at timestep 999 .. 0 -> [rows, T, 4, h, w] float32.

        where: names the step in an error. Raises NumericalError.
        """
        if timestep != self._last_timestep:
            self._last_timestep, self._num_steps = timestep, self._num_steps + 1
        asked, options = rows, self.video.options
        if False in rows and not options.guides(timestep):
            rows = (True,)
        total = torch.zeros(len(rows), *latents.shape, device=latents.device)
        count = torch.zeros(len(latents), 1, 1, 1, device=latents.device)
        for window in options.windows(len(latents)):
            self.check()
            frames = torch.tensor(window, device=latents.device)
            v = self._window(latents[frames], timestep, tuple(window), rows, where)
            total[:, frames] += v.float().unflatten(0, (len(rows), -1))
            count[frames] += 1
        v = total.div_(count)  # in place, as a long video's latents are large
        return v if rows == asked else v.expand(len(asked), *v.shape[1:])

    def _window(self, latents: Tensor, timestep: float, window: tuple[int, ...], rows: Rows, where: str) -> Tensor:
        if self._prepared is None:
            self._prepared = prepare(self.network, self.video, latents)
        context = self._contexts.get(window)
        if context is None:
            context = window_context(self.network, self.video, self._prepared, window, latents)
            if len(self._contexts) < MAX_KEPT_WINDOWS:
                self._contexts[window] = context
        time = torch.tensor([timestep], device=latents.device)
        v = self._reusing(latents, time, replace(context, rows=rows), window)
        if torch.isfinite(v).all():
            return v
        kind = str(latents.dtype).removeprefix("torch.")
        place = f"frames {window[0]} to {window[-1]}{f', {where}' if where else ''}, timestep {timestep:g}"
        if latents.dtype != torch.float32:
            logger.warning("%s gave NaN or infinite numbers in %s; running this window again in float32", place, kind)
            v = in_float32(self.network, self.video, latents, time, window, rows)
            kind += ", and again in float32"
        if not torch.isfinite(v).all():
            raise NumericalError(
                f"the video network gave NaN or infinite numbers for {place}, in {kind}. Lower the cfg or change the "
                "sampler; if it happens at the first step, the checkpoint or a LoRA is broken."
            )
        return v

    def _reusing(self, latents: Tensor, time: Tensor, context: VideoContext, window: tuple[int, ...]) -> Tensor:
        """The network's answer; between the n-th steps with the lower levels of the step before."""
        every, kept = self.video.options.reuse_every, self._deep.get(window)
        if every == 1:
            return self.network.with_deep_features(latents, time, context)[0]
        if kept is not None and self._num_steps % every and all(row in kept for row in context.rows):
            deep = torch.cat([kept[row] for row in context.rows])
            return self.network.with_deep_features(latents, time, context, deep)[0]
        v, deep = self.network.with_deep_features(latents, time, context)
        if window in self._contexts:
            self._deep[window] = dict(zip(context.rows, deep.chunk(len(context.rows)), strict=True))
        return v


def prepare(network: VideoNetwork, video: Video, like: Tensor) -> _Prepared:
    """The photo's keys and values and the folded audio outputs, in the dtype and on the device of ``like``."""
    photo = video.photo.to(like)
    references = network.remember(photo.features, photo.image_token)
    return _Prepared(references, network.fold(like), torch.tensor(video.drive.strengths).to(like))


def window_context(
    network: VideoNetwork, video: Video, prepared: _Prepared, frames: Sequence[int], like: Tensor
) -> VideoContext:
    """What the network reads for some frames of a video, made now."""
    tokens = None
    if video.drive.speech is not None:
        tokens = network.audioproj(around_each_frame(video.drive.speech, frames).to(like))
    return VideoContext(
        pose_features=network.pose_guider(video.drive.pictures(frames).to(like)),
        references=prepared.references,
        audio=network.listen(tokens, prepared.outputs),
        masks=tuple(level.to(like) for level in video.drive.masks(frames)),
        strengths=prepared.strengths,
    )


class _FromScratch(nn.Module):
    """A window from its sources to v, in one call: what ``in_float32`` calls with other weights."""

    def __init__(self, network: VideoNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, video: Video, latents: Tensor, time: Tensor, frames: Sequence[int], rows: Rows) -> Tensor:
        prepared = prepare(self.network, video, latents)
        context = window_context(self.network, video, prepared, frames, latents)
        return self.network.with_deep_features(latents, time, replace(context, rows=rows))[0]


def in_float32(
    network: VideoNetwork, video: Video, latents: Tensor, time: Tensor, frames: Sequence[int], rows: Rows
) -> Tensor:
    """One window with float32 weights, inputs and arithmetic, whatever the network's own dtype is."""
    whole = _FromScratch(network)
    weights = {name: tensor.float() for name, tensor in whole.state_dict().items()}
    return torch.func.functional_call(whole, weights, (video, latents.float(), time, frames, rows))


class Scheduler(Protocol):
    """How the denoising loop steps; diffusers' schedulers fit through ``mmgt.schedulers``."""

    @property
    def timesteps(self) -> Sequence[float]: ...
    def start(self, noise: Tensor) -> Tensor: ...
    def scale(self, x: Tensor, step_idx: int) -> Tensor: ...
    def step(self, x: Tensor, v: Tensor, step_idx: int) -> Tensor: ...


class DDIM:
    """The authors' sampler: trailing timesteps, zero terminal SNR, v-prediction.

    The step from t leads to t - 1000 // num_steps, which is not always the next timestep of the list. v's memory is
    used up by a step.
    """

    def __init__(self, num_steps: int = 30) -> None:
        if not 1 <= num_steps <= NUM_TRAIN_STEPS:
            raise InputError(f"steps is {num_steps}; it must be 1 to {NUM_TRAIN_STEPS} (the authors take 30).")
        self.timesteps, self.levels = trailing_times(num_steps), trailing_levels(num_steps)
        self.alpha_bar = linear_alpha_bar_zero_snr()

    def start(self, noise: Tensor) -> Tensor:
        return noise

    def scale(self, x: Tensor, step_idx: int) -> Tensor:
        return x

    def step(self, x: Tensor, v: Tensor, step_idx: int) -> Tensor:
        now, later = self.timesteps[step_idx], self.levels[step_idx + 1]
        return ddim_step_v(x, v, self.alpha_bar[now], self.alpha_bar[later] if later >= 0 else 1.0)


def sample_latents(
    run: VideoRun,
    noise: Tensor,
    scheduler: Scheduler,
    guidance: float = 3.5,
    progress: Callable[[int, int, Tensor], None] | None = None,
) -> Tensor:
    """The denoising loop: noise [T, 4, h, w] in the network's dtype -> latents of the same shape in float32.

    The latents are float32 between the steps too; only what the network sees is in its dtype. guidance 1 runs one row
    only, at half the cost. progress(step, num_steps, latents) after each step.
    """
    dtype, num_steps = noise.dtype, len(scheduler.timesteps)
    rows = GUIDED if guidance != 1 else (True,)
    with torch.inference_mode():
        x = scheduler.start(noise.float())
        del noise  # a long video's latents are large
        for step_idx, timestep in enumerate(scheduler.timesteps):
            scaled = scheduler.scale(x, step_idx).to(dtype)
            where = f"step {step_idx + 1} of {num_steps}"
            v = guided(run.predict(scaled, float(timestep), rows, where), guidance)
            x = scheduler.step(x, v.to(x), step_idx)
            if progress is not None:
                progress(step_idx + 1, num_steps, x)
    return x


def guided(v: Tensor, guidance: float) -> Tensor:
    """Classifier-free guidance of v [rows, T, 4, h, w] -> [T, 4, h, w]; a single row is the answer itself."""
    return v[0] if len(v) == 1 else torch.lerp(v[0], v[1], guidance)

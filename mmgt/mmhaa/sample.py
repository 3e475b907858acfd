"""Stage II's sampling: windows of a video of any length, averaged where they overlap, then guidance and DDIM.

Paper section IV-A. The device's memory does not grow with the length: what a window reads there is kept for the first
windows, and for others where memory is free. What it reads on the CPU is made once (``ahead.py``).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Protocol

import torch
from torch import Tensor

from ..diffusion import (
    NUM_TRAIN_STEPS,
    PUBLISHED,
    Parametrisation,
    ddim_step_v,
    trailing_levels,
    trailing_times,
    velocity_of_noise,
)
from ..errors import InputError
from ..memory import free_bytes, peak_bytes
from ..windows import WindowMean, looped_windows, open_windows
from .ahead import Ahead, Window
from .attention import Rows
from .context import Prepared, prepare, window_context
from .drive import Drive
from .kept import Keeping, Kept, KeptStep
from .motion import MAX_FRAMES
from .network import Photo, VideoNetwork
from .unet import VideoContext

logger = logging.getLogger("mmgt")

Batch = tuple[Window, ...]  # windows that pass through the network together

GUIDED: Rows = (False, True)
MAX_KEPT_WINDOWS = 16  # on any device: 132 frames in windows of 12. A GPU keeps more while it has room.
MOST_AT_ONCE = 32  # windows in a batch: a divisor of how many are kept at once, so that a run goes on between batches
DEVICE_RESERVE, RAM_RESERVE = 3 * 2**30, 4 * 2**30  # bytes that are left free by what is kept beyond these windows


@dataclass(frozen=True)
class VideoOptions:
    """How a video is cut into windows, and what may be left out for speed (by default nothing).

    window, overlap: in frames of 40 ms; the network was trained on windows of 12 and has places for 32. looped: the
    last window wraps to the first frames, as the authors' do. guidance_start, guidance_end: outside of this part of
    the noise schedule (0 = pure noise, 1 = clean) only the row with photo and speech runs, at half the cost.
    reuse_every: n > 1 runs the whole network at every n-th step only; in between its lower levels are taken from the
    step before. windows_at_once: in one call of the network; the same video but for rounding, for more memory.
    """

    window: int = 12
    overlap: int = 4
    looped: bool = False
    guidance_start: float = 0.0
    guidance_end: float = 1.0
    reuse_every: int = 1
    windows_at_once: int = 1

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
        if self.windows_at_once < 1 or MOST_AT_ONCE % self.windows_at_once:
            raise InputError(f"windows_at_once is {self.windows_at_once}; it must be 1, 2, 4, 8, 16 or {MOST_AT_ONCE}.")

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


@dataclass
class VideoRun:
    """One sampling run of a video: the network, and what it keeps between the steps.

    check() is called before each call of the network and while its inputs are waited for; it may raise to cancel. A
    window whose numbers are wrong in the network's dtype is run again in a finer one, and in that at once from then on.
    Where memory is short, windows run one by one, and if it is still, they are halved once; a warning says so.
    """

    network: VideoNetwork
    video: Video
    check: Callable[[], None] = lambda: None
    _blends: dict[int, WindowMean] = field(default_factory=dict)
    _prepared: dict[torch.dtype, Prepared] = field(default_factory=dict)
    _ahead: Ahead | None = None
    _order: list[Batch] = field(default_factory=list)
    _contexts: dict[Batch, VideoContext] = field(default_factory=dict)
    _has_room: bool = True
    _deep: dict[Batch, dict[bool, Tensor]] = field(default_factory=dict)
    _finer: dict[Window, torch.dtype] = field(default_factory=dict)
    _last_timestep: float | None = None
    _num_steps: int = -1
    _is_shrunk: bool = False
    _seconds: float = 0.0

    @torch.inference_mode()
    def predict(
        self,
        latents: Tensor,
        timestep: float,
        rows: Rows = GUIDED,
        where: str = "",
        keeping: Keeping | None = None,
    ) -> Tensor:
        """What the network predicts of all frames (v, or the noise if it learned that), [rows, T, 4, h, w] float32.

        latents: [T, 4, h, w] at timestep 999 .. 0. where: names the step in an error. keeping: of the step's windows.
        Raises NumericalError, and InputError where memory is short again with smaller windows.
        """
        if timestep != self._last_timestep:
            self._last_timestep, self._num_steps = timestep, self._num_steps + 1
        began = time.perf_counter()
        try:
            return self._predict(latents, timestep, rows, where, keeping)
        except torch.OutOfMemoryError as error:
            self._shrink(len(latents), error)
        finally:
            self._seconds += time.perf_counter() - began
        return self.predict(latents, timestep, rows, where, keeping)

    def told(self, attention: str) -> str:
        """One line about the run so far: how fast, on what, with how much memory. attention: whose is used."""
        if self._num_steps < 0:
            return "nothing was sampled"
        weight, size, num_steps = self.network.conv_in.weight, self.video.drive.size, self._num_steps + 1
        seconds, num_frames, peak = self._seconds / num_steps, self.video.drive.num_frames, peak_bytes(weight.device)
        return (
            f"{num_frames} frames of {size.width_px}x{size.height_px} px in {num_steps} steps: {seconds:.2f} s a step, "
            f"{num_frames / max(self._seconds, 1e-9):.2f} frames/s; {weight.device}, {_name(weight.dtype)}, {attention}"
            + ("" if peak is None else f", at most {peak / 2**30:.1f} GB")
        )

    def _shrink(self, num_frames: int, error: torch.OutOfMemoryError) -> None:
        """Go on with one window at a time, or else with windows of half as many frames; InputError the next time."""
        options, size = self.video.options, self.video.drive.size
        window = min(options.window, num_frames)
        if options.windows_at_once > 1:
            smaller = replace(options, windows_at_once=1)
            logger.warning(
                "the memory does not suffice for %d windows at once; going on with one", options.windows_at_once
            )
        elif self._is_shrunk or window < 2:
            raise InputError(
                f"the memory does not suffice for windows of {window} frames of {size.width_px}x{size.height_px} px; "
                "make the video smaller (width and height), or free memory: other networks, other programs."
            ) from error
        else:
            smaller = replace(options, window=window // 2, overlap=min(options.overlap, window // 4))
            self._is_shrunk = True
            logger.warning(
                "the memory does not suffice for windows of %d frames; going on with windows of %d, overlap %d, which "
                "move less smoothly",
                window,
                smaller.window,
                smaller.overlap,
            )
        self.video = replace(self.video, options=smaller)
        for kept in (self._blends, self._contexts, self._deep):
            kept.clear()  # type: ignore[attr-defined]
        self._ahead = None
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _predict(self, latents: Tensor, timestep: float, rows: Rows, where: str, keeping: Keeping | None) -> Tensor:
        asked, options = rows, self.video.options
        if self._is_shrunk:
            keeping = None  # another run begins with the windows that were asked for
        if False in rows and not options.guides(timestep):
            rows = (True,)
        blend = self._blend(len(latents), latents.device)
        total = torch.zeros(len(rows), *latents.shape, device=latents.device)
        first = 0 if keeping is None else keeping.kept.windows(keeping.step_idx, total)
        fine: list[Tensor] = []
        self._order = self._batches(blend.windows, first)
        for batch in self._order:
            begin = first + len(fine)
            frames = torch.cat(blend.frames[begin : begin + len(batch)])
            together = self._windows(latents[frames], timestep, batch, rows)
            for idx, v in enumerate(together.chunk(len(batch), dim=1), begin):
                fine.append(v.isfinite().all())
                blend.add(total, idx, torch.where(fine[-1], v, 0))
                if keeping is not None:
                    keeping.done(idx + 1, blend.frames[idx], fine[-1], total)
        for idx in (first + number for number in _wrong(fine)):
            again = self._again(latents[blend.frames[idx]], timestep, blend.windows[idx], rows, where)
            blend.add(total, idx, again)
        v = blend.mean(total)
        return v if rows == asked else v.expand(len(asked), *v.shape[1:])

    def go_on_at(self, step_idx: int, finer: Mapping[Window, torch.dtype]) -> None:
        """The next step is this one, of a run that was broken off before it."""
        self._num_steps, self._finer = step_idx - 1, dict(finer)

    @property
    def finer(self) -> dict[Window, torch.dtype]:
        """The windows that run in a finer dtype from now on."""
        return dict(self._finer)

    def _blend(self, num_frames: int, device: torch.device) -> WindowMean:
        if num_frames not in self._blends:
            self._blends[num_frames] = WindowMean(self.video.options.windows(num_frames), num_frames, device)
        return self._blends[num_frames]

    def _batches(self, windows: Sequence[Window], first: int) -> list[Batch]:
        """The windows from the first on, as they pass through the network.

        Those of a batch that is not whole pass alone, so that a compiled network meets two shapes only; and those of a
        batch that has one in a finer dtype.
        """
        at_once, batches = self.video.options.windows_at_once, list[Batch]()
        for start in range(0, len(windows), at_once):
            batch = tuple(windows[max(start, first) : start + at_once])
            together = len(batch) == at_once and not any(window in self._finer for window in batch)
            batches += [batch] if together else [(window,) for window in batch]
        return batches

    def _windows(self, latents: Tensor, timestep: float, batch: Batch, rows: Rows) -> Tensor:
        """v of a batch's frames as float32 [rows, F, 4, h, w], which may be wrong numbers."""
        self.check()
        latents = latents.to(self._finer.get(batch[0], latents.dtype))
        context = replace(self._context(batch, latents), rows=rows)
        time = torch.full((1,), timestep, device=latents.device)
        return self._reusing(latents, time, context, batch).float().unflatten(0, (len(rows), -1))

    def _again(self, latents: Tensor, timestep: float, window: Window, rows: Rows, where: str) -> Tensor:
        """The same of a window that gave wrong numbers, in the next finer dtypes until they are right."""
        place = f"frames {window[0]} to {window[-1]}{f', {where}' if where else ''}, timestep {timestep:g}"
        tried = [self._finer.get(window, latents.dtype)]
        while (finer := finer_dtype(tried[-1], latents.device)) is not None:
            logger.warning(
                "%s gave NaN or infinite numbers in %s; running this window again in %s, and its later steps too",
                place,
                _name(tried[-1]),
                _name(finer),
            )
            tried.append(finer)
            self._finer[window] = finer
            self._forget(window)
            v = self._windows(latents, timestep, (window,), rows)
            if v.isfinite().all():
                return v
        raise NumericalError(
            f"the video network gave NaN or infinite numbers for {place}, in "
            f"{', and again in '.join(map(_name, tried))}. Lower the cfg or change the "
            "sampler; if it happens at the first step, the checkpoint or a LoRA is broken."
        )

    def _forget(self, window: Window) -> None:
        """What is kept of it, and of the batch that it will not pass with any more."""
        self._contexts = {batch: kept for batch, kept in self._contexts.items() if window not in batch}
        self._deep = {batch: features for batch, features in self._deep.items() if window not in batch}

    def _context(self, batch: Batch, latents: Tensor) -> VideoContext:
        """What the network reads for a batch; while it computes, the next one's inputs are made."""
        if batch in self._contexts:
            return self._contexts[batch]
        if self._ahead is None:
            self._ahead = Ahead(self.video.drive)
        inputs = self._ahead.take(tuple(chain(*batch)), self.check)
        following = self._following(batch)
        if following is not None:
            self._ahead.prepare(tuple(chain(*following)))
        if latents.dtype not in self._prepared:
            strengths = self.video.drive.strengths
            self._prepared[latents.dtype] = prepare(self.network, self.video.photo, strengths, latents)
        context = window_context(self.network, inputs, self._prepared[latents.dtype], latents, len(batch))
        if sum(map(len, self._contexts)) < MAX_KEPT_WINDOWS or self._may_keep_more(latents.device):
            self._contexts[batch] = context
        return context

    def _following(self, batch: Batch) -> Batch | None:
        """The next batch that will need its inputs made, in this step or the next."""
        if batch not in self._order:
            return None
        place = self._order.index(batch) + 1
        return next((b for b in self._order[place:] + self._order[: place - 1] if b not in self._contexts), None)

    def _may_keep_more(self, device: torch.device) -> bool:
        if self._has_room and device.type != "cuda":  # elsewhere it is the memory that the inputs are kept in
            self._has_room = False
        self._has_room = self._has_room and (free_bytes(device) or 0) > DEVICE_RESERVE
        return self._has_room

    def _reusing(self, latents: Tensor, time: Tensor, context: VideoContext, batch: Batch) -> Tensor:
        """The network's answer; between the n-th steps with the lower levels of the step before."""
        every, kept = self.video.options.reuse_every, self._deep.get(batch)
        if every == 1:
            return self.network(latents, time, context)[0]
        if kept is not None and self._num_steps % every and all(row in kept for row in context.rows):
            deep = torch.cat([kept[row] for row in context.rows]).to(latents)
            return self.network(latents, time, context, deep)[0]
        v, deep = self.network(latents, time, context)
        if batch not in self._contexts:
            deep = deep.cpu()
        if batch in self._contexts or batch in self._deep or _fits_in_ram(deep):
            self._deep[batch] = dict(zip(context.rows, deep.chunk(len(context.rows)), strict=True))
        return v


def _wrong(fine: Sequence[Tensor]) -> list[int]:
    """Which windows of a step gave wrong numbers: the one time in a step that the device is waited for."""
    return [idx for idx, is_fine in enumerate(torch.stack(list(fine)).tolist()) if not is_fine] if fine else []


def _fits_in_ram(tensor: Tensor) -> bool:
    free = free_bytes(torch.device("cpu"))
    if free is None or free > RAM_RESERVE + tensor.nbytes:
        return True
    logger.info("too little memory is free to reuse features of all windows; the others run whole")
    return False


def finer_dtype(dtype: torch.dtype, device: torch.device) -> torch.dtype | None:
    """The dtype to run in where numbers were wrong in this one: bfloat16 where the card has it, then float32."""
    if dtype == torch.float32:
        return None
    if dtype == torch.float16 and device.type == "cuda" and _computes_in_bfloat16(device):
        return torch.bfloat16
    return torch.float32


def _computes_in_bfloat16(device: torch.device) -> bool:
    return torch.version.hip is not None or torch.cuda.get_device_capability(device)[0] >= 8


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


class Scheduler(Protocol):
    """How the denoising loop steps; diffusers' schedulers fit through ``mmgt.standalone.schedulers``.

    has_memory: whether a step depends on the steps before it.
    """

    has_memory: bool

    @property
    def timesteps(self) -> Sequence[float]: ...
    def start(self, noise: Tensor) -> Tensor: ...
    def scale(self, x: Tensor, step_idx: int) -> Tensor: ...
    def step(self, x: Tensor, predicted: Tensor, step_idx: int) -> Tensor: ...


class DDIM:
    """The authors' sampler, with trailing timesteps, at the levels that the network learned.

    The step from t leads to t - 1000 // num_steps, which is not always the next timestep of the list. The memory of
    what the network predicts is used up by a step.
    """

    has_memory = False

    def __init__(self, num_steps: int = 30, parametrisation: Parametrisation = PUBLISHED) -> None:
        if not 1 <= num_steps <= NUM_TRAIN_STEPS:
            raise InputError(f"steps is {num_steps}; it must be 1 to {NUM_TRAIN_STEPS} (the authors take 30).")
        self.timesteps, self.levels = trailing_times(num_steps), trailing_levels(num_steps)
        self.parametrisation, self.alpha_bar = parametrisation, parametrisation.alpha_bar

    def start(self, noise: Tensor) -> Tensor:
        return noise

    def scale(self, x: Tensor, step_idx: int) -> Tensor:
        return x

    def step(self, x: Tensor, predicted: Tensor, step_idx: int) -> Tensor:
        now, later = self.alpha_bar[self.timesteps[step_idx]], self.levels[step_idx + 1]
        v = velocity_of_noise(predicted, x, now) if self.parametrisation.prediction == "epsilon" else predicted
        return ddim_step_v(x, v, now, self.alpha_bar[later] if later >= 0 else 1.0)


def sample_latents(
    run: VideoRun,
    noise: Tensor,
    scheduler: Scheduler,
    guidance: float = 3.5,
    progress: Callable[[int, int, Tensor], None] | None = None,
    kept: Kept | None = None,
) -> Tensor:
    """The denoising loop: noise [T, 4, h, w] in the network's dtype -> latents of the same shape in float32.

    The latents are float32 between the steps too; only what the network gets is in its dtype. guidance 1 runs one row
    only, at half the cost. progress(step, num_steps, latents) after each step. kept: the run goes on with what is
    finished there, to the same latents as without a break.
    """
    dtype, num_steps = noise.dtype, len(scheduler.timesteps)
    rows = GUIDED if guidance != 1 else (True,)
    with torch.inference_mode():
        x = scheduler.start(noise.float())
        del noise  # a long video's latents are large
        first, every = 0, run.video.options.reuse_every
        done = 0 if kept is None else kept.num_steps() // every * every  # deep features are not kept
        if kept is not None and done:
            last = kept.step(done - 1)
            run.go_on_at(done, last.finer)
            if not scheduler.has_memory:
                x, first = last.values.to(x), done
        for step_idx in range(first, num_steps):
            scaled, timestep = scheduler.scale(x, step_idx).to(dtype), float(scheduler.timesteps[step_idx])
            if kept is not None and step_idx < done:
                v = kept.step(step_idx).values.to(x)
            else:
                where = f"step {step_idx + 1} of {num_steps}"
                keeping = Keeping(kept, step_idx) if kept is not None and every == 1 else None
                v = guided(run.predict(scaled, timestep, rows, where, keeping), guidance).to(x)
            stepped = scheduler.step(x, v, step_idx)
            if kept is not None and step_idx >= done and (scheduler.has_memory or (step_idx + 1) % every == 0):
                values = v if scheduler.has_memory else stepped
                kept.keep_step(step_idx, KeptStep(values, run.finer), only_last=not scheduler.has_memory)
            x = stepped
            if progress is not None:
                progress(step_idx + 1, num_steps, x)
    return x


def share_noise(noise: Tensor, share: float) -> Tensor:
    """Noise [T, 4, h, w] of which all frames have a share of the variance 0..1 in common, the first frame's.

    Where nothing else makes neighbouring frames agree (few steps, a small network), what stands still flickers less.
    After PYoCo's mixed noise (arXiv 2305.10474), without training for it. 0 changes nothing.
    """
    if share == 0:
        return noise
    shared = math.sqrt(share) * noise[:1] + math.sqrt(1 - share) * noise
    return torch.cat([noise[:1], shared[1:]])


def guided(v: Tensor, guidance: float) -> Tensor:
    """Classifier-free guidance of v [rows, T, 4, h, w] -> [T, 4, h, w]; a single row is the answer itself."""
    return v[0] if len(v) == 1 else torch.lerp(v[0], v[1], guidance)

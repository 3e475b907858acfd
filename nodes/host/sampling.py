"""Stage II as a MODEL that core's samplers run: ComfyUI gives sigmas and latents, ``VideoRun`` predicts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import comfy.conds
import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_sampling
import comfy.sample
import comfy.samplers
import comfy.supported_models_base
import comfy.utils
import latent_preview
import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy.model_patcher import ModelPatcher
from comfy.patcher_extension import CallbacksMP
from torch import Tensor

from ...mmgt.diffusion import NUM_TRAIN_STEPS, Parametrisation, trailing_levels, trailing_times
from ...mmgt.errors import InputError
from ...mmgt.mmhaa.load import load_mmhaa
from ...mmgt.mmhaa.network import VideoNetwork
from ...mmgt.mmhaa.sample import MAX_KEPT_WINDOWS, Video, VideoRun, share_noise
from ...mmgt.mmhaa.student import Student
from ...mmgt.mmhaa.unet import UNet
from .runtime import OPERATIONS, check_interrupt, managed

logger = logging.getLogger("mmgt")

SAMPLERS = comfy.samplers.SAMPLER_NAMES
TRAILING = "trailing (authors)"
SCHEDULERS = [TRAILING, *comfy.samplers.SCHEDULER_NAMES]
SUPPORTED_DTYPES = [torch.float16, torch.bfloat16, torch.float32]
WEIGHT_DTYPES: dict[str, Any] = {  # torch dtypes; None: as core chooses
    "auto": None,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
    "fp32": torch.float32,
    "fp8_e4m3fn": torch.float8_e4m3fn,
}
VIDEO_KEY = "mmgt_video"
# Counted on meta: numbers held at once in a window, for each frame, latent cell and channel of the first level.
ACTIVATIONS = 36
# Relative error of a sigma that a sampler may have computed itself; two neighbouring levels are 0.3 % apart or more.
ROUNDING = 2e-5


class VideoConfig(comfy.supported_models_base.BASE):
    """MM-HAA's latents and noise levels in ComfyUI's terms, where linear betas are "sqrt_linear"."""

    latent_format = comfy.latent_formats.SD15
    unet_extra_config: dict[str, object] = {}  # noqa: RUF012 (ComfyUI copies it)

    def __init__(self, parametrisation: Parametrisation) -> None:
        self.parametrisation = parametrisation
        self.sampling_settings = {
            "beta_schedule": {"linear": "sqrt_linear", "scaled_linear": "linear"}[parametrisation.schedule],
            "linear_start": 0.00085,
            "linear_end": 0.012,
            "zsnr": self.predicts_v,
        }
        super().__init__({})

    @property
    def predicts_v(self) -> bool:
        return self.parametrisation.prediction == "v"


class VideoSampling(comfy.model_sampling.ModelSamplingDiscrete, comfy.model_sampling.V_PREDICTION):
    """MM-HAA's noise levels, of which a schedule may name two at once.

    The released model's DDIM at times takes a sample with the noise of t + 1 for one of timestep t. ``just_below`` is a
    sigma for that: between two levels the network is told the less noisy one's timestep, not the nearest's.
    """

    def timestep(self, sigma: Tensor) -> Tensor:
        log_sigma = sigma.log().to(self.log_sigmas) + ROUNDING
        return (torch.searchsorted(self.log_sigmas, log_sigma, right=True) - 1).clamp(min=0).to(sigma.device)

    def just_below(self, level: int) -> Tensor:
        """The sigma of a level, so little less that it names the timestep before as well."""
        return self.sigmas[level] * (1 - 4 * ROUNDING)

    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        """x0 from v: where sigma names two levels, by the one of the timestep that the network was told."""
        sigmas, time = self.sigmas.to(sigma), self.timestep(sigma)
        above = sigmas[(time + 1).clamp(max=len(sigmas) - 1)]
        taken = torch.where((sigma < above) & (sigma > above * (1 - 8 * ROUNDING)), sigmas[time], sigma)
        scale = ((taken**2 + 1) / (sigma**2 + 1)).sqrt()
        scaled = model_input * scale.view(-1, *[1] * (model_input.ndim - 1))
        return super().calculate_denoised(taken, model_output, scaled)


class NoiseSampling(comfy.model_sampling.ModelSamplingDiscrete, comfy.model_sampling.EPS):
    """Noise levels of a network that predicts the noise."""


@dataclass(frozen=True)
class GivenVideo:
    """A video as the network is called for it: ``rows`` says of each guidance row whether it has photo and speech."""

    video: Video
    rows: tuple[bool, ...]


class VideoCondition(comfy.conds.CONDConstant):
    """A ``GivenVideo`` on its way to the network; conditions of one video are run together."""

    def can_concat(self, other) -> bool:
        return self.cond.video is other.cond.video

    def concat(self, others) -> GivenVideo:
        return replace(self.cond, rows=self.cond.rows + tuple(row for other in others for row in other.cond.rows))

    def size(self) -> list[int]:
        return _memory_shape(self.cond.video)


def _memory_shape(video: Video) -> list[int]:
    """Frames of a video, and of those that are in memory at once: what ``VideoModel.memory_required`` reads."""
    return [video.drive.num_frames, min(video.options.window, video.drive.num_frames)]


class VideoModel(comfy.model_base.BaseModel):
    """The video network as ComfyUI's samplers call it; what a run keeps between steps is dropped at its end.

    trained_px: side of the pictures that it was trained on. student: how it is sampled, if it was distilled.
    """

    def __init__(
        self, network: VideoNetwork, config: VideoConfig, trained_px: int, student: Student | None = None
    ) -> None:
        kind = comfy.model_base.ModelType.V_PREDICTION if config.predicts_v else comfy.model_base.ModelType.EPS
        super().__init__(config, kind, unet_model=lambda **_: network)
        self.model_sampling = VideoSampling(config) if config.predicts_v else NoiseSampling(config)
        self.trained_px, self.student = trained_px, student
        self.warnings: set[str] = set()  # of this sampler's run
        self.runs: dict[tuple[int, frozenset], tuple[tuple[float, ...], VideoRun]] = {}

    @property
    def network(self) -> VideoNetwork:
        return self.diffusion_model

    def get_dtype(self) -> torch.dtype:
        return self.model_config.unet_config["dtype"]

    @property
    def compute_dtype(self) -> torch.dtype:
        return self.manual_cast_dtype or self.get_dtype()

    def extra_conds(self, **condition) -> dict[str, VideoCondition]:
        given, noise = condition.get(VIDEO_KEY), condition["noise"]
        if given is None:
            raise InputError(
                "this MODEL is the MM-HAA video network, and a conditioning that reaches its sampler is of another "
                "kind; connect positive and negative of MM-HAA Conditioning."
            )
        if "context_handler" in getattr(self.current_patcher, "model_options", {}):
            raise InputError(
                "Context Windows changes this MODEL, but the MM-HAA video network cuts a video into windows itself, "
                "with their poses; take that node away and set window and overlap in MM-HAA Conditioning."
            )
        given.video.drive.check_latents(noise.shape)
        token = condition.get("cross_attn")
        if token is not None and not token.any():  # zeroed out by a node in between: the unconditional row
            given = replace(given, rows=(False,))
        return {VIDEO_KEY: VideoCondition(given)}

    def extra_conds_shapes(self, **condition) -> dict[str, list[int]]:
        given = condition.get(VIDEO_KEY)
        return {} if given is None else {VIDEO_KEY: _memory_shape(given.video)}

    def memory_required(self, input_shape: Sequence[int], cond_shapes: Mapping[str, list] = {}, **_: Any) -> float:
        """Bytes of one window and of the windows that are kept, at input_shape [(rows frames), 4, h, w]."""
        num_frames, window = (cond_shapes.get(VIDEO_KEY) or [[input_shape[0], input_shape[0]]])[0]
        rows, (height, width) = max(1, input_shape[0] // num_frames), input_shape[-2:]
        kept_frames = min(MAX_KEPT_WINDOWS * window, 2 * num_frames)
        channels = self.network.config.widths[0]
        numbers = (ACTIVATIONS * rows * window + kept_frames) * channels * height * width
        return numbers * comfy.model_management.dtype_size(self.compute_dtype)

    def _apply_model(self, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options=None, **given):
        video, rows = given[VIDEO_KEY].video, given[VIDEO_KEY].rows
        if list(x.shape[-2:]) != list(video.drive.size.latent_shape):
            raise InputError("the conditioning has an area; MM-HAA draws whole frames. Use a noise mask instead.")
        if len(x) != len(rows) * video.drive.num_frames:
            raise InputError(
                f"the sampler asks for {len(x) // len(rows)} frames of a video of {video.drive.num_frames}; MM-HAA "
                "samples all of them at once. Take away the node between MODEL and sampler that cuts them."
            )
        latents = self.model_sampling.calculate_input(t, x)[: video.drive.num_frames].to(self.compute_dtype)
        timestep = float(self.model_sampling.timestep(t[:1]))
        options = transformer_options or {}
        self._warn(options, False in rows)
        with OPERATIONS.within(options):
            v = self._run_of(video).predict(latents, timestep, rows, _step_name(options))
        return self.model_sampling.calculate_denoised(t, v.flatten(0, 1), x)

    def _warn(self, transformer_options: Mapping[str, Any], is_guided: bool) -> None:
        """Say once in a run what a student was not distilled for; it runs all the same."""
        schedule = transformer_options.get("sample_sigmas")
        if self.student is None or schedule is None:
            return
        misuse = self.student.misuse(len(schedule) - 1, is_guided)
        if misuse and misuse not in self.warnings:
            self.warnings.add(misuse)
            logger.warning("%s", misuse)

    def _run_of(self, video: Video) -> VideoRun:
        """A video's run: one for each set of hooks (LoRAs of a conditioning), anew when a schedule changes them."""
        hooks = getattr(getattr(self.current_patcher, "current_hooks", None), "hooks", [])
        strengths = tuple(hook.strength for hook in hooks)
        known, run = self.runs.get((id(video), frozenset(hooks)), (None, None))
        if run is None or known != strengths:
            run = VideoRun(self.network, video, check_interrupt)
            self.runs[id(video), frozenset(hooks)] = strengths, run
        return run

    def end_runs(self) -> None:
        """A sampler has ended: say how it went, and let go what was kept."""
        for _, run in self.runs.values():
            logger.info("%s", run.told(optimized_attention.__name__))
        self.runs.clear()
        self.warnings.clear()


def _step_name(transformer_options: Mapping[str, Any]) -> str:
    """Which step of the schedule a call belongs to, for errors; "" where the sampler does not say."""
    schedule, now = transformer_options.get("sample_sigmas"), transformer_options.get("sigmas")
    if schedule is None or now is None:
        return ""
    step = int((schedule[:-1] >= float(now[0]) * (1 - 1e-4)).sum())
    return f"step {step} of {len(schedule) - 1}"


def load_video_model(path: Path, weight_dtype: str = "auto") -> tuple[ModelPatcher, ModelPatcher]:
    """MODEL of the video network, and the reference UNet of the same file, both under ComfyUI's memory management."""
    networks = load_mmhaa(path, ops=OPERATIONS, dtype=None)
    state = networks.video_network.state_dict()
    kind = WEIGHT_DTYPES[weight_dtype] or comfy.model_management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(state),
        supported_dtypes=SUPPORTED_DTYPES,
        weight_dtype=comfy.utils.weight_dtype(state),
    )
    cast_to = comfy.model_management.unet_manual_cast(kind, comfy.model_management.get_torch_device(), SUPPORTED_DTYPES)
    config = VideoConfig(networks.parametrisation)
    config.set_inference_dtype(kind, cast_to)
    for network in (networks.video_network, networks.reference_unet):
        _set_dtype(network, kind, cast_to)
    patcher = managed(VideoModel(networks.video_network, config, networks.trained_px, networks.student))
    patcher.add_callback_with_key(CallbacksMP.ON_CLEANUP, "mmgt", lambda patcher: patcher.model.end_runs())
    return patcher, managed(networks.reference_unet)


def _set_dtype(network: UNet, kind: torch.dtype, cast_to: torch.dtype | None) -> None:
    """Weights only: the tables of positions keep their digits. In float8 matrices only, as norms lose much by it."""
    for parameter in network.parameters():
        vector = parameter.ndim == 1 and kind.itemsize == 1 and cast_to is not None
        parameter.data = parameter.data.to(cast_to if vector else kind)


def conditioning(video: Video, with_photo: bool) -> list:
    """CONDITIONING of a guidance row: with photo and speech, or without. Its tensor is CLIP's token (ones for a network
    without CLIP, whose token is always zero), or zeros."""
    token = video.photo.image_token
    token = token if token.any() else torch.ones_like(token)
    return [[token if with_photo else torch.zeros_like(token), {VIDEO_KEY: GivenVideo(video, (with_photo,))}]]


def trailing_sigmas(model: ModelPatcher, steps: int, denoise: float = 1.0) -> Tensor:
    """SIGMAS [steps + 1] of the authors' timesteps; denoise below 1 takes the last ``steps`` of steps / denoise.

    They are the levels that the authors' DDIM reaches; another model than ours, which could not be told the timestep
    beside its level, gets the timesteps' own.
    """
    if denoise <= 0:
        return torch.zeros(0)
    num_steps = min(NUM_TRAIN_STEPS, max(steps, int(steps / denoise)))
    sampling = model.get_model_object("model_sampling")
    sigmas = [
        sampling.just_below(level) if isinstance(sampling, VideoSampling) and level > time else sampling.sigmas[time]
        for time, level in zip(trailing_times(num_steps), trailing_levels(num_steps), strict=False)
    ]
    return torch.stack([*sigmas[-steps:], torch.zeros_like(sampling.sigmas[0])]).cpu()


def student_of(model: ModelPatcher) -> Student | None:
    """How a MODEL says that it is sampled, if it is a student of ours."""
    return getattr(model.model, "student", None)


def schedule(model: ModelPatcher, sampler_name: str, scheduler: str, steps: int, denoise: float = 1.0) -> Tensor:
    """SIGMAS of a scheduler as core's KSampler takes them for this sampler."""
    if scheduler != TRAILING:
        device = comfy.model_management.intermediate_device()
        return comfy.samplers.KSampler(model, steps, device, sampler_name, scheduler, denoise).sigmas
    if sampler_name not in comfy.samplers.KSampler.DISCARD_PENULTIMATE_SIGMA_SAMPLERS:
        return trailing_sigmas(model, steps, denoise)
    sigmas = trailing_sigmas(model, steps + 1, denoise)
    return torch.cat([sigmas[:-2], sigmas[-1:]])


def sample(
    model: ModelPatcher,
    positive: list,
    negative: list,
    latent: dict,
    seed: int,
    cfg: float,
    sampler: Any,
    sigmas: Tensor,
    shared_noise: float = 0.0,
) -> dict:
    """Core's sampling of a LATENT, with previews and progress. sampler: a name of ``SAMPLERS`` or a SAMPLER.

    shared_noise: see ``share_noise``.
    """
    samples = comfy.sample.fix_empty_latent_channels(model, latent["samples"])
    denoised = comfy.sample.sample_custom(
        model,
        share_noise(comfy.sample.prepare_noise(samples, seed, latent.get("batch_index")), shared_noise),
        cfg,
        comfy.samplers.sampler_object(sampler) if isinstance(sampler, str) else sampler,
        sigmas,
        positive,
        negative,
        samples,
        noise_mask=latent.get("noise_mask"),
        callback=latent_preview.prepare_callback(model, max(1, len(sigmas) - 1)),
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        seed=seed,
    )
    return {**latent, "samples": denoised}

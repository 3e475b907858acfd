"""``mmgt bench gpu``: how fast stage II makes a clip on this device, in the ways to run it, with random weights."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ..errors import InputError
from ..mmhaa.config import UNetConfig
from ..mmhaa.drive import Drive
from ..mmhaa.masks import EvenMasks
from ..mmhaa.network import MMHAA, VideoNetwork
from ..mmhaa.pictures import LATENT_PX, PictureSize
from ..mmhaa.sample import GUIDED, Video, VideoOptions, VideoRun
from ..mmhaa.unet import UNet
from ..poses import POSE_FPS
from ..standalone.schedulers import import_diffusers
from ..standalone.vae import decode_latents
from ..training.new_networks import TINY, new_mmhaa
from .measure import least_seconds, machine
from .video_cost import AUDIO_SIZES, POSE_SIZES, VAE_WIDTHS

# torch.compile's arguments for each way to run the network; "graph" replays CUDA graphs.
MODES: dict[str, dict[str, Any] | None] = {
    "eager": None,
    "compile": {"fullgraph": True},
    "graph": {"fullgraph": True, "mode": "reduce-overhead"},
}
STEPS = (30, 12, 4)
WINDOWS_AT_ONCE = (1, 2, 4)
TINY_LATENT, TINY_FRAMES = 8, 14
SAID = "Weights are random: this says how fast such networks run, and nothing about how their videos look."
OTHERS = [  # of our class; their numbers, not measured here
    {"name": "EchoMimicV2-acc", "frames_per_s": 2.4, "card": "an A100", "how": "6 steps, no guidance, 768 px"},
    {"name": "PersonaLive", "frames_per_s": 15.8, "card": "a card not named", "how": "4 steps, no guidance, 512 px"},
]


def bench_gpu(num_runs: int = 3, device: str = "cuda", num_frames: int = 80, tiny: bool = False) -> dict[str, Any]:
    """Rows of a table: seconds of a clip of ``num_frames`` at 512 x 512 px by mode, windows in a call of the network,
    steps, guidance and decoder.

    A step through all windows, decoding of all frames, and what runs once are each timed (least of ``num_runs``, after
    a warm-up that compiles); a clip is ``steps`` of the first and one of the others. peak_gib: of tensors on the GPU.
    tiny: tiny networks and a short small clip, to try the command out; then ``device`` may be "cpu", where nothing is
    compiled. Raises InputError.
    """
    place = torch.device(device)
    if place.type == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "`mmgt bench gpu` measures a CUDA device, and this machine has none; `--device cpu --tiny` tries it out."
        )
    if place.type != "cuda" and not tiny:
        raise InputError(f"networks of full size would take hours on {device}; add --tiny, or take --device cuda.")
    clip = _tiny_clip(place) if tiny else _full_clip(place, num_frames)
    once = least_seconds(lambda: clip.networks.read_photo(clip.noise[:1], clip.token), num_runs, place)
    decoding = {name: _timed(place, num_runs, partial(clip.decode, vae)) for name, vae in clip.vaes.items()}
    rows: list[dict[str, Any]] = []
    modes = MODES if place.type == "cuda" else ("eager",)
    for mode, at_once, guided in itertools.product(modes, WINDOWS_AT_ONCE, (True, False)):
        step = _timed(place, num_runs, clip.step(mode, guided, at_once))
        for num_steps, decoder in itertools.product(STEPS, decoding):
            seconds = once + num_steps * step.seconds + decoding[decoder].seconds
            rows.append(
                {
                    "mode": mode,
                    "windows_at_once": at_once,
                    "steps": num_steps,
                    "guidance": guided,
                    "decoder": decoder,
                    "seconds": round(seconds, 3),
                    "frames_per_s": round(clip.num_frames / seconds, 2),
                    "of_real_time": round(clip.num_frames / POSE_FPS / seconds, 3),
                    "peak_gib": _largest(step.peak_gib, decoding[decoder].peak_gib),
                }
            )
    return {
        "bench": "gpu",
        "said": SAID,
        "device": torch.cuda.get_device_name(place) if place.type == "cuda" else place.type,
        "dtype": str(clip.noise.dtype).removeprefix("torch."),
        "tiny": tiny,
        "num_frames": clip.num_frames,
        "length_s": clip.num_frames / POSE_FPS,
        "side_px": clip.noise.shape[-1] * LATENT_PX,
        "once_s": round(once, 4),
        "decoding_s": {name: round(timed.seconds, 4) for name, timed in decoding.items()},
        "rows": rows,
        "others": OTHERS,
        **machine(),
    }


@dataclass(frozen=True)
class _Timed:
    seconds: float
    peak_gib: float | None


def _timed(device: torch.device, num_runs: int, run: Callable[[], object]) -> _Timed:
    if device.type != "cuda":
        return _Timed(least_seconds(run, num_runs, device), None)
    torch.cuda.reset_peak_memory_stats(device)
    seconds = least_seconds(run, num_runs, device)
    return _Timed(seconds, round(torch.cuda.max_memory_allocated(device) / 2**30, 2))


def _largest(*peaks: float | None) -> float | None:
    return max(filter(None, peaks), default=None)


@dataclass(frozen=True)
class _Clip:
    """Networks on a device, and what they make a clip of, in their dtype. noise [T, 4, h, w], token [1, 1, D]."""

    networks: MMHAA
    vaes: dict[str, Any]
    noise: Tensor
    token: Tensor
    speech: Tensor  # [T, layers, D]

    @property
    def num_frames(self) -> int:
        return len(self.noise)

    def step(self, mode: str, guided: bool, windows_at_once: int) -> Callable[[], Tensor]:
        """One denoising step of all frames in a mode."""
        side_px = self.noise.shape[-1] * LATENT_PX
        size = PictureSize(side_px, side_px)
        drive = Drive(
            self.num_frames,
            size,
            pictures=lambda frames: torch.zeros(len(frames), 3, side_px, side_px),
            masks=EvenMasks(size),
            speech=self.speech,
        )
        network, compiled = self.networks.video_network, MODES[mode]
        torch.compiler.reset()
        network._compiled_call_impl = None
        if compiled is not None:
            network.compile(**compiled)
        photo = self.networks.read_photo(self.noise[:1], self.token)
        run = VideoRun(network, Video(photo, drive, VideoOptions(windows_at_once=windows_at_once)))
        rows = GUIDED if guided else (True,)
        return lambda: run.predict(self.noise, 999.0, rows)

    def decode(self, vae: Any) -> int:
        return sum(len(frames) for frames in decode_latents(vae, self.noise))


def _full_clip(device: torch.device, num_frames: int) -> _Clip:
    """Every network at its published size, in the dtype that the card computes fastest in."""
    dtype = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    kw: dict[str, Any] = {"device": device, "dtype": dtype}
    config = UNetConfig()
    reading = UNetConfig(audio_channels=None, motion_heads=None, has_output=False)
    networks = MMHAA(UNet(reading, **kw), VideoNetwork(config, POSE_SIZES, AUDIO_SIZES, **kw))
    with torch.device(device):
        full = import_diffusers("AutoencoderKL")(
            down_block_types=("DownEncoderBlock2D",) * len(VAE_WIDTHS),
            up_block_types=("UpDecoderBlock2D",) * len(VAE_WIDTHS),
            block_out_channels=VAE_WIDTHS,
            layers_per_block=2,
        )
        vaes = {"full": full.to(dtype), "tiny": import_diffusers("AutoencoderTiny")().to(dtype)}
    return _clip(networks, vaes, torch.randn(num_frames, 4, 64, 64, **kw), torch.randn(num_frames, 12, 768))


def _tiny_clip(device: torch.device) -> _Clip:
    networks = new_mmhaa(TINY, 0, with_video=True)
    with torch.device(device):
        vaes = {
            "full": import_diffusers("AutoencoderKL")(
                block_out_channels=(32,) * 4,
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
            ),
            "tiny": import_diffusers("AutoencoderTiny")(
                encoder_block_out_channels=(8,) * 4, decoder_block_out_channels=(8,) * 4
            ),
        }
    noise = torch.randn(TINY_FRAMES, 4, TINY_LATENT, TINY_LATENT, device=device)
    return _clip(networks, vaes, noise, torch.randn(TINY_FRAMES, TINY.speech_layers, TINY.speech_width))


def _clip(networks: MMHAA, vaes: dict[str, Any], noise: Tensor, speech: Tensor) -> _Clip:
    for network in (networks.reference_unet, networks.video_network, *vaes.values()):
        network.to(noise.device).eval().requires_grad_(False)
    token = noise.new_zeros(1, 1, networks.video_network.config.image_channels)
    return _Clip(networks, vaes, noise, token, speech)


def gpu_table(result: dict[str, Any]) -> list[str]:
    """What ``bench_gpu`` has measured, as a Markdown table."""
    from ..evaluation.report import table

    head = ["mode", "windows a call", "steps", "guidance", "decoder", "s a clip", "frames/s", "x real time", "GiB"]
    names = (
        "mode",
        "windows_at_once",
        "steps",
        "guidance",
        "decoder",
        "seconds",
        "frames_per_s",
        "of_real_time",
        "peak_gib",
    )
    cells = [[_cell(row[name]) for name in names] for row in result["rows"]]
    others = [f"{o['name']}: {o['frames_per_s']} frames/s on {o['card']} ({o['how']}; theirs)" for o in OTHERS]
    return [*table(head, cells), "", result["said"], *others]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)

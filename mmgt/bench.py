"""Measurements behind ``mmgt bench``: seconds of CPU time and memory, never part of a test."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from .poses import POSE_FPS


def machine() -> dict[str, Any]:
    return {
        "machine": _cpu_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def peak_rss_mib() -> float | None:
    """Largest resident memory of this process so far, in MiB; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def cpu_seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def interleaved(first: Callable[[], object], second: Callable[[], object], num_runs: int) -> tuple[float, float]:
    """Least CPU seconds of each over ``num_runs`` runs in turn, after one warm-up of each."""
    first(), second()
    pairs = [(cpu_seconds(first), cpu_seconds(second)) for _ in range(num_runs)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


def bench_smga(num_runs: int = 3, num_steps: int = 50) -> dict[str, Any]:
    """SMGA at the paper's size, random weights, 80 frames: our guided sampler against plain batch-1 forwards.

    cpu_s: ``num_steps`` guided steps as ``sample_track`` takes them. plain_cpu_s: 2 x num_steps forwards through
    torch's own layers, which is what the authors spend. ratio: the first over the second.
    """
    from . import layers
    from .smga.config import SMGAConfig
    from .smga.model import SMGA
    from .smga.sample import SamplerSettings, sample_track, seeded_noise

    config = SMGAConfig()
    plain_model = SMGA(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for parameter in plain_model.parameters():
        if parameter.ndim > 1:
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5, generator=generator)
    model = SMGA(config, ops=layers, device="meta").eval().requires_grad_(False)
    model.load_state_dict(plain_model.state_dict(), assign=True)
    features = torch.randn(config.num_frames, config.audio_channels, generator=generator)
    initial = torch.rand(config.num_channels, generator=generator) - 0.5
    x = torch.randn(1, config.num_frames, config.num_channels, generator=generator)

    @torch.inference_mode()
    def plain() -> None:
        for step_idx in range(num_steps):
            for drop in (False, True):
                plain_model(x, initial[None], features[None], torch.tensor([step_idx]), drop=drop)

    def guided() -> None:
        noise = seeded_noise(0, config.num_frames, config.num_channels)
        sample_track(model, features, initial, noise, SamplerSettings(num_steps))

    cpu_s, plain_cpu_s = interleaved(guided, plain, num_runs)
    return {
        "bench": "smga",
        "num_steps": num_steps,
        "num_frames": config.num_frames,
        "ratio": round(cpu_s / plain_cpu_s, 4),
        "cpu_s": round(cpu_s, 3),
        "plain_cpu_s": round(plain_cpu_s, 3),
        "video_s": config.num_frames / POSE_FPS,
        "peak_rss_mib": peak_rss_mib(),
        **machine(),
    }


def bench_preview(num_runs: int = 3, num_frames: int = 50) -> dict[str, Any]:
    """The preview warp of the demo's portrait (512 x 512) driven by its speech: CPU milliseconds a frame.

    Run it with one thread (`OMP_NUM_THREADS=1`) on one core to compare with the project's limit of 45 ms.
    """
    import cv2
    from skimage.data import astronaut

    from .assets import ASTRONAUT_POSE, SPEECH
    from .media import read_recording
    from .poses import load_poses
    from .preview import prepare_preview, preview_motion
    from .rhythm import rhythm_poses

    cv2.setNumThreads(1)
    picture, initial_pose = astronaut(), load_poses(ASTRONAUT_POSE)
    poses = rhythm_poses(read_recording(SPEECH), initial_pose, seed=0).frames(0, num_frames)

    def render() -> None:
        for _ in preview_motion(picture, initial_pose, poses):
            pass

    def prepare() -> None:
        prepare_preview(picture, initial_pose)

    render_s, prepare_s = interleaved(render, prepare, num_runs)
    return {
        "bench": "preview",
        "cpu_ms_per_frame": round((render_s - prepare_s) / num_frames * 1000, 2),
        "prepare_cpu_s": round(prepare_s, 3),
        "cpu_s": round(render_s, 3),
        "num_frames": num_frames,
        "height_px": picture.shape[0],
        "width_px": picture.shape[1],
        "peak_rss_mib": peak_rss_mib(),
        **machine(),
    }


# TFLOP of one guided call of the authors' denoising UNet, by latent side and frames.
AUTHORS_TFLOP = {(32, 4): 2.46, (64, 12): 35.77}
MATRIX_SIDE = 4096


def guided_call(latent: int, num_frames: int, device: torch.device, dtype: torch.dtype) -> Callable[[], Tensor]:
    """One window of the full-size denoising UNet with guidance, ready to run; weights and inputs are random."""
    from . import layers
    from .mmhaa.config import UNetConfig
    from .mmhaa.unet import UNet, VideoContext

    config = UNetConfig()
    kw: dict[str, Any] = {"device": device, "dtype": dtype}
    unet = UNet(config, ops=layers, **kw).eval().requires_grad_(False)
    for parameter in unet.parameters():
        if parameter.ndim > 1 and device.type != "meta":
            parameter.normal_(std=parameter[0].numel() ** -0.5)
    tokens, photo = torch.randn(num_frames, 32, config.audio_channels or 0, **kw), torch.randn(1, 1, 768, **kw)
    features = {
        path: torch.randn(1, (latent >> _level(path, len(config.widths))) ** 2, module.norm.num_channels, **kw)
        for path, module in unet.named_modules()
        if path.split(".")[-2:-1] == ["attentions"]
    }
    masks = tuple(torch.rand(3, num_frames, (latent >> level) ** 2, **kw) for level in range(3))
    with torch.inference_mode():
        context = VideoContext(
            torch.randn(num_frames, config.widths[0], latent, latent, **kw),
            unet.remember(features, photo),
            unet.listen(tokens, unet.fold(tokens)),
            masks,
            torch.ones(3, **kw),
        )
    x = torch.randn(num_frames, config.latent_channels, latent, latent, **kw)
    timestep = torch.full((1,), 500, device=device)

    @torch.inference_mode()
    def call() -> Tensor:
        return unet(x, timestep, context)

    return call


def _level(path: str, num_levels: int) -> int:
    """How often the picture was halved where a spatial transformer sits."""
    block, *rest = path.split(".")
    if block == "mid_block":
        return num_levels - 1
    return int(rest[0]) if block == "down_blocks" else num_levels - 1 - int(rest[0])


def bench_unet(
    num_runs: int = 3, latent: int = 64, num_frames: int = 12, dtype: str = "float32", count: bool = False
) -> dict[str, Any]:
    """One guided window call of the full-size video network.

    tflop: counted on ``meta``. Unless only counting: seconds of the call and of plain 4096-cube matrix products in the
    same process, and merit: the authors' FLOP for this call over our seconds, as a share of the plain products' FLOP/s.
    window_gpu_mib: on a GPU, the most memory in use beyond weights and inputs.
    """
    from torch.utils.flop_counter import FlopCounterMode

    from .layers import reuse_freed_memory

    on_meta = guided_call(latent, num_frames, torch.device("meta"), torch.float32)
    with FlopCounterMode(display=False) as counter:
        on_meta()
    tflop = counter.get_total_flops() / 1e12
    sizes = {"bench": "unet", "latent": latent, "num_frames": num_frames, "tflop": round(tflop, 3)}
    if count:
        return sizes
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    kind = getattr(torch, dtype)
    matrix = torch.randn(MATRIX_SIDE, MATRIX_SIDE, device=device, dtype=kind)
    call = guided_call(latent, num_frames, device, kind)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
    else:
        reuse_freed_memory()
    call_s, plain_s = (_least_seconds(run, num_runs, device) for run in (call, lambda: matrix @ matrix))
    plain_flops = 2 * MATRIX_SIDE**3 / plain_s
    authors = AUTHORS_TFLOP.get((latent, num_frames))
    return {
        **sizes,
        "dtype": dtype,
        "device": torch.cuda.get_device_name() if on_gpu else "cpu",
        "seconds": round(call_s, 3),
        "plain_tflop_per_s": round(plain_flops / 1e12, 4),
        "merit": None if authors is None else round(authors * 1e12 / call_s / plain_flops, 3),
        "window_gpu_mib": round((torch.cuda.max_memory_allocated() - held) / 2**20) if on_gpu else None,
        "peak_rss_mib": peak_rss_mib(),
        **machine(),
    }


AUTHORS_VIDEO_TFLOP = 10_730  # of their denoising calls for 80 frames at 512 x 512 px


def bench_video(
    num_runs: int = 0, latent: int = 64, num_frames: int = 80, preset: str = "fast", count: bool = True
) -> dict[str, Any]:
    """FLOP of a whole video by stage II, from the photo to the decoded frames.

    Counted on ``meta`` whatever ``num_runs`` and ``count`` say: nothing is timed.

    tflop: of the preset, and of each of its parts. alone_tflop: of the paper's preset with only one thing of this one.
    """
    from .mmhaa.presets import PRESETS
    from .video_cost import FullSize, video_flop

    full_size, paper, chosen = FullSize(latent), PRESETS["paper"], PRESETS[preset]

    def option(**values: Any) -> Any:
        return replace(paper, options=replace(paper.options, **values))

    theirs = chosen.options
    alone = {
        "none": paper,
        "steps": replace(paper, scheduler=chosen.scheduler, num_steps=chosen.num_steps),
        "guidance interval": option(guidance_start=theirs.guidance_start, guidance_end=theirs.guidance_end),
        "feature reuse": option(reuse_every=theirs.reuse_every),
        "windows": option(window=theirs.window, overlap=theirs.overlap, looped=theirs.looped),
    }

    def tflop(preset: Any) -> float:
        return round(sum(video_flop(full_size, preset, num_frames).values()) / 1e12, 1)

    parts = video_flop(full_size, chosen, num_frames)
    return {
        "bench": "video",
        "preset": preset,
        "latent": latent,
        "num_frames": num_frames,
        "tflop": tflop(chosen),
        "share_of_authors": round(tflop(chosen) / AUTHORS_VIDEO_TFLOP, 4) if (latent, num_frames) == (64, 80) else None,
        "parts_tflop": {name: round(cost / 1e12, 3) for name, cost in parts.items()},
        "alone_tflop": {name: tflop(variant) for name, variant in alone.items()},
    }


def _least_seconds(run: Callable[[], object], num_runs: int, device: torch.device) -> float:
    """Least wall seconds of ``num_runs`` runs after a warm-up."""
    seconds = []
    for _ in range(num_runs + 1):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])


def bench_encoders(num_runs: int = 3, seconds: float = 3.2) -> dict[str, Any]:
    """WavLM-Large and wav2vec2-base, random weights, float32: encoding speech against transformers' own forwards.

    cpu_s: from the recording to the rows of both. plain_cpu_s: one forward of each on the normalised samples.
    ratio: the first over the second.
    """
    import transformers

    from .audio import SPEECH_RATE_HZ, Recording
    from .encoders import Speech, Wav2Vec2, WavLM

    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(round(seconds * SPEECH_RATE_HZ), generator=generator) / 10
    recording = Recording(samples[None].numpy(), SPEECH_RATE_HZ)
    large = transformers.WavLMConfig(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        max_bucket_distance=800,
    )
    networks = [transformers.WavLMModel(large), transformers.Wav2Vec2Model(transformers.Wav2Vec2Config())]
    for network in networks:
        network.eval().requires_grad_(False)
    encoders = [WavLM(networks[0]), Wav2Vec2(networks[1])]
    normalised = ((samples - samples.mean()) / samples.std())[None]

    @torch.inference_mode()
    def plain() -> None:
        for network in networks:
            network(normalised)

    def encode() -> None:
        speech = Speech.of(recording)
        for encoder in encoders:
            encoder.encode(speech, recording.num_frames())

    cpu_s, plain_cpu_s = interleaved(encode, plain, num_runs)
    return {
        "bench": "encoders",
        "seconds": seconds,
        "num_frames": recording.num_frames(),
        "ratio": round(cpu_s / plain_cpu_s, 4),
        "cpu_s": round(cpu_s, 3),
        "plain_cpu_s": round(plain_cpu_s, 3),
        "transformers": transformers.__version__,
        "peak_rss_mib": peak_rss_mib(),
        **machine(),
    }


BENCHES: dict[str, Callable[..., dict[str, Any]]] = {
    "smga": bench_smga,
    "preview": bench_preview,
    "unet": bench_unet,
    "video": bench_video,
    "encoders": bench_encoders,
}

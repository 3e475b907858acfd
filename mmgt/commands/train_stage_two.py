"""``mmgt train image``, ``video`` and ``proof``: stage II learns, and shows what it has learned."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .terminal import Commands, show_progress
from .training_run import add_rate, add_run, gathered, shown, writing

if TYPE_CHECKING:
    import torch

    from ..mmhaa.network import MMHAA
    from ..training.mmhaa import Drops, MMHAATraining
    from ..training.new_networks import MMHAASizes
    from ..training.video_set import VideoSet
    from ..weights.catalog import WeightFile

SIZES = ("published", "small", "tiny")
THIRD_MASKS = ("1 + lips", "hands", "1 - face + lips", "background")  # of ``mmhaa.masks``, imported when a command runs


def add_parsers(train: Commands) -> None:
    for name, help_text, batch in (
        ("image", "stage II, process 1: the photo in another pose, from pairs of pictures", 4),
        ("video", "stage II, process 2: motion, speech and masks, from clips", 1),
    ):
        stage = train.add_parser(name, help=help_text)
        add_run(stage, num_steps=30_000 if name == "image" else 32_500, batch=batch, seed=12580, learning_rate=1e-5)
        add_stage_two(stage, name)
        stage.set_defaults(run=run_stage_two, process=name)
    prove = train.add_parser("proof", help="both stages on people, speech and poses that they never saw: tables")
    prove.add_argument("--data", type=Path, required=True, metavar="SET", help="a drawn one; its held-out clips")
    prove.add_argument("--smga", type=Path, metavar="FILE", help="default: the small one that is shipped")
    prove.add_argument("--network", type=Path, metavar="FILE", help="of stage II (default: the one that is shipped)")
    prove.add_argument("--vae", type=Path, metavar="FILE", help="of --network (default: the one that is shipped)")
    prove.add_argument("--clips", type=int, default=4, metavar="N", help="of videos (default: 4)")
    prove.add_argument("--speeches", type=int, default=20, metavar="N", help="clips of SMGA (default: 20)")
    prove.add_argument("--frames", type=int, default=48, metavar="N", help="of each video (default: 48)")
    prove.add_argument("--steps", type=int, metavar="N", help="of the video (default: those of --preset small)")
    prove.add_argument("--seed", type=int, default=0, help="of people and noise (default: 0)")
    prove.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    prove.set_defaults(run=run_proof)


def add_passes(parser: argparse.ArgumentParser) -> None:
    """What every run of stage II has: coders, what is drawn, and how it is learned."""
    parser.add_argument(
        "--vae", type=Path, metavar="FILE", help="of SD-1.5 (default: none, the colours of 8 px blocks)"
    )
    parser.add_argument(
        "--clip", type=Path, metavar="FILE", help="CLIP's image encoder (default: the network has none)"
    )
    parser.add_argument("--accumulate", type=int, default=1, metavar="N", help="batches a step (default: 1)")
    parser.add_argument(
        "--reference",
        choices=["random", "first", "clip"],
        default="random",
        help="which frame is the photo: a random one, the first of the window, or of the clip",
    )
    parser.add_argument(
        "--windows", type=int, default=0, metavar="N", help="of each clip, drawn once, that are learned (default: all)"
    )
    parser.add_argument("--new-people", action="store_true", help="a drawn clip's windows show each another person")
    add_rate(parser)
    parser.add_argument("--average-decay", type=float, default=0.0, help="of the weights' average (default: 0, none)")
    parser.add_argument("--autocast", choices=["no", "bf16", "fp16"], default="no", help="half precision (default: no)")
    parser.add_argument("--checkpointing", action="store_true", help="less memory for a third more time")
    parser.add_argument("--eight-bit", action="store_true", help="AdamW's moments in 8 bits, as the authors' process 2")


def add_frames(parser: argparse.ArgumentParser) -> None:
    """Of clips."""
    parser.add_argument("--frames", type=int, default=12, help="of a clip (default: 12)")
    parser.add_argument(
        "--shared-noise",
        type=float,
        default=0.0,
        help="of a clip's noise that its frames have in common (default: 0)",
    )


def passes_of(args: argparse.Namespace) -> dict[str, Any]:
    """``MMHAATraining``'s part of what ``add_run``, ``add_passes`` and ``add_frames`` have added."""
    return {
        "seed": args.seed,
        "num_steps": args.steps,
        "batch": args.batch,
        "accumulate": args.accumulate,
        "num_frames": getattr(args, "frames", 1),
        "learning_rate": args.learning_rate,
        "warm_up": args.warm_up,
        "cool_down": args.cool_down,
        "shared_noise": getattr(args, "shared_noise", 0.0),
        "reference": args.reference,
        "windows_per_clip": args.windows,
        "new_people": args.new_people,
        "average_decay": args.average_decay,
        "autocast": args.autocast,
        "checkpointing": args.checkpointing,
        "eight_bit": args.eight_bit,
    }


def add_stage_two(parser: argparse.ArgumentParser, name: str) -> None:
    is_video = name == "video"
    add_passes(parser)
    parser.add_argument("--side", type=int, default=512, metavar="PX", help="of the pictures (default: 512)")
    parser.add_argument("--size", choices=SIZES, default="published", help="of the networks (default: published)")
    parser.add_argument("--widths", type=int, nargs=4, metavar="N", help="of the UNets' levels, instead of --size's")
    parser.add_argument("--prediction", choices=["v", "epsilon"], default="v", help="what is learned (default: v)")
    parser.add_argument(
        "--schedule",
        choices=["scaled_linear", "linear"],
        default="scaled_linear",
        help="of the noise: the authors' training (default), or their sampling; the network is sampled as it learned",
    )
    parser.add_argument("--noise-offset", type=float, default=0.05, help="default: 0.05")
    parser.add_argument("--snr-gamma", type=float, default=5.0, help="of the loss' weights (default: 5)")
    parser.add_argument(
        "--drops",
        choices=["authors", "paper", "none"],
        default="authors",
        help=f"modalities left out at times: authors = photo 10%%{', speech 5%%' * is_video}; paper = each 5%%",
    )
    parser.add_argument("--groups", type=int, metavar="N", help="of the networks' group norms, instead of --size's")
    parser.add_argument("--heads", type=int, metavar="N", help="of all attentions, instead of --size's")
    parser.add_argument("--everything", action="store_true", help="all parameters learn (small networks from nothing)")
    parser.add_argument(
        "--face-weight", type=float, default=0.0, help="by which errors at the face count more (default: 0)"
    )
    parser.add_argument(
        "--lip-weight", type=float, default=0.0, help="by which errors at the lips count more (default: 0)"
    )
    parser.add_argument("--from-unet", type=Path, metavar="FILE", help="begin from SD-1.5's UNet")
    parser.add_argument("--from-controlnet", type=Path, metavar="FILE", help="begin from an OpenPose ControlNet's eye")
    parser.add_argument("--from-networks", type=Path, metavar="FILE", help="begin from an earlier net-N.safetensors")
    if is_video:
        parser.add_argument(
            "--from-motion",
            type=Path,
            metavar="FILE",
            help="begin from AnimateDiff's motion modules, or those and the hearing of an earlier `train video`",
        )
        add_frames(parser)
        parser.add_argument(
            "--speech-kind", choices=["wav2vec2", "handcrafted"], help="default: handcrafted where SIZE is small"
        )
        parser.add_argument(
            "--third-mask", choices=THIRD_MASKS, default="hands", help="of the full branch (default: hands)"
        )
        parser.add_argument(
            "--masks-as-sampled",
            action="store_true",
            help="masks and strengths of the branches as a video is sampled by default, not as the authors trained",
        )


def run_stage_two(args: argparse.Namespace) -> None:
    from ..mmhaa.config import NO_CLIP
    from ..training.clips import ClipSet
    from ..training.mmhaa import train_mmhaa
    from ..training.start import StartFiles
    from ..training.video_set import VideoSet, open_coder, open_image_encoder

    team = gathered(args)
    coder, image_encoder = open_coder(args.vae, team.device), open_image_encoder(args.clip, team.device)
    settings = stage_two_settings(args, NO_CLIP if image_encoder is None else image_encoder.width)
    clips, masks, whole = ClipSet(args.data), (settings.masks, settings.strengths), not settings.windows_per_clip
    videos = VideoSet(clips, args.side, coder, image_encoder, settings.speech_kind, *masks, whole_clips=whole)
    start = StartFiles(args.from_unet, getattr(args, "from_motion", None), args.from_controlnet, args.from_networks)
    with shown(args.steps, team) as show:
        train_mmhaa(videos, args.out, settings, start=start, progress=show, team=team, **writing(args))
    if team.writes:
        print(f"done: {args.out / f'net-{args.steps}.safetensors'}")


def stage_two_settings(args: argparse.Namespace, image_channels: int) -> MMHAATraining:
    """image_channels: of the CLIP token."""
    from ..mmhaa.drive import STRENGTHS
    from ..mmhaa.masks import MaskOptions
    from ..training.mmhaa import AUTHORS_DROPS, PAPER_DROPS, Drops, MMHAATraining
    from ..training.mmhaa_loss import MMHAALoss

    drops: dict[str, Drops] = {"authors": AUTHORS_DROPS, "paper": PAPER_DROPS, "none": Drops(0, 0, 0, 0)}
    branches: dict[str, Any] = {"masks": MaskOptions(getattr(args, "third_mask", "hands"), "face")}
    if getattr(args, "masks_as_sampled", False):
        branches = {"masks": MaskOptions(), "strengths": STRENGTHS}
    speech_kind: Any = getattr(args, "speech_kind", None) or ("wav2vec2" if args.size == "published" else "handcrafted")
    return MMHAATraining(
        process=args.process,
        side_px=args.side,
        noise_offset=args.noise_offset,
        loss=MMHAALoss(args.snr_gamma, args.prediction, args.schedule, args.face_weight, args.lip_weight),
        drops=drops[args.drops],
        **branches,
        speech_kind=speech_kind,
        everything=args.everything,
        sizes=stage_two_sizes(args, speech_kind, image_channels),
        **passes_of(args),
    )


def stage_two_sizes(args: argparse.Namespace, speech_kind: str, image_channels: int) -> MMHAASizes:
    """The networks' sizes: a named set, other widths, and what the files at hand decide."""
    from dataclasses import replace

    from ..training.new_networks import SMALL, TINY, MMHAASizes

    sizes = {"published": MMHAASizes(), "small": SMALL, "tiny": TINY}[args.size]
    if args.groups:
        sizes = replace(sizes, num_groups=args.groups)
    if args.widths:
        sizes = replace(sizes, widths=tuple(args.widths))
    if args.heads:
        sizes = replace(sizes, num_heads=args.heads, motion_heads=args.heads)
    if speech_kind == "wav2vec2":
        sizes = replace(sizes, speech_layers=MMHAASizes.speech_layers, speech_width=MMHAASizes.speech_width)
    else:
        sizes = replace(sizes, speech_layers=SMALL.speech_layers, speech_width=SMALL.speech_width)
    return replace(sizes, image_channels=image_channels)


def run_proof(args: argparse.Namespace) -> None:
    """Tables of the videos, and of SMGA as ``run_compare`` makes them."""
    from ..mmhaa.presets import PRESETS
    from ..smga.load import load_smga
    from ..smga.sample import SamplerSettings
    from ..standalone.devices import choose_device
    from ..training.proofs import compare_smga, comparison_table
    from ..training.video_proof import prove_video, video_table
    from ..weights import catalog

    network, smga = chosen(args.network, catalog.MMHAA), chosen(args.smga, catalog.SMGA)
    device = choose_device(args.device)
    networks, videos = proved(network, chosen(args.vae, catalog.VAE), args.data, device)
    preset = PRESETS["small"]
    preset = preset if args.steps is None else replace(preset, num_steps=args.steps)
    show = show_progress("videos")
    rows = prove_video(networks, videos, args.clips, args.frames, preset, args.seed, device, show)
    print(video_table(rows, args.clips))
    sampler = SamplerSettings(guidance=1.0)
    compared = compare_smga(
        {"SMGA": load_smga(smga)}, videos.clips, args.speeches, sampler, args.seed, progress=show_progress("clips")
    )
    print(f"\n{comparison_table(compared, args.speeches)}")


def chosen(given: Path | None, file: WeightFile) -> Path:
    """What is to be judged: what is given, or else what is shipped."""
    from ..weights.places import shipped

    path = given or shipped(file)
    if path is None:
        raise InputError(f"{file.shipped} is not in this copy of mmgt; name the file that is to be proved.")
    return path


def proved(network: Path, vae: Path, data: Path, device: torch.device) -> tuple[MMHAA, VideoSet]:
    """Networks on a device, and a set as they read it, by single windows."""
    from ..mmhaa.drive import STRENGTHS
    from ..mmhaa.load import load_mmhaa
    from ..mmhaa.masks import MaskOptions
    from ..training.clips import ClipSet
    from ..training.video_set import VideoSet, open_coder

    networks = load_mmhaa(network).to(device)
    if networks.video_network.sees_clip:
        raise InputError(f"{network} reads the photo through CLIP; the proof is of networks without it.")
    videos = VideoSet(
        ClipSet(data),
        networks.trained_px,
        open_coder(vae, device),
        speech_kind=networks.video_network.hears,
        masks=MaskOptions(),
        strengths=STRENGTHS,
        whole_clips=False,
    )
    return networks, videos

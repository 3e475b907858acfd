"""``mmgt train``: learning, as a run that can be watched, stopped and gone on with."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ..errors import InputError
from .terminal import Commands, show_progress

if TYPE_CHECKING:
    from ..training.mmhaa import Drops, MMHAATraining
    from ..training.new_networks import MMHAASizes
    from ..training.team import Team

SIZES = ("published", "small", "tiny")


def add_parser(commands: Commands) -> None:
    train = commands.add_parser("train", help="learn a network from a training set").add_subparsers(required=True)
    smga = train.add_parser("smga", help="stage I: speech to poses")
    add_run(smga, num_steps=20_000, batch=128, seed=0, learning_rate=2e-4)
    smga.add_argument("--width", type=int, default=512, help="of the network (default: 512, as published)")
    smga.add_argument("--layers", type=int, default=8, help="of the network (default: 8)")
    smga.add_argument("--heads", type=int, default=8, help="of the network (default: 8)")
    smga.add_argument("--average-decay", type=float, default=0.9999, help="of the weights' average (default: 0.9999)")
    smga.add_argument("--loss", choices=["authors", "paper"], default="authors", help="3 face + all, or 3 face + body")
    smga.add_argument(
        "--lip-weight", type=float, default=0.0, help="of the mouth's shape in the loss (default: 0, as the authors)"
    )
    smga.add_argument(
        "--gesture-weight",
        type=float,
        default=0.0,
        help="of the velocity of head and arms in the loss (default: 0, as the authors)",
    )
    smga.add_argument(
        "--timesteps",
        choices=["uniform", "low"],
        default="uniform",
        help="how noise levels are drawn: uniform, as the authors; low: more of the last ones",
    )
    smga.add_argument(
        "--begin",
        choices=["aligned", "random"],
        default="aligned",
        help="aligned: the initial pose comes out, frames attend to their own speech; random: as the authors",
    )
    smga.add_argument(
        "--from-smga", type=Path, metavar="FILE", help="a trained SMGA of the same sizes that a new run goes on from"
    )
    smga.add_argument("--dropout", type=float, default=0.1, help="of what blocks add (default: 0.1, as the authors)")
    smga.add_argument("--one-branch", action="store_true", help="ablation: face and body pass one branch")
    smga.add_argument("--no-film", action="store_true", help="ablation: no FiLM by speech and diffusion time")
    smga.add_argument(
        "--start-pose", choices=["concat", "add"], default="concat", help="beside the noisy poses, or added to them"
    )
    smga.add_argument(
        "--target", choices=["same", "next"], default="same", help="a window begins at its initial pose, or after it"
    )
    smga.add_argument("--optimiser", choices=["adan", "adamw"], default="adan", help="default: adan, the authors'")
    smga.add_argument("--warm-up", type=int, default=0, metavar="N", help="steps in which the rate rises (default: 0)")
    smga.set_defaults(run=run_smga)
    for name, help_text, run in (
        ("overfit-smga", "a small SMGA learns eight drawn clips by heart: a proof", run_overfit_smga),
        ("overfit-video", "small networks of stage II learn one drawn clip by heart: a proof", run_overfit_video),
    ):
        proof = train.add_parser(name, help=help_text)
        proof.add_argument(
            "--out", type=Path, required=True, metavar="RUN", help="the run's folder; a run there goes on"
        )
        proof.set_defaults(run=run)
    compare = train.add_parser("compare", help="an SMGA on speech it never heard, beside what needs no learning")
    compare.add_argument("--network", type=Path, required=True, metavar="FILE", help="of SMGA")
    compare.add_argument("--data", type=Path, required=True, metavar="SET", help="whose held-out clips are taken")
    compare.add_argument("--clips", type=int, default=20, metavar="N", help="default: 20")
    compare.add_argument("--steps", type=int, default=50, help="of sampling (default: 50)")
    compare.add_argument("--guidance", type=float, default=2.0, help="of sampling (default: 2, as the authors)")
    compare.add_argument("--seed", type=int, default=0, help="of sampling (default: 0)")
    compare.set_defaults(run=run_compare)
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
    vae = train.add_parser("vae", help="a tiny auto-encoder in TAESD's layout, of a set's drawn pictures")
    add_run(vae, num_steps=3000, batch=4, seed=0, learning_rate=1e-3)
    vae.add_argument("--pictures", type=int, default=1200, metavar="N", help="drawn to learn from (default: 1200)")
    vae.add_argument("--side", type=int, default=256, metavar="PX", help="of the pictures (default: 256)")
    vae.add_argument("--crop", type=int, default=64, metavar="PX", help="that a step learns (default: 64)")
    vae.add_argument(
        "--widths", type=int, nargs=2, default=[32, 48], metavar="N", help="of encoder and decoder (default: 32 48)"
    )
    vae.add_argument("--autocast", choices=["no", "bf16"], default="no", help="half precision (default: no)")
    vae.add_argument("--noise", type=float, default=0.05, help="on the latents (default: 0.05)")
    vae.add_argument("--only-decoder", action="store_true", help="the encoder, with --from-vae, stays as it is")
    vae.add_argument("--from-vae", type=Path, metavar="FILE", help="begin from an earlier run's file of these widths")
    vae.set_defaults(run=run_vae)
    fgd = train.add_parser("fgd", help="the auto-encoder of poses that `mmgt evaluate` measures FGD with")
    add_run(fgd, num_steps=3000, batch=64, seed=0, learning_rate=1e-3)
    fgd.set_defaults(run=run_fgd)
    for name, help_text, batch in (
        ("image", "stage II, process 1: the photo in another pose, from pairs of pictures", 4),
        ("video", "stage II, process 2: motion, speech and masks, from clips", 1),
    ):
        stage = train.add_parser(name, help=help_text)
        add_run(stage, num_steps=30_000 if name == "image" else 32_500, batch=batch, seed=12580, learning_rate=1e-5)
        add_stage_two(stage, name)
        stage.set_defaults(run=run_stage_two, process=name)


def add_run(parser: argparse.ArgumentParser, num_steps: int, batch: int, seed: int, learning_rate: float) -> None:
    """What every run has."""
    parser.add_argument("--data", type=Path, required=True, metavar="SET", help="a training set, see `mmgt data`")
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder; a run there goes on")
    parser.add_argument("--steps", type=int, default=num_steps, help=f"default: {num_steps}")
    parser.add_argument("--batch", type=int, default=batch, help=f"samples a step and process (default: {batch})")
    parser.add_argument("--seed", type=int, default=seed, help=f"of all draws (default: {seed})")
    parser.add_argument("--learning-rate", type=float, default=learning_rate, help=f"default: {learning_rate:g}")
    parser.add_argument(
        "--save-every", type=int, default=500, metavar="N", help="steps between checkpoints (default: 500)"
    )
    parser.add_argument(
        "--sample-every",
        type=int,
        default=0,
        metavar="N",
        help="steps between pictures of held-out clips, the truth above (default: none)",
    )
    parser.add_argument("--tensorboard", action="store_true", help="curves in RUN/tensorboard too")
    parser.add_argument("--device", default="auto", help="auto, cuda, mps, cpu (default: auto, the best there is)")


def add_stage_two(parser: argparse.ArgumentParser, name: str) -> None:
    from ..mmhaa.masks import ThirdMask

    is_video = name == "video"
    parser.add_argument(
        "--vae", type=Path, metavar="FILE", help="of SD-1.5 (default: none, the colours of 8 px blocks)"
    )
    parser.add_argument(
        "--clip", type=Path, metavar="FILE", help="CLIP's image encoder (default: the network has none)"
    )
    parser.add_argument("--side", type=int, default=512, metavar="PX", help="of the pictures (default: 512)")
    parser.add_argument("--size", choices=SIZES, default="published", help="of the networks (default: published)")
    parser.add_argument("--widths", type=int, nargs=4, metavar="N", help="of the UNets' levels, instead of --size's")
    parser.add_argument("--accumulate", type=int, default=1, metavar="N", help="batches a step (default: 1)")
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
    parser.add_argument(
        "--warm-up", type=int, default=0, metavar="N", help="steps in which the rate rises (default: 0)"
    )
    parser.add_argument("--cool-down", type=int, default=0, metavar="N", help="steps in which it falls (default: 0)")
    parser.add_argument("--groups", type=int, metavar="N", help="of the networks' group norms, instead of --size's")
    parser.add_argument("--heads", type=int, metavar="N", help="of all attentions, instead of --size's")
    parser.add_argument("--everything", action="store_true", help="all parameters learn (small networks from nothing)")
    parser.add_argument("--average-decay", type=float, default=0.0, help="of the weights' average (default: 0, none)")
    parser.add_argument("--autocast", choices=["no", "bf16", "fp16"], default="no", help="half precision (default: no)")
    parser.add_argument("--checkpointing", action="store_true", help="less memory for a third more time")
    parser.add_argument("--eight-bit", action="store_true", help="AdamW's moments in 8 bits, as the authors' process 2")
    parser.add_argument("--from-unet", type=Path, metavar="FILE", help="begin from SD-1.5's UNet")
    parser.add_argument("--from-controlnet", type=Path, metavar="FILE", help="begin from an OpenPose ControlNet's eye")
    parser.add_argument("--from-networks", type=Path, metavar="FILE", help="begin from an earlier net-N.safetensors")
    if is_video:
        parser.add_argument("--from-motion", type=Path, metavar="FILE", help="begin from AnimateDiff's motion modules")
        parser.add_argument("--frames", type=int, default=12, help="of a clip (default: 12)")
        parser.add_argument(
            "--speech-kind", choices=["wav2vec2", "handcrafted"], help="default: handcrafted where SIZE is small"
        )
        parser.add_argument(
            "--third-mask", choices=get_args(ThirdMask), default="hands", help="of the full branch (default: hands)"
        )
        parser.add_argument(
            "--face-weight", type=float, default=0.0, help="by which errors at the face count more (default: 0)"
        )
        parser.add_argument(
            "--lip-weight", type=float, default=0.0, help="by which errors at the lips count more (default: 0)"
        )
        parser.add_argument(
            "--shared-noise",
            type=float,
            default=0.0,
            help="of a clip's noise that its frames have in common (default: 0)",
        )
        parser.add_argument(
            "--masks-as-sampled",
            action="store_true",
            help="masks and strengths of the branches as a video is sampled by default, not as the authors trained",
        )


@contextmanager
def shown(num_steps: int, team: Team) -> Iterator[Callable[[int, int, float], None] | None]:
    """A progress bar with loss, speed and time left."""
    from tqdm import tqdm

    if not team.writes:
        yield None
        return
    with tqdm(total=num_steps, unit="step", mininterval=1) as bar:

        def show(step: int, _num_steps: int, loss: float) -> None:
            if bar.n == 0:
                bar.initial = bar.n = bar.last_print_n = step - 1  # a run that goes on
            bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            bar.update(step - bar.n)

        yield show


def run_smga(args: argparse.Namespace) -> None:
    from ..training.smga import SMGATraining, train_smga
    from ..training.smga_loss import SMGALoss

    team = gathered(args)
    settings = SMGATraining(
        seed=args.seed,
        num_steps=args.steps,
        batch=args.batch,
        learning_rate=args.learning_rate,
        average_decay=args.average_decay,
        width=args.width,
        feed_forward_width=2 * args.width,
        num_layers=args.layers,
        num_heads=args.heads,
        begin=args.begin,
        optimiser=args.optimiser,
        warm_up=args.warm_up,
        timesteps=args.timesteps,
        dropout=args.dropout,
        two_branches=not args.one_branch,
        film=not args.no_film,
        start_pose=args.start_pose,
        target_offset=int(args.target == "next"),
        loss=SMGALoss(args.loss, lip_weight=args.lip_weight, gesture_weight=args.gesture_weight),
    )
    with shown(args.steps, team) as show:
        train_smga(args.data, args.out, settings, start=args.from_smga, progress=show, team=team, **_writing(args))
    if team.writes:
        print(f"done: {args.out / 'smga.safetensors'}")


def run_vae(args: argparse.Namespace) -> None:
    from ..training.clips import ClipSet
    from ..training.tiny_vae import WEIGHTS, TinyVAETraining, train_tiny_vae

    team = gathered(args)
    encoder_width, decoder_width = args.widths
    settings = TinyVAETraining(
        seed=args.seed,
        num_steps=args.steps,
        num_pictures=args.pictures,
        side_px=args.side,
        crop_px=args.crop,
        batch=args.batch,
        encoder_width=encoder_width,
        decoder_width=decoder_width,
        learning_rate=args.learning_rate,
        noise=args.noise,
        autocast=args.autocast == "bf16",
        only_decoder=args.only_decoder,
    )
    with shown(args.steps, team) as show:
        train_tiny_vae(
            ClipSet(args.data), args.out, settings, start=args.from_vae, progress=show, team=team, **_writing(args)
        )
    if team.writes:
        print(f"done: {args.out / WEIGHTS}")


def run_fgd(args: argparse.Namespace) -> None:
    from ..evaluation.pose_autoencoder import FILE
    from ..training.clips import ClipSet
    from ..training.fgd import FGDTraining, train_fgd

    team = gathered(args)
    settings = FGDTraining(args.seed, args.steps, args.batch, args.learning_rate)
    with shown(args.steps, team) as show:
        train_fgd(ClipSet(args.data), args.out, settings, progress=show, team=team, **_writing(args))
    if team.writes:
        print(f"done: {args.out / FILE}; put it into mmgt_eval in the models folder, or give it as --fgd")


def run_overfit_video(args: argparse.Namespace) -> None:
    from ..training.overfit_video import SETTINGS, overfit_video
    from ..training.team import ALONE

    with shown(SETTINGS.num_steps, ALONE) as show:
        learned = overfit_video(args.out, progress=show)
    print(
        f"loss {learned.loss_before:.4f} -> {learned.loss_after:.4f} ({learned.loss_after / learned.loss_before:.2%}); "
        f"sampled frames {learned.psnr_db:.1f} dB from the truth (the first frame held: {learned.still_db:.1f} dB), "
        f"see {args.out / 'sample.png'}"
    )


def run_overfit_smga(args: argparse.Namespace) -> None:
    from ..training.overfit_smga import NUM_CLIPS, SETTINGS, SIDE_PX, overfit_smga
    from ..training.team import ALONE

    with shown(SETTINGS.num_steps, ALONE) as show:
        learned = overfit_smga(args.out, progress=show)
    print(
        f"{NUM_CLIPS} clips, on a {SIDE_PX} px picture: sampled poses {learned.error_px:.2f} px from the truth "
        f"(the first pose held: {learned.still_px:.2f} px)"
    )


def run_compare(args: argparse.Namespace) -> None:
    from ..smga.load import load_smga
    from ..smga.sample import SamplerSettings
    from ..training.clips import ClipSet
    from ..training.proofs import compare_smga, comparison_table

    settings = SamplerSettings(args.steps, args.guidance)
    network, clips = load_smga(args.network), ClipSet(args.data)
    rows = compare_smga(network, clips, args.clips, settings, args.seed, show_progress("clips"))
    print(comparison_table(rows, args.clips))


def run_proof(args: argparse.Namespace) -> None:
    """Tables of the videos, and of SMGA as ``run_compare`` makes them."""
    from ..mmhaa.drive import STRENGTHS
    from ..mmhaa.load import load_mmhaa
    from ..mmhaa.masks import MaskOptions
    from ..mmhaa.presets import PRESETS
    from ..smga.load import load_smga
    from ..smga.sample import SamplerSettings
    from ..standalone.devices import choose_device
    from ..training.clips import ClipSet
    from ..training.proofs import compare_smga, comparison_table
    from ..training.video_proof import prove_video, video_table
    from ..training.video_set import VideoSet, open_coder
    from ..weights import catalog
    from ..weights.places import shipped

    def chosen(given: Path | None, file: catalog.WeightFile) -> Path:
        path = given or shipped(file)
        if path is None:
            raise InputError(f"{file.shipped} is not in this copy of mmgt; name the file that is to be proved.")
        return path

    network = chosen(args.network, catalog.MMHAA)
    vae, smga = chosen(args.vae, catalog.VAE), chosen(args.smga, catalog.SMGA)
    device, clips = choose_device(args.device), ClipSet(args.data)
    networks = load_mmhaa(network)
    for part in (networks.reference_unet, networks.video_network):
        part.to(device)
    if networks.video_network.sees_clip:
        raise InputError(f"{network} reads the photo through CLIP; the proof is of networks without it.")
    videos = VideoSet(
        clips,
        networks.trained_px,
        open_coder(vae, device),
        speech_kind=networks.video_network.hears,
        masks=MaskOptions(),
        strengths=STRENGTHS,
        whole_clips=False,
    )
    preset = PRESETS["small"]
    preset = preset if args.steps is None else replace(preset, num_steps=args.steps)
    show = show_progress("videos")
    rows = prove_video(networks, videos, args.clips, args.frames, preset, args.seed, device, show)
    print(video_table(rows, args.clips))
    sampler = SamplerSettings(guidance=1.0)
    compared = compare_smga(load_smga(smga), clips, args.speeches, sampler, args.seed, show_progress("clips"))
    print(f"\n{comparison_table(compared, args.speeches)}")


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
        train_mmhaa(videos, args.out, settings, start=start, progress=show, team=team, **_writing(args))
    if team.writes:
        print(f"done: {args.out / f'net-{args.steps}.safetensors'}")


def gathered(args: argparse.Namespace) -> Team:
    from ..standalone.devices import choose_device
    from ..training.team import Team

    return Team.gathered(choose_device(args.device), force_cpu=args.device == "cpu")


def _writing(args: argparse.Namespace) -> dict[str, Any]:
    if args.save_every < 1 or args.sample_every < 0:
        raise InputError(
            f"--save-every is {args.save_every} and --sample-every {args.sample_every}; they must be 1 or more, and 0 "
            "(never) or more."
        )
    return {"save_every": args.save_every, "sample_every": args.sample_every, "board": args.tensorboard}


def stage_two_settings(args: argparse.Namespace, image_channels: int) -> MMHAATraining:
    """image_channels: of the CLIP token."""
    from ..mmhaa.drive import STRENGTHS
    from ..mmhaa.masks import MaskOptions
    from ..training.mmhaa import AUTHORS_DROPS, PAPER_DROPS, Drops, MMHAATraining
    from ..training.mmhaa_loss import MMHAALoss

    drops: dict[str, Drops] = {"authors": AUTHORS_DROPS, "paper": PAPER_DROPS, "none": Drops(0, 0, 0, 0)}
    weights = (getattr(args, "face_weight", 0.0), getattr(args, "lip_weight", 0.0))
    branches: dict[str, Any] = {"masks": MaskOptions(getattr(args, "third_mask", "hands"), "face")}
    if getattr(args, "masks_as_sampled", False):
        branches = {"masks": MaskOptions(), "strengths": STRENGTHS}
    speech_kind: Any = getattr(args, "speech_kind", None) or ("wav2vec2" if args.size == "published" else "handcrafted")
    return MMHAATraining(
        process=args.process,
        seed=args.seed,
        num_steps=args.steps,
        batch=args.batch,
        accumulate=args.accumulate,
        side_px=args.side,
        num_frames=getattr(args, "frames", 1),
        learning_rate=args.learning_rate,
        warm_up=args.warm_up,
        cool_down=args.cool_down,
        noise_offset=args.noise_offset,
        shared_noise=getattr(args, "shared_noise", 0.0),
        loss=MMHAALoss(args.snr_gamma, args.prediction, args.schedule, *weights),
        drops=drops[args.drops],
        reference=args.reference,
        windows_per_clip=args.windows,
        new_people=args.new_people,
        **branches,
        speech_kind=speech_kind,
        everything=args.everything,
        average_decay=args.average_decay,
        autocast=args.autocast,
        checkpointing=args.checkpointing,
        eight_bit=args.eight_bit,
        sizes=stage_two_sizes(args, speech_kind, image_channels),
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

"""``mmgt train``: learning, as a run that can be watched, stopped and gone on with."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InputError
from ..training.smga_ablations import SMGA_ABLATIONS
from . import train_gestures, train_refine, train_stage_two, train_student
from .terminal import Commands, show_progress
from .training_run import add_run, gathered, shown, writing


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
        "--face-weight",
        type=float,
        default=3.0,
        help="of the face in the loss, beside 1 for the rest (default: 3, as the authors)",
    )
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
    smga.add_argument(
        "--ablation",
        choices=list(SMGA_ABLATIONS),
        default="full",
        help="a row of the paper's ablations by its name, as `mmgt ablate --trained` takes it, instead of the options "
        "that it stands for; all others as given",
    )
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
    compare.add_argument(
        "--network",
        type=Path,
        required=True,
        nargs="+",
        metavar="FILE",
        help="of SMGA; several: by their folders",
    )
    compare.add_argument("--data", type=Path, required=True, metavar="SET", help="whose held-out clips are taken")
    compare.add_argument("--fgd", type=Path, metavar="FILE", help="of `mmgt train fgd` (default: no FGD)")
    compare.add_argument("--clips", type=int, default=20, metavar="N", help="default: 20")
    compare.add_argument("--steps", type=int, default=50, help="of sampling (default: 50)")
    compare.add_argument("--guidance", type=float, default=2.0, help="of sampling (default: 2, as the authors)")
    compare.add_argument("--seed", type=int, default=0, help="of sampling (default: 0)")
    compare.set_defaults(run=run_compare)
    vae = train.add_parser("vae", help="a tiny auto-encoder in TAESD's layout, of a set's drawn pictures")
    add_run(vae, num_steps=3000, batch=4, seed=0, learning_rate=1e-3)
    vae.add_argument("--pictures", type=int, default=1200, metavar="N", help="drawn to learn from (default: 1200)")
    vae.add_argument("--side", type=int, default=256, metavar="PX", help="of the pictures (default: 256)")
    vae.add_argument("--crop", type=int, default=64, metavar="PX", help="that a step learns (default: 64)")
    vae.add_argument(
        "--widths", type=int, nargs=2, default=[32, 48], metavar="N", help="of encoder and decoder (default: 32 48)"
    )
    for region, weight in (("face", 4.0), ("hand", 4.0), ("lip", 12.0)):
        vae.add_argument(
            f"--{region}-weight", type=float, default=weight, help=f"of pixels there, others 1 (default: {weight:g})"
        )
    vae.add_argument("--autocast", choices=["no", "bf16"], default="no", help="half precision (default: no)")
    vae.add_argument("--noise", type=float, default=0.05, help="on the latents (default: 0.05)")
    vae.add_argument("--only-decoder", action="store_true", help="the encoder, with --from-vae, stays as it is")
    vae.add_argument("--from-vae", type=Path, metavar="FILE", help="begin from an earlier run's file of these widths")
    vae.set_defaults(run=run_vae)
    fgd = train.add_parser("fgd", help="the auto-encoder of poses that `mmgt evaluate` measures FGD with")
    add_run(fgd, num_steps=3000, batch=64, seed=0, learning_rate=1e-3)
    fgd.set_defaults(run=run_fgd)
    train_gestures.add_parsers(train)
    train_refine.add_parsers(train)
    train_stage_two.add_parsers(train)
    train_student.add_parsers(train)


def run_smga(args: argparse.Namespace) -> None:
    from ..training.smga import SMGATraining, train_smga
    from ..training.smga_loss import SMGALoss

    team = gathered(args)
    row = SMGA_ABLATIONS[args.ablation]
    face_weight = args.face_weight if row.face_weight is None else row.face_weight
    lip_weight = args.lip_weight if row.lips else 0.0
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
        two_branches=row.two_branches and not args.one_branch,
        film=row.film and not args.no_film,
        start_pose=args.start_pose,
        target_offset=int(args.target == "next"),
        loss=SMGALoss(args.loss, face_weight, lip_weight=lip_weight, gesture_weight=args.gesture_weight),
    )
    with shown(args.steps, team) as show:
        train_smga(args.data, args.out, settings, start=args.from_smga, progress=show, team=team, **writing(args))
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
        face_weight=args.face_weight,
        hand_weight=args.hand_weight,
        lip_weight=args.lip_weight,
        autocast=args.autocast == "bf16",
        only_decoder=args.only_decoder,
    )
    with shown(args.steps, team) as show:
        train_tiny_vae(
            ClipSet(args.data), args.out, settings, start=args.from_vae, progress=show, team=team, **writing(args)
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
        train_fgd(ClipSet(args.data), args.out, settings, progress=show, team=team, **writing(args))
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
    from ..evaluation.pose_autoencoder import load_pose_autoencoder
    from ..smga.load import load_smga
    from ..smga.sample import SamplerSettings
    from ..training.clips import ClipSet
    from ..training.proofs import compare_smga, comparison_table

    settings, clips = SamplerSettings(args.steps, args.guidance), ClipSet(args.data)
    names = ["SMGA"] if len(args.network) == 1 else [path.resolve().parent.name for path in args.network]
    if len({*names}) < len(names):
        raise InputError(f"networks are told by their folders: {', '.join(names)}; name each folder otherwise.")
    autoencoder = None if args.fgd is None else load_pose_autoencoder(args.fgd)
    networks = {name: load_smga(path) for name, path in zip(names, args.network, strict=True)}
    rows = compare_smga(networks, clips, args.clips, settings, args.seed, autoencoder, show_progress("clips"))
    print(comparison_table(rows, args.clips))

"""``mmgt train``: learning, as a run that can be stopped and gone on with."""

from __future__ import annotations

import argparse
from pathlib import Path

from .terminal import Commands


def add_parser(commands: Commands) -> None:
    train = commands.add_parser("train", help="learn a network from a training set").add_subparsers(required=True)
    smga = train.add_parser("smga", help="stage I: speech to poses")
    smga.add_argument("--data", type=Path, required=True, metavar="SET", help="a training set, see `mmgt data`")
    smga.add_argument("--out", type=Path, required=True, metavar="RUN", help="the run's folder; a run there goes on")
    smga.add_argument("--steps", type=int, default=20_000, help="default: 20000")
    smga.add_argument("--batch", type=int, default=128, help="windows of 3.2 s a step (default: 128)")
    smga.add_argument("--seed", type=int, default=0)
    smga.add_argument("--width", type=int, default=512, help="of the network (default: 512, as published)")
    smga.add_argument("--layers", type=int, default=8, help="of the network (default: 8)")
    smga.add_argument("--heads", type=int, default=8, help="of the network (default: 8)")
    smga.add_argument("--learning-rate", type=float, default=2e-4, help="of Adan (default: 2e-4)")
    smga.add_argument("--average-decay", type=float, default=0.9999, help="of the weights' average (default: 0.9999)")
    smga.add_argument("--loss", choices=["authors", "paper"], default="authors", help="3 face + all, or 3 face + body")
    smga.add_argument(
        "--save-every", type=int, default=500, metavar="N", help="steps between checkpoints (default: 500)"
    )
    smga.add_argument("--device", default="auto", help="auto, cuda, mps, cpu (default: auto, the best there is)")
    smga.set_defaults(run=run_smga)


def run_smga(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ..standalone.devices import choose_device
    from ..training.smga import SMGATraining, train_smga
    from ..training.smga_loss import SMGALoss

    device = choose_device(args.device)
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
        loss=SMGALoss(args.loss),
    )
    with tqdm(total=args.steps, unit="step", mininterval=1) as bar:

        def show(step: int, _num_steps: int, loss: float) -> None:
            bar.set_postfix_str(f"loss {loss:.4f}", refresh=False)
            bar.update(step - bar.n)

        train_smga(args.data, args.out, settings, save_every=args.save_every, progress=show, device=device)
    print(f"done: {args.out / 'smga.safetensors'}")

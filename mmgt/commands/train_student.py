"""``mmgt train student``: stage II distilled to few steps without guidance."""

from __future__ import annotations

import argparse
from pathlib import Path

from .terminal import Commands
from .train_stage_two import add_frames, add_passes, passes_of
from .training_run import add_run, gathered, shown, writing

LEARNS = ("everything", "attention", "lora")
RANK = 64
WEIGHTS = {"face": 1.0, "lip": 4.0, "hand": 2.0, "motion": 1.0, "colour": 1.0}  # as ``training.student_loss`` has them


def add_parser(train: Commands) -> None:
    student = train.add_parser("student", help="stage II in few steps without guidance, distilled from a network")
    add = student.add_argument
    add("--teacher", type=Path, required=True, metavar="FILE", help="of stage II, to be distilled")
    add_run(student, num_steps=20_000, batch=1, seed=12580, learning_rate=1e-5)
    add_passes(student)
    add_frames(student)
    add("--side", type=int, metavar="PX", help="of the pictures (default: the teacher's)")
    add("--student-steps", type=int, default=4, metavar="N", help="in which it will be sampled (default: 4)")
    add("--guidance", type=float, default=3.5, help="of the teacher, folded in; 1 is none (default: 3.5)")
    add("--teacher-steps", type=int, default=30, metavar="N", help="of its own sampling (default: 30)")
    add(
        "--jump",
        type=int,
        default=1,
        metavar="N",
        help="steps of the teacher in a pass, before the student goes on (default: 1, consistency)",
    )
    add(
        "--learns",
        choices=LEARNS,
        default="everything",
        help="default: everything; attention: only spatial, audio and motion modules; lora: updates of these",
    )
    add("--rank", type=int, default=RANK, metavar="N", help="of the LoRA (default: 64)")
    for name, default in WEIGHTS.items():
        add(f"--{name}-weight", type=float, default=default, help=f"of what differs in {name} (default: {default:g})")
    student.set_defaults(run=run)


def run(args: argparse.Namespace) -> None:
    from ..mmhaa.drive import STRENGTHS
    from ..mmhaa.load import load_mmhaa
    from ..mmhaa.masks import MaskOptions
    from ..training.clips import ClipSet
    from ..training.mmhaa import Drops, MMHAATraining
    from ..training.student import StudentTraining, taught, train_student
    from ..training.student_loss import StudentLoss
    from ..training.video_set import VideoSet, open_coder, open_image_encoder

    team, teacher = gathered(args), load_mmhaa(args.teacher)
    training = MMHAATraining(
        process="video", side_px=args.side or teacher.trained_px, drops=Drops(0, 0, 0, 0), **passes_of(args)
    )
    settings = StudentTraining(
        taught(training, teacher),
        args.student_steps,
        args.guidance,
        args.teacher_steps,
        args.jump,
        args.learns,
        args.rank,
        StudentLoss(*(getattr(args, f"{name}_weight") for name in WEIGHTS)),
    )
    videos = VideoSet(
        ClipSet(args.data),
        settings.training.side_px,
        open_coder(args.vae, team.device),
        open_image_encoder(args.clip, team.device),
        settings.training.speech_kind,
        MaskOptions(),
        STRENGTHS,
        whole_clips=not args.windows,
        shows_hands=args.hand_weight > 0,
    )
    del teacher  # the run reads it again
    with shown(args.steps, team) as show:
        train_student(args.teacher, videos, args.out, settings, progress=show, team=team, **writing(args))
    if team.writes:
        print(f"done: {args.out / f'net-{args.steps}.safetensors'}")

"""``mmgt train student``, ``compare-student``: stage II distilled to few steps without guidance, and judged."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .terminal import Commands, show_progress
from .train_stage_two import add_frames, add_passes, chosen, passes_of, proved
from .training_run import add_run, gathered, shown, writing

if TYPE_CHECKING:
    import numpy as np

LEARNS = ("everything", "attention", "lora")
RANK = 64
WEIGHTS = {"face": 1.0, "lip": 4.0, "hand": 2.0, "motion": 1.0, "colour": 1.0}  # as ``training.student_loss`` has them


def add_parsers(train: Commands) -> None:
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
        help="steps of the teacher in a pass, before the student goes on (default: 1, consistency; a whole segment's: "
        "regression from where the student is sampled)",
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
    student.set_defaults(run=run_student)

    compare = train.add_parser("compare-student", help="a student, its teacher in many and in as few steps: a table")
    add = compare.add_argument
    add("--student", type=Path, required=True, metavar="FILE", help="of `mmgt train student`")
    add("--teacher", type=Path, metavar="FILE", help="default: the small network that is shipped")
    add("--vae", type=Path, metavar="FILE", help="of both (default: the one that is shipped)")
    add("--data", type=Path, required=True, metavar="SET", help="a drawn one; its held-out clips")
    add("--guidance", type=float, default=3.5, help="of the teacher's many steps; 1 is none (default: 3.5)")
    add("--teacher-steps", type=int, default=30, metavar="N", help="default: 30")
    add("--clips", type=int, default=8, metavar="N", help="default: 8")
    add("--frames", type=int, default=24, metavar="N", help="of each clip (default: 24)")
    add("--sheet", type=Path, metavar="PNG", help="of frames, a row each: the truth, and what is compared")
    add("--seed", type=int, default=0, help="of people and noise (default: 0)")
    add("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    compare.set_defaults(run=run_compare)


def run_student(args: argparse.Namespace) -> None:
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


def run_compare(args: argparse.Namespace) -> None:
    from dataclasses import replace

    from ..media import check_output
    from ..mmhaa.load import load_mmhaa
    from ..mmhaa.presets import preset_of_student
    from ..standalone.devices import choose_device
    from ..training.mmhaa_samples import write_sheet
    from ..training.student_proof import prove_student, student_table
    from ..weights import catalog

    if args.sheet is not None:
        check_output(args.sheet)
    device = choose_device(args.device)
    rows: list[Sequence[np.ndarray]] = []
    teacher, videos = proved(chosen(args.teacher, catalog.MMHAA), chosen(args.vae, catalog.VAE), args.data, device)
    student = load_mmhaa(args.student)
    if student.student is None:
        raise InputError(f"{args.student} is no student; give a file of `mmgt train student`.")
    student.to(device)
    few = preset_of_student(student.student)
    many = replace(few, num_steps=args.teacher_steps, guidance=args.guidance)
    guided = f", cfg {args.guidance:g}" if args.guidance != 1 else ""
    found = prove_student(
        {
            f"teacher, {many.num_steps} steps{guided}": (teacher, many),
            f"teacher, {few.num_steps} steps": (teacher, few),
            f"student, {few.num_steps} steps": (student, few),
        },
        videos, args.clips, args.frames, args.seed, device, show_progress("clips"), rows.extend,
    )  # fmt: skip
    print(student_table(found, args.clips))
    if args.sheet is not None:
        write_sheet(args.sheet, rows)

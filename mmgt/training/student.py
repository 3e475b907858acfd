"""Distilling stage II: a student that needs 1 to 4 steps without guidance, from a teacher that needs 30 with it.

The student begins as its teacher. Each pass draws a noisy clip, lets the teacher go one or more of its guided DDIM
steps and the student, as it is, jump from there to the segment's end; that is where its jump from the beginning should
lead (``student_loss.py``). It runs, resumes and is watched as process 2 (``mmhaa.py``).
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from ..diffusion import add_noise
from ..errors import InputError, check_choice
from ..mmhaa.attention import Rows
from ..mmhaa.config import NO_CLIP
from ..mmhaa.drive import STRENGTHS
from ..mmhaa.load import load_mmhaa
from ..mmhaa.masks import MaskOptions
from ..mmhaa.network import MMHAA
from ..mmhaa.sample import GUIDED, guided
from ..mmhaa.student import Student
from ..mmhaa.unet import VideoContext
from ..weights.files import sha256_of
from .checkpointing import checkpoint_layers
from .loop import Progress
from .low_rank import add_low_rank
from .mmhaa import Batch, BothNetworks, Drops, MMHAARun, MMHAATraining, learn
from .mmhaa_loss import Clip, clip_context
from .processes import PROCESSES, trainable
from .run import Run
from .student_loss import Segments, StudentLoss
from .team import ALONE, Team
from .video_set import VideoSet

Learns = Literal["everything", "attention", "lora"]
LORA_PLACES = ("attentions.", "motion_modules.", "audio_modules.")


@dataclass(frozen=True)
class StudentTraining:
    """Settings of a distillation.

    training: how clips are drawn, and the optimiser's; of process 2, without drops. student_steps: in which it will be
    sampled. guidance: of the teacher, folded in; 1 is none, for a teacher that never learned without photo and speech.
    teacher_steps: of its schedule, rounded up to a multiple of the student's. jump: how many of them the teacher goes
    in a pass before the student goes on; 1 is consistency, a whole segment's are regression on the teacher alone, only
    from where the student is sampled.
    learns: "everything", "attention" (spatial, audio and motion modules of the denoising UNet) or "lora" (low-rank
    updates of these modules' linear layers; files hold the sum). rank: of the LoRA.
    """

    training: MMHAATraining
    student_steps: int = 4
    guidance: float = 3.5
    teacher_steps: int = 30
    jump: int = 1
    learns: Learns = "everything"
    rank: int = 64
    weights: StudentLoss = field(default_factory=StudentLoss)

    def __post_init__(self) -> None:
        check_choice("what learns", self.learns, get_args(Learns))
        self.student  # noqa: B018 (raises)
        if self.training.process != "video" or self.training.drops != Drops(0, 0, 0, 0):
            raise InputError("a student learns from clips, with everything that drives them: process video, no drops.")
        if self.guidance < 0 or min(self.teacher_steps, self.jump) < 1:
            raise InputError(
                f"the teacher's guidance must be 0 or more, its steps and those of a jump 1 or more, but they are "
                f"{self.guidance:g}, {self.teacher_steps} and {self.jump}."
            )

    @property
    def student(self) -> Student:
        return Student(self.student_steps, self.training.shared_noise)

    @property
    def per_segment(self) -> int:
        """Steps of the teacher in each of the student's."""
        return -(-self.teacher_steps // self.student_steps)

    @property
    def is_regression(self) -> bool:
        """Whether the teacher goes to the end of a segment: then nothing is passed on from one place to the next."""
        return self.jump >= self.per_segment


def taught(training: MMHAATraining, teacher: MMHAA) -> MMHAATraining:
    """How clips are drawn for a student: as its teacher is sampled."""
    return replace(
        training,
        process="video",
        noise_offset=0.0,
        drops=Drops(0, 0, 0, 0),
        masks=MaskOptions(),
        strengths=STRENGTHS,
        speech_kind=teacher.video_network.hears,
    )


@dataclass(kw_only=True)
class StudentRun(MMHAARun):
    """A run whose loss is the student's; the teacher is frozen."""

    distillation: StudentTraining
    teacher: MMHAA
    _wanted: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        given, parametrisation = self.distillation, self.teacher.parametrisation
        self.segments = Segments(given.student_steps, given.per_segment, parametrisation)
        self.sample_steps = given.student_steps

    def loss(self, batch: Batch, weighted: bool = True) -> Tensor:
        """Of the student's jump to the end of a segment, from the place that the batch's timestep names."""
        batch = batch.to(self.team.device)
        place = self.segments.place(int(batch.timesteps))
        if self.distillation.is_regression:
            place = self.segments.start(place)
        x = self.noisy(batch, place)
        with torch.no_grad():
            wanted = self.wanted(batch.clip, x, place, self.distillation.jump)
        made = self.student_jump(batch.clip, x, place)
        return self.distillation.weights(made, wanted, batch.clip, self.segments.reach(place))

    def noisy(self, batch: Batch, place: int) -> Tensor:
        """The clip with the noise of a place, [F, 4, h, w]."""
        return add_noise(batch.clip.latents, batch.noise, batch.noise.new_tensor([self.segments.level(place)]))

    def wanted(self, clip: Clip, x: Tensor, place: int, num_steps: int) -> Tensor:
        """Where a jump from x should lead: the teacher goes ``num_steps`` of its own, the student the rest."""
        end = self.segments.end(place)
        reached = min(place + num_steps, end)
        x = self.teacher_walk(clip, x, place, reached)
        return x if reached == end else self.student_jump(clip, x, reached)

    def teacher_walk(self, clip: Clip, x: Tensor, place: int, until: int) -> Tensor:
        """The teacher's guided DDIM steps from one place to another."""
        guidance = self.distillation.guidance
        rows: Rows = (True,) if guidance == 1 else GUIDED
        with self._autocast():
            context = clip_context(self.teacher, clip, x, strengths=self.settings.strengths, rows=rows)
        for now in range(place, until):
            v = self._predicted(self.teacher, x, now, context).unflatten(0, (len(rows), -1))
            x = self.segments.jump(x, guided(v, guidance), now, now + 1)
        return x

    def student_jump(self, clip: Clip, x: Tensor, place: int) -> Tensor:
        """Where the student says that the segment of a place ends."""
        student = self.both.networks
        with self._autocast():
            context = clip_context(student, clip, x, strengths=self.settings.strengths)
        return self.segments.jump(x, self._predicted(student, x, place, context), place, self.segments.end(place))

    def _predicted(self, networks: MMHAA, x: Tensor, place: int, context: VideoContext) -> Tensor:
        time = torch.full((1,), self.segments.times[place], device=x.device)
        with self._autocast():
            return networks.video_network(x, time, context)[0].float()

    @torch.no_grad()
    def validate(self) -> float:
        """How far the student's jumps over whole segments of held-out clips are from the teacher's many steps."""
        errors = []
        with self._averaged():
            for idx, drawn in enumerate(self._validation_batches(self.segments.starts)):
                batch = drawn.to(self.team.device)
                place = self.segments.times.index(int(batch.timesteps))
                x = self.noisy(batch, place)
                if idx == len(self._wanted):  # the teacher says the same each time
                    self._wanted.append(self.teacher_walk(batch.clip, x, place, self.segments.end(place)))
                wrong = (self.student_jump(batch.clip, x, place) - self._wanted[idx]) / self.segments.reach(place)
                errors.append(wrong.square().mean().item())
        return sum(errors) / len(errors)

    def _config(self) -> str:
        """What the file says of itself: its teacher's sizes and levels, and how it is sampled."""
        networks = self.both.networks
        config = networks.video_network.config
        numbers = {name: getattr(config, name) for name in ("num_heads", "motion_heads", "num_groups")}
        learned = {**asdict(networks.parametrisation), "side_px": self.settings.side_px}
        return json.dumps({**numbers, **learned, **self.distillation.student.config})


def check_teacher(teacher: MMHAA, videos: VideoSet, source: str) -> None:
    """Raise InputError for a teacher that is a student, or does not read the photo as the set shows it."""
    if teacher.student is not None:
        raise InputError(
            f"{source} is a student of {teacher.student.num_steps} steps already; give the network that it was "
            "distilled from."
        )
    width = NO_CLIP if videos.image_encoder is None else videos.image_encoder.width
    if width != teacher.video_network.config.image_channels:
        needs = "no --clip" if not teacher.video_network.sees_clip else "--clip with its image encoder"
        raise InputError(f"{source} reads image tokens of another width than {width}; give {needs}.")


def train_student(
    teacher_file: Path,
    videos: VideoSet,
    out: Path,
    distillation: StudentTraining,
    *,
    save_every: int = 500,
    sample_every: int = 0,
    progress: Progress | None = None,
    team: Team = ALONE,
    board: bool = False,
) -> MMHAA:
    """Distil a file of stage II until ``training.num_steps``; the same call goes on with a run that was stopped.

    Files and arguments: see ``train_mmhaa``. Raises InputError for a file that is a student already.
    """
    settings = distillation.training
    teacher = load_mmhaa(teacher_file)
    check_teacher(teacher, videos, str(teacher_file))
    student = deepcopy(teacher)
    run = Run(out)
    if team.writes:
        facts = {**videos.facts(), "teacher": f"{teacher_file.name} {sha256_of(teacher_file)[:16]}"}
        given = {name: value for name, value in asdict(distillation).items() if name != "training"}
        run.begin({"task": "student", **facts, **asdict(settings), **given})
    team.wait()
    trainable(student, PROCESSES[distillation.learns])
    if distillation.learns == "lora":
        add_low_rank(student.video_network, LORA_PLACES, distillation.rank, settings.seed)
    if settings.checkpointing:
        checkpoint_layers(student)
    teacher.to(team.device)
    both = BothNetworks(student).to(team.device)
    task = StudentRun(run, settings, videos, both, team, distillation=distillation, teacher=teacher)
    learn(task, save_every, sample_every, progress, board)
    return student

"""Learning stage II (paper section IV-A): process 1 from pairs of pictures, process 2 from clips with speech and masks.

The inference network is what learns; ``mmhaa_loss.predict`` is its one forward.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from ..diffusion import NUM_TRAIN_STEPS
from ..errors import InputError, check_choice
from ..mmhaa.masks import MaskOptions
from ..mmhaa.motion import MAX_FRAMES
from ..mmhaa.network import MMHAA, authors_state
from ..mmhaa.sample import share_noise
from ..speech.features import SpeechKind
from .authors_rules import start_range, target_range
from .checkpointing import checkpoint_layers
from .clips import ClipEntry, write_atomically
from .loop import Learner, Progress
from .low_rank import merged_state
from .mmhaa_loss import TRAINED_STRENGTHS, Clip, MMHAALoss, noise_of, predict
from .mmhaa_samples import write_samples
from .new_networks import MMHAASizes, new_mmhaa
from .optimisers import ExponentialAverage, adamw, set_rate
from .processes import PROCESSES, trainable, zero_unused
from .run import Run, is_best, learning, step_generator
from .start import StartFiles, load_networks, start_networks
from .team import ALONE, Team
from .video_set import VideoSet

ProcessName = Literal["image", "video"]
PhotoChoice = Literal["random", "first", "clip"]
Autocast = Literal["no", "bf16", "fp16"]
SMALLEST_PX = 64  # one cell at the UNets' lowest level
VALIDATION_CLIPS = 4
VALIDATION_TIMES = (200, 500, 800)
NET, BEST = "net-{}.safetensors", "best.safetensors"


@dataclass(frozen=True)
class Drops:
    """Chances that a batch learns without a modality: the photo (no reference features, and the token of a picture of
    zeros), speech (its tokens are zero), poses (a black picture), masks (the branches act everywhere)."""

    image: float = 0.1
    audio: float = 0.05
    pose: float = 0.0
    masks: float = 0.0

    def __post_init__(self) -> None:
        if not all(0 <= chance < 1 for chance in asdict(self).values()):
            raise InputError(f"chances to drop a modality must be 0 to below 1, but are {asdict(self)}.")


AUTHORS_MASKS = MaskOptions("hands", "face")  # of their data
AUTHORS_DROPS, PAPER_DROPS = Drops(), Drops(0.05, 0.05, 0.05, 0.05)


@dataclass(frozen=True)
class MMHAATraining:
    """Settings of a run; the defaults are the authors' where they have one.

    process: "image" is process 1, "video" process 2. batch: pictures or clips of a process in a step, ``accumulate``
    times. reference: the photo is a "random" frame (their code), the "first" of the window (the paper), or the first of
    the "clip", which for pictures is the same. windows_per_clip: only so many of each clip are learned, drawn once, so
    that few frames have to be encoded; 0 learns all. new_people: each of them shows another person in a drawn clip's
    poses. warm_up, cool_down: steps in which the learning rate rises at the beginning, and falls at the end. masks,
    strengths: of the branches in process 2; their data has hands in the face's mask, and the third one by name.
    shared_noise: of a clip's frames, as the video will be sampled (``share_noise``).
    everything: all parameters learn, not only the process' (for small networks from nothing). average_decay: 0 keeps no
    average. eight_bit: AdamW's moments in 8 bits (bitsandbytes, on CUDA).
    """

    process: ProcessName = "image"
    seed: int = 12580
    num_steps: int = 30_000
    batch: int = 4
    accumulate: int = 1
    side_px: int = 512
    num_frames: int = 12
    learning_rate: float = 1e-5
    warm_up: int = 0
    cool_down: int = 0
    weight_decay: float = 0.01
    max_norm: float = 1.0
    noise_offset: float = 0.05
    shared_noise: float = 0.0
    loss: MMHAALoss = field(default_factory=MMHAALoss)
    drops: Drops = AUTHORS_DROPS
    reference: PhotoChoice = "random"
    windows_per_clip: int = 0
    new_people: bool = False
    masks: MaskOptions = AUTHORS_MASKS
    strengths: tuple[float, float, float] = TRAINED_STRENGTHS
    speech_kind: SpeechKind = "wav2vec2"
    everything: bool = False
    average_decay: float = 0.0
    autocast: Autocast = "no"
    checkpointing: bool = False
    eight_bit: bool = False
    sizes: MMHAASizes = field(default_factory=MMHAASizes)

    def __post_init__(self) -> None:
        check_choice("process", self.process, get_args(ProcessName))
        check_choice("reference", self.reference, get_args(PhotoChoice))
        check_choice("autocast", self.autocast, get_args(Autocast))
        if min(self.num_steps, self.batch, self.accumulate) < 1 or not 1 <= self.num_frames <= MAX_FRAMES:
            raise InputError(
                f"steps, batch and accumulate must be 1 or more and frames 1 to {MAX_FRAMES}, but they are "
                f"{self.num_steps}, {self.batch}, {self.accumulate} and {self.num_frames}."
            )
        if self.side_px < SMALLEST_PX or self.side_px % SMALLEST_PX:
            raise InputError(
                f"pictures of {self.side_px} px cannot be learned; the side must be a multiple of {SMALLEST_PX}."
            )
        if self.side_px == SMALLEST_PX and min(self.sizes.widths[-2:]) == self.sizes.num_groups:
            raise InputError(
                f"pictures of {self.side_px} px are one cell at the lowest level, where groups of one channel cannot "
                f"be normalised; take {2 * SMALLEST_PX} px, or last widths of {2 * self.sizes.num_groups}."
            )
        if min(self.windows_per_clip, self.warm_up, self.cool_down) < 0:
            raise InputError(
                f"windows per clip and the steps of warm-up and cool-down must be 0 or more, but are "
                f"{self.windows_per_clip}, {self.warm_up} and {self.cool_down}."
            )
        if self.new_people and not self.windows_per_clip:
            raise InputError("new people need a number of windows: each of a clip's windows shows another one.")
        if self.learning_rate <= 0 or self.max_norm < 0 or not 0 <= self.average_decay < 1:
            raise InputError(
                f"the learning rate must be positive, the gradients' norm 0 or more and the average's decay 0 to below "
                f"1, but they are {self.learning_rate}, {self.max_norm} and {self.average_decay}."
            )

    @property
    def frames(self) -> int:
        """Of a sample."""
        return 1 if self.process == "image" else self.num_frames


@dataclass(frozen=True)
class Batch:
    """What is drawn for one pass. noise [F, 4, h, w]; timesteps [1], or [F] for pictures; drop_*: see ``predict``."""

    clip: Clip
    noise: Tensor
    timesteps: Tensor
    drop_image: bool = False
    drop_audio: bool = False

    def to(self, device: torch.device) -> Batch:
        clip, noise, timesteps = self.clip.to(device), self.noise.to(device), self.timesteps.to(device)
        return replace(self, clip=clip, noise=noise, timesteps=timesteps)


@dataclass
class Batches:
    """The passes of each step; what they hold depends on the seed and the step only. The next step's are made ahead."""

    videos: VideoSet
    settings: MMHAATraining
    team: Team = ALONE
    _coming: dict[int, Future[list[Batch]]] = field(default_factory=dict)
    _thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "mmgt-batch"))

    def __post_init__(self) -> None:
        self.entries = self.videos.long_enough("train", self.settings.frames)
        self.dropped_token = self.videos.dropped_token()

    def take(self, step: int) -> list[Batch]:
        for wanted in (step, step + 1):
            if wanted not in self._coming:
                self._coming[wanted] = self._thread.submit(self.make, wanted)
        return self._coming.pop(step).result()

    def make(self, step: int) -> list[Batch]:
        generator, settings = step_generator(self.settings.seed, step), self.settings
        batches: list[Batch] = []
        for _ in range(settings.accumulate):
            dropped = (
                torch.rand(4, generator=generator) < torch.tensor(list(asdict(settings.drops).values()))
            ).tolist()
            seeds = torch.randint(2**62, (settings.batch * self.team.size,), generator=generator).tolist()
            samples = [self._sample(seeds[i], dropped) for i in self.team.share(settings.batch)]
            batches += [_pictures(samples)] if settings.process == "image" else samples
        return batches

    def _sample(self, seed: int, dropped: list[bool]) -> Batch:
        generator, settings = torch.Generator().manual_seed(seed), self.settings
        clip_idx = _one_of(range(len(self.entries)), generator)
        entry = self.entries[clip_idx]
        start, photo, person = self._window(clip_idx, generator)
        is_video = settings.process == "video"
        with_masks = is_video or settings.loss.weighs_regions
        clip = self.videos.clip(entry, start, settings.frames, photo, is_video, person, with_masks)
        drop_image, drop_audio, drop_pose, drop_masks = dropped
        clip = replace(
            clip,
            image_token=self.dropped_token if drop_image else clip.image_token,
            pose_pictures=clip.pose_pictures * float(not drop_pose),
            masks=tuple(torch.ones_like(level) for level in clip.masks) if drop_masks else clip.masks,
        )
        timesteps = torch.randint(NUM_TRAIN_STEPS, (1,), generator=generator)
        noise = share_noise(torch.randn(clip.latents.shape, generator=generator), settings.shared_noise)
        offset = torch.randn(clip.latents.shape[1], generator=generator)
        return Batch(clip, noise_of(noise, offset, settings.noise_offset), timesteps, drop_image, drop_audio)

    def _window(self, clip_idx: int, generator: torch.Generator) -> tuple[int, int, int | None]:
        """The first frame to learn, the photo's, and who is seen (None: the clip's own person)."""
        settings = self.settings
        if not settings.windows_per_clip:
            return *self._frames(self.entries[clip_idx], generator), None
        number = _one_of(range(settings.windows_per_clip), generator)
        own = step_generator(settings.seed + 1, clip_idx * settings.windows_per_clip + number)
        frames = self._frames(self.entries[clip_idx], own)
        return *frames, int(torch.randint(2**31, (), generator=own)) if settings.new_people else None

    def _frames(self, entry: ClipEntry, generator: torch.Generator) -> tuple[int, int]:
        """The first frame to learn, and the photo's."""
        length, settings = entry.num_frames, self.settings
        if settings.process == "image":
            photo = _one_of(range(length), generator) if settings.reference == "random" else 0
            return _one_of(target_range(length, photo), generator), photo
        starts = start_range(length, settings.num_frames) or range(length - settings.num_frames + 1)
        start, photo = _one_of(starts, generator), _one_of(starts, generator)
        return start, {"random": photo, "first": start, "clip": 0}[settings.reference]


def _one_of(choices: range, generator: torch.Generator) -> int:
    return choices[int(torch.randint(len(choices), (1,), generator=generator))]


def _pictures(samples: list[Batch]) -> Batch:
    """Samples of one frame each as one pass; photos are dropped for all of them or none."""
    clips = [sample.clip for sample in samples]
    latents, photos, tokens, pictures = (
        torch.cat([getattr(clip, name) for clip in clips])
        for name in ("latents", "photo_latents", "image_token", "pose_pictures")
    )
    masks = tuple(torch.cat(level, dim=1) for level in zip(*[clip.masks for clip in clips], strict=True))
    clip = Clip(latents, photos, tokens, pictures, masks=masks)
    noise, timesteps = (torch.cat([getattr(sample, name) for sample in samples]) for name in ("noise", "timesteps"))
    return Batch(clip, noise, timesteps, samples[0].drop_image)


class BothNetworks(nn.Module):
    """Stage II's two networks as one module, for their parameters."""

    def __init__(self, networks: MMHAA) -> None:
        super().__init__()
        self.reference_unet, self.video_network = networks.reference_unet, networks.video_network
        self.networks = networks


@dataclass
class MMHAARun:
    """What a run of stage II is made of; ``train_mmhaa`` makes and runs one."""

    run: Run
    settings: MMHAATraining
    videos: VideoSet
    both: BothNetworks
    team: Team = ALONE
    average: ExponentialAverage | None = None
    scaler: Any = None
    sample_steps: int | None = None

    def loss(self, batch: Batch, weighted: bool = True) -> Tensor:
        settings, batch = self.settings, batch.to(self.team.device)
        noisy = settings.loss.noisy(batch.clip, batch.noise, batch.timesteps)
        with self._autocast():
            predicted = predict(
                self.both.networks,
                batch.clip,
                noisy,
                batch.timesteps,
                batch.drop_image,
                batch.drop_audio,
                strengths=settings.strengths,
            )
        given = predicted.float(), batch.clip, batch.noise, batch.timesteps
        return settings.loss(*given) if weighted else settings.loss.errors(*given).mean()

    def _autocast(self) -> Any:
        dtypes = {"bf16": torch.bfloat16, "fp16": torch.float16}
        if self.settings.autocast == "no":
            return nullcontext()
        return torch.autocast(self.team.device.type, dtypes[self.settings.autocast])

    def backward(self, batches: list[Batch]) -> float:
        """The gradients of a step's passes; returns their mean loss."""
        total = 0.0
        for batch in batches:
            loss = self.loss(batch) / len(batches)
            (loss if self.scaler is None else self.scaler.scale(loss)).backward()
            total += loss.item()
        return total

    def authors_tensors(self) -> dict[str, Tensor]:
        """The networks in the authors' keys, the average where there is one."""
        with self._averaged():
            state = {key: value.detach().cpu().clone() for key, value in merged_state(self.both).items()}
        parts = [
            {key.removeprefix(f"{part}."): value for key, value in state.items() if key.startswith(f"{part}.")}
            for part in ("reference_unet", "video_network")
        ]
        return authors_state(*parts)

    def checkpoint(self, step: int, rows: list[dict[str, float]]) -> dict[str, str]:
        """Write net-N, and best where it is; called before the state, which names net-N."""
        rows[-1]["held_out_loss"] = round(self.validate(), 6)
        name = NET.format(step)
        tensors, metadata = self.authors_tensors(), {"format": "pt", "step": str(step), "config": self._config()}
        write_atomically(self.run.folder / name, tensors, metadata)
        if is_best(rows, "held_out_loss"):
            write_atomically(self.run.folder / BEST, tensors, metadata)
        return {"weights": name}

    def tidy(self) -> None:
        """Remove the nets before the one that the state names."""
        for earlier in self.run.folder.glob(NET.format("*")):
            if earlier.name != self.run.metadata()["weights"]:
                earlier.unlink()

    def _config(self) -> str:
        learned = asdict(self.both.networks.parametrisation)
        return json.dumps({**json.loads(self.settings.sizes.heads), **learned, "side_px": self.settings.side_px})

    @torch.no_grad()
    def validate(self) -> float:
        """Mean squared error on clips that are held out, with the same draws each time; smaller is better."""
        with self._averaged():
            errors = [self.loss(batch, weighted=False).item() for batch in self._validation_batches()]
        return sum(errors) / len(errors)

    def _validation_batches(self, times: Sequence[int] = VALIDATION_TIMES) -> Iterator[Batch]:
        for idx, entry in enumerate(self.held_out()):
            photo, start = self._held_out_frames(entry)
            clip = self.videos.clip(entry, start, self.settings.frames, photo, self.settings.process == "video")
            for time in times:
                generator = torch.Generator().manual_seed(1000 * idx + time)
                noise = torch.randn(clip.latents.shape, generator=generator)
                noise = share_noise(noise, self.settings.shared_noise)
                yield Batch(clip, noise, torch.tensor([time]))

    def held_out(self) -> list[ClipEntry]:
        split = "test" if self.videos.clips.of_split("test") else "train"
        return self.videos.long_enough(split, self.settings.frames)[:VALIDATION_CLIPS]

    def _held_out_frames(self, entry: ClipEntry) -> tuple[int, int]:
        """The photo's frame and the first of the window: beginning and middle of the clip."""
        return 0, (entry.num_frames - self.settings.frames) // 2

    def _averaged(self) -> Any:
        return nullcontext() if self.average is None else self.average.standing_in(self.both)

    def samples(self, step: int) -> None:
        """samples/step_N.png: frames of held-out clips, the truth above."""
        path = self.run.folder / "samples" / f"step_{step:06d}.png"
        chosen = [(entry, *self._held_out_frames(entry)) for entry in self.held_out()]
        with self._averaged():
            write_samples(
                path, self.both.networks, self.videos, chosen, self.settings.frames, self.team.device,
                self.sample_steps, self.settings.shared_noise,
            )  # fmt: skip


def train_mmhaa(
    videos: VideoSet,
    out: Path,
    settings: MMHAATraining,
    *,
    start: StartFiles = StartFiles(),
    save_every: int = 500,
    sample_every: int = 0,
    progress: Progress | None = None,
    team: Team = ALONE,
    board: bool = False,
) -> MMHAA:
    """Learn from a training set until ``settings.num_steps``; the same call goes on with a run that was stopped.

    out: the run's folder; ``net-N.safetensors`` in it are the newest networks in the authors' keys, ``best`` those with
    the smallest error on held-out clips. start: files to begin from. progress(step, num_steps, loss).
    """
    run = Run(out)
    if team.writes:
        run.begin({"task": settings.process, **videos.facts(), "start": start.facts(), **asdict(settings)})
    team.wait()
    networks = new_mmhaa(settings.sizes, settings.seed, with_video=settings.process == "video")
    networks = replace(networks, parametrisation=settings.loss.parametrisation)
    weights = run.metadata().get("weights")
    if weights is None:
        start_networks(networks, start)
    else:
        load_networks(networks, load_file(out / weights))
    trainable(networks, PROCESSES["everything" if settings.everything else settings.process])
    if settings.checkpointing:
        checkpoint_layers(networks)
    both = BothNetworks(networks).to(team.device)
    learn(MMHAARun(run, settings, videos, both, team), save_every, sample_every, progress, board)
    return networks


def learn(
    task: MMHAARun, save_every: int = 500, sample_every: int = 0, progress: Progress | None = None, board: bool = False
) -> None:
    """Learn what is not frozen of a run's networks, from where its folder's state is."""
    settings, team, both = task.settings, task.team, task.both
    optimiser = adamw(learning(both).values(), settings.learning_rate, settings.weight_decay, settings.eight_bit)
    task.average = ExponentialAverage(both, settings.average_decay) if settings.average_decay else None
    task.scaler = torch.amp.GradScaler(team.device.type) if settings.autocast == "fp16" else None
    batches = Batches(task.videos, settings, team)
    learner = Learner(
        task.run,
        both,
        optimiser,
        task.checkpoint,
        task.average,
        task.samples,
        team,
        task.scaler,
        settings.max_norm,
        save_every,
        sample_every,
        prepare_gradients=lambda: zero_unused(both.networks),
        saved=task.tidy,
        board=board,
    )

    def backward(step: int) -> float:
        set_rate(optimiser, settings.learning_rate, step, settings.num_steps, settings.warm_up, settings.cool_down)
        return task.backward(batches.take(step))

    learner.learn(settings.num_steps, backward, progress)

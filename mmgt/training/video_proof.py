"""Whether stage II has learned: its videos of people, speech and poses that it never saw, beside what is not learned.

The truth is drawn: the same person in the same poses. Ways to a video: the network, the paper's ablations of its masks
and speech, the preview by warping, and the photo held still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from statistics import mean, median

import numpy as np
import torch
from torch import Tensor

from ..evaluation.frames import FrameMeasures, person_box
from ..evaluation.report import table
from ..mmhaa.masks import NoMasks
from ..mmhaa.network import MMHAA
from ..mmhaa.presets import PRESETS, Preset
from ..mmhaa.sample import DDIM, Video, VideoRun, sample_latents, share_noise
from ..poses import PoseSequence
from ..poses.motion_mask import region_box
from ..poses.skeleton import INNER_LIPS, LEFT_HAND, LIPS, RIGHT_HAND
from ..preview import preview_motion
from ..world import Identity, random_identity
from ..world.canvas import Colour
from .clips import ClipEntry
from .video_set import VideoSet

UNSEEN_PEOPLE = 2**31 + 1000  # identities begin here; training draws its people below 2**31, the demo from there
NEAR, NEAR_SKIN = 40.0, 60.0  # how far in RGB a pixel may be from the colour that it is counted to
FEW_PX = 10  # of a region: less is not measured
HAND_MARGIN = 0.4  # of their boxes, in shares of the box
MOUTH_CORNERS = [LIPS.start, LIPS.start + 6]
MOUTH_RIM = 1 / 256  # around a mouth's inside, in shares of the picture
FOLLOWED = 8  # times that a hand's box is put where the hand was found
LIKENESS = tuple(f"{kind} {where}" for kind in ("PSNR", "SSIM") for where in ("whole", "face", "lips", "hands"))


@dataclass(frozen=True)
class VideoNumbers:
    """One way to a video, means over the clips.

    likeness: to the truth, in the order of LIKENESS; dB and -1..1. colour: of skin, hair, shirt and background, how far
    the frames' mean is from the photo's in the worst channel, levels of 255; NaN where none is seen. mouth: correlation
    of the mouth's opening, measured in the frames, with the truth's, -1..1; NaN where it does not move. hand_px:
    distance of a hand's middle from the truth's in the median frame.
    """

    name: str
    likeness: tuple[float, ...]
    colour: tuple[float, float, float, float]
    mouth: float
    hand_px: float


def prove_video(
    networks: MMHAA,
    videos: VideoSet,
    num_clips: int = 4,
    num_frames: int = 48,
    preset: Preset = PRESETS["small"],
    seed: int = 0,
    device: torch.device = torch.device("cpu"),
    progress: Callable[[int, int], None] | None = None,
) -> list[VideoNumbers]:
    """Held-out clips, each with a person of its own whom training never drew; the photo is the clip's first frame.

    num_frames: of each clip, from its middle. Same arguments, same numbers. Raises InputError without such clips.
    """
    rows: dict[str, list[VideoNumbers]] = {}
    clips = unseen_clips(videos, num_clips, num_frames, seed)
    for idx, clip in enumerate(clips):
        judge = Judge.of(videos, clip)
        ways: dict[str, Iterable[np.ndarray]] = {
            name: videos.coder.decode(sampled(networks, way, clip, preset, seed + idx, device, with_masks, with_speech))
            for name, way, with_masks, with_speech in (
                ("MM-HAA", videos, True, True),
                ("without masks", videos, False, True),
                ("masks held still", replace(videos, masks=replace(videos.masks, motion="still")), True, True),
                ("without speech", videos, True, False),
            )
        }
        first = videos.clips.poses(clip.entry).sized(videos.side_px, videos.side_px).frames(0, 1)
        ways |= {
            "Preview Motion": preview_motion(judge.photo, first, judge.poses),
            "photo held still": repeat(judge.photo),
        }
        for name, made in ways.items():
            rows.setdefault(name, []).append(judge.numbers(name, made))
        if progress is not None:
            progress(idx + 1, len(clips))
    return [mean_of(numbers) for numbers in rows.values()]


@dataclass(frozen=True)
class UnseenClip:
    """A held-out clip's poses and speech, and the person who is drawn in them."""

    entry: ClipEntry
    frames: range
    person: int


def unseen_clips(videos: VideoSet, num_clips: int, num_frames: int, seed: int) -> list[UnseenClip]:
    """num_frames of each clip, from its middle. Raises InputError for a set without such clips."""
    entries = videos.long_enough("test", num_frames)[:num_clips]
    starts = [(entry.num_frames - num_frames) // 2 for entry in entries]
    return [
        UnseenClip(entry, range(start, start + num_frames), UNSEEN_PEOPLE + seed + idx)
        for idx, (entry, start) in enumerate(zip(entries, starts, strict=True))
    ]


def sampled(
    networks: MMHAA,
    videos: VideoSet,
    clip: UnseenClip,
    preset: Preset,
    seed: int,
    device: torch.device,
    with_masks: bool = True,
    with_speech: bool = True,
) -> Tensor:
    """Latents [F, 4, h, w] of a clip's poses and speech, with its first frame as the photo of its person."""
    drive = videos.drive(clip.entry, with_speech)
    if not with_masks:
        drive = replace(drive, masks=NoMasks(drive.size))
    drive, first = drive.between(clip.frames.start, clip.frames.stop), slice(0, 1)
    latents, token = videos.latents(clip.entry, first, clip.person), videos.tokens(clip.entry, first, clip.person)
    seen = networks.read_photo(latents.to(device), token.to(device))
    noise = torch.randn(len(clip.frames), *latents.shape[1:], generator=torch.Generator().manual_seed(seed))
    noise = share_noise(noise, preset.shared_noise)
    run = VideoRun(networks.video_network, Video(seen, drive, preset.options))
    scheduler = DDIM(preset.num_steps, networks.parametrisation)
    return sample_latents(run, noise.to(device), scheduler, preset.guidance)


@dataclass(frozen=True)
class Judge:
    """Measures videos of one clip. photo [H, W, 3], truth [F, H, W, 3] uint8; poses of the truth's frames."""

    who: Identity
    photo: np.ndarray
    truth: np.ndarray
    poses: PoseSequence

    @classmethod
    def of(cls, videos: VideoSet, clip: UnseenClip) -> Judge:
        side_px, frames = videos.side_px, list(clip.frames)
        photo, *truth = videos.filmed(videos.clips, clip.entry, [0, *frames], side_px, clip.person)
        poses = videos.clips.poses(clip.entry).at(frames).sized(side_px, side_px)
        return cls(random_identity(clip.person), photo, np.stack(truth), poses)

    def numbers(self, name: str, made: Iterable[np.ndarray]) -> VideoNumbers:
        height, width = self.photo.shape[:2]
        frames = np.stack([frame for frame, _ in zip(made, self.truth, strict=False)])
        measures = FrameMeasures(height, width, self.poses)
        for frame, truth in zip(frames, self.truth, strict=True):
            measures.add(frame, truth)
        found = {row.name: row.value for row in measures.measured()}
        return VideoNumbers(
            name,
            tuple(found.get(f"{label} {width}x{height}", float("nan")) for label in LIKENESS),
            self._colours(frames),
            self._mouth(frames),
            self._hands(frames),
        )

    def _colours(self, frames: np.ndarray) -> tuple[float, float, float, float]:
        """Pixels are chosen in the truth and in the photo, by who is drawn there, and measured in the frames."""
        in_photo, in_truth = self._regions(self.photo), [self._regions(picture) for picture in self.truth]
        far = []
        for region, where in in_photo.items():
            pixels = [frame[inside[region]] for frame, inside in zip(frames, in_truth, strict=True)]
            seen = np.concatenate(pixels)
            if min(len(seen), int(where.sum())) < FEW_PX:
                far.append(float("nan"))
                continue
            far.append(float(np.abs(seen.mean(axis=0) - self.photo[where].mean(axis=0)).max()))
        skin, hair, shirt, background = far
        return skin, hair, shirt, background

    def _regions(self, picture: np.ndarray) -> dict[str, np.ndarray]:
        """Where skin, hair, shirt and background are in a drawn picture [H, W, 3]: [H, W] bool each."""
        x0, y0, x1, y1 = person_box(self.poses, *picture.shape[:2])
        outside = np.ones(picture.shape[:2], bool)
        outside[y0:y1, x0:x1] = False
        colours = self.who.skin, self.who.hair_colour, self.who.top
        away = np.stack([_away(picture, colour) for colour in colours])
        near = (away.argmin(axis=0) == np.arange(3)[:, None, None]) & (away < NEAR) & ~outside
        return {"skin": near[0], "hair": near[1], "shirt": near[2], "background": outside}

    def _mouth(self, frames: np.ndarray) -> float:
        """Of the openings with the truth's; NaN where one of them never changes."""
        opening = np.array([self._openings(frames), self._openings(self.truth)])
        return float(np.corrcoef(opening)[0, 1]) if opening.std(axis=1).min() > 0 else float("nan")

    def _openings(self, frames: np.ndarray) -> list[float]:
        """How much of each frame's mouth is neither lips nor skin: distances in RGB, summed over px.

        A few px hold dark and teeth at once, which together are near to a skin's colour: px that are counted by their
        nearest colour do not follow how far the drawn mouth is open.
        """
        inside, corners = self.poses.pixels[:, list(INNER_LIPS)].numpy(), self.poses.pixels[:, MOUTH_CORNERS].numpy()
        middles = corners.mean(axis=1)  # opening does not move them
        places = inside - middles[:, None]
        rim = MOUTH_RIM * max(frames.shape[1:3])
        (left, top), (right, bottom) = places.min(axis=(0, 1)) - rim, places.max(axis=(0, 1)) + rim
        found = []
        for (x, y), frame in zip(middles, frames, strict=True):
            rows = slice(max(0, round(y + top)), max(0, round(y + bottom) + 1))
            columns = slice(max(0, round(x + left)), max(0, round(x + right) + 1))
            mouth = frame[rows, columns]
            found.append(float(np.minimum(_away(mouth, self.who.lips), _away(mouth, self.who.skin)).sum()))
        return found

    def _hands(self, frames: np.ndarray) -> float:
        distances = []
        for t, (frame, truth) in enumerate(zip(frames, self.truth, strict=True)):
            for hand in (LEFT_HAND, RIGHT_HAND):
                rows, columns = self._box(t, hand, HAND_MARGIN)
                in_truth, in_frame = (_away(picture, self.who.skin) < NEAR_SKIN for picture in (truth, frame))
                wanted = _middle(in_truth[rows, columns])
                if wanted is not None:
                    shift = _shift(in_frame, rows, columns, wanted)
                    lost = np.hypot(rows.stop - rows.start, columns.stop - columns.start)  # no hand: as far as can be
                    distances.append(float(lost if shift is None else np.hypot(*shift)))
        return median(distances) if distances else float("nan")

    def _box(self, t: int, points: range, margin: float) -> tuple[slice, slice]:
        """Rows and columns around keypoints of a frame; none where they are not seen."""
        xy_px, score = self.poses.pixels[t].numpy(), self.poses.score[t].numpy()
        height, width = self.photo.shape[:2]
        box = region_box(points, xy_px, score, height, width, margin)
        x0, y0, x1, y1 = box or (0, 0, 0, 0)
        return slice(y0, y1), slice(x0, x1)


def _away(picture: np.ndarray, colour: Colour) -> np.ndarray:
    """Distance in RGB of each pixel of [H, W, 3] uint8."""
    return np.linalg.norm(picture.astype(np.float32) - np.array(colour, np.float32), axis=-1)


def _middle(inside: np.ndarray) -> np.ndarray | None:
    """Mean row and column of [H, W] bool; None for a few px."""
    places = np.argwhere(inside)
    return places.mean(axis=0) if len(places) >= FEW_PX else None


def _shift(inside: np.ndarray, rows: slice, columns: slice, wanted: np.ndarray) -> np.ndarray | None:
    """How far the middle of [H, W] bool in a box is from ``wanted``; the box follows it, so that no rim cuts it off."""
    shift = np.zeros(2)
    for _ in range(FOLLOWED):
        down, right = (int(way) for way in shift.round())
        top, left = max(0, rows.start + down), max(0, columns.start + right)
        found = _middle(inside[top : max(0, rows.stop + down), left : max(0, columns.stop + right)])
        if found is None:
            return None
        shift = np.array([top - rows.start, left - columns.start]) + found - wanted
    return shift


def mean_of(clips: Sequence[VideoNumbers]) -> VideoNumbers:
    def over(numbers: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
        columns = [[value for value in column if not np.isnan(value)] for column in zip(*numbers, strict=True)]
        return tuple(mean(column) if column else float("nan") for column in columns)

    skin, hair, shirt, background = over([clip.colour for clip in clips])
    mouth, hand_px = over([(clip.mouth, clip.hand_px) for clip in clips])
    likeness = over([clip.likeness for clip in clips])
    return VideoNumbers(clips[0].name, likeness, (skin, hair, shirt, background), mouth, hand_px)


def video_table(rows: Sequence[VideoNumbers], num_clips: int) -> str:
    """Two Markdown tables: likeness to the truth; colours, mouth and hands."""
    likeness = table(
        [f"{num_clips} held-out clips, to the truth", *LIKENESS],
        [[row.name, *(f"{v:.2f}" for v in row.likeness[:4]), *(f"{v:.3f}" for v in row.likeness[4:])] for row in rows],
    )
    head = [
        "colours from the photo's, of 255 (lower)", "skin", "hair", "shirt", "background",
        "mouth with the truth's (higher)", "hands from the truth's, px (lower)",
    ]  # fmt: skip
    seen = table(
        head, [[row.name, *(f"{v:.1f}" for v in row.colour), f"{row.mouth:.2f}", f"{row.hand_px:.1f}"] for row in rows]
    )
    return "\n".join([*likeness, "", *seen])

"""One film of somebody who talks -> clips of a training set, or the reason why not.

Everything is at 25 frames a second, by the film's own times: poses and speech features beside a square film cut out
around the person. What cannot be used is left out: where nobody is seen or more than one person, and what is too short
between two cuts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import InputError
from ..media import VideoReader, read_recording, write_video
from ..openpose import detections_of_openpose, is_openpose
from ..people import Detection, Detector
from ..pose_files import load_poses
from ..pose_video import poses_of_video
from ..pose_video.shots import shot_numbers, thumbnail
from ..poses import POSE_FPS, PoseSequence
from ..poses.skeleton import BODY, BROWS, FACE, FEET, JAW, LEGS
from ..speech.encode import encode_speech
from ..speech.encoders import Wav2Vec2, WavLM
from ..speech.features import SpeechFeatures
from ..speech.loudness import speaking
from ..speech.recording import SPEECH_RATE_HZ, Recording
from ..windows import stretches
from .clip_pictures import resized
from .clips import ClipEntry, write_clip

MIN_FRAMES = 81  # SMGA's window, and the frame before it
MIN_SPEAKING = 0.1  # share of the film in which a voice sounds
BRIEF_FRAMES = 5  # somebody else who is seen for less is taken for a detector's mistake
MARGIN = 0.08  # of the crop's side, on each side of the person
HAIR = 0.55  # above the brows, in heights from the brows to the chin
MIN_CROP = 0.25  # of the side asked for: a smaller crop is enlarged to a blur


@dataclass(frozen=True)
class FilmSettings:
    """side_px: of the square film. min_seconds: a clip lasts at least so long. Raises InputError for other values."""

    side_px: int = 512
    min_seconds: float = MIN_FRAMES / POSE_FPS

    def __post_init__(self) -> None:
        if self.side_px < 64 or self.side_px % 8:
            raise InputError(f"the side is {self.side_px} px; it must be a multiple of 8 and at least 64.")
        if self.min_seconds < MIN_FRAMES / POSE_FPS:
            raise InputError(
                f"min-seconds is {self.min_seconds:g}; it must be at least {MIN_FRAMES / POSE_FPS:g}: "
                "SMGA learns windows of 3.2 s and the frame before."
            )

    @property
    def min_frames(self) -> int:
        return round(self.min_seconds * POSE_FPS)


@dataclass(frozen=True)
class Tools:
    """The detector, for films without a pose file, and the encoders, where their files are given."""

    detector: Detector | None = None
    wavlm: WavLM | None = None
    wav2vec2: Wav2Vec2 | None = None


@dataclass(frozen=True)
class LeftOut:
    """A stretch of a film, in s, and why it is not in the set."""

    from_s: float
    to_s: float
    why: str


class RejectedFilmError(Exception):
    """A film of which nothing can be used. reason: one of REASONS; detail: a sentence about this film."""

    def __init__(self, reason: str, detail: str, left_out: Sequence[LeftOut] = ()) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.left_out = reason, detail, tuple(left_out)


REASONS = {  # and what can be done about it
    "unreadable": "export the film again, or copy it anew",
    "too short": "give longer films, or fewer seconds as --min-seconds",
    "silent": "give films with a voice in them",
    "nobody": "the face and the shoulders must be seen; crop the film around the person",
    "several people": "cut the film to where one person is seen, or crop it around them",
    "cuts": "every shot is too short; give the uncut film",
    "person too small": "give a film of more pixels, or a smaller --side",
    "pose file": "make the pose file of this film again, or remove it",
}


@dataclass(frozen=True)
class Looked:
    """The film's poses [T] and, frame by frame, what stands in the way. shots: the number of each frame's shot."""

    poses: PoseSequence
    is_missing: np.ndarray
    is_crowded: np.ndarray
    shots: np.ndarray


def clips_of_film(
    film: Path, pose_file: Path | None, tools: Tools, settings: FilmSettings, folder: Path, name: str, speaker: str
) -> tuple[list[ClipEntry], list[LeftOut]]:
    """Write the film's clips into a folder as NAME.safetensors and NAME.mp4 (NAME-2... where there are more).

    Returns how the index lists them, all in the split "train", and what was left out. Raises RejectedFilmError
    where nothing is usable.
    """
    try:
        reader = VideoReader(film, POSE_FPS)
    except InputError as error:
        raise RejectedFilmError("unreadable", str(error)) from error
    if reader.num_frames < settings.min_frames:
        seconds = reader.num_frames / POSE_FPS
        raise RejectedFilmError(
            "too short", f"it lasts {seconds:.2f} s, and a clip at least {settings.min_seconds:g} s"
        )
    recording = _voice_of(film)
    looked = _look(reader, pose_file, tools.detector)
    looked = replace(looked, poses=_on_picture(looked.poses, reader, pose_file))
    num_frames = min(reader.num_frames, looked.poses.num_frames, recording.num_frames(POSE_FPS))
    spans, left_out = _usable(looked, num_frames, settings.min_frames)
    speech = encode_speech(recording, wavlm=tools.wavlm, wav2vec2=tools.wav2vec2)
    entries: list[ClipEntry] = []
    for start, stop in spans:
        clip_name = name if not entries else f"{name}-{len(entries) + 1}"
        poses = looked.poses.frames(start, stop)
        crop = Crop.around(poses)
        if crop.side_px < MIN_CROP * settings.side_px:
            left_out.append(LeftOut(start / POSE_FPS, stop / POSE_FPS, "person too small"))
            continue
        source = {"film": film.name, "from_s": start / POSE_FPS, "crop": [crop.x0, crop.y0, crop.side_px]}
        _write_film(folder / f"{clip_name}.mp4", reader, recording, crop, range(start, stop), settings.side_px)
        entries.append(
            _write_clip(
                folder / f"{clip_name}.safetensors", crop.poses(poses, settings.side_px), speech, start, speaker, source
            )
        )
    if not entries:
        smallest = min(looked.poses.height_px, looked.poses.width_px)
        raise RejectedFilmError("person too small", f"in a film of {smallest} px on its short side", left_out)
    return entries, left_out


def _voice_of(film: Path) -> Recording:
    try:
        recording = read_recording(film)
    except InputError as error:
        raise RejectedFilmError("silent", f"no sound can be read ({error})") from error
    num_frames = recording.num_frames(POSE_FPS)
    share = float(speaking(recording.mono_at(SPEECH_RATE_HZ), num_frames).mean())
    if share < MIN_SPEAKING:
        raise RejectedFilmError(
            "silent", f"a voice sounds in {100 * share:.0f} % of it, and must in {100 * MIN_SPEAKING:.0f} %"
        )
    return recording


def _look(reader: VideoReader, pose_file: Path | None, detector: Detector | None) -> Looked:
    """Poses out of the pictures, or of the file beside them."""
    thumbnails: list[np.ndarray] = []

    def frames() -> Iterator[tuple[float, np.ndarray]]:
        for t in range(reader.num_frames):
            picture = reader([t])[0]
            thumbnails.append(thumbnail(picture))
            yield t / POSE_FPS, picture

    if pose_file is not None:
        given = _read_poses(pose_file, reader)
        if isinstance(given, PoseSequence):
            try:
                for _ in frames():
                    pass
            except InputError as error:
                raise RejectedFilmError("unreadable", str(error)) from error
            nothing = np.zeros(reader.num_frames, dtype=bool)
            return Looked(given, nothing, nothing, shot_numbers(np.stack(thumbnails)))
        detector = given
    if detector is None:
        raise InputError(f"no pose detector, and no pose file beside {reader.path}; give one of them.")
    try:
        poses, report = poses_of_video(detector, frames(), reader.num_frames)
    except InputError as error:
        if len(thumbnails) < reader.num_frames:
            raise RejectedFilmError("unreadable", str(error)) from error
        raise RejectedFilmError("nobody", str(error)) from error
    return Looked(
        poses,
        _within(report.held_s, poses.num_frames),
        _longer(_within(report.crowded_s, poses.num_frames), BRIEF_FRAMES),
        shot_numbers(np.stack(thumbnails)),
    )


class _Listed:
    """A detector that says what a POSE_KEYPOINT file lists, frame after frame."""

    def __init__(self, people: Sequence[Detection]) -> None:
        self._next = iter(people)

    def detect(self, picture: np.ndarray) -> Detection:
        return next(self._next)


def _read_poses(path: Path, reader: VideoReader) -> PoseSequence | _Listed:
    """Poses of a file of ours at 25 fps, or the people of a POSE_KEYPOINT file; both as long as the film."""
    num_frames, times_s = reader.num_frames, reader.clock.times_s
    try:
        data = json.loads(path.read_bytes())
        if not is_openpose(data):
            poses = load_poses(path).at_fps(POSE_FPS)
            if abs(poses.num_frames - num_frames) > 2:
                raise InputError(f"it lasts {poses.seconds:.2f} s, and the film {num_frames / POSE_FPS:.2f} s")
            return poses.at([min(t, poses.num_frames - 1) for t in range(num_frames)])
        listed = detections_of_openpose(data, canvas=reader([0])[0].shape[1::-1])
    except (InputError, OSError, ValueError) as error:
        raise RejectedFilmError("pose file", f"{path.name}: {error}") from error
    if len(listed) == len(times_s):
        return _Listed([listed[reader.clock.stored_at((t + 0.5) / POSE_FPS)] for t in range(num_frames)])
    if abs(len(listed) - num_frames) > 1:
        raise RejectedFilmError(
            "pose file",
            f"{path.name} has {len(listed)} frames, and the film {len(times_s)}, or {num_frames} at {POSE_FPS} fps",
        )
    return _Listed([listed[min(t, len(listed) - 1)] for t in range(num_frames)])


def _on_picture(poses: PoseSequence, reader: VideoReader, pose_file: Path | None) -> PoseSequence:
    """On the film's own size: others may have looked at a smaller picture."""
    height_px, width_px = reader([0])[0].shape[:2]
    if abs(poses.width_px * height_px - poses.height_px * width_px) > 0.02 * poses.width_px * height_px:
        raise RejectedFilmError(
            "pose file",
            f"{pose_file} is of a picture of {poses.width_px}x{poses.height_px} px, and the film has "
            f"{width_px}x{height_px} px",
        )
    return poses.sized(height_px, width_px)


def _within(spans: Sequence[tuple[float, float]], num_frames: int) -> np.ndarray:
    """[T] bool of the frames in spans of s."""
    inside = np.zeros(num_frames, dtype=bool)
    for start_s, stop_s in spans:
        inside[round(start_s * POSE_FPS) : round(stop_s * POSE_FPS)] = True
    return inside


def _longer(is_inside: np.ndarray, num_frames: int) -> np.ndarray:
    """Without the stretches of fewer frames."""
    kept = np.zeros_like(is_inside)
    for start, stop in stretches(is_inside):
        kept[start:stop] = stop - start >= num_frames
    return kept


def _usable(looked: Looked, num_frames: int, min_frames: int) -> tuple[list[tuple[int, int]], list[LeftOut]]:
    """Stretches of one person in one shot, and everything else. Raises RejectedFilmError if there is none."""
    missing, crowded = looked.is_missing[:num_frames], looked.is_crowded[:num_frames]
    left_out = [LeftOut(a / POSE_FPS, b / POSE_FPS, "several people") for a, b in stretches(crowded)]
    left_out += [LeftOut(a / POSE_FPS, b / POSE_FPS, "nobody") for a, b in stretches(missing & ~crowded)]
    cuts = np.flatnonzero(np.diff(looked.shots[:num_frames])) + 1
    usable = []
    for start, stop in stretches(~(missing | crowded)):
        edges = [start, *[cut for cut in cuts.tolist() if start < cut < stop], stop]
        for a, b in pairwise(edges):
            if b - a >= min_frames:
                usable.append((a, b))
            else:
                why = "cuts" if len(edges) > 2 else "too short"
                left_out.append(LeftOut(a / POSE_FPS, b / POSE_FPS, why))
    if not usable:
        seconds: dict[str, float] = {}
        for part in left_out:
            seconds[part.why] = seconds.get(part.why, 0) + part.to_s - part.from_s
        # What is too short is so for what stands beside it.
        reason = max(seconds, key=lambda why: (why != "too short", seconds[why]))
        raise RejectedFilmError(reason, f"for {seconds[reason]:.2f} of {num_frames / POSE_FPS:.2f} s", left_out)
    return usable, sorted(left_out, key=lambda part: part.from_s)


@dataclass(frozen=True)
class Crop:
    """A square of a film's picture, in px."""

    x0: int
    y0: int
    side_px: int

    @classmethod
    def around(cls, poses: PoseSequence) -> Crop:
        """The square that holds head, trunk, arms and hands in all frames, as far as the picture's short side reaches.

        Where it does not, the head counts.
        """
        shown = poses.visible.numpy()
        shown[:, list(LEGS) + list(FEET)] = False
        xy = poses.pixels.numpy()
        body = xy[:, list(BODY)] if not shown.any() else xy[shown][None]
        low, high = (np.percentile(body.reshape(-1, 2), share, axis=0) for share in (0.5, 99.5))
        if shown[:, list(FACE)].any():
            brows, chin = xy[:, list(BROWS), 1].min(axis=1), xy[:, list(JAW), 1].max(axis=1)
            low[1] = min(low[1], np.percentile(brows - HAIR * (chin - brows), 2))
        size = np.array([poses.width_px, poses.height_px])
        low, high = low.clip(0, size), high.clip(0, size)
        side = int(min(max(high - low) * (1 + 2 * MARGIN), *size))
        side = max(side - side % 2, 2)
        corner = (low + high - side) / 2
        corner[1] = min(corner[1], max(0.0, low[1] - MARGIN * side))
        x0, y0 = np.rint(corner.clip(0, size - side)).astype(int).tolist()
        return cls(x0, y0, side)

    def cut(self, picture: np.ndarray, side_px: int) -> np.ndarray:
        """[H, W, 3] uint8 -> [side_px, side_px, 3]."""
        return resized(picture[self.y0 : self.y0 + self.side_px, self.x0 : self.x0 + self.side_px], side_px)

    def poses(self, poses: PoseSequence, side_px: int) -> PoseSequence:
        """The same points as fractions of the square."""
        xy_px = (poses.pixels - torch.tensor([self.x0, self.y0])) / self.side_px
        return replace(poses, keypoints=xy_px, height_px=side_px, width_px=side_px)


def _write_film(
    path: Path, reader: VideoReader, recording: Recording, crop: Crop, frames: range, side_px: int
) -> None:  # fmt: skip
    sound = recording.samples[:, _sample(recording, frames.start) : _sample(recording, frames.stop)]
    pictures = (crop.cut(reader([t])[0], side_px) for t in frames)
    write_video(path, pictures, POSE_FPS, Recording(sound, recording.rate_hz), is_generated=False)


def _sample(recording: Recording, frame: int) -> int:
    return frame * recording.rate_hz // POSE_FPS


def _write_clip(
    path: Path, poses: PoseSequence, speech: SpeechFeatures, start: int, speaker: str, source: dict[str, Any]
) -> ClipEntry:
    rows = slice(start, start + poses.num_frames)
    video_features = None if speech.video is None else speech.video[rows]
    metadata = {"speaker": speaker, "source": json.dumps(source), "film": path.with_suffix(".mp4").name}
    write_clip(path, poses, speech.gesture[rows], metadata, video_features=video_features)
    return ClipEntry(path.name, poses.num_frames, speech.gesture.shape[1], speaker, "train")

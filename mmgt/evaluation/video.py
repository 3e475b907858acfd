"""A video's numbers: its frames, its motion, and both against a reference and the speech."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np

from ..errors import InputError
from ..poses import POSE_FPS, PoseSequence, same_aspect
from ..speech.recording import Recording
from .alarms import alarms
from .frames import FrameMeasures, resized
from .measured import Measured
from .network_measures import Features, NetworkMeasures, too_short_notes
from .networks import NO_NETWORKS, Networks, missing_notes
from .pose_autoencoder import CLIP_FRAMES, latent_measures, latents_of
from .poses import frame_errors, motion_measures
from .series import Series
from .speech_motion import SpokenMotion, motion_beats, motion_speed, speech_measures


class Frames(Protocol):
    """The frames of a video at 25 a second, read when they are asked for: ``media.VideoReader``."""

    num_frames: int

    def __call__(self, frames: Sequence[int]) -> list[np.ndarray]:
        """The frames of these places, [H, W, 3] uint8 RGB."""


class HeldFrames:
    """Frames that are in memory. frames: [T, H, W, 3] uint8 RGB."""

    def __init__(self, frames: np.ndarray) -> None:
        self.frames, self.num_frames = frames, len(frames)

    def __call__(self, frames: Sequence[int]) -> list[np.ndarray]:
        return [self.frames[t] for t in frames]


@dataclass(frozen=True)
class Report:
    """rows: the numbers. notes: one sentence for each rule that was applied and each number that could not be had.

    series: the same frame by frame, for pictures. features: what FID and FVD are distances of.
    """

    rows: tuple[Measured, ...]
    notes: tuple[str, ...]
    series: Series = field(default_factory=Series)
    features: Features = field(default_factory=dict)

    @property
    def alarms(self) -> dict[str, str]:
        """Name of a number -> what is wrong, in a sentence, for each number that says so."""
        return alarms(self.rows)


def evaluate_video(
    video: Frames,
    *,
    reference: Frames | None = None,
    recording: Recording | None = None,
    poses: PoseSequence | None = None,
    reference_poses: PoseSequence | None = None,
    photo: np.ndarray | None = None,
    sound_offset_s: float | None = None,
    networks: Networks = NO_NETWORKS,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """All numbers that the inputs allow, frame by frame at 25 a second; memory does not grow with the video's length.

    poses, reference_poses: of the video and of the reference, at any rate. photo: [H, W, 3] uint8, what the background
    should stay like. sound_offset_s: by how much the file's own sound begins behind its picture. networks: those of
    others that some numbers are measured through. What is longer is cut to the shorter, a reference of another size is
    resized to the video's; each is a note. progress(frame, num_frames). Raises InputError for pictures and poses of
    another aspect than the video, and where there is nothing to compare with.
    """
    if reference is None and poses is None:
        raise InputError("there is nothing to compare the video with; give a reference video, or its poses, or both.")
    if poses is None and (photo is not None or reference_poses is not None):
        raise InputError("a photo and reference poses are compared by the video's own poses; give these, too.")
    height, width = video([0])[0].shape[:2]
    if reference_poses is not None:
        reference_poses = reference_poses.at_fps(POSE_FPS)
    if poses is not None:
        poses = poses.at_fps(POSE_FPS)
        _check_aspect(poses, height, width)
    notes = []
    if reference is not None:
        first = reference([0])[0]
        resized(first, height, width, "the reference video")
        if first.shape[:2] != (height, width):
            size = f"{first.shape[1]}x{first.shape[0]} px"
            notes.append(f"The reference video was resized from {size} to the video's {width}x{height} px.")
    lengths = {
        "the video": video.num_frames,
        "the reference video": None if reference is None else reference.num_frames,
        "the poses": None if poses is None else poses.num_frames,
    }
    num_frames = _compared("Frames", lengths, notes)
    rows = list(motion_measures(poses, reference_poses)) if poses is not None else []  # which may refuse the poses
    if poses is not None and reference_poses is not None:
        _compared("Poses", {"the poses": poses.num_frames, "the reference poses": reference_poses.num_frames}, notes)
        if networks.pose_autoencoder is not None:
            of_video, of_reference = (latents_of(networks.pose_autoencoder, each) for each in (poses, reference_poses))
            gestures = latent_measures(of_video, of_reference)
            rows += gestures
            if not gestures:
                notes.append(f"FGD needs clips of {CLIP_FRAMES + 3} frames or more: no FGD.")
    frames = FrameMeasures(height, width, poses, photo)
    perceived = NetworkMeasures(networks, height, width, poses)
    for t in range(num_frames):
        own = resized(video([t])[0], height, width, "a later frame of the video")
        other = None
        if reference is not None:
            other = resized(reference([t])[0], height, width, "a later frame of the reference video")
        frames.add(own, other)
        perceived.add(own, other)
        if progress is not None:
            progress(t + 1, num_frames)
    rows = [*frames.measured(), *perceived.measured(recording), *rows]
    series = frames.series()
    if poses is not None:
        series = replace(series, speed=motion_speed(poses), motion_beats=motion_beats(poses))
        if reference_poses is not None:
            series = replace(series, position_error=frame_errors(poses, reference_poses))
    if sound_offset_s is not None:
        rows.append(
            Measured("sound begins", sound_offset_s, 1, "s", "none", "first timestamps of the video's file",
                     "how much later the file's sound begins than its picture; 0 is best")
        )  # fmt: skip
    if recording is not None:
        seconds = recording.seconds - video.num_frames / POSE_FPS
        rows.append(
            Measured("sound minus picture", seconds, 1, "s", "none", "difference of the lengths",
                     "how much longer the sound lasts than the picture; 0 is best, and AAC may add 0.05 s")
        )  # fmt: skip
        if poses is not None:
            spoken = SpokenMotion.of(poses, recording)
            rows += speech_measures(spoken)
            series = replace(series, loudness=spoken.loudness, sound_beats=spoken.sound_beats)
            if spoken.is_silent:
                notes.append("Nobody speaks in the sound: nothing of beats and lips but the opening in silence.")
    notes += _missing(frames, reference, recording, poses, reference_poses)
    given = {"reference": reference is not None, "poses": poses is not None, "sound": recording is not None}
    given["reference_poses"] = reference_poses is not None
    notes += [*missing_notes(networks, given), *too_short_notes(networks, given, rows)]
    return Report(tuple(rows), tuple(notes), series, perceived.features())


def _check_aspect(poses: PoseSequence, height: int, width: int) -> None:
    if not same_aspect(poses.height_px, poses.width_px, height, width):
        raise InputError(
            f"the poses are of a picture of {poses.width_px}x{poses.height_px} px, the video has {width}x{height} px; "
            "give the poses of this video."
        )


def _compared(what: str, lengths: dict[str, int | None], notes: list[str]) -> int:
    """The shortest of the lengths in frames, and a note where they differ."""
    there = {name: length for name, length in lengths.items() if length is not None}
    shortest = min(there.values())
    if max(there.values()) > shortest:
        listed = ", ".join(f"{name} {length}" for name, length in there.items())
        notes.append(f"{what} are compared up to frame {shortest} at {POSE_FPS} a second ({listed}).")
    return shortest


def _missing(
    frames: FrameMeasures,
    reference: Frames | None,
    recording: Recording | None,
    poses: PoseSequence | None,
    reference_poses: PoseSequence | None,
) -> list[str]:
    """What could not be measured, and what it needs."""
    missing = []
    if reference is None:
        missing.append("No reference video: no PSNR and SSIM of the frames.")
    if poses is None:
        missing.append("No poses: nothing of face, lips, hands, background, motion, and lips with speech.")
    else:
        if not frames.has_background:
            missing.append("The person fills the picture: nothing of the background.")
        missing += [
            f"The {region} are never visible in the poses: no PSNR and SSIM of them."
            if region != "face"
            else "The face is never visible in the poses: no PSNR and SSIM of it."
            for region in frames.unseen
        ]
    if poses is not None and reference_poses is None:
        missing.append("No reference poses: no errors of the motion.")
    if recording is None:
        missing.append("No sound: nothing of beats, and of lips with speech.")
    return missing

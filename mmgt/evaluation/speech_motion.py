"""How poses move with speech: beats, and the mouth's opening against loudness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..poses import PoseSequence
from ..poses.skeleton import (
    LEFT_ELBOW,
    LEFT_SHOULDER,
    LEFT_WRIST,
    LOWER_INNER_LIP,
    NECK,
    NOSE,
    RIGHT_ELBOW,
    RIGHT_SHOULDER,
    RIGHT_WRIST,
    UPPER_INNER_LIP,
)
from ..speech.features import BEAT, ONSET
from ..speech.loudness import LOUDNESS_POWER, frame_rms, speaking, voice_loudness
from ..speech.recording import SPEECH_RATE_HZ, Recording
from ..speech.spectra import NUM_MELS
from .measured import Measured
from .poses import shoulder_width_px

MOVING_JOINTS = [NOSE, NECK, RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST, LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST]
BEAT_SIGMA_S = 3 / 60  # AIST++ (Li et al. 2021): 3 frames at 60 fps
SPEED_SIGMA_S = 5 / 60  # the same: jitter of a frame is no beat
MAX_LAG_S = 0.6


def beat_alignment(poses: PoseSequence, audio_beats: np.ndarray) -> float:
    """Mean over motion beats of exp(-d^2 / 2 sigma^2), d s from the nearest audio beat, sigma 0.05 s: 0..1.

    BAS of AIST++ (Li et al. 2021). Motion beats are the local minima of the summed speed of head, shoulders, elbows and
    wrists, smoothed by a Gaussian of 0.083 s as there. audio_beats: frame indices. 0 without a beat on either side.
    """
    return _nearness(motion_beats(poses), audio_beats, poses.fps)


def beat_consistency(poses: PoseSequence, audio_beats: np.ndarray) -> float:
    """The other direction: the mean over audio beats, d from the nearest motion beat, as BC of HA2G (Liu et al. 2022).

    The same motion beats and sigma as ``beat_alignment``, so that the two differ by direction only; other
    implementations differ in both, so their numbers are others. Motion without beats for many of the sounds scores low
    here, motion with beats where no sound is scores low there.
    """
    return _nearness(audio_beats, motion_beats(poses), poses.fps)


def _nearness(beats: np.ndarray, others: np.ndarray, fps: float) -> float:
    """Mean over beats (frames) of exp(-d^2 / 2 sigma^2), d s from the nearest of the others; 0 without any."""
    if not len(beats) or not len(others):
        return 0.0
    others = np.sort(others)
    after = np.searchsorted(others, beats).clip(max=len(others) - 1)
    before = (after - 1).clip(min=0)
    distance_s = np.minimum(np.abs(beats - others[before]), np.abs(beats - others[after])) / fps
    return float(np.exp(-(distance_s**2) / (2 * BEAT_SIGMA_S**2)).mean())


def motion_speed(poses: PoseSequence) -> np.ndarray:
    """[T - 1] px a frame: the summed speed of those ``MOVING_JOINTS`` that both of two frames show, smoothed."""
    from scipy.ndimage import gaussian_filter1d

    xy, shown = poses.pixels[:, MOVING_JOINTS].cpu().double(), poses.visible[:, MOVING_JOINTS].cpu()
    speed = (xy.diff(dim=0).norm(dim=-1) * (shown[1:] & shown[:-1])).sum(dim=1).numpy()
    return gaussian_filter1d(speed, SPEED_SIGMA_S * poses.fps) if len(speed) else speed


def motion_beats(poses: PoseSequence) -> np.ndarray:
    """[N] frames, in halves: the local minima of ``motion_speed``."""
    if poses.num_frames < 4:
        return np.empty(0)
    speed = motion_speed(poses)
    is_minimum = (speed[1:-1] < speed[:-2]) & (speed[1:-1] < speed[2:])
    return np.flatnonzero(is_minimum) + 1.5  # speed[i] lies between frames i and i + 1


def lip_opening(poses: PoseSequence) -> np.ndarray:
    """[T] px: how far the inner lips are apart."""
    return (poses.pixels[:, UPPER_INNER_LIP] - poses.pixels[:, LOWER_INNER_LIP]).cpu().double().norm(dim=-1).numpy()


def lip_correlation(poses: PoseSequence, loudness: np.ndarray) -> float:
    """Pearson's correlation of the inner lips' distance with the loudness [T]: -1..1, 0 where either never changes."""
    return correlation(lip_opening(poses), loudness)


def lip_lag(poses: PoseSequence, loudness: np.ndarray) -> int:
    """By how many frames the lips come after the loudness [T] where they agree best (negative: before), to 0.6 s.

    The smallest of equal ones; 0 where either never changes.
    """
    return best_lip_lag(poses, loudness)[0]


def best_lip_lag(poses: PoseSequence, loudness: np.ndarray) -> tuple[int, float]:
    """``lip_lag``, and the lips' correlation with the loudness when it is taken off."""
    opening, most = lip_opening(poses), int(MAX_LAG_S * poses.fps)
    lags = sorted(range(-min(most, len(opening) - 2), min(most, len(opening) - 2) + 1), key=abs)
    found = [
        correlation(
            opening[max(lag, 0) : len(opening) + min(lag, 0)], loudness[max(-lag, 0) : len(loudness) - max(lag, 0)]
        )
        for lag in lags
    ]
    best = max(range(len(found)), key=found.__getitem__, default=None)
    return (0, 0.0) if best is None else (lags[best], found[best])


def correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Pearson's, -1..1; 0 where either never changes."""
    if min(np.ptp(first), np.ptp(second)) < 1e-9:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def feature_beats(handcrafted: np.ndarray) -> np.ndarray:
    """[T, 35] hand-crafted features -> frames with an onset or a beat."""
    return np.flatnonzero(handcrafted[:, [ONSET, BEAT]].any(axis=1))


def feature_loudness(mfcc: np.ndarray) -> np.ndarray:
    """[T, 20] -> [T] loudness 0 or more, in the middle of each video frame: the cepstrum taken back to mel bands.

    On the bundled recording its correlation with ``loudness.voice_loudness`` is 0.8.
    """
    from scipy.fft import idct

    bands_db = idct(mfcc.astype(np.float64), n=NUM_MELS, norm="ortho", axis=1)
    loudness = (10 ** (bands_db / 10)).sum(axis=1) ** (LOUDNESS_POWER / 2)  # of the power's root
    return (loudness + np.append(loudness[1:], loudness[-1:])) / 2  # MFCCs lie at the frames' beginnings


@dataclass(frozen=True)
class SpokenMotion:
    """Poses at 25 frames a second and the recording, over what both last.

    sound_beats: [N] frames, the recording's onsets and beats by librosa, as the hand-crafted features have them.
    loudness: [T] 0..1.2. voice: [T] 0..1, 0 where nobody speaks.
    """

    poses: PoseSequence
    sound_beats: np.ndarray
    loudness: np.ndarray
    voice: np.ndarray

    @classmethod
    def of(cls, poses: PoseSequence, recording: Recording) -> SpokenMotion:
        from ..speech.encode import handcrafted

        num_frames = min(poses.num_frames, recording.num_frames(poses.fps))
        waveform = recording.mono_at(SPEECH_RATE_HZ)
        heard = handcrafted(recording)
        beats = np.union1d(heard.onset_frames, heard.beat_frames)
        return cls(
            poses.frames(0, num_frames),
            beats[beats < num_frames],
            voice_loudness(frame_rms(waveform, num_frames)),
            speaking(waveform, num_frames),
        )

    @property
    def is_silent(self) -> bool:
        return not self.loudness.any()


def speech_measures(spoken: SpokenMotion) -> list[Measured]:
    """Beats and lips against the recording; of a silent one only what the lips do in silence."""
    poses, num_frames = spoken.poses, spoken.poses.num_frames
    rows = [] if spoken.is_silent else _with_the_voice(spoken)
    silent = spoken.voice == 0
    if silent.any():
        opening = lip_opening(poses)[silent].mean() / shoulder_width_px(poses)
        rows.append(
            Measured("lip opening in silence", float(opening), int(silent.sum()), "shoulder widths", "lower",
                     "mean distance of the inner lips", f"how far the mouth stands open while nobody speaks "
                     f"({silent.sum()} of {num_frames} frames)")
        )  # fmt: skip
    return rows


def _with_the_voice(spoken: SpokenMotion) -> list[Measured]:
    poses, loudness, sound_beats = spoken.poses, spoken.loudness, spoken.sound_beats
    moves = motion_beats(poses)
    lag, best = best_lip_lag(poses, loudness)
    beats = f"sigma {BEAT_SIGMA_S:g} s; {len(moves)} beats of the motion, {len(sound_beats)} of the sound"
    return [
        Measured("beat alignment (BAS)", beat_alignment(poses, sound_beats), len(moves), "0..1", "higher",
                 f"AIST++ (Li et al. 2021), {beats}", "how near the moments where the motion stops lie to beats of the "
                 "sound"),
        Measured("beat consistency (BC)", beat_consistency(poses, sound_beats), len(sound_beats), "0..1", "higher",
                 f"direction of HA2G (Liu et al. 2022), beats as in BAS, {beats}",
                 "how near the beats of the sound lie to moments where the motion stops"),
        Measured("lip correlation", lip_correlation(poses, loudness), poses.num_frames, "-1..1", "higher",
                 "Pearson's, of the inner lips' distance and the loudness", "how well the mouth opens with the voice"),
        Measured("lip lag", lag, poses.num_frames, "frames", "none",
                 "shift of the best lip correlation, to 0.6 s", "0 is best; above 0 the lips come late, below early"),
        Measured("best lip correlation", best, poses.num_frames, "-1..1", "higher", "lip correlation without the lag",
                 "how well the mouth opens with the voice when it need not be in time"),
    ]  # fmt: skip

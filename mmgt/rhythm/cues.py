"""What the rules take from a recording: how far and how wide lips open, who speaks when, where syllables set in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..poses import POSE_FPS
from ..speech.loudness import frame_rms, voice_loudness
from ..speech.recording import FRAME_SAMPLES, SPEECH_RATE_HZ, Recording, fit_length
from ..speech.spectra import by_librosa

HOP_SAMPLES = FRAME_SAMPLES // 2  # 20 ms: every second spectrum is centred on a video frame
LIP_SMOOTHING_S = 0.036  # Gaussian sigma cut at 3 frames: lips close 120 ms after the sound, as muscles do
SPREAD_SMOOTHING_S = 0.06
ACTIVITY_SMOOTHING_S = 0.35  # gestures start before the words and come to rest after them


@dataclass(frozen=True)
class SpeechCues:
    """What the rules hear, per video frame.

    opening: [T] 0..about 1.1, how far the mouth opens; 0 in silence. spread: [T] -1 (rounded lips) .. 1 (spread).
    activity: [T] 0..1, slow: is anybody speaking around this frame? pause_starts: frames at which speech stops.
    onset_frames, onset_strength: [N] frames at which syllables set in, and 0..1 how much they stand out.
    """

    opening: np.ndarray
    spread: np.ndarray
    activity: np.ndarray
    pause_starts: np.ndarray
    onset_frames: np.ndarray
    onset_strength: np.ndarray


@by_librosa()
def hear_speech(recording: Recording) -> SpeechCues:
    """The cues of a recording, one per video frame, all centred on their frame (no lag)."""
    import librosa
    from scipy.ndimage import gaussian_filter1d

    num_frames = recording.num_frames(POSE_FPS)
    waveform = fit_length(recording.mono_at(SPEECH_RATE_HZ), num_frames * FRAME_SAMPLES)
    loudness = voice_loudness(frame_rms(waveform, num_frames))  # [T]
    bands = librosa.feature.melspectrogram(
        y=waveform, sr=SPEECH_RATE_HZ, n_fft=512, hop_length=HOP_SAMPLES, n_mels=40, fmin=100.0
    )  # [40, 2T+1]; 512 samples = 32 ms
    centres_hz = librosa.mel_frequencies(n_mels=42, fmin=100.0, fmax=SPEECH_RATE_HZ / 2)[1:-1]
    spread, hiss = _lip_shape(bands[:, 1::2], centres_hz, loudness)
    # Teeth close in "s" and "sh", however loud. Mild, so that the lips stay with the loudness that one hears.
    opening = gaussian_filter1d(loudness * (1 - 0.3 * hiss), LIP_SMOOTHING_S * POSE_FPS, mode="constant", truncate=3)
    speaking = gaussian_filter1d((loudness > 0).astype(np.float64), ACTIVITY_SMOOTHING_S * POSE_FPS, mode="nearest")
    onset_frames, onset_strength = _onsets(bands, loudness)
    pause_starts = np.flatnonzero((speaking[:-1] >= 0.5) & (speaking[1:] < 0.5))
    return SpeechCues(opening, spread, np.clip(1.3 * speaking, 0, 1), pause_starts, onset_frames, onset_strength)


def _lip_shape(bands: np.ndarray, centres_hz: np.ndarray, loudness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mel power [40, T] -> spread [T] -1..1 and hiss [T] 0..1.

    The second formant lies near 0.8 kHz in rounded back vowels ("oo") and above 1.8 kHz in spread front vowels ("ee").
    """
    from scipy.ndimage import gaussian_filter1d

    def power(low_hz: float, high_hz: float) -> np.ndarray:
        return bands[(centres_hz >= low_hz) & (centres_hz < high_hz)].sum(axis=0, dtype=np.float64) + 1e-10

    hiss = power(3800, 8000) / power(100, 8000)
    tilt = np.log10(power(1700, 3400) / power(600, 1500))  # decades
    speaking = loudness > 0
    usual_tilt = np.median(tilt[speaking]) if speaking.any() else 0.0  # the speaker's and the microphone's own
    spread = np.tanh(tilt - usual_tilt) * np.minimum(1.0, 3 * loudness)  # soft sounds barely shape the lips
    return gaussian_filter1d(spread, SPREAD_SMOOTHING_S * POSE_FPS, mode="constant"), hiss


def _onsets(bands: np.ndarray, loudness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mel power [40, 2T+1] -> frames and strengths of the onsets: peaks of the rise in level over all bands."""
    from scipy.signal import find_peaks

    level_db = 10 * np.log10(bands + 1e-10)
    level_db = np.maximum(level_db, level_db.max() - 50)  # below: inaudible next to the speech
    rise_db = np.maximum(0, np.diff(level_db, axis=1, prepend=level_db[:, :1])).mean(axis=0)  # [2T+1]
    rise_db = rise_db[:-1].reshape(-1, 2).max(axis=1)  # [T]
    peaks, _ = find_peaks(np.r_[0, rise_db, 0], height=1.0, distance=3)  # 1 dB per 20 ms; syllables are over 120 ms
    peaks -= 1
    follows = np.maximum(loudness, np.r_[loudness[1:], 0])  # the vowel comes one frame after its onset
    peaks = peaks[follows[peaks] > 0]
    strength = rise_db[peaks] * follows[peaks]
    return peaks, strength / strength.max() if len(peaks) else strength

"""How loud the voice is in each video frame, and whether anybody speaks."""

from __future__ import annotations

import numpy as np

from ..poses import POSE_FPS
from .recording import FRAME_SAMPLES, SPEECH_RATE_HZ, fit_length

SILENCE_RMS = 10 ** (-60 / 20)  # -60 dBFS: quieter is room noise in any usable recording
GATE_SHARE = 0.06  # of the speech level (-24 dB): breaths and reverberation below it do not open the mouth
NOISE_MARGIN = 1.8  # the gate lies 5 dB above the quietest tenth of the recording
MAX_NOISE_SHARE = 0.3  # of the speech level: without pauses the quietest tenth is speech, not noise
LOUDNESS_POWER = 0.65  # between amplitude (1) and perceived loudness in sones (0.6): soft syllables still show
MAX_LOUDNESS = 1.2  # of the speech level: a shout or a bang opens the mouth no further
OPEN_AFTER_SOUND_S = 0.16  # pauses twice as long are part of speaking
CLOSING_S = 0.2
FRAMES_AT_ONCE = 1000
LOWEST_VOICE_HZ = 20  # what is slower is a microphone's offset, not sound


def frame_rms(waveform: np.ndarray, num_frames: int) -> np.ndarray:
    """[S] float32 at 16 kHz -> [T] float64, the root mean square of each video frame's 640 samples.

    An offset from zero, constant or slow, is taken off first: it is not heard.
    """
    from scipy.signal import butter, sosfilt, sosfilt_zi

    high_pass = butter(2, LOWEST_VOICE_HZ, "highpass", fs=SPEECH_RATE_HZ, output="sos")
    state = sosfilt_zi(high_pass) * float(waveform[0] if len(waveform) else 0)
    rms = np.empty(num_frames)
    for first in range(0, num_frames, FRAMES_AT_ONCE):
        stop = min(first + FRAMES_AT_ONCE, num_frames)
        samples = waveform[first * FRAME_SAMPLES : stop * FRAME_SAMPLES].astype(np.float64)
        if len(samples):
            samples, state = sosfilt(high_pass, samples, zi=state)
        samples = fit_length(samples, (stop - first) * FRAME_SAMPLES)
        rms[first:stop] = np.sqrt(np.mean(samples.reshape(-1, FRAME_SAMPLES) ** 2, axis=1))
    return rms


def voice_loudness(rms: np.ndarray) -> np.ndarray:
    """[T] RMS -> [T] loudness 0..about 1.1: 1 at the speech level of this recording, exactly 0 in silence and noise."""
    from scipy.ndimage import binary_opening

    if rms.max() < SILENCE_RMS:
        return np.zeros_like(rms)
    quiet = np.percentile(rms, 10)
    # Frames within 20 dB of the loudest: a short remark in a long noise counts, the noise does not.
    speech_level = np.percentile(rms[rms > rms.max() / 10], 95)
    if len(rms) >= POSE_FPS and speech_level < 1.5 * quiet:
        return np.zeros_like(rms)  # the same level (within 3.5 dB) for a second or more: hum or hiss, not speech
    gate = max(SILENCE_RMS, GATE_SHARE * speech_level, NOISE_MARGIN * min(quiet, MAX_NOISE_SHARE * speech_level))
    sounding = binary_opening(rms > gate, structure=np.ones(2))  # a lone frame is a click: no sound of speech is 40 ms
    level = np.clip((rms - gate) / (speech_level - gate), 0, MAX_LOUDNESS) if speech_level > gate else 0 * rms
    return np.where(sounding, level**LOUDNESS_POWER, 0.0)


def speaking(waveform: np.ndarray, num_frames: int) -> np.ndarray:
    """[S] float32 at 16 kHz -> [T] float32: 1 where a voice sounds and in short pauses, 0 in silence and noise.

    Between them it changes over 0.2 s, outside of the sound.
    """
    from scipy.ndimage import distance_transform_edt

    sounds = voice_loudness(frame_rms(waveform, num_frames)) > 0
    if not sounds.any():
        return np.zeros(num_frames, np.float32)
    distance_s = distance_transform_edt(~sounds) / POSE_FPS  # to the nearest frame that sounds
    return np.clip(1 - (distance_s - OPEN_AFTER_SOUND_S) / CLOSING_S, 0, 1).astype(np.float32)

"""WavLM (for SMGA) and wav2vec2 (for MM-HAA): speech as the networks read it, one row per video frame.

transformers does the layers; ``networks`` is what MMGT does differently from their plain forward, ``waveform`` what
they read, ``load`` and ``keys`` make them from the files in which they are published.
"""

from .load import build_wav2vec2, build_wavlm, load_wav2vec2, load_wavlm
from .networks import SpeechEncoder, Wav2Vec2, WavLM
from .waveform import Speech

__all__ = [
    "Speech",
    "SpeechEncoder",
    "Wav2Vec2",
    "WavLM",
    "build_wav2vec2",
    "build_wavlm",
    "load_wav2vec2",
    "load_wavlm",
]

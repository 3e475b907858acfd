"""Sentences that nobody said, spoken by a synthetic voice: espeak-ng or flite, whichever is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..media import read_recording
from ..speech.recording import Recording

_OPENINGS = ["today", "tomorrow", "yesterday", "sometimes", "later", "together", "quietly", "suddenly"]
_WHO = ["the teacher", "a child", "my neighbour", "the old sailor", "our team", "every student", "a stranger"]
_DOES = ["opens", "carries", "remembers", "follows", "builds", "paints", "answers", "counts", "moves", "sings about"]
_WHAT = [
    "the yellow boat", "a heavy stone", "seven open windows", "the long road home", "an empty bottle",
    "the music of the river", "a map of the mountains", "the evening news", "the number ninety two",
]  # fmt: skip
_WHY = ["because it matters", "before the rain begins", "and nobody knows why", "with both hands", "once more"]
ESPEAK_ACCENTS = ("en", "en-us", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029")
ESPEAK_SPEAKERS = ("", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+f1", "+f2", "+f3", "+f4", "+f5")
FLITE_VOICES = ("kal16", "awb", "rms", "slt")


def sentences(rng: np.random.Generator, num_words: int) -> str:
    """Plain English sentences of about so many words."""
    text: list[str] = []
    while sum(len(sentence.split()) for sentence in text) < num_words:
        parts = [str(rng.choice(words)) for words in (_OPENINGS, _WHO, _DOES, _WHAT, _WHY)]
        text.append(" ".join(parts if rng.random() < 0.7 else parts[1:4]).capitalize() + ".")
    return " ".join(text)


def spoken(text: str, seed: int) -> Recording:
    """The text in a voice, pitch and speed that the seed decides; the same bytes in, the same sound out.

    Raises InputError where neither espeak-ng nor flite is installed.
    """
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        if shutil.which("espeak-ng"):
            voice = f"{rng.choice(ESPEAK_ACCENTS)}{rng.choice(ESPEAK_SPEAKERS)}"
            pitch, speed = rng.integers(25, 75), rng.integers(135, 185)
            command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "-w", str(path), text]
        elif shutil.which("flite"):
            voice, stretch = rng.choice(FLITE_VOICES), rng.uniform(0.85, 1.2)
            command = ["flite", "-voice", str(voice), "--setf", f"duration_stretch={stretch:.3f}", text, str(path)]
        else:
            raise InputError(
                "neither espeak-ng nor flite is installed, and one of them speaks the world's sentences; install one, "
                "e.g. `apt-get install espeak-ng`."
            )
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not path.is_file():
            raise InputError(f"{command[0]} could not speak ({done.stderr.strip()[:200]}); try `{command[0]} hello`.")
        return read_recording(path)

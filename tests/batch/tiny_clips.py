"""Clips that take about a second each: the drawn presenter, a fifth of a second of speech, tiny networks."""

import json
from pathlib import Path

import soundfile

from mmgt.assets import PRESENTER, PRESENTER_POSE, SPEECH
from mmgt.media import read_recording

SETTINGS = {"size": "64x64", "preset": "small", "steps": 1, "smga_steps": 2, "smga_guidance": 1}
NUM_FRAMES = 5
MADE = {"SOURCE_DATE_EPOCH": "1764547200"}  # environment: equal files of equal clips


def write_speech(path: Path) -> Path:
    speech = read_recording(SPEECH)
    soundfile.write(path, speech.samples[0, : speech.rate_hz * NUM_FRAMES // 25], speech.rate_hz)
    return path


def rows_of(number: int, speech: str, bad_every: int = 0) -> list[dict]:
    """Clips with a seed each; every so many-th has a recording that is not there."""
    return [
        {
            "id": f"clip-{idx:03}",
            "image": str(PRESENTER),
            "audio": "missing.wav" if bad_every and idx % bad_every == bad_every - 1 else speech,
            "initial_pose": str(PRESENTER_POSE),
            "seed": idx,
            "settings": SETTINGS,
        }
        for idx in range(number)
    ]


def write_manifest(path: Path, rows: list[dict]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path

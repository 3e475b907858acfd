"""The bundled example: a portrait, its pose and a speech recording."""

from pathlib import Path

ASTRONAUT = Path(__file__).parent / "astronaut.jpg"
ASTRONAUT_POSE = Path(__file__).parent / "astronaut_pose.json"
ASTRONAUT_THUMBNAIL = Path(__file__).parent / "astronaut_thumbnail.png"
SPEECH = Path(__file__).parent / "speech.wav"

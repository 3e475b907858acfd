"""Files of the demo: a portrait's pose and a speech recording."""

from pathlib import Path

ASTRONAUT_POSE = Path(__file__).parent / "astronaut_pose.json"
ASTRONAUT_THUMBNAIL = Path(__file__).parent / "astronaut_thumbnail.png"
SPEECH = Path(__file__).parent / "speech.wav"

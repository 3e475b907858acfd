"""The bundled example: portraits, their poses and a speech recording."""

from pathlib import Path

ASTRONAUT = Path(__file__).parent / "astronaut.jpg"
ASTRONAUT_POSE = Path(__file__).parent / "astronaut_pose.json"
ASTRONAUT_THUMBNAIL = Path(__file__).parent / "astronaut_thumbnail.png"
PRESENTER = Path(__file__).parent / "presenter.png"  # drawn by ``mmgt.world``: the demo's person of seed 0
PRESENTER_POSE = Path(__file__).parent / "presenter_pose.json"
SPEECH = Path(__file__).parent / "speech.wav"
MODELS = Path(__file__).parent / "models"  # small networks of our own, laid out as ComfyUI's models folder
TINY_GESTURES = MODELS / "mmgt" / "contextual_gesture_tiny.safetensors"

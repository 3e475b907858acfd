"""Every bundled graph that makes a video, in a real ComfyUI, with the small networks that are shipped.

What comes out is the presenter, who moves.
"""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import soundfile
from graphs import GRAPHS, decoded, nodes_of, prompt_of, video_of, with_shipped

from mmgt.assets import PRESENTER, SPEECH
from mmgt.evaluation.frames import psnr
from mmgt.media import read_picture, read_recording, write_video
from mmgt.weights.catalog import MMHAA, SMGA, VAE

pytestmark = pytest.mark.comfy

SIDE, NUM_FRAMES = 256, 15
MAKING_VIDEOS = [path.stem for path in GRAPHS if '"MMGT_LoadMMHAAModel"' in path.read_text()]
FROM_PHOTO_DB = 15.0  # of a frame at least
MOVES, OF_FILMS = 0.2, 0.01  # levels of 255, between frames at least; the film's person sits still


@pytest.fixture(scope="module")
def inputs(server):
    """The presenter as the photo and, sitting still, as the film; 0.6 s of speech."""
    folder, speech = server.base / "input", read_recording(SPEECH)
    samples = speech.samples[:, : round(0.6 * speech.rate_hz)]
    soundfile.write(folder / "short.wav", samples.T, speech.rate_hz)
    presenter = read_picture(PRESENTER)
    cv2.imwrite(str(folder / "presenter.png"), presenter[..., ::-1])
    write_video(folder / "sitting.mp4", [presenter] * NUM_FRAMES * 2, 50.0, replace(speech, samples=samples))
    for file in (SMGA, MMHAA, VAE):  # small random ones of other tests, which would be taken first
        (server.base / "models" / file.folder / file.shipped).unlink(missing_ok=True)
    server.post("/free", {"unload_models": True, "free_memory": True})  # core keeps what a name was loaded from
    return server


@pytest.mark.parametrize("name", [name for name in MAKING_VIDEOS if not name.startswith(("00", "13"))])
def test_the_presenter_is_seen_and_moves(inputs, name):
    prompt = with_shipped(prompt_of(inputs, name), "presenter.png", "short.wav", "sitting.mp4", SIDE)
    outputs = inputs.run(prompt)
    photo = cv2.resize(read_picture(PRESENTER), (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(float)
    videos = [key for key, node in prompt.items() if node["class_type"] in ("SaveVideo", "MMGT_DecodeVideoToFile")]
    assert videos
    moves = OF_FILMS if nodes_of(prompt, "LoadVideo") else MOVES
    for key in videos:
        frames, _seconds, _sound = decoded(video_of(inputs, outputs[key]))
        assert len(frames) == NUM_FRAMES
        for frame in halves(np.stack(frames)):
            small = np.stack([cv2.resize(f, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for f in frame]).astype(float)
            assert min(psnr(float(np.square(f - photo).mean())) for f in small) > FROM_PHOTO_DB
            assert np.abs(np.diff(small, axis=0)).mean() > moves


def halves(frames):
    """Frames [T, H, W, 3], or the two videos that stand side by side."""
    height, width = frames.shape[1:3]
    return [frames] if width == height else [frames[:, :, :height], frames[:, :, width - height :]]


def test_every_graph_that_makes_a_video_is_tried():
    assert len(MAKING_VIDEOS) >= 9
    assert all(json.loads(path.read_text()) for path in GRAPHS)

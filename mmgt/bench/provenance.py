"""``mmgt bench provenance``: how often the invisible mark is read wrong, missed, or seen where none is."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..assets import ASTRONAUT, ASTRONAUT_POSE, SPEECH
from ..evaluation.frames import psnr
from ..media import read_picture, read_recording
from ..media.files import import_av
from ..pose_files import load_poses
from ..preview import preview_motion
from ..provenance.watermark import NEEDED_BITS, NUM_BITS, find_invisible_mark, with_invisible_mark
from ..rhythm import rhythm_poses
from ..world import draw_frames, random_identity
from ..world.presenter import presenter

SIDE_PX, NUM_FRAMES, FPS = 512, 25, 25
Frames = Sequence[np.ndarray]


def bench_provenance(num_runs: int = 100) -> dict[str, Any]:
    """Clips of one second, 512 x 512 px: the bundled portrait (other crops and colours each) and drawn presenters.

    num_runs: how many. Of what was done to a marked clip: the share of bits read wrong and of clips missed; the same
    clips unmarked: how many were taken for marked, and how their matching bits are distributed.
    """
    wrong: dict[str, list[float]] = {name: [] for name in _AFTERWARDS}
    missed = dict.fromkeys(_AFTERWARDS, 0)
    psnr_db: list[float] = []
    unmarked: list[int] = []
    for clip in _clips(num_runs):
        marked = list(with_invisible_mark(clip))
        error = np.mean([(a.astype(np.float32) - b) ** 2 for a, b in zip(marked, clip, strict=True)])
        psnr_db.append(psnr(float(error)))
        for name, change in _AFTERWARDS.items():
            found = find_invisible_mark(change(marked))
            wrong[name].append(1 - found.num_matching / NUM_BITS)
            missed[name] += not found.is_marked
        unmarked += [
            find_invisible_mark(change(clip)).num_matching for change in (_as_it_is, _AFTERWARDS["crf 28, half"])
        ]
    return {
        "bench": "provenance",
        "clips": num_runs,
        "bit_error_rate": {name: round(float(np.mean(values)), 5) for name, values in wrong.items()},
        "missed_clips": missed,
        "false_alarms": sum(number >= NEEDED_BITS for number in unmarked),
        "unmarked_readings": len(unmarked),
        "most_bits_of_an_unmarked": max(unmarked),
        "psnr_db": {"mean": round(float(np.mean(psnr_db)), 1), "least": round(min(psnr_db), 1)},
    }


def _clips(number: int) -> Iterator[list[np.ndarray]]:
    picture, pose, speech = read_picture(ASTRONAUT), load_poses(ASTRONAUT_POSE), read_recording(SPEECH)
    for seed in range(number):
        rng = np.random.default_rng(seed)
        start = int(rng.integers(0, 150))
        if seed % 2:
            poses = rhythm_poses(speech, presenter(seed), seed=seed).frames(start, start + NUM_FRAMES)
            yield list(draw_frames(random_identity(seed), poses, SIDE_PX, SIDE_PX))
        else:
            poses = rhythm_poses(speech, pose, seed=seed).frames(start, start + NUM_FRAMES)
            yield _varied(list(preview_motion(picture, pose, poses)), rng)


def _varied(clip: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Another part of the picture, in other colours, perhaps mirrored: another host for the mark."""
    import cv2

    side = int(rng.integers(300, len(clip[0])))
    x, y = (int(rng.integers(0, len(clip[0]) - side + 1)) for _ in range(2))
    colours, gamma, step = rng.permutation(3), float(rng.uniform(0.6, 1.6)), int(rng.choice((-1, 1)))
    table = (255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    parts = (frame[y : y + side, x : x + side][:, ::step, colours] for frame in clip)
    return [cv2.resize(table[part], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC) for part in parts]


def _as_it_is(clip: Frames) -> Frames:
    return clip


def _encoded(crf: int, side_px: int = SIDE_PX) -> Callable[[Frames], Frames]:
    def change(clip: Frames) -> Frames:
        import cv2

        av, file = import_av(), io.BytesIO()
        with av.open(file, "w", format="mp4") as container:
            video = container.add_stream("libx264", rate=FPS, options={"crf": str(crf)})
            video.width, video.height, video.pix_fmt = side_px, side_px, "yuv420p"
            for frame in clip:
                small = cv2.resize(frame, (side_px, side_px), interpolation=cv2.INTER_AREA)
                container.mux(video.encode(av.VideoFrame.from_ndarray(small, format="rgb24")))
            container.mux(video.encode(None))
        file.seek(0)
        with av.open(file) as container:
            return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]

    return change


def _darker(clip: Frames) -> Frames:
    return [(0.7 * frame + 20).astype(np.uint8) for frame in clip]


def _stretched(clip: Frames) -> Frames:
    import cv2

    return [cv2.resize(frame, (640, 360), interpolation=cv2.INTER_AREA) for frame in clip]


def _cropped(clip: Frames) -> Frames:
    cut = SIDE_PX // 50
    return [frame[cut:-cut, cut:-cut] for frame in clip]


def _turned(clip: Frames) -> Frames:
    import cv2

    turn = cv2.getRotationMatrix2D((SIDE_PX / 2, SIDE_PX / 2), 2, 1)
    return [cv2.warpAffine(frame, turn, (SIDE_PX, SIDE_PX), borderMode=cv2.BORDER_REFLECT) for frame in clip]


def _mirrored(clip: Frames) -> Frames:
    return [np.ascontiguousarray(frame[:, ::-1]) for frame in clip]


_AFTERWARDS: dict[str, Callable[[Frames], Frames]] = {
    "crf 28": _encoded(28),
    "crf 28, half": _encoded(28, SIDE_PX // 2),
    "crf 35, half": _encoded(35, SIDE_PX // 2),
    "crf 28, quarter": _encoded(28, SIDE_PX // 4),
    "contrast 70 %": _darker,
    "stretched to 16:9": _stretched,
    "2 % cut off each side": _cropped,
    "turned by 2 degrees": _turned,
    "mirrored": _mirrored,
}

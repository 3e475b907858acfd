"""Films of somebody who talks, as cameras and phones make them, with POSE_KEYPOINT files beside them."""

import json
from fractions import Fraction

import av
import numpy as np
from avatar import syllables

from mmgt.media.sound import audio_frame
from mmgt.openpose import poses_to_openpose
from mmgt.rhythm import rhythm_poses
from mmgt.world.presenter import presenter

TICKS = 12_000  # a second: 24, 25 and 60 fps are whole


def spoken_poses(seconds=4.0, seed=0):
    """A presenter who speaks syllables: 25 fps."""
    return rhythm_poses(syllables(seconds), presenter(seed), seed=seed)


def write_film(path, pictures, times_s, sound=None, pix_fmt="yuv420p", codec="libx264"):
    """Pictures [H, W, 3] shown at these times; sound: a recording."""
    with av.open(str(path), "w") as container:
        video = None
        for picture, time_s in zip(pictures, times_s, strict=True):
            if video is None:
                video = container.add_stream(codec, rate=25, options={"preset": "ultrafast", "crf": "15"})
                video.height, video.width, video.pix_fmt = *picture.shape[:2], pix_fmt
                video.codec_context.time_base = Fraction(1, TICKS)
                audio = None if sound is None else container.add_stream("aac", rate=sound.rate_hz, layout="mono")
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(time_s * TICKS), Fraction(1, TICKS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if audio is not None:
            for start in range(0, sound.samples.shape[1], 1024):
                block = audio_frame(sound.samples[:, start : start + 1024], sound.rate_hz, start)
                container.mux(audio.encode(block))
            container.mux(audio.encode(None))
    return path


def plain(times_s, size=(120, 160), cuts_s=()):
    """Pictures whose colour changes at cuts alone; their upper half grows brighter for 4 s."""
    for time_s in times_s:
        picture = np.full((*size, 3), 60, np.uint8)
        picture[..., sum(time_s >= cut for cut in cuts_s) % 3] = 160
        picture[: size[0] // 2] += np.uint8(min(20 * time_s, 80))
        yield picture


def listed(people, times_s, size=(120, 160)):
    """POSE_KEYPOINT of people (pose sequences at 25 fps, on squares at the picture's left edge), at a film's times."""
    frames = []
    for time_s in times_s:
        side = min(size)
        everybody = []
        for poses, left_px in people:
            t = min(round(time_s * 25), poses.num_frames - 1)
            frame = poses.frames(t, t + 1).sized(side, side)
            frame.keypoints[..., 0] += left_px / side
            everybody += poses_to_openpose(frame)[0]["people"]
        frames.append({"people": everybody, "canvas_height": size[0], "canvas_width": size[1]})
    return frames


def talking_film(path, times_s=None, seconds=4.0, size=(120, 160), sound=None, people=None, cuts_s=(), **film):
    """A film with its poses beside it: one person at its left who speaks syllables, unless people are given."""
    times_s = [n / 25 for n in range(round(seconds * 25))] if times_s is None else times_s
    sound = syllables(seconds) if sound is None else sound
    write_film(path, plain(times_s, size, cuts_s), times_s, sound, **film)
    people = [(spoken_poses(seconds), 0)] if people is None else people
    path.with_suffix(".json").write_text(json.dumps(listed(people, times_s, size)))
    return path

"""Frames and sound -> a video on disk. Nothing is ever overwritten."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from ..audio import Recording
from ..errors import InputError
from .files import check_output, import_av
from .sound import VideoSound, cut_sound, sound_for_aac

log = logging.getLogger("mmgt")

# FFmpeg's encoder of each codec, with a constant rate factor for visually lossless pictures. x264's mbtree reads memory
# that it never wrote (with AVX-512, at widths such as 64 or 130): equal frames gave unequal files. x265 does the
# like at a width of 64, with every setting tried.
CODECS = {
    "h264": ("libx264", {"crf": "18", "mbtree": "0"}),
    "h265": ("libx265", {"crf": "20"}),
    "av1": ("libsvtav1", {"crf": "22"}),
}


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    fps: float,
    sound: Recording | Path | VideoSound | None = None,
    codec: str = "h264",
) -> int:
    """Write [H, W, 3] uint8 RGB frames as mp4, with ``sound`` as AAC at its own rate and channels.

    sound: a recording, or the file of one, which is read behind the last frame; one whose file is gone by then ends
    early, with a warning. A sound longer than the picture is cut to it; one that AAC cannot hold is converted (see
    ``sound_for_aac``). Frames are taken one by one, so memory does not grow with length. An odd last row or column is
    repeated (the codecs need even sizes). The video appears under its name when it is complete. Returns the number of
    frames written.
    """
    if isinstance(sound, (Recording, Path)):
        sound = sound_for_aac(sound)
    check_output(path)
    unfinished = path.with_name(f".{path.stem}.unfinished{path.suffix}")
    try:
        num_frames = _encode_video(unfinished, frames, fps, sound, codec)
        check_output(path)
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    log.info("wrote %s: %d frames at %g fps%s", path, num_frames, fps, "" if sound is None else ", with sound")
    return num_frames


def _encode_video(path: Path, frames: Iterable[np.ndarray], fps: float, sound: VideoSound | None, codec: str) -> int:
    av, (encoder, options) = import_av(), CODECS[codec]
    if encoder not in av.codecs_available:
        raise InputError(f"this PyAV has no {encoder} for codec '{codec}'; take h264, or install PyAV from PyPI.")
    num_frames, rate = 0, Fraction(fps).limit_denominator(1001)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = audio = None
        for frame in frames:
            even = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
            if video is None:
                video = container.add_stream(encoder, rate=rate, options=options)
                video.height, video.width, video.pix_fmt = even.shape[0], even.shape[1], "yuv420p"
                if sound is not None:
                    audio = container.add_stream("aac", rate=sound.rate_hz)
                    audio.layout = sound.layout
            container.mux(video.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
            num_frames += 1
        if video is None:
            raise InputError("there is no frame to write; a video needs at least one.")
        container.mux(video.encode(None))
        if audio is not None and sound is not None:
            num_samples = round(num_frames / rate * sound.rate_hz)
            try:
                for chunk in cut_sound(sound, num_samples):
                    container.mux(audio.encode(chunk))
            except InputError as error:  # the frames may have taken hours: they are not thrown away for it
                log.warning("the video's sound ends early: %s", error)
            container.mux(audio.encode(None))
    return num_frames

"""Frames and sound -> a video on disk. Nothing is ever overwritten."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from ..errors import InputError, check_choice
from ..output_files import check_output, unfinished_file
from ..provenance import Provenance, boxes, xmp
from ..provenance.record import XMP_TAG
from ..speech.recording import Recording
from .files import import_av, local
from .frame_marks import FrameMarks
from .marking import MP4_SUFFIXES
from .sound import VideoSound, audio_frame, audio_frames, sound_for_aac

logger = logging.getLogger("mmgt")

# FFmpeg's encoder of each codec, with a constant rate factor for visually lossless pictures. x264's mbtree reads memory
# that it never wrote (with AVX-512, at widths such as 64 or 130): equal frames gave unequal files. x265 does the
# like at a width of 64, with every setting tried.
CODECS = {
    "h264": ("libx264", {"crf": "18", "mbtree": "0"}),
    "h265": ("libx265", {"crf": "20"}),
    "av1": ("libsvtav1", {"crf": "22"}),
}


# Which codecs a file of a suffix can hold, with AAC beside.
CONTAINERS = {
    ".mp4": ("h264", "h265", "av1"),
    ".m4v": ("h264", "h265"),
    ".mov": ("h264", "h265"),
    ".mkv": tuple(CODECS),
}
BT709 = 1  # ITU-T H.273: primaries, transfer and matrix of HD video
LIMITED_RANGE = 1


def check_video_output(path: Path, codec: str = "h264") -> None:
    """Raise InputError before any work if no video of this codec can be written to ``path``."""
    check_choice("the codec", codec, CODECS)
    if codec not in CONTAINERS.get(path.suffix.lower(), ()):
        fitting = ", ".join(suffix for suffix, codecs in CONTAINERS.items() if codec in codecs)
        raise InputError(
            f"{path.name[-60:]} is no name for a video in {codec}: its ending is '{path.suffix}' and must be one of "
            f"{fitting}."
        )
    check_output(path)
    encoder = CODECS[codec][0]
    if encoder not in import_av().codecs_available:
        raise InputError(f"this PyAV has no {encoder} for codec '{codec}'; take h264, or install PyAV from PyPI.")


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    fps: float,
    sound: Recording | Path | VideoSound | None = None,
    codec: str = "h264",
    metadata: Mapping[str, str] = MappingProxyType({}),
    *,
    provenance: Provenance | None = None,
    is_generated: bool = True,
    frame_marks: FrameMarks = FrameMarks(),
    unfinished_in: Path | None = None,
) -> int:
    """Write [H, W, 3] uint8 RGB frames as BT.709 video, with ``sound`` as AAC at its own rate and channels.

    path: ends in .mp4, .mov, .m4v or .mkv. sound: a recording, or the file of one, which is read along with the
    frames; if it fails on the way the video is kept with the sound until then, with a warning. A sound longer than the
    picture is cut to it; one that AAC cannot hold is converted (see ``sound_for_aac``). Frames are taken one by one, so
    memory does not grow with length. An odd last row or column is repeated (the codecs need even sizes). metadata:
    texts by any names. provenance: how the frames were made; without one the video says that this pack made it. Only
    is_generated=False, for parts of a film, leaves it unmarked. frame_marks: in the pictures themselves. The video
    appears under its name when it is complete and marked; until then it lies in unfinished_in, else beside it (see
    ``unfinished_file``). Returns the number of frames written.
    """
    check_video_output(path, codec)
    if is_generated:
        provenance = provenance or Provenance()
        metadata = {**metadata, **provenance.tags()}
        if path.suffix.lower() not in MP4_SUFFIXES:
            metadata[XMP_TAG] = xmp.packet(provenance).decode()
    if isinstance(sound, (Recording, Path)):
        sound = sound_for_aac(sound)
    with unfinished_file(path, unfinished_in) as unfinished:
        num_frames = _encode_video(unfinished, frame_marks.on(frames, fps), fps, sound, codec, metadata)
        if provenance is not None and path.suffix.lower() in MP4_SUFFIXES:
            boxes.append_xmp(unfinished, xmp.packet(provenance))
    logger.info("wrote %s: %d frames at %g fps%s", path, num_frames, fps, "" if sound is None else ", with sound")
    return num_frames


def _encode_video(
    path: Path,
    frames: Iterable[np.ndarray],
    fps: float,
    sound: VideoSound | None,
    codec: str,
    metadata: Mapping[str, str],
) -> int:
    av, (encoder, options) = import_av(), CODECS[codec]
    num_frames, rate = 0, Fraction(fps).limit_denominator(1001)
    flags = "+faststart+use_metadata_tags" if metadata else "+faststart"
    options_of_mp4 = {} if path.suffix.lower() == ".mkv" else {"movflags": flags}
    with av.open(local(path), "w", options=options_of_mp4) as container:
        container.metadata.update(metadata)
        video = track = None
        for frame in frames:
            even = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
            if video is None:
                video = _video_stream(container, encoder, options, rate, *even.shape[:2])
                track = None if sound is None else _SoundTrack(container, sound)
            container.mux(video.encode(_bt709(even)))
            num_frames += 1
            if track is not None:
                track.write_until(num_frames / rate, is_end=False)
        if video is None:
            raise InputError("there is no frame to write; a video needs at least one.")
        container.mux(video.encode(None))
        if track is not None:
            track.write_until(num_frames / rate, is_end=True)
    return num_frames


def _video_stream(
    container: Any, encoder: str, options: dict[str, str], rate: Fraction, height: int, width: int
) -> Any:
    video = container.add_stream(encoder, rate=rate, options=options)
    video.height, video.width, video.pix_fmt = height, width, "yuv420p"
    context = video.codec_context
    context.color_primaries = context.color_trc = context.colorspace = BT709
    context.color_range = LIMITED_RANGE
    return video


def _bt709(picture: np.ndarray) -> Any:
    """[H, W, 3] uint8 RGB, even sizes -> a frame of BT.709 YUV 4:2:0 in video range."""
    frame = import_av().VideoFrame.from_ndarray(picture, format="rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace="ITU709")


class _SoundTrack:
    """A video's sound, written beside its pictures; whatever happens to the sound, the pictures go on."""

    def __init__(self, container: Any, sound: VideoSound) -> None:
        self.container, self.rate_hz = container, sound.rate_hz
        self.stream = container.add_stream("aac", rate=sound.rate_hz)
        self.stream.layout = "mono" if sound.num_channels == 1 else "stereo"
        self.frames = self._heard(sound)
        self.next = next(self.frames, None)

    @staticmethod
    def _heard(sound: VideoSound) -> Iterator[Any]:
        try:
            yield from audio_frames(sound)
        except (InputError, OSError, ValueError) as error:  # the frames may have taken hours: they are not lost for it
            logger.warning("the video's sound ends early: %s", error)

    def write_until(self, end_s: Fraction, is_end: bool) -> None:
        """Write the frames that end by a time; at the video's end what is left of the sound before it, too."""
        end = round(end_s * self.rate_hz)
        while self.next is not None and self.next.pts + self.next.samples <= end:
            self._write(self.next)
            self.next = next(self.frames, None)
        if is_end:
            if self.next is not None and self.next.pts < end:
                samples = self.next.to_ndarray()[:, : end - self.next.pts]
                self._write(audio_frame(samples, self.rate_hz, self.next.pts))
            self._write(None)

    def _write(self, frame: Any | None) -> None:
        try:
            packets = self.stream.encode(frame)
        except import_av().FFmpegError as error:
            logger.warning("some of the video's sound cannot be written: %s", error)
            return
        self.container.mux(packets)

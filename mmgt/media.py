"""Pictures, recordings and videos on disk. PyAV only: no ffmpeg program, no torchaudio. Nothing is ever overwritten."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np

from .audio import Recording, resample
from .errors import InputError

log = logging.getLogger("mmgt")

AAC_RATE_HZ = 48_000
SOUND_ADVICE = "give a wav, flac, mp3, m4a or ogg file with speech"
# FFmpeg's encoder of each codec, with a constant rate factor for visually lossless pictures. x264's mbtree reads memory
# that it never wrote (with AVX-512, at widths such as 64 or 130): equal frames gave unequal files. x265 does the
# like at a width of 64, with every setting tried.
CODECS = {
    "h264": ("libx264", {"crf": "18", "mbtree": "0"}),
    "h265": ("libx265", {"crf": "20"}),
    "av1": ("libsvtav1", {"crf": "22"}),
}


def read_picture(path: Path) -> np.ndarray:
    """[H, W, 3] uint8 RGB, turned upright by its EXIF orientation. Transparent pixels lie on white."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    _check_file(path, "picture", "a png, jpg or webp file")
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGBA")
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise InputError(f"{path} is not a picture that can be read; give a png, jpg or webp file.") from error
    return np.asarray(Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright).convert("RGB"))


def read_recording(path: Path) -> Recording:
    """Decode the first audio stream of any file that PyAV reads (wav, flac, mp3, m4a, ogg, mp4, ...).

    Rate and channels are kept; integer samples become float32 in -1..1.
    """
    chunks, rate_hz = [], 0
    for frame in _decoded_sound(path):
        chunks.append(frame.to_ndarray())
        rate_hz = frame.sample_rate
    if not chunks:
        raise InputError(f"{path} has a sound track without samples; {SOUND_ADVICE}.")
    return Recording(np.concatenate(chunks, axis=1).astype(np.float32, copy=False), rate_hz)


def _decoded_sound(path: Path, rate_hz: int | None = None, layout: str | None = None) -> Iterator[Any]:
    """PyAV frames of float32 samples of a file's first sound track, at its own rate and layout if none is given."""
    with _opened_sound(path) as (container, stream):
        resampler = import_av().AudioResampler("fltp", layout or stream.layout, rate_hz or stream.rate)
        for decoded in container.decode(stream):
            yield from resampler.resample(decoded)
        yield from resampler.resample(None)


@contextmanager
def _opened_sound(path: Path) -> Iterator[tuple[Any, Any]]:
    """The file and its first sound track. Raises InputError for a file that has none or cannot be read."""
    _check_file(path, "recording", "a wav, flac, mp3, m4a or ogg file")
    av = import_av()
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise InputError(f"{path} has no sound in it; {SOUND_ADVICE}.")
            yield container, container.streams.audio[0]
    except av.FFmpegError as error:
        raise InputError(f"{path} cannot be read as sound ({error.strerror}); {SOUND_ADVICE}.") from error


class VideoReader:
    """The frames of a video file by their place at another rate, read when they are asked for.

    Reading forward is cheap; going back starts over. The last frames that were asked for are kept, so windows that
    overlap decode each frame once. Memory does not grow with the length. Raises InputError if the file is no video.
    """

    KEPT_FRAMES = 32  # the longest window

    def __init__(self, path: Path, fps: float) -> None:
        _check_file(path, "video", "an mp4, mov or webm file")
        self.path = path
        num_stored, rate = _stored_frames(path, str(path), "give a video, or a pose file (.json)")
        self.num_frames = max(1, round(num_stored / rate * Fraction(fps).limit_denominator(1001)))
        self._stored_per_frame = float(rate) / fps
        self._last_stored = num_stored - 1
        self._kept: dict[int, np.ndarray] = {}
        self._start_over()

    def _start_over(self) -> None:
        self._decoder = _decoded_frames(self.path, str(self.path))
        self._decoded: Any = None
        self._next_stored = 0

    def __call__(self, frames: Sequence[int]) -> list[np.ndarray]:
        """The frames of these places, [H, W, 3] uint8 RGB, upright: what each one's middle shows."""
        wanted = [min(int((t + 0.5) * self._stored_per_frame), self._last_stored) for t in frames]
        found = {stored_idx: self._read(stored_idx) for stored_idx in sorted(set(wanted))}
        return [found[stored_idx] for stored_idx in wanted]

    def _read(self, stored_idx: int) -> np.ndarray:
        if stored_idx not in self._kept:
            if stored_idx < self._next_stored:
                self._start_over()
            while self._next_stored <= stored_idx:
                self._decoded = next(self._decoder, self._decoded)  # a video cut off at its end holds its last frame
                self._next_stored += 1
            if len(self._kept) == self.KEPT_FRAMES:
                del self._kept[next(iter(self._kept))]
            self._kept[stored_idx] = upright(self._decoded)
        return self._kept[stored_idx]


class VideoStream:
    """The frames of a video one after another, each at its own time: nothing but one frame is held.

    source: a file's path, or an open file. num_frames: how many are stored. seconds: the time they are shown.
    Raises InputError if it is no video.
    """

    def __init__(self, source: Path | IO[bytes]) -> None:
        self._source = source
        self._name = str(source) if isinstance(source, Path) else "the video"
        if isinstance(source, Path):
            _check_file(source, "video", "an mp4, mov or webm file")
        self.num_frames, rate = _stored_frames(source, self._name, "give a video")
        self.fps = float(rate)
        self.seconds = self.num_frames / self.fps

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """Time in s from the first frame on, rising, and the frame [H, W, 3] uint8 RGB, upright."""
        step_s = 1 / self.fps
        first_s, last_s = None, -step_s
        for frame in _decoded_frames(self._source, self._name):
            first_s = (frame.time or 0.0) if first_s is None else first_s
            time_s = last_s + step_s if frame.time is None else frame.time - first_s
            last_s = time_s if time_s > last_s else last_s + step_s
            yield last_s, upright(frame)


def _stored_frames(source: Path | IO[bytes], name: str, otherwise: str) -> tuple[int, Fraction]:
    """How many frames a video holds, and their mean rate. Raises InputError if it is none."""
    av = import_av()
    try:
        with _opened(source) as container:
            if not container.streams.video:
                raise InputError(f"{name} has no picture in it; {otherwise}.")
            stream = container.streams.video[0]
            num_stored = sum(1 for packet in container.demux(stream) if packet.size)
            rate = stream.average_rate
    except av.FFmpegError as error:
        raise InputError(f"{name} cannot be read as a video ({error.strerror}); give an mp4, mov or webm.") from error
    if not num_stored or not rate:
        raise InputError(f"{name} is a video without frames; give an mp4, mov or webm file.")
    return num_stored, rate


def _decoded_frames(source: Path | IO[bytes], name: str) -> Iterator[Any]:
    """Every frame of a video, as PyAV decodes it. Raises InputError where that ends early."""
    av = import_av()
    try:
        with _opened(source) as container:
            yield from container.decode(video=0)
    except av.FFmpegError as error:
        raise InputError(f"{name} cannot be read as a video ({error.strerror}); export it again.") from error


def _opened(source: Path | IO[bytes]) -> Any:
    if isinstance(source, Path):
        return import_av().open(str(source))
    source.seek(0)
    return import_av().open(source)


def upright(frame: Any) -> np.ndarray:
    """A decoded frame as [H, W, 3] uint8 RGB, turned as the file says: a phone films upright and stores it lying."""
    quarter_turns = round(getattr(frame, "rotation", 0) / 90)  # counterclockwise; PyAV before 14 does not say
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), quarter_turns))


def write_video(
    path: Path, frames: Iterable[np.ndarray], fps: float, sound: Recording | Path | None = None, codec: str = "h264"
) -> int:
    """Write [H, W, 3] uint8 RGB frames as mp4, with ``sound`` as AAC at its own rate and channels.

    sound: a recording, or the file of one, which is read while it is written. Frames are taken one by one, so memory
    does not grow with length. An odd last row or column is repeated (the codecs need even sizes). A sound longer than
    the picture is cut to it; one that AAC cannot hold is converted (see ``_sound_for_aac``). The file appears under its
    name when it is complete. Returns the number of frames written.
    """
    check_output(path)
    unfinished = path.with_name(f".{path.stem}.unfinished{path.suffix}")
    try:
        num_frames = _encode_video(unfinished, frames, fps, None if sound is None else _sound_for_aac(sound), codec)
        check_output(path)
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    log.info("wrote %s: %d frames at %g fps%s", path, num_frames, fps, "" if sound is None else ", with sound")
    return num_frames


@dataclass(frozen=True)
class _Sound:
    """Sound as a video's track takes it: PyAV frames of float32 samples, one after another."""

    rate_hz: int
    layout: str
    frames: Iterator[Any]


def _sound_for_aac(sound: Recording | Path) -> _Sound:
    """A sound as AAC can hold it: unchanged where it can; more than two channels become one, a rate that AAC does not
    know becomes 48 kHz."""
    if isinstance(sound, Path):
        with _opened_sound(sound) as (_, stream):
            own_rate_hz, num_channels = stream.rate, stream.channels
    else:
        own_rate_hz, num_channels = sound.rate_hz, sound.samples.shape[0]
    rate_hz = own_rate_hz if own_rate_hz in import_av().Codec("aac", "w").audio_rates else AAC_RATE_HZ
    if rate_hz != own_rate_hz:
        log.info("the video's sound is resampled from %d to %d Hz, which AAC knows", own_rate_hz, rate_hz)
    layout = "stereo" if num_channels == 2 else "mono"
    if isinstance(sound, Path):
        if num_channels <= 2:
            return _Sound(rate_hz, layout, _decoded_sound(sound, rate_hz, layout))
        mono = (frame.to_ndarray().mean(axis=0, keepdims=True) for frame in _decoded_sound(sound, rate_hz))
        return _Sound(rate_hz, layout, (_frame_of(samples, rate_hz, layout) for samples in mono))
    samples = sound.samples if num_channels <= 2 else sound.mono()[None]
    samples = samples if rate_hz == own_rate_hz else resample(samples, own_rate_hz, rate_hz)
    return _Sound(rate_hz, layout, _frames_of(samples, rate_hz, layout))


def _encode_video(path: Path, frames: Iterable[np.ndarray], fps: float, sound: _Sound | None, codec: str) -> int:
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
            for chunk in _cut(sound, num_samples):
                container.mux(audio.encode(chunk))
            container.mux(audio.encode(None))
    return num_frames


def write_png(path: Path, picture: np.ndarray) -> None:
    """Write [H, W, 3] uint8 RGB."""
    from PIL import Image

    check_output(path)
    Image.fromarray(picture).save(path)


def check_output(path: Path) -> None:
    """Raise InputError if writing to ``path`` would replace something or has no folder to go to."""
    if path.exists():
        raise InputError(f"{path} exists already and is not overwritten; choose another name or remove it first.")
    if not path.parent.is_dir():
        raise InputError(f"there is no folder {path.parent} to write {path.name} into; create it first.")


def contact_sheet(frames: list[np.ndarray], num_columns: int) -> np.ndarray:
    """Lay [H, W, 3] uint8 frames of one size side by side, row by row; missing ones are black."""
    missing = -len(frames) % num_columns
    tiles = np.stack([*frames, *[np.zeros_like(frames[0])] * missing])
    rows = tiles.reshape(-1, num_columns, *frames[0].shape)  # [R, columns, H, W, 3]
    return rows.transpose(0, 2, 1, 3, 4).reshape(rows.shape[0] * rows.shape[2], -1, 3)


def import_av():  # type: ignore[no-untyped-def]
    """PyAV, or an InputError that says how to get it (ComfyUI has it)."""
    try:
        import av
    except ImportError as error:
        raise InputError(
            "reading sound and writing video needs PyAV, which is not installed; run `pip install av`."
        ) from error
    return av


def _check_file(path: Path, kind: str, wanted: str) -> None:
    if not path.is_file():
        raise InputError(f"there is no {kind} {path}; give the path of {wanted}.")
    if path.stat().st_size == 0:
        raise InputError(f"the {kind} {path} is empty (0 bytes); give {wanted}.")


def _frames_of(samples: np.ndarray, rate_hz: int, layout: str) -> Iterator[Any]:
    """Samples [C, S] as PyAV frames of at most 1024."""
    for start in range(0, samples.shape[1], 1024):
        yield _frame_of(samples[:, start : start + 1024], rate_hz, layout)


def _frame_of(samples: np.ndarray, rate_hz: int, layout: str) -> Any:
    frame = import_av().AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout=layout)
    frame.sample_rate = rate_hz
    return frame


def _cut(sound: _Sound, num_samples: int) -> Iterator[Any]:
    """The frames of the first samples, each with its time."""
    start = 0
    for frame in sound.frames:
        if start >= num_samples:
            return
        if start + frame.samples > num_samples:
            frame = _frame_of(frame.to_ndarray()[:, : num_samples - start], sound.rate_hz, sound.layout)
        frame.pts, frame.time_base = start, Fraction(1, sound.rate_hz)
        start += frame.samples
        yield frame

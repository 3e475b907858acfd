import subprocess
import sys

import av
import numpy as np
import pytest
import soundfile
from tones import tone
from turned import turned

from mmgt.errors import InputError
from mmgt.media import VideoReader, VideoStream, write_video
from mmgt.speech.recording import Recording


def numbered_video(path, num_frames, fps, sound=None):
    """A grey video whose frames say their number: frame t has grey 8 t."""
    return write_video(path, (np.full((32, 48, 3), 8 * t, np.uint8) for t in range(num_frames)), fps, sound)


def numbers(frames):
    return [round(float(frame.mean()) / 8) for frame in frames]


@pytest.mark.parametrize(
    ("fps", "num_frames", "shown"),
    [
        (25, 30, list(range(30))),
        (50, 15, [2 * t + 1 for t in range(15)]),
        (12.5, 60, [t // 2 for t in range(60)]),
        (30, 25, [min(29, int((t + 0.5) * 1.2)) for t in range(25)]),
    ],
)
def test_frames_of_a_video_at_another_rate(tmp_path, fps, num_frames, shown):
    numbered_video(tmp_path / "v.mp4", 30, fps)
    reader = VideoReader(tmp_path / "v.mp4", 25)
    assert reader.num_frames == num_frames
    assert numbers(reader(range(num_frames))) == shown


def test_frames_are_read_in_any_order(tmp_path):
    numbered_video(tmp_path / "v.mp4", 31, 25)
    reader = VideoReader(tmp_path / "v.mp4", 25)
    for frames in ([0, 1, 2, 3], [2, 3, 4, 5], [28, 29, 30, 0, 1], [5, 5, 4], list(range(31))):
        assert numbers(reader(frames)) == frames


def test_windows_that_overlap_decode_once(tmp_path, monkeypatch):
    numbered_video(tmp_path / "v.mp4", 30, 25)
    reader = VideoReader(tmp_path / "v.mp4", 25)
    monkeypatch.setattr(reader, "_start_over", lambda: pytest.fail("read again from the start"))
    for start in range(0, 20, 4):
        reader(range(start, start + 8))


def test_no_video_is_one_sentence(tmp_path):
    soundfile.write(tmp_path / "s.wav", tone(0.2, 16000).T, 16000)
    (tmp_path / "text.mp4").write_text("this is text")
    for name, says in (("s.wav", "no picture"), ("text.mp4", "cannot be read as a video"), ("none", "there is no")):
        with pytest.raises(InputError, match=says):
            VideoReader(tmp_path / name, 25)


def test_a_stream_gives_every_frame_at_its_time(tmp_path):
    numbered_video(tmp_path / "v.mp4", 20, 30)
    with (tmp_path / "v.mp4").open("rb") as file:
        for stream in (VideoStream(tmp_path / "v.mp4"), VideoStream(file)):
            for _ in range(2):  # it can be read again
                times_s, frames = zip(*stream, strict=True)
                assert numbers(frames) == list(range(20))
                np.testing.assert_allclose(times_s, np.arange(20) / 30, atol=1e-6)
            assert (stream.num_frames, stream.fps, stream.seconds) == (20, 30, pytest.approx(2 / 3))


def test_a_stream_of_an_uneven_rate_keeps_the_times(tmp_path):
    places = [0, 1, 2, 5, 6, 10, 11, 12]
    with av.open(str(tmp_path / "v.mp4"), "w") as container:
        video = container.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = 48, 32, "yuv420p"
        for place in places:
            frame = av.VideoFrame.from_ndarray(np.full((32, 48, 3), 8 * place, np.uint8), format="rgb24")
            frame.pts = place
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    times_s, frames = zip(*VideoStream(tmp_path / "v.mp4"), strict=True)
    assert numbers(frames) == places
    np.testing.assert_allclose(times_s, np.array(places) / 30, atol=1e-4)


@pytest.mark.parametrize(("matrix", "corner"), [((0, 1, -1, 0), "top right"), ((-1, 0, 0, -1), "bottom right")])
def test_a_phone_video_is_upright(tmp_path, matrix, corner):
    """Stored with a white top left corner; the file's matrix turns it by 90 or 180 degrees."""
    if not hasattr(av.VideoFrame, "rotation"):
        pytest.skip("this PyAV does not say how a video is turned")
    lying = np.zeros((32, 48, 3), np.uint8)
    lying[:16, :16] = 255
    write_video(tmp_path / "v.mp4", [lying] * 3, 25)
    path = turned(tmp_path / "v.mp4", matrix)
    ((_, streamed), *_) = VideoStream(path)
    for frame in (streamed, VideoReader(path, 25)([1])[0]):
        white = {"top right": frame[:16, -16:], "bottom right": frame[-16:, -16:]}[corner]
        assert frame.shape == ((48, 32, 3) if corner == "top right" else (32, 48, 3))
        assert white.mean() > 240
        assert frame.mean() < 70


def test_no_stream_is_one_sentence(tmp_path):
    soundfile.write(tmp_path / "s.wav", tone(0.2, 16000).T, 16000)
    (tmp_path / "text.mp4").write_text("this is text")
    for name, says in (("s.wav", "no picture"), ("text.mp4", "cannot be read as a video"), ("none", "there is no")):
        with pytest.raises(InputError, match=says):
            VideoStream(tmp_path / name)


def test_python_may_end_before_the_video(tmp_path):
    """Readers that are still open then, of pictures and of sound, say nothing."""
    numbered_video(tmp_path / "v.mp4", 10, 25, Recording(tone(0.4, 16_000), 16_000))
    lines = """
        import builtins, sys
        from pathlib import Path
        from mmgt.media import VideoReader, VideoStream, sound
        path = Path(sys.argv[1])
        builtins.stream = iter(VideoStream(path))
        builtins.reader = VideoReader(path, 25)
        builtins.blocks = sound.sound_for_aac(path).blocks
        next(stream), reader([0]), next(blocks)
    """
    program = "\n".join(line.strip() for line in lines.splitlines())
    ended = subprocess.run([sys.executable, "-c", program, tmp_path / "v.mp4"], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "")

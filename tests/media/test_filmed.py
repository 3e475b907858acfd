"""Videos as phones and screen recorders make them: the time, the shape and the colours that a player shows."""

from fractions import Fraction

import av
import numpy as np
import pytest
from tones import tone
from turned import turned

from mmgt.errors import InputError
from mmgt.media import VideoReader, VideoStream, write_video
from mmgt.media.sound import audio_frame


def film(path, times_s, size=(48, 64), aspect=None, first_s=0.0):
    """Grey frames whose level is 20 + 2 n, where n counts 40 ms of their time."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25, options={"bf": "2"})
        video.height, video.width, video.pix_fmt = *size, "yuv420p"
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        video.codec_context.time_base = Fraction(1, 12800)
        for time_s in times_s:
            level = round(20 + 2 * time_s / 0.04)
            frame = av.VideoFrame.from_ndarray(np.full((*size, 3), level, np.uint8), format="rgb24")
            frame.pts, frame.time_base = round((time_s + first_s) * 12800), Fraction(1, 12800)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return path


RATES = {
    "film": [n / 24 for n in range(48)],
    "television": [n * 1001 / 30000 for n in range(60)],
    "phone": [n / 60 for n in range(120)],
    "changing": [n / 60 for n in range(60)] + [1 + n / 8 for n in range(9)],
    "on change": [0, 0.04, 1.6, 2.0],
}


@pytest.mark.parametrize("name", RATES)
@pytest.mark.parametrize("first_s", [0.0, 1.5])
def test_a_reader_shows_what_a_player_shows(tmp_path, name, first_s):
    times_s = np.array(RATES[name])
    path = film(tmp_path / "v.mp4", times_s, first_s=first_s)
    reader = VideoReader(path, 25)
    last_s = times_s[-1] - times_s[-2]  # a last frame is shown as long as the one before
    assert reader.num_frames == pytest.approx((times_s[-1] + last_s) * 25, abs=1 if name != "on change" else 40)
    for t in range(reader.num_frames):
        showing = times_s[np.searchsorted(times_s, (t + 0.5) / 25 + 1e-4, side="right") - 1]
        assert abs(reader([t])[0].mean() - (20 + 2 * showing / 0.04)) < 2.5, t
    streamed_s = np.array([time_s for time_s, _ in VideoStream(path)])
    np.testing.assert_allclose(streamed_s, times_s, atol=1e-3)


@pytest.mark.parametrize(("aspect", "shape"), [(2, (48, 128, 3)), (0.5, (96, 64, 3)), (None, (48, 64, 3))])
def test_pixels_become_square(tmp_path, aspect, shape):
    path = film(tmp_path / "v.mp4", [0, 0.04], aspect=None if aspect is None else Fraction(aspect))
    assert VideoReader(path, 25)([0])[0].shape == shape
    assert next(iter(VideoStream(path)))[1].shape == shape


DIHEDRAL = {  # (a, b, c, d) of x' = a x + c y, y' = b x + d y -> where the stored top left corner is shown
    (1, 0, 0, 1): "top left",
    (-1, 0, 0, 1): "top right",
    (1, 0, 0, -1): "bottom left",
    (-1, 0, 0, -1): "bottom right",
    (0, 1, 1, 0): "top left",
    (0, 1, -1, 0): "top right",
    (0, -1, 1, 0): "bottom left",
    (0, -1, -1, 0): "bottom right",
}


@pytest.mark.parametrize("matrix", DIHEDRAL)
def test_turned_and_mirrored_as_the_file_says(tmp_path, matrix):
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :16] = 255
    stored[:16, 16:32] = 100  # beside the corner, along the stored row
    write_video(tmp_path / "v.mp4", [stored] * 3, 25)
    frame = VideoReader(turned(tmp_path / "v.mp4", matrix), 25)([0])[0]
    vertical, horizontal = DIHEDRAL[matrix].split()
    corner = frame[:16] if vertical == "top" else frame[-16:]
    corner = corner[:, :16] if horizontal == "left" else corner[:, -16:]
    assert frame.shape == ((48, 32, 3) if matrix[0] == 0 else (32, 48, 3))
    assert corner.mean() > 240
    upper_left = frame if vertical == "top" else frame[::-1]
    upper_left = upper_left if horizontal == "left" else upper_left[:, ::-1]
    beside = upper_left[16:32, :16] if matrix[0] == 0 else upper_left[:16, 16:32]
    assert 80 < beside.mean() < 120


@pytest.mark.parametrize("colour", [(224, 60, 40), (30, 200, 90), (20, 40, 230)])
def test_colours_come_back(tmp_path, colour):
    write_video(tmp_path / "v.mp4", [np.full((64, 64, 3), colour, np.uint8)] * 2, 25)
    frame = VideoReader(tmp_path / "v.mp4", 25)([0])[0]
    assert np.abs(frame.astype(int) - colour).max() <= 4


def test_a_damaged_video_goes_on(tmp_path, caplog):
    path = film(tmp_path / "v.mp4", [n / 25 for n in range(60)])
    data = bytearray(path.read_bytes())
    middle = data.index(b"mdat") + (len(data) - data.index(b"mdat")) // 3
    data[middle : middle + 40] = bytes(40)
    path.write_bytes(data)
    reader = VideoReader(path, 25)
    assert reader.num_frames == 60
    assert len(reader([0, 20])) == 2
    assert reader([59])[0].shape == (48, 64, 3)


def test_the_cover_of_a_song_is_no_video(tmp_path):
    with av.open(str(tmp_path / "song.m4a"), "w", format="mp4") as container:
        audio, cover = container.add_stream("aac", rate=16000), container.add_stream("mjpeg", rate=25)
        audio.layout = "mono"
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic.value
        container.mux(cover.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")))
        container.mux(cover.encode(None))
        container.mux(audio.encode(audio_frame(tone(1.0, 16000)[:, :1024], 16000, 0)))
        container.mux(audio.encode(None))
    with pytest.raises(InputError, match="no picture"):
        VideoReader(tmp_path / "song.m4a", 25)

import struct

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from mmgt.audio import Recording
from mmgt.errors import InputError
from mmgt.media import VideoReader, VideoStream, contact_sheet, read_picture, read_recording, write_png, write_video


def tone(seconds, rate_hz, num_channels=1):
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.stack([0.5 * np.sin(2 * np.pi * 440 * (c + 1) * t) for c in range(num_channels)]).astype(np.float32)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize(("rate_hz", "num_channels"), [(16000, 1), (48000, 2)])
def test_recordings_keep_rate_and_channels(tmp_path, suffix, rate_hz, num_channels):
    path = tmp_path / f"speech.{suffix}"
    samples = tone(0.5, rate_hz, num_channels)
    soundfile.write(path, samples.T, rate_hz)
    recording = read_recording(path)
    assert recording.rate_hz == rate_hz
    assert recording.samples.shape[0] == num_channels
    if suffix in ("wav", "flac"):  # lossless: 16 bit
        np.testing.assert_allclose(recording.samples, samples, atol=1e-4)
    else:
        assert recording.seconds == pytest.approx(0.5, abs=0.1)


def held(sound, folder):
    return sound


def filed(sound, folder):
    soundfile.write(folder / "s.wav", sound.samples.T, sound.rate_hz)
    return folder / "s.wav"


@pytest.mark.parametrize("given", [held, filed])
@pytest.mark.parametrize(("height", "width", "num_channels"), [(64, 96, 1), (65, 97, 2)])
def test_video_and_sound_end_together(tmp_path, height, width, num_channels, given):
    path = tmp_path / "v.mp4"
    sound = Recording(tone(1.23, 22050, num_channels), 22050)
    num_frames = sound.num_frames(25)
    frames = (np.full((height, width, 3), 8 * t, np.uint8) for t in range(num_frames))
    assert write_video(path, frames, 25, given(sound, tmp_path)) == num_frames == 31
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.width, video.height) == (width + width % 2, height + height % 2)
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video)]
        assert len(decoded) == num_frames
        assert abs(float(decoded[20].mean()) - 160) < 3
        assert audio.layout.nb_channels == num_channels
        assert audio.rate == 22050
    back = read_recording(path)
    assert abs(back.seconds - num_frames / 25) < 1 / 25 + 1024 / 22050  # AAC pads to whole packets
    middle = slice(5000, 15000)
    lag = np.argmax(np.correlate(back.samples[0, middle], sound.samples[0, 5000:14000], "valid"))
    aligned = back.samples[0, 5000 + lag : 14000 + lag]
    assert np.corrcoef(aligned, sound.samples[0, 5000:14000])[0, 1] > 0.95


@pytest.mark.parametrize("given", [held, filed])
@pytest.mark.parametrize(
    ("rate_hz", "num_channels", "kept"),
    [
        (8000, 1, (8000, 1)),
        (96000, 2, (96000, 2)),
        (192000, 2, (48000, 2)),
        (11127, 1, (48000, 1)),
        (48000, 6, (48000, 1)),
    ],
)
def test_any_rate_and_channels_become_sound_of_a_video(tmp_path, rate_hz, num_channels, kept, given):
    path = tmp_path / "v.mp4"
    sound = Recording(tone(0.5, rate_hz, num_channels), rate_hz)
    write_video(path, [np.zeros((32, 32, 3), np.uint8)] * sound.num_frames(25), 25, given(sound, tmp_path))
    back = read_recording(path)
    assert (back.rate_hz, back.samples.shape[0]) == kept
    assert 0.3 < back.samples.std() / sound.samples.std() < 1.1
    assert abs(back.seconds - 0.52) < 0.04 + 2048 / kept[0]


def test_a_sound_longer_than_the_picture_is_cut(tmp_path):
    sound = Recording(tone(3.0, 44100, 2), 44100)
    for number, given in enumerate((held, filed)):
        path = tmp_path / f"{number}.mp4"
        write_video(path, [np.zeros((32, 32, 3), np.uint8)] * 25, 25, given(sound, tmp_path))
        assert abs(read_recording(path).seconds - 1) < 2048 / 44100


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_equal_frames_give_equal_files(tmp_path, codec):
    rng = np.random.default_rng(0)
    picture = np.cumsum(rng.integers(-9, 10, (80, 80, 3)), axis=1) + 128
    frames = [np.roll(picture, i * i, axis=0)[:64, :64].clip(0, 255).astype(np.uint8) for i in range(14)]
    written = set()
    for number in range(4):
        _ = [rng.integers(0, 255, int(rng.integers(1000, 200_000)), dtype=np.uint8) for _ in range(50)]  # stir the heap
        write_video(tmp_path / f"{number}.mp4", frames, 25, codec=codec)
        written.add((tmp_path / f"{number}.mp4").read_bytes())
    assert len(written) == 1


def test_an_interrupted_video_leaves_nothing(tmp_path):
    def frames():
        yield np.zeros((32, 32, 3), np.uint8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(tmp_path / "v.mp4", frames(), 25)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    path = tmp_path / "v.mp4"
    path.write_text("mine")
    with pytest.raises(InputError, match="not overwritten"):
        write_video(path, [np.zeros((8, 8, 3), np.uint8)], 25)
    with pytest.raises(InputError, match="not overwritten"):
        write_png(path, np.zeros((8, 8, 3), np.uint8))
    assert path.read_text() == "mine"
    with pytest.raises(InputError, match="no folder"):
        write_video(tmp_path / "none" / "v.mp4", [], 25)


@pytest.mark.parametrize("read", [read_picture, read_recording])
@pytest.mark.parametrize(("content", "says"), [(None, "there is no"), (b"", "empty"), (b"just text", "read")])
def test_an_unreadable_file_is_one_sentence(tmp_path, read, content, says):
    path = tmp_path / "file.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=says) as error:
        read(path)
    assert "\n" not in str(error.value)


def numbered_video(path, num_frames, fps):
    """A grey video whose frames say their number: frame t has grey 8 t."""
    return write_video(path, (np.full((32, 48, 3), 8 * t, np.uint8) for t in range(num_frames)), fps)


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


def test_a_video_without_sound_is_one_sentence(tmp_path):
    path = tmp_path / "mute.mp4"
    write_video(path, [np.zeros((16, 16, 3), np.uint8)] * 3, 25)
    with pytest.raises(InputError, match="no sound"):
        read_recording(path)


def test_pictures_are_upright_rgb_on_white(tmp_path):
    rgba = np.zeros((4, 6, 4), np.uint8)
    rgba[:2] = (255, 0, 0, 255)  # below it is transparent
    Image.fromarray(rgba).save(tmp_path / "p.png")
    picture = read_picture(tmp_path / "p.png")
    assert picture.shape == (4, 6, 3)
    assert tuple(picture[0, 0]) == (255, 0, 0)
    assert tuple(picture[3, 0]) == (255, 255, 255)
    image = Image.new("RGB", (6, 4))
    exif = image.getexif()
    exif[0x0112] = 6  # turn by 90 degrees
    image.save(tmp_path / "p.jpg", exif=exif)
    assert read_picture(tmp_path / "p.jpg").shape == (6, 4, 3)


def test_contact_sheet_places_tiles():
    tiles = [np.full((2, 3, 3), value, np.uint8) for value in (1, 2, 3)]
    sheet = contact_sheet(tiles, 2)
    assert sheet.shape == (4, 6, 3)
    assert sheet[0, 0, 0] == 1
    assert sheet[0, 3, 0] == 2
    assert sheet[2, 0, 0] == 3
    assert sheet[2, 3, 0] == 0


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
    data = (tmp_path / "v.mp4").read_bytes()
    one, w = 1 << 16, 1 << 30
    stored = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, w)
    start = data.index(stored, data.index(b"tkhd"))
    a, b, c, d = (one * value for value in matrix)
    turned = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, w)
    (tmp_path / "turned.mp4").write_bytes(data[:start] + turned + data[start + len(stored) :])
    ((_, streamed), *_) = VideoStream(tmp_path / "turned.mp4")
    for frame in (streamed, VideoReader(tmp_path / "turned.mp4", 25)([1])[0]):
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

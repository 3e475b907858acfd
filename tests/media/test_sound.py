import av
import numpy as np
import pytest
import soundfile
from tones import tone

from mmgt.errors import InputError
from mmgt.media import VideoStream, read_recording, write_video
from mmgt.media.sound import sound_for_aac
from mmgt.speech.recording import Recording


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
        (48000, 6, (48000, 2)),
    ],
)
def test_any_rate_and_channels_become_sound_of_a_video(tmp_path, rate_hz, num_channels, kept, given):
    path = tmp_path / "v.mp4"
    sound = Recording(tone(0.5, rate_hz, num_channels), rate_hz)
    write_video(path, [np.zeros((32, 32, 3), np.uint8)] * sound.num_frames(25), 25, given(sound, tmp_path))
    back = read_recording(path)
    assert (back.rate_hz, back.samples.shape[0]) == kept
    assert 0.3 < back.samples.std() / sound.samples.std() < (1.1 if num_channels < 3 else 2.0)
    assert abs(back.seconds - 0.52) < 0.04 + 2048 / kept[0]


def test_a_sound_longer_than_the_picture_is_cut(tmp_path):
    sound = Recording(tone(3.0, 44100, 2), 44100)
    for number, given in enumerate((held, filed)):
        path = tmp_path / f"{number}.mp4"
        write_video(path, [np.zeros((32, 32, 3), np.uint8)] * 25, 25, given(sound, tmp_path))
        assert abs(read_recording(path).seconds - 1) < 2048 / 44100


@pytest.mark.parametrize("prepare", [lambda path: path, sound_for_aac])
def test_frames_are_kept_when_the_sound_is_gone(tmp_path, caplog, prepare):
    path = filed(Recording(tone(1.0, 16000), 16000), tmp_path)

    def frames():
        path.unlink()
        yield from [np.zeros((32, 32, 3), np.uint8)] * 25

    assert write_video(tmp_path / "v.mp4", frames(), 25, prepare(path)) == 25
    assert VideoStream(tmp_path / "v.mp4").num_frames == 25
    assert "sound ends early: there is no recording" in caplog.text


def test_a_video_without_sound_is_one_sentence(tmp_path):
    path = tmp_path / "mute.mp4"
    write_video(path, [np.zeros((16, 16, 3), np.uint8)] * 3, 25)
    with pytest.raises(InputError, match="no sound"):
        read_recording(path)

"""Sound that was joined, cut, damaged or recorded with a fault, as people have it."""

import logging
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
from tones import tone

from mmgt.media import read_recording, write_video
from mmgt.media.sound import audio_frame
from mmgt.speech.loudness import speaking
from mmgt.speech.recording import SPEECH_RATE_HZ, Recording


def mp3(path, seconds, rate_hz, num_channels=1):
    soundfile.write(path, tone(seconds, rate_hz, num_channels).T, rate_hz, format="MP3")
    return path.read_bytes()


@pytest.mark.parametrize("second", [(44100, 1), (24000, 1), (44100, 2), (22050, 2)])
def test_joined_files_are_heard_to_their_end(tmp_path, second):
    path = tmp_path / "joined.mp3"
    joined = mp3(path, 1.2, 44100) + mp3(path, 1.2, *second)
    path.write_bytes(joined)
    recording = read_recording(path)
    assert recording.seconds == pytest.approx(2.4, abs=0.15)
    loud = np.abs(recording.mono()).reshape(-1)
    for start_s in (0.3, 0.8, 1.5, 2.0):
        place = slice(int(start_s * recording.rate_hz), int((start_s + 0.2) * recording.rate_hz))
        assert 0.1 < loud[place].mean() < 0.5, start_s


def test_a_damaged_stretch_is_silence_and_said_with_its_time(tmp_path, caplog):
    path = tmp_path / "junk.mp3"
    sound = mp3(path, 3.0, 44100)
    middle = len(sound) // 2
    junk = bytes(np.random.default_rng(0).integers(0, 255, 3000, dtype=np.uint8))
    path.write_bytes(sound[:middle] + junk + sound[middle + 3000 :])
    recording = read_recording(path)
    assert 2.0 < recording.seconds < 3.2
    assert "damaged" in caplog.text


def test_a_cut_file_is_heard_as_far_as_it_goes(tmp_path):
    for suffix in ("mp3", "ogg", "flac", "wav"):
        path = tmp_path / f"cut.{suffix}"
        soundfile.write(path, tone(12.0, 44100).T, 44100)
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.6)])
        assert read_recording(path).seconds > 4, suffix


def test_a_rotten_ogg_warns_and_keeps_its_length(tmp_path, caplog):
    path = tmp_path / "rotten.ogg"
    soundfile.write(path, tone(20.0, 44100).T, 44100)
    data = bytearray(path.read_bytes())
    pages = [i for i in range(len(data)) if data[i : i + 4] == b"OggS"]
    assert len(pages) > 4, "the test needs a page between the first and the last"
    data[pages[3] + 200] ^= 255
    path.write_bytes(data)
    assert read_recording(path).seconds == pytest.approx(20.0, abs=0.05)
    assert "silence stands at" in caplog.text


def film(path, sound_begins_s, seconds=2.0):
    """A film whose sound begins late, 2 s of picture."""
    with av.open(str(path), "w") as container:
        video, audio = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=16000)
        video.width = video.height = 64
        audio.layout = "mono"
        for _ in range(round(seconds * 25)):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(video.encode(None))
        samples = tone(seconds - sound_begins_s, 16000)
        for start in range(0, samples.shape[1] - 1024, 1024):
            frame = audio_frame(samples[:, start : start + 1024], 16000, start + round(sound_begins_s * 16000))
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return path


@pytest.mark.parametrize("begins_s", [0.0, 1.0])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_the_sound_of_a_film_keeps_its_offset(tmp_path, suffix, begins_s, caplog):
    recording = read_recording(film(tmp_path / f"film.{suffix}", begins_s))
    loud = np.abs(recording.mono()) > 0.1
    assert np.argmax(loud) / recording.rate_hz == pytest.approx(begins_s, abs=0.08)
    assert "damaged" not in caplog.text


def test_phases_that_cancel_leave_the_louder_channel_and_say_so(caplog):
    left = tone(0.5, 16000)[0]
    cancelling = Recording(np.stack([left, -0.9 * left]), 16000)
    np.testing.assert_array_equal(cancelling.mono(), left)
    np.testing.assert_array_equal(cancelling.mono_at(16000), left)
    np.testing.assert_array_equal(np.concatenate([*cancelling.mono_blocks_at(16000)]), left)
    assert caplog.text.count("cancel each other") == 1
    with caplog.at_level(logging.WARNING):
        caplog.clear()
        ordinary = np.stack([left, np.roll(left, 7)])
        np.testing.assert_allclose(Recording(ordinary, 16000).mono(), ordinary.mean(axis=0), atol=1e-7)
        assert not caplog.text


@pytest.mark.parametrize("num_channels", [3, 5, 6, 8])
def test_a_centre_voice_of_surround_sound_stays_loud(tmp_path, num_channels):
    voice = tone(1.0, 16000)[0]
    samples = np.zeros((num_channels, 16000), np.float32)
    samples[2] = voice
    recording = Recording(samples, 16000)
    assert recording.mono().std() / voice.std() == pytest.approx(0.5**0.5, rel=1e-3)  # -3 dB
    path = tmp_path / "v.mp4"
    write_video(path, [np.zeros((32, 32, 3), np.uint8)] * 25, 25, recording)
    heard = read_recording(path)
    assert heard.samples.shape[0] == 2
    assert heard.samples[:, 2000:12000].std() / voice.std() == pytest.approx(0.5**0.5, rel=0.1)


@pytest.mark.parametrize("offset", [0.1, -0.3, "drifting"])
def test_an_offset_from_zero_is_not_heard(offset):
    rate, seconds = SPEECH_RATE_HZ, 6
    t = np.arange(rate * seconds) / rate
    voice = (0.3 * np.sin(2 * np.pi * 180 * t) * (t % 2 < 1)).astype(np.float32)
    moved = voice + (0.1 * t / seconds if offset == "drifting" else offset)
    frames = seconds * 25
    plain, shifted = speaking(voice, frames), speaking(moved.astype(np.float32), frames)
    np.testing.assert_allclose(plain[5:], shifted[5:], atol=0.25)
    assert plain.min() == 0


def test_sound_and_picture_lie_side_by_side_in_the_file(tmp_path):
    path = tmp_path / "v.mp4"
    rng = np.random.default_rng(0)
    frames = (rng.integers(0, 255, (64, 64, 3), dtype=np.uint8) for _ in range(250))
    write_video(path, frames, 25, Recording(tone(10, 16000), 16000))
    behind, last = Fraction(0), {}
    with av.open(str(path)) as container:
        for packet in container.demux():
            if packet.pts is not None:
                last[packet.stream.type] = packet.dts * packet.time_base
                if len(last) == 2:
                    behind = max(behind, abs(last["video"] - last["audio"]))
    assert behind < 4  # x264 holds up to two seconds of pictures back


@pytest.mark.parametrize("scale", [1e12, 1e25])
def test_sound_that_is_no_sound_does_not_cost_the_frames(tmp_path, scale):
    loud = Recording((tone(1.0, 16000) * scale).astype(np.float32), 16000)
    assert write_video(tmp_path / "v.mp4", [np.zeros((32, 32, 3), np.uint8)] * 25, 25, loud) == 25
    soundfile.write(tmp_path / "nan.wav", np.full(16000, np.nan, np.float32), 16000, subtype="FLOAT")
    frames = [np.zeros((32, 32, 3), np.uint8)] * 25
    assert write_video(tmp_path / "w.mp4", frames, 25, tmp_path / "nan.wav") == 25

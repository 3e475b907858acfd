import errno

import av
import numpy as np
import pytest

from mmgt.errors import InputError
from mmgt.media import VideoStream, check_video_output, write_png, write_video
from mmgt.provenance import Provenance


@pytest.mark.parametrize("codec", ["h264", "av1"])
def test_equal_frames_give_equal_files(tmp_path, codec):
    rng = np.random.default_rng(0)
    picture = np.cumsum(rng.integers(-9, 10, (80, 80, 3)), axis=1) + 128
    frames = [np.roll(picture, i * i, axis=0)[:64, :64].clip(0, 255).astype(np.uint8) for i in range(14)]
    written = set()
    for number in range(4):
        _ = [rng.integers(0, 255, int(rng.integers(1000, 200_000)), dtype=np.uint8) for _ in range(50)]  # stir the heap
        provenance = Provenance(made="2026-12-02T00:00:00Z")  # the one thing that differs otherwise: test_marking.py
        write_video(tmp_path / f"{number}.mp4", frames, 25, codec=codec, provenance=provenance)
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


@pytest.mark.parametrize(
    ("name", "codec", "said"),
    [
        ("v", "h264", "ending"),
        ("v.gif", "h264", r"\.mp4"),
        ("v.webm", "h264", "ending"),
        ("v.mov", "av1", "ending"),
        ("v.mp4", "vp9", "codec"),
        ("n" * 252 + ".mp4", "h264", "shorter"),
    ],
)
def test_what_cannot_be_a_video_is_said_before_any_frame(tmp_path, name, codec, said):
    with pytest.raises(InputError, match=said):
        check_video_output(tmp_path / name, codec)


@pytest.mark.parametrize("name", ["n" * 245 + ".mp4", "10:30.mp4", "v.mkv", "V.MOV"])
def test_unusual_names_work(tmp_path, name):
    write_video(tmp_path / name, [np.zeros((32, 32, 3), np.uint8)] * 3, 25)
    assert VideoStream(tmp_path / name).num_frames == 3
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_second_of_two_runs_keeps_its_video_under_another_name(tmp_path):
    path = tmp_path / "v.mp4"

    def frames():
        yield np.zeros((32, 32, 3), np.uint8)
        path.write_text("the other run's")

    with pytest.raises(InputError, match=r"kept as .*v-2\.mp4"):
        write_video(path, frames(), 25)
    assert path.read_text() == "the other run's"
    assert VideoStream(tmp_path / "v-2.mp4").num_frames == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(*_args, **_kw):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mmgt.media.writing._encode_video", full)
    with pytest.raises(InputError, match="free some space"):
        write_video(tmp_path / "v.mp4", [], 25)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_texts_of_any_name_are_kept(tmp_path, suffix):
    path, texts = tmp_path / f"v{suffix}", {"prompt": '{"1": "ä"}', "workflow": "{}"}
    write_video(path, [np.zeros((64, 64, 3), np.uint8)], 25, metadata=texts)
    with av.open(str(path)) as container:
        kept = {name.lower(): text for name, text in container.metadata.items()}  # Matroska's are in capitals
    assert texts.items() <= kept.items()


@pytest.mark.parametrize("codec", ["h264", "h265", "av1"])
def test_colours_are_bt_709_and_say_so(tmp_path, codec):
    colour = (224, 60, 40)
    path = tmp_path / "v.mp4"
    write_video(path, [np.full((64, 64, 3), colour, np.uint8)] * 3, 25, codec=codec)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
    y, u, v = (plane.mean() for plane in (frame.to_ndarray()[:64], frame.to_ndarray()[64:80], frame.to_ndarray()[80:]))
    r, g, b = np.array(colour) / 255
    luma = 0.2126 * r + 0.7152 * g + 0.0722 * b
    assert abs(y - (16 + 219 * luma)) < 2.5
    assert abs(u - (128 + 224 * (b - luma) / 1.8556)) < 2.5
    assert abs(v - (128 + 224 * (r - luma) / 1.5748)) < 2.5

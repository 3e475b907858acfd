import numpy as np
import pytest

from mmgt.errors import InputError
from mmgt.media import write_png, write_video


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

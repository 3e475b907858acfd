"""The invisible mark on a few clips; ``mmgt bench provenance`` counts a hundred."""

import numpy as np
import pytest

from mmgt.bench.provenance import _AFTERWARDS, _clips
from mmgt.cli import main
from mmgt.media import FrameMarks, write_video
from mmgt.provenance.watermark import NEEDED_BITS, NUM_BITS, find_invisible_mark, with_invisible_mark


@pytest.fixture(scope="module")
def clips():
    """A warped photo and a drawn presenter."""
    return [clip[::3] for clip in _clips(2)]


def test_it_survives_h264_at_crf_28_and_half_the_size(clips):
    for clip in clips:
        marked = list(with_invisible_mark(clip))
        found = find_invisible_mark(_AFTERWARDS["crf 28, half"](marked))
        assert found.num_matching >= NEEDED_BITS
        assert find_invisible_mark(marked).num_matching == NUM_BITS
        error = np.mean([(a.astype(float) - b) ** 2 for a, b in zip(marked, clip, strict=True)])
        assert 10 * np.log10(255**2 / error) > 38


def test_nothing_is_seen_where_nothing_is(clips):
    empty = [np.zeros((64, 64, 3), np.uint8)]
    noise = [np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)]
    readings = [find_invisible_mark(clip).num_matching for clip in (*clips, empty, noise)]
    assert max(readings) < NEEDED_BITS


def test_equal_frames_get_equal_marks_and_odd_sizes_too(clips):
    frame = clips[0][0][:333, :207]
    one, same = with_invisible_mark([frame, frame])
    assert np.array_equal(one, same)
    assert one.shape == frame.shape
    assert find_invisible_mark([one]).is_marked


def test_it_is_found_in_a_file_that_says_nothing_else(clips, tmp_path, capsys):
    path = tmp_path / "v.mp4"
    write_video(path, clips[0], 25, is_generated=False, frame_marks=FrameMarks(invisible=True))
    assert main(["provenance", "read", str(path)]) == 3
    assert main(["provenance", "read", "--frames", str(path)]) == 0
    assert "invisible mark: there" in capsys.readouterr().out

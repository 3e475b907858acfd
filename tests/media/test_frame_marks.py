import numpy as np
import pytest

from mmgt.errors import InputError
from mmgt.media import FrameMarks, VideoStream, label_fonts, write_video
from mmgt.media.frame_marks import labelled


def grey(height, width, num_frames=1):
    return [np.full((height, width, 3), 90, np.uint8)] * num_frames


@pytest.mark.parametrize(("height", "width"), [(512, 512), (720, 1280), (1080, 608), (120, 200)])
def test_letters_are_5_percent_of_the_short_side(height, width):
    frame = grey(height, width)[0]
    white = (labelled(frame, "I") > 180).all(axis=-1)  # a letter of full height, without the line around it
    rows = np.flatnonzero(white.any(axis=1))
    assert rows[-1] - rows[0] + 1 >= 0.05 * min(height, width)
    black = (labelled(frame, "AI-generated") < 40).all(axis=-1)
    assert black.any()  # seen on white, too
    assert not black[:, -1].any()
    assert (frame == 90).all()  # a copy was drawn on


def test_the_first_two_seconds_show_it():
    frames = list(FrameMarks(label="AI-generated").on(iter(grey(128, 256, 65)), 30))
    shown = [not np.array_equal(frame, grey(128, 256)[0]) for frame in frames]
    assert shown == [True] * 60 + [False] * 5


def test_a_video_is_written_with_its_label(tmp_path):
    write_video(tmp_path / "v.mp4", grey(128, 256, 3), 25, frame_marks=FrameMarks("AI-generated"))
    _, frame = next(iter(VideoStream(tmp_path / "v.mp4")))
    assert frame[:20].std() > 20
    assert frame[64:].std() < 3


def has_a_font_for(text):
    try:
        label_fonts.font_for(text, 8)
    except InputError:
        return False
    return True


@pytest.mark.skipif(not has_a_font_for("é"), reason="no font of this system has é")
def test_letters_of_a_font_are_as_high():
    frame = grey(256, 512)[0]
    marks = FrameMarks("Généré par une IA")
    drawn = next(marks.on(iter([frame]), 25))
    rows = np.flatnonzero((drawn[:, :60] > 180).all(axis=-1).any(axis=1))  # "G", and accents lower than it is high
    assert rows[-1] - rows[0] + 1 >= 0.05 * 256
    assert (drawn < 40).all(axis=-1).any()
    assert not np.array_equal(drawn, labelled(frame, "Généré par une Iß"))
    assert (frame == 90).all()
    with pytest.raises(InputError, match="shorter"):
        labelled(grey(128, 64)[0], "Généré par une IA")


def test_letters_that_no_font_has_are_said_before_any_work(monkeypatch):
    monkeypatch.delenv(label_fonts.FONT, raising=False)
    with pytest.raises(InputError, match="Noto Sans CJK"):
        FrameMarks("AI\U00012000")  # cuneiform
    with pytest.raises(InputError, match="one line"):
        FrameMarks("two\nlines")
    monkeypatch.setenv(label_fonts.FONT, __file__)
    with pytest.raises(InputError, match="no font that can be read"):
        FrameMarks("Künstlich")


def test_a_label_that_does_not_fit_is_said_and_leaves_no_video(tmp_path):
    with pytest.raises(InputError, match="shorter"):
        write_video(tmp_path / "v.mp4", grey(128, 64), 25, frame_marks=FrameMarks("made by a machine"))
    assert list(tmp_path.iterdir()) == []

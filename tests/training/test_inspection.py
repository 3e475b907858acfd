"""What a contact sheet of a set says of its making: by what is on it."""

import json

import numpy as np
import pytest
from clip_sets import swaying_set
from talking_films import write_film

from mmgt.cli import main
from mmgt.media.marking import read_marks
from mmgt.training.clips import write_clip

NUM_FRAMES = 12
FILMED, DRAWN = "filmed", "drawn"


def a_set(folder, kinds):
    """Clips of these kinds, with films of noise beside the filmed ones."""
    clips = swaying_set(folder, len(kinds), NUM_FRAMES)
    for entry, kind in zip(clips.entries, kinds, strict=True):
        if kind == FILMED:
            film = (folder / entry.file).with_suffix(".mp4")
            pictures = np.random.default_rng(0).integers(0, 255, (NUM_FRAMES, 64, 64, 3), dtype=np.uint8)
            write_film(film, pictures, [n / 25 for n in range(NUM_FRAMES)])
            metadata = {"speaker": "nobody", "source": json.dumps({}), "film": film.name}
            poses, features = clips.poses(entry), clips.features(entry)
            write_clip(folder / entry.file, poses, features, metadata)
    return clips


@pytest.mark.parametrize(
    ("kinds", "source"),
    [([FILMED, FILMED], ""), ([DRAWN, DRAWN], "algorithmicMedia"), ([DRAWN, FILMED], "compositeSynthetic")],
    ids=["filmed", "drawn", "both"],
)
def test_a_sheet_is_marked_by_what_is_on_it(tmp_path, kinds, source):
    clips = a_set(tmp_path / "set", kinds)
    assert main(["data", "inspect", str(clips.folder), "--sheet", str(tmp_path / "sheet.png")]) == 0
    marks = read_marks(tmp_path / "sheet.png")
    assert marks.source_uri.rpartition("/")[2] == source
    assert marks.says_generated == bool(source)

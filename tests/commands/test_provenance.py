import json

import numpy as np
import pytest

from mmgt.cli import main
from mmgt.media import write_video


@pytest.fixture
def unmarked(tmp_path):
    write_video(tmp_path / "v.mp4", [np.zeros((32, 32, 3), np.uint8)] * 3, 25, is_generated=False)
    return tmp_path / "v.mp4"


def test_the_exit_code_says_whether_a_file_is_marked(unmarked, capsys):
    out = unmarked.with_name("w.mp4")
    assert main(["provenance", "read", str(unmarked)]) == 3
    assert main(["provenance", "mark", str(unmarked), "--out", str(out), "--source-type", "compositeSynthetic"]) == 0
    assert main(["provenance", "read", str(out)]) == 0
    assert "/digitalsourcetype/compositeSynthetic" in capsys.readouterr().out
    assert main(["provenance", "read", "--json", str(out)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["says_generated"]
    assert said["record"]["id"] == said["aigc"]["ProduceID"]


def test_bad_input_is_one_sentence(unmarked, capsys):
    assert main(["provenance", "read", "none.mp4"]) == 2
    assert main(["provenance", "mark", str(unmarked), "--out", str(unmarked)]) == 2
    assert main(["provenance", "mark", str(unmarked), "--out", "w.mp4", "--source-type", "handmade"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.startswith("mmgt: error: ") for line in said] == [True] * 3

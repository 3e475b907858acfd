from pathlib import Path

import pytest

from mmgt.detect.sessions import DETECTOR_FILE, POSE_FILE
from mmgt.weights import CATALOG, MMHAA_FILE, SMGA_FILE, WeightFile, missing_sentence, signatures
from mmgt.weights.catalog import MEDIAPIPE
from mmgt.weights.files import human_size

DOCS = Path(__file__).parents[2] / "docs" / "weights.md"


def row(file: WeightFile) -> str:
    size = "not stated" if file.size_bytes is None else human_size(file.size_bytes)
    place = f"[{file.repository}]({file.page}): `{file.published}`"
    instead = file.instead or "nothing"
    cells = (f"`{file.name}`", place, size, f"`models/{file.folder}`", file.licence, file.purpose, instead)
    return f"| {' | '.join(cells)} |"


def test_the_documented_table_is_this_one():
    if not DOCS.is_file():
        pytest.skip("not a checkout")
    table = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if "](https://" in line and line[0] == "|"]
    assert table == [row(file) for file in CATALOG]


def test_names_are_unique_and_say_where_they_belong():
    assert len({file.key for file in CATALOG}) == len({file.name for file in CATALOG}) == len(CATALOG)
    assert {file.folder for file in CATALOG} == {"mmgt", "vae", "clip_vision", "audio_encoders"}
    assert {SMGA_FILE, MMHAA_FILE, DETECTOR_FILE, POSE_FILE, MEDIAPIPE.name} == {
        f.name for f in CATALOG if f.folder == "mmgt"
    }
    kinds = [kind for file in CATALOG for kind in file.kinds]
    assert len(set(kinds)) == len(kinds)
    assert {signatures.SMGA, signatures.MMHAA, signatures.WAVLM, signatures.WAV2VEC2} <= set(kinds)


@pytest.mark.parametrize("file", CATALOG, ids=lambda file: file.key)
def test_a_missing_file_is_name_folder_and_page(file):
    sentence = missing_sentence(file, [Path("models", file.folder), Path("elsewhere")])
    for word in (file.name, file.folder, file.page, f"models/{file.folder} or elsewhere"):
        assert word in sentence.replace("\\", "/")
    assert sentence.count("\n") == 0
    assert sentence.endswith(".")

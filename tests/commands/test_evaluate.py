"""``mmgt evaluate`` from files to a report."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from mmgt.assets import ASTRONAUT_POSE, SPEECH
from mmgt.cli import main
from mmgt.evaluation.networks import NETWORK_FILES
from mmgt.media import write_video
from mmgt.pose_files import load_poses, save_poses

NUM_FRAMES = 30


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    picture = np.random.default_rng(0).integers(0, 255, (8, 8, 3), np.uint8)
    picture = np.asarray(Image.fromarray(picture).resize((96, 96)))
    write_video(tmp_path / "v.mp4", [picture] * NUM_FRAMES, 25)
    write_video(tmp_path / "r.mp4", [np.roll(picture, t, axis=1) for t in range(NUM_FRAMES - 5)], 25)
    Image.fromarray(picture).save(tmp_path / "photo.png")
    save_poses(load_poses(ASTRONAUT_POSE).at([0] * NUM_FRAMES), tmp_path / "p.json")
    return tmp_path


def evaluate(*words):
    return main(["evaluate", "--pred", "v.mp4", *words])


def test_all_inputs_make_files_that_agree(folder, capsys):
    words = ["--ref", "r.mp4", "--audio", str(SPEECH), "--poses", "p.json", "--ref-poses", "p.json"]
    assert evaluate(*words, "--image", "photo.png", "--out", "report.json") == 0
    said = capsys.readouterr().out
    assert "evaluate 100 % (25/25)" in said
    data = json.loads((folder / "report.json").read_text())
    rows = {row["name"]: row for row in data["rows"]}
    assert rows["position error"]["value"] == 0
    assert rows["PCK@0.05"]["value"] == 1
    assert rows["background flicker"]["value"] < 1 < rows["background PSNR"]["value"]
    assert rows["PSNR whole 96x96"]["n"] == 25
    assert rows["sound minus picture"]["value"] == pytest.approx(7.44 - NUM_FRAMES / 25, abs=0.05)
    assert rows["lip correlation"]["value"] == rows["lip lag"]["value"] == 0  # these lips never move
    assert {"beat alignment (BAS)", "beat consistency (BC)"} <= rows.keys()
    assert data["inputs"]["poses"] == "p.json"
    for files in NETWORK_FILES.values():
        assert files.missing_note() in data["notes"]
    with open(folder / "report.csv", newline="") as file:
        assert {row["name"] for row in csv.DictReader(file)} == rows.keys()
    table = (folder / "report.md").read_text()
    assert table in said
    assert all(f"| {name} | " in table for name in rows)

    for name in ("errors", "speech", "heat", "worst"):
        assert f"![report_{name}.png](report_{name}.png)" in table
        assert min(Image.open(folder / f"report_{name}.png").size) > 96

    assert evaluate(*words, "--out", "report") == 2  # nothing is overwritten
    assert "report.json exists already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing to compare the video with"),
        (["--ref", "none.mp4"], "there is no video none.mp4"),
        (["--ref", "p.json"], "p.json cannot be read as a video"),
        (["--poses", "v.mp4"], "v.mp4 is not JSON"),
        (["--ref", "r.mp4", "--audio", "p.json"], "p.json"),
        (["--ref", "r.mp4", "--image", "photo.png"], "give these, too"),
        (["--ref", "r.mp4", "--out", "no/report"], "there is no folder no"),
        (["--ref", "."], ". is a folder, but --pred is not"),
    ],
)
def test_bad_input_is_one_sentence_and_leaves_nothing(folder, capsys, words, says):
    before = sorted(folder.iterdir())
    assert evaluate("--out", "report", *words) == 2
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mmgt: error: ")]
    assert len(errors) == 1
    assert says in errors[0]
    assert sorted(folder.iterdir()) == before


@pytest.fixture
def folders(folder):
    for name in ("pred", "ref", "empty"):
        (folder / name).mkdir()
    for name in ("a", "b", "short", "wide", "corrupt", "alone"):
        (folder / "pred" / f"{name}.mp4").write_bytes((folder / "v.mp4").read_bytes())
        (folder / "ref" / f"{name}.mp4").write_bytes((folder / "r.mp4").read_bytes())
    (folder / "ref" / "alone.mp4").unlink()
    (folder / "pred" / "corrupt.mp4").write_bytes(b"no video at all")
    for name, shape, num_frames in (("short", (96, 96, 3), 1), ("wide", (96, 192, 3), 2)):
        (folder / "pred" / f"{name}.mp4").unlink()
        write_video(folder / "pred" / f"{name}.mp4", [np.zeros(shape, np.uint8)] * num_frames, 25)
    return folder


def test_a_folder_goes_on_and_is_resumed(folders, capsys):
    words = ["evaluate", "--pred", "pred", "--ref", "ref", "--poses", "p.json", "--out", "reports"]
    assert main(words) == 3
    said = capsys.readouterr().out
    assert "3 of 6 videos measured" in said
    listed = said[said.index("## Not measured") :]
    for reason in ("alone: there is no reference alone", "corrupt.mp4 cannot be read as a video", "192x96 px"):
        assert reason in listed
    summary = json.loads((folders / "reports" / "summary.json").read_text())
    means = {row["name"]: row for row in summary["means"]}
    assert means["SSIM whole 96x96"]["n"] == 3
    assert means["SSIM whole 96x96"]["worst"] == "short"
    with open(folders / "reports" / "summary.csv", newline="") as file:
        numbers = [float(row["value"]) for row in csv.DictReader(file) if row["name"] == "SSIM whole 96x96"]
    assert means["SSIM whole 96x96"]["value"] == pytest.approx(np.mean(numbers))

    (folders / "pred" / "corrupt.mp4").write_bytes((folders / "v.mp4").read_bytes())
    for path in (folders / "reports").glob("b[._]*"):  # as if b had not been reached
        path.unlink()
    assert main(words) == 3
    said = capsys.readouterr().out
    assert [name for name in ("a", "b", "short", "corrupt") if f"{name} 100 %" in said] == ["b", "corrupt"]
    assert "4 of 6 videos measured" in said

    (folders / "pred" / "a.mp4").write_bytes((folders / "r.mp4").read_bytes())
    assert main(words) == 3
    assert "a.json is a report of other files" in capsys.readouterr().out


def test_a_folder_overwrites_nothing_of_others(folders, capsys):
    words = ["evaluate", "--pred", "pred", "--ref", "ref"]
    assert main([*words, "--out", "p.json"]) == 2
    (folders / "empty" / "summary.csv").write_text("mine")
    assert main([*words, "--out", "empty"]) == 2
    assert (folders / "empty" / "summary.csv").read_text() == "mine"
    assert "of no earlier run" in capsys.readouterr().err
    (folders / "empty" / "summary.csv").unlink()
    assert main(["evaluate", "--pred", "empty", "--ref", "ref", "--out", "reports"]) == 2
    assert "there is no video in empty" in capsys.readouterr().err

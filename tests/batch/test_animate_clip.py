"""Clips by tiny networks, in this process: what a worker does, whoever calls it."""

import json
import sys

import fsspec
import numpy as np
import pytest
from small_networks import write_small_networks
from tiny_clips import MADE, NUM_FRAMES, SETTINGS, rows_of, write_manifest, write_speech

from mmgt.assets import PRESENTER, PRESENTER_POSE
from mmgt.batch import AnimateClip, Outputs
from mmgt.batch import processes as module
from mmgt.cli import main
from mmgt.commands.batch import SOME_FAILED
from mmgt.errors import InputError
from mmgt.pose_files import load_poses
from mmgt.standalone import video
from mmgt.standalone.animate import animate
from mmgt.standalone.options import animate_settings
from mmgt.weights.places import find_all


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("batch")
    write_small_networks(folder / "models", 64)
    write_speech(folder / "speech.wav")
    return folder / "models"


@pytest.fixture(autouse=True)
def _here(models, monkeypatch):
    """The small networks in the place of those that are shipped, and one time for all files."""
    monkeypatch.setattr(sys.modules[find_all.__module__], "MODELS", models)
    monkeypatch.setenv(*next(iter(MADE.items())))


@pytest.fixture
def rows(models):
    return rows_of(3, str(models.parent / "speech.wav"))


def test_clips_are_those_of_single_runs_and_networks_are_loaded_once(models, rows, tmp_path, monkeypatch):
    loaded = []
    for name in ("load_mmhaa", "load_vae"):
        load = getattr(video, name)
        counted = lambda *given, load=load, name=name: loaded.append(name) or load(*given)  # noqa: E731
        monkeypatch.setattr(video, name, counted)
    make = AnimateClip(str(tmp_path / "out"), str(models))
    told = [make(row) for row in rows]
    assert [row["ok"] for row in told] == [True] * 3
    assert [row["num_frames"] for row in told] == [NUM_FRAMES] * 3
    assert loaded.count("load_mmhaa") == 1
    pose = load_poses(PRESENTER_POSE)
    alone, speech = tmp_path / "one.mp4", models.parent / "speech.wav"
    animate(PRESENTER, speech, alone, models, animate_settings(SETTINGS), seed=2, initial_pose=pose)
    assert alone.read_bytes() == (tmp_path / "out" / "clip-002.mp4").read_bytes()
    written = json.loads((tmp_path / "out" / "status" / "clip-002.json").read_text())
    assert written == told[2]
    again = make(rows[2])  # as where Ray calls anew for what a lost machine had finished
    assert again == told[2]


def test_a_bad_clip_is_told_and_its_next_try_is_whole(models, rows, tmp_path):
    make = AnimateClip(str(tmp_path / "out"), str(models))
    bad = make({**rows[0], "audio": str(tmp_path / "missing.wav")})
    assert not bad["ok"]
    assert "there is no recording" in bad["error"]
    assert Outputs(str(tmp_path / "out")).finished() == set()
    assert json.loads((tmp_path / "out" / "status" / "clip-000.json").read_text()) == bad
    assert make(rows[0])["ok"]
    assert json.loads((tmp_path / "out" / "status" / "clip-000.json").read_text())["ok"]
    assert make({**rows[0], "id": "../x"})["error"].count("cannot name a file") == 1
    assert make({})["ok"] is False


def test_tables_have_every_name_in_every_row(models, rows, tmp_path):
    """As ``read_json(...).map_batches(AnimateClip)`` gives them: columns, None where a row has no such name."""
    table = {name: np.array([row.get(name) for row in rows[:2]], dtype=object) for name in rows[0]}
    table |= {"vocals": np.array([None, None]), "seed": np.array([0, 1])}
    table["settings"] = np.array([{**SETTINGS, "label": None}] * 2)
    told = AnimateClip(str(tmp_path / "out"), str(models))(table)
    assert told["ok"] == [True, True]
    assert told["id"] == ["clip-000", "clip-001"]


def test_a_store_of_fsspec_holds_the_clips(models, rows, tmp_path):
    files = fsspec.filesystem("memory")
    files.pipe_file("/in/speech.wav", (models.parent / "speech.wav").read_bytes())
    make = AnimateClip("memory://out/deep", str(models))
    told = make({**rows[1], "audio": "memory://in/speech.wav"})
    assert told["output"] == "memory://out/deep/clip-001.mp4"
    AnimateClip(str(tmp_path), str(models))(rows[1])
    assert files.cat_file("/out/deep/clip-001.mp4") == (tmp_path / "clip-001.mp4").read_bytes()
    assert json.loads(files.cat_file("/out/deep/status/clip-001.json"))["ok"]
    assert Outputs("memory://out/deep").finished() == {"clip-001"}
    assert make(rows[1]) == told
    assert "cannot be read" in make({**rows[2], "audio": "memory://in/none.wav"})["error"]
    with pytest.raises(InputError, match="cannot be opened"):
        Outputs("nosuch://bucket")


def test_poses_move_a_person_without_a_voice(models, rows, tmp_path):
    row = {"id": "posed", "image": str(PRESENTER), "poses": str(PRESENTER_POSE), "settings": SETTINGS}
    told = AnimateClip(str(tmp_path), str(models))(row)
    assert (told["error"], told["num_frames"]) == ("", 1)


def test_the_command_tells_each_clip_and_makes_none_twice(models, rows, tmp_path, monkeypatch, capsys):
    """Workers of this process: those of others are tested in test_processes.py."""
    made = []

    def in_this_process(clips, build, num_workers):
        work = build()
        print("a library's words, as Ray's of its cluster")  # noqa: T201
        for clip in clips:
            made.append(clip.id)
            yield module.Status.from_row(work(clip.row()))

    monkeypatch.setattr("mmgt.batch.make_by_processes", in_this_process)
    manifest = write_manifest(
        tmp_path / "m.jsonl", [*rows, {"id": "bad"}, {**rows[0], "id": "lost", "audio": "no.wav"}]
    )
    words = ["batch", str(manifest), "--out", str(tmp_path / "out"), "--models", str(models)]
    assert main(words) == SOME_FAILED
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["id"]: row["ok"] for row in told} == {
        "clip-000": True, "clip-001": True, "clip-002": True, "bad": False, "lost": False,
    }  # fmt: skip
    assert main(words) == SOME_FAILED
    assert made == ["clip-000", "clip-001", "clip-002", "lost", "lost"]
    assert "3 finished already, 1 refused" in capsys.readouterr().err
    assert main([*words, "--workers", "0"]) == 2

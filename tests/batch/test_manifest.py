import json

import pytest

from mmgt.batch.clip import NAMES, Clip, Status, check_id
from mmgt.batch.manifest import read_manifest, seen_from
from mmgt.errors import InputError

GOOD = {"id": "a", "image": "p.png", "audio": "s.wav"}


def read(tmp_path, *lines, settings=None):
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (tmp_path / "m.jsonl").write_text(text, encoding="utf-8")
    return read_manifest(tmp_path / "m.jsonl", settings or {})


def test_paths_are_seen_from_the_manifest_and_settings_from_the_command(tmp_path):
    line = {**GOOD, "seed": 3, "vocals": "/v.wav", "settings": {"steps": 2, "preset": None}}
    (clip,) = read(tmp_path, line, settings={"steps": 9, "preset": "fast"}).clips
    assert clip == Clip(
        "a", str(tmp_path / "p.png"), str(tmp_path / "s.wav"), vocals="/v.wav", seed=3,
        settings={"steps": 2, "preset": None},
    )  # fmt: skip
    assert seen_from(tmp_path, "s3://bucket/p.png") == "s3://bucket/p.png"
    assert seen_from(tmp_path, "C:\\p.png") == "C:\\p.png"


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "no JSON"),
        ("[1]", "is no object"),
        ("[" * 5000, "no JSON"),
        ('{"id": "b"', "no JSON"),
        ({}, "has no id"),
        ({"id": "b"}, "has no image"),
        ({"id": "b", "image": "p"}, "neither audio nor poses"),
        ({**GOOD, "id": 7}, "is no text"),
        ({**GOOD, "id": "../b"}, "cannot name a file"),
        ({**GOOD, "id": "con.x"}, "cannot name a file"),
        ({**GOOD, "id": "b", "image": 3}, "give the path"),
        ({**GOOD, "id": "b", "image": "p\0"}, "give the path"),
        ({**GOOD, "id": "b", "seed": -1}, "seed"),
        ({**GOOD, "id": "b", "seed": 1.5}, "whole number"),
        ({**GOOD, "id": "b", "seed": True}, "whole number"),
        ({**GOOD, "id": "b", "speed": 2}, "'speed'"),
        ({**GOOD, "id": "b", "poses": "q", "initial_pose": "r"}, "leave one"),
        ({**GOOD, "id": "b", "settings": [1]}, "object of names"),
        ({**GOOD, "id": "b", "settings": {"stepz": 1}}, "'stepz'"),
        ({**GOOD, "id": "b", "settings": {"steps": "ten"}}, "whole number"),
        ({**GOOD, "id": "b", "settings": {"cfg": 1e999}}, "a number"),
        ({**GOOD, "id": "b", "settings": {"cfg": 10**400}}, "a number"),
        ({**GOOD, "id": "b", "settings": {"preset": "slow"}}, "the preset is 'slow'"),
        ({**GOOD, "id": "b", "settings": {"strengths": [1, 2]}}, "list of 3 numbers"),
        ({**GOOD, "id": "A"}, "that of line 1"),
    ],
)
def test_a_bad_line_is_a_sentence_and_the_others_go_on(tmp_path, line, says):
    manifest = read(tmp_path, GOOD, line, {**GOOD, "id": "z"})
    assert [clip.id for clip in manifest.clips] == ["a", "z"]
    (refused,) = manifest.refused
    assert not refused.ok
    assert refused.error.startswith("line 2: ")
    assert says in refused.error


def test_a_manifest_that_is_none(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_manifest(tmp_path / "m.jsonl", {})
    with pytest.raises(InputError, match="is empty"):
        read(tmp_path, "", " ")
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe\x00\n" + json.dumps(GOOD).encode())
    manifest = read_manifest(tmp_path / "bytes.jsonl", {})
    assert (len(manifest.clips), len(manifest.refused), manifest.num_lines) == (1, 1, 2)
    (tmp_path / "mark.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n")
    assert read_manifest(tmp_path / "mark.jsonl", {}).refused == ()


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".a", "-a", "a/b", "a\\b", "a:b", "a.", "ä", "a b", "a\0", "NUL", "com1.mp4", "x" * 101]
)
def test_ids_that_name_no_file(name):
    with pytest.raises(InputError):
        check_id(name)


def test_rows_go_there_and_back():
    clip, status = Clip("a-1.x_y", "p", poses="q.json"), Status("a", True, 2.0, 5, "o", "")
    assert Clip.from_row(clip.row()) == clip
    assert Status.from_row(status.row()) == status
    assert status.row()["frames_per_s"] == 2.5
    assert set(clip.row()) == set(NAMES)

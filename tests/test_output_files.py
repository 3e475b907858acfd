from pathlib import Path

import pytest

from mmgt.errors import InputError
from mmgt.output_files import all_or_none, inside, publish, unfinished_file, write_text_atomically


def no_links(*_):
    raise OSError(95, "Operation not supported")


@pytest.mark.parametrize("has_links", [True, False])
def test_publishing_never_replaces(tmp_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr("os.link", no_links)
    unfinished, path = tmp_path / ".a.unfinished", tmp_path / "a"
    unfinished.write_text("ours")
    path.write_text("theirs")
    with pytest.raises(InputError, match="exists already"):
        publish(unfinished, path)
    assert (unfinished.read_text(), path.read_text()) == ("ours", "theirs")
    path.unlink()
    publish(unfinished, path)
    assert [file.name for file in tmp_path.iterdir()] == ["a"]
    assert path.read_text() == "ours"


@pytest.mark.parametrize("has_links", [True, False])
def test_a_name_taken_meanwhile_costs_nobody_anything(tmp_path, monkeypatch, has_links):
    if not has_links:
        monkeypatch.setattr("os.link", no_links)
    path = tmp_path / "a.txt"
    (tmp_path / "a-2.txt").write_text("older")

    def run():
        with unfinished_file(path) as unfinished:
            unfinished.write_text("ours")
            path.write_text("theirs")

    with pytest.raises(InputError, match=r"kept as .*a-3\.txt"):
        run()
    found = {file.name: file.read_text() for file in tmp_path.iterdir()}
    assert found == {"a.txt": "theirs", "a-2.txt": "older", "a-3.txt": "ours"}


def test_files_of_a_run_that_is_broken_off_are_removed_and_no_others(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"

    def run():
        with all_or_none() as wrote:
            first.write_text("ours")
            wrote(first)
            second.write_text("of another run")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert [file.name for file in tmp_path.iterdir()] == ["second"]
    with all_or_none() as wrote:
        first.write_text("ours")
        wrote(first)
    assert first.exists()


@pytest.mark.parametrize(
    "name",
    [
        "../a", "a/../../b", "..", "/etc/passwd", "link/a", "link", "a\0b", "a\nb", "con", "video/NUL.mp4",
        "lpt1 .json",
        "a\\aux",
    ],
)  # fmt: skip
def test_a_name_stays_inside_of_its_folder(tmp_path, name):
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    other.mkdir()
    (home / "link").symlink_to(other)
    with pytest.raises(InputError, match="the file is"):
        inside(home, name, "the file", "the folder")


def test_names_below_a_folder_are_taken(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "home")
    for name in ("a", "a/b.mp4", "a/../b", ".hidden/c", "video/ä 生成", "console/a", "auxiliary.json"):
        assert inside(tmp_path / "linked", name, "it", "there") == (tmp_path / "home" / name).resolve()


def test_text_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "status.json"
    write_text_atomically(path, "first")
    write_text_atomically(path, "zweite ä")
    assert path.read_text(encoding="utf-8") == "zweite ä"
    (plain := tmp_path / "plain").touch()
    assert path.stat().st_mode == plain.stat().st_mode
    plain.unlink()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("no room")))
    with pytest.raises(OSError, match="no room"):
        write_text_atomically(path, "third")
    assert [file.name for file in tmp_path.iterdir()] == ["status.json"]
    assert path.read_text(encoding="utf-8") == "zweite ä"

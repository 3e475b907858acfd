import hashlib
import os

import pytest

from mmgt.provenance.checksums import sha256_of
from mmgt.weights import files


@pytest.fixture
def counted(tmp_path, monkeypatch):
    """Files whose checksum was computed, and not looked up."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    computed, real = [], files.sha256_of
    monkeypatch.setattr(files, "sha256_of", lambda path, progress=None: (computed.append(path.name), real(path))[1])
    return computed


def test_a_checksum_is_computed_once_until_the_file_changes(tmp_path, counted):
    network = tmp_path / "network"
    for content in (b"one", b"two!"):
        network.write_bytes(content)
        for _ in range(2):
            assert sha256_of(network) == hashlib.sha256(content).hexdigest()
    network.write_bytes(b"six!")
    os.utime(network, ns=(0, 0))
    assert sha256_of(network) == hashlib.sha256(b"six!").hexdigest()
    assert len(counted) == 3


def test_files_that_are_gone_are_forgotten(tmp_path, counted):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
        sha256_of(tmp_path / name)
        (tmp_path / name).unlink()
    assert str(tmp_path / "a") not in (tmp_path / "cache" / "mmgt" / "sha256.json").read_text()


@pytest.mark.parametrize("content", ["", "[", "[]", '{"a": 1}', "[" * 10**6])
def test_a_broken_cache_is_no_obstacle(tmp_path, counted, content):
    (tmp_path / "cache" / "mmgt").mkdir(parents=True)
    (tmp_path / "cache" / "mmgt" / "sha256.json").write_text(content)
    (tmp_path / "a").write_text("a")
    assert {sha256_of(tmp_path / "a") for _ in range(2)} == {hashlib.sha256(b"a").hexdigest()}
    assert counted == ["a"]


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, counted, monkeypatch):
    (tmp_path / "file").write_text("a")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert sha256_of(tmp_path / "file") == hashlib.sha256(b"a").hexdigest()

"""Where clips go; a store that has errors of its own is stood in for by fsspec's in-memory one."""

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from mmgt.batch import Outputs, Status
from mmgt.batch.outputs import local_copies
from mmgt.errors import InputError


class NoAnswerError(Exception):
    """Of no class of Python's, as libraries of stores raise."""


class SilentStore(MemoryFileSystem):
    protocol = "silent"
    store, cachable = {}, False

    def _silent(self, *_, **__):
        raise NoAnswerError("no server answers\nat all")

    makedirs = exists = cat_file = put_file = pipe_file = _open = _silent


def test_whatever_a_store_raises_is_a_sentence():
    fsspec.register_implementation("silent", SilentStore, clobber=True)
    outputs = Outputs("silent://clips")

    def send():
        with outputs.video("a") as path:
            path.touch()

    for ask in (outputs.prepare, outputs.finished, lambda: outputs.has("a"), send, lambda: outputs.write_status(TOLD)):
        with pytest.raises(InputError, match=r"silent://clips cannot be used \(no server answers\); check"):
            ask()
    assert outputs.status("a") == Status("a", True, output="silent://clips/a.mp4")  # it is asked of finished ones only
    with pytest.raises(InputError, match=r"silent://in/x.wav cannot be read"), local_copies(audio="silent://in/x.wav"):
        pass


TOLD = Status("a", True, 1.5, 5, "memory://sent/a.mp4")


def test_a_video_is_in_a_store_when_it_is_whole_and_not_before():
    outputs = Outputs("memory://sent/")
    outputs.prepare()

    def broken_off():
        with outputs.video("a") as path:
            path.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    assert outputs.finished() == set()
    with outputs.video("a") as path:
        path.write_bytes(b"whole")
        assert not outputs.has("a")
    outputs.write_status(TOLD)
    assert not path.exists()
    assert (outputs.finished(), outputs.has("a"), outputs.has("b")) == ({"a"}, True, False)
    assert fsspec.filesystem("memory").cat_file("/sent/a.mp4") == b"whole"
    assert outputs.status("a") == TOLD


def test_a_place_that_is_no_folder_is_a_sentence(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "deep"):
        with pytest.raises(InputError, match="is no folder"):
            Outputs(str(place)).prepare()

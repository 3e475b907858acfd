"""Folders for what libraries keep: the user's, else some that go with the run."""

import os
from pathlib import Path

from mmgt.commands import caches


def test_where_nothing_can_be_written_caches_go_with_the_run(monkeypatch):
    """No home, and librosa's own folder belongs to another user, as under `docker -u`."""
    names = ("XDG_CACHE_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")
    for name in names:
        monkeypatch.delenv(name, raising=False)

    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.setattr(caches, "_can_be_written", lambda folder: False)
    with caches.caches():
        (folder,) = {os.environ[name] for name in names}
        assert Path(folder).is_dir()
    assert not Path(folder).exists()
    assert not os.environ.keys() & set(names)


def test_caches_of_the_user_are_left_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    before = dict(os.environ)
    with caches.caches():
        assert dict(os.environ) == before

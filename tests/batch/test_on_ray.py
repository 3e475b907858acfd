"""On a Ray of this machine, where Ray is installed (`pip install 'mmgt[batch]'`); ``kill_ray.py`` kills its workers."""

import pytest
from tiny_clips import rows_of, write_manifest, write_speech

from mmgt.batch import Outputs, read_manifest
from mmgt.batch.on_ray import make_on_ray
from mmgt.errors import InputError

try:
    import ray
except ImportError:
    ray = None
needs_ray = pytest.mark.skipif(ray is None, reason="Ray is not installed: pip install 'mmgt[batch]'")
pytestmark = pytest.mark.ray


@needs_ray
def test_clips_of_ray_are_told_and_there(tmp_path):
    write_speech(tmp_path / "speech.wav")
    manifest = read_manifest(write_manifest(tmp_path / "m.jsonl", rows_of(3, "speech.wav", bad_every=3)), {})
    arguments = {"out": str(tmp_path / "out")}
    told = {status.id: status for status in make_on_ray(manifest.clips, arguments, "local")}
    assert {name: status.ok for name, status in told.items()} == {
        "clip-000": True, "clip-001": True, "clip-002": False,
    }  # fmt: skip
    assert Outputs(arguments["out"]).finished() == {"clip-000", "clip-001"}


@pytest.mark.skipif(ray is not None, reason="Ray is installed")
def test_without_ray_a_sentence_says_how_to_get_it():
    with pytest.raises(InputError, match=r"mmgt\[batch\]"):
        list(make_on_ray((), {}, "auto"))

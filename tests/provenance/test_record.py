import json

import numpy as np
import pytest
import torch

from mmgt.errors import InputError
from mmgt.poses import PoseSequence
from mmgt.provenance import Network, Provenance, digest, networks_of


def test_the_id_is_that_of_content_settings_and_networks():
    one = Provenance(seed=1, settings={"steps": 2}, inputs=("a",), made="now")
    assert one.id == Provenance(seed=1, settings={"steps": 2}, inputs=("a",), made="later").id
    others = [
        Provenance(seed=2, settings={"steps": 2}, inputs=("a",)),
        Provenance(seed=1, settings={"steps": 3}, inputs=("a",)),
        Provenance(seed=1, settings={"steps": 2}, inputs=("b",)),
        Provenance(seed=1, settings={"steps": 2}, inputs=("a",), networks=(Network("x", "00"),)),
    ]
    assert len({one.id, *(other.id for other in others)}) == 5
    assert Provenance(made="now").id != Provenance(made="later").id  # nothing else tells these apart


def test_inputs_are_not_written():
    assert "digest-of-a-photo" not in json.dumps(Provenance(inputs=("digest-of-a-photo",)).record())


def test_digests_see_every_part():
    still = PoseSequence(torch.zeros(1, 134, 2), torch.ones(1, 134), 25, 8, 8)
    moved = PoseSequence(torch.ones(1, 134, 2), torch.ones(1, 134), 25, 8, 8)
    values = [
        *(None, 0, "0", still, moved, {"a": still}, {"b": still}),
        *(np.zeros(4, np.uint8), np.zeros((2, 2), np.uint8), np.zeros(4, np.int8), torch.zeros(3)[::2], (1, 2), 12),
    ]
    assert len({digest(value) for value in values}) == len(values)
    assert digest(torch.arange(6).reshape(2, 3).T) == digest(torch.arange(6).reshape(2, 3).T.contiguous())
    assert digest(1, 2) != digest(12)


def test_networks_are_named_by_what_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "my secret.safetensors").write_bytes(b"")
    (network,) = networks_of({"vae": tmp_path / "my secret.safetensors"})
    assert network == Network("vae", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


def test_a_source_type_is_one_of_iptc_s():
    with pytest.raises(InputError, match="trainedAlgorithmicMedia"):
        Provenance("handmade")


def test_the_provider_can_be_named(monkeypatch):
    monkeypatch.setenv("MMGT_PRODUCER", "Studio")
    assert Provenance().aigc()["ContentProducer"] == "Studio"

"""The dtype of a CPU that multiplies bfloat16 by itself, of others, and of torch that does not say."""

import pytest
import torch

from mmgt.standalone.devices import DTYPES, quickest_dtype


@pytest.mark.parametrize(
    ("says", "device", "dtype"), [(True, "cpu", "bfloat16"), (False, "cpu", "auto"), (True, "meta", "auto")]
)
def test_the_quickest_dtype_is_the_cpus_own(monkeypatch, says, device, dtype):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: says, raising=False)
    assert quickest_dtype(torch.device(device)) == dtype
    assert dtype in DTYPES


def test_torch_that_does_not_say(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported", raising=False)
    assert quickest_dtype(torch.device("cpu")) == "auto"

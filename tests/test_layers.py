import pytest
import torch
from torch import nn

from mmgt import layers


@pytest.mark.parametrize("shape", [(5, 7), (2, 5, 7), (3, 2, 5, 7), (0, 7)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_computes_what_torchs_does(shape, bias):
    torch.manual_seed(0)
    ours, theirs = layers.Linear(7, 4, bias=bias), nn.Linear(7, 4, bias=bias)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(shape)
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), theirs(x))
        torch.testing.assert_close(ours(x.transpose(0, -2)), theirs(x.transpose(0, -2)))  # not contiguous
    torch.testing.assert_close(ours(x), theirs(x))
    ours(x).sum().backward()  # still trains
    assert ours.weight.grad is not None
    torch.testing.assert_close(ours.bfloat16()(x.bfloat16()), theirs.bfloat16()(x.bfloat16()))

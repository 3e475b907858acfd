import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mmgt import ops
from mmgt.mmhaa.attention import SpatialBlock
from mmgt.smga.config import SMGAConfig
from mmgt.smga.model import SMGA
from mmgt.standalone import onednn


@pytest.mark.parametrize("shape", [(5, 7), (2, 5, 7), (3, 2, 5, 7), (0, 7)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layers", [ops, onednn], ids=["plain", "onednn"])
def test_linear_computes_what_torchs_does(layers, shape, bias):
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


@pytest.mark.parametrize(("max_scores", "calls"), [(10**9, 1), (300, 3), (239, 5), (60, 10)])
def test_attention_without_a_kernel_of_its_own_holds_few_scores(monkeypatch, max_scores, calls):
    """5 frames of 10 places that attend to 6 keys in 2 heads: 120 scores a frame."""
    monkeypatch.setattr(ops, "MAX_SCORES", max_scores)
    monkeypatch.setattr(ops, "_has_fused_attention", lambda *_: False)
    held, real = [], F.scaled_dot_product_attention

    def counted(q, k, v):
        held.append(math.prod(q.shape[:3]) * k.shape[2])
        return real(q, k, v)

    monkeypatch.setattr(F, "scaled_dot_product_attention", counted)
    q, k, v = torch.randn(5, 10, 8), torch.randn(5, 6, 8), torch.randn(5, 6, 8)
    mixed = ops.attend(q, k, v, 2)
    assert len(held) == calls
    assert max(held) <= max_scores
    for head in (slice(0, 4), slice(4, 8)):
        weights = (q[..., head] @ k[..., head].transpose(1, 2) / 2).softmax(dim=-1)
        torch.testing.assert_close(mixed[..., head], weights @ v[..., head])


def test_which_devices_have_a_kernel_of_their_own(monkeypatch):
    here = SimpleNamespace(device=torch.device("cpu"))
    assert ops._has_fused_attention(here, here, here)
    mac, card = (SimpleNamespace(device=torch.device(kind)) for kind in ("mps", "cuda"))
    assert not ops._has_fused_attention(mac, mac, mac)
    for choice, fused in ((0, False), (1, True), (2, True)):  # math, flash, memory-efficient
        monkeypatch.setattr(torch, "_fused_sdp_choice", lambda *_, choice=choice: choice)
        assert ops._has_fused_attention(card, card, card) is fused


def test_both_networks_take_the_attention_of_their_layers():
    calls = []

    def attend(q, k, v, num_heads):
        calls.append((q.shape[0], num_heads))
        return ops.attend(q, k, v, num_heads)

    layers = SimpleNamespace(Linear=nn.Linear, LayerNorm=nn.LayerNorm, attend=attend)
    SpatialBlock(8, 2, 8, layers).write(torch.randn(3, 5, 8), torch.zeros(1, 1, 8))
    assert calls == [(3, 2)]
    config = SMGAConfig(width=16, feed_forward_width=16, num_layers=1, num_audio_layers=1, num_heads=4)
    smga = SMGA(config, ops=layers)
    x = torch.zeros(2, config.num_frames, config.num_channels)
    smga(x, x[:, 0], torch.zeros(2, config.num_frames, config.audio_channels), torch.tensor([5, 5]))
    assert calls[1:] == [(2, 4)] * 5  # the speech, then self- and cross-attention of face and body

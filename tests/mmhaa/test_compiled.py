"""The network's forward as a compiler sees it, and the loop around it as a device sees it."""

from collections import Counter

import pytest
import torch
from test_sample import start, video
from tiny import HEADS, tiny_state
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter

from mmgt.mmhaa.attention import SpatialTransformer
from mmgt.mmhaa.config import NO_CLIP, UNetConfig
from mmgt.mmhaa.load import build_mmhaa
from mmgt.mmhaa.sample import GUIDED, VideoRun
from mmgt.mmhaa.unet import UNet, VideoContext

WAITS = ("aten._local_scalar_dense", "aten.item", "aten.nonzero", "aten.is_nonzero", "aten.equal", "aten.masked_select")


@pytest.fixture(scope="module")
def nets():
    return build_mmhaa(tiny_state(), **HEADS)


class Counted(TorchDispatchMode):
    """Which operators run."""

    def __init__(self):
        super().__init__()
        self.names = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names[str(func).rsplit(".", 1)[0]] += 1
        return func(*args, **(kwargs or {}))


def test_the_forward_is_one_graph():
    """``fullgraph`` raises where a graph would break; other windows and another step compile nothing anew."""
    sizes = {"widths": (32, 32, 32, 32), "layers_per_block": 1, "num_heads": 1, "audio_channels": 8, "motion_heads": 1}
    network = UNet(UNetConfig(image_channels=NO_CLIP, **sizes)).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(0)

    def noise(*shape):
        return torch.randn(*shape, generator=generator)

    def context():
        features = {
            module.path: noise(1, 4, module.block.attn1.to_k.in_features)
            for module in network.modules()
            if isinstance(module, SpatialTransformer)
        }
        return VideoContext(
            noise(4, 32, 16, 16),
            network.reference_keys_values(features, torch.zeros(1, 1, NO_CLIP)),
            network.audio_keys_values(noise(4, 3, 8), network.fused_audio_outputs(noise(1))),
            tuple(noise(3, 4, 256 // 4**level) for level in range(3)),
            torch.ones(3),
            GUIDED,
            num_windows=2,
        )

    torch._dynamo.reset()
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    counters = torch._dynamo.utils.counters
    counters.clear()
    with torch.inference_mode():
        for time in (999.0, 499.0):
            given = noise(4, 4, 16, 16), torch.full((1,), time), context()
            assert torch.equal(compiled(*given)[0], network(*given)[0])
    assert counters["stats"]["unique_graphs"] == 1
    assert not counters["graph_break"]


@pytest.mark.parametrize("at_once", [1, 2])
def test_the_loop_waits_for_the_device_once_a_step(nets, monkeypatch, at_once):
    """A number that Python reads off a tensor stops it until the device has computed everything before it."""
    run, read = VideoRun(nets.video_network, video(nets, windows_at_once=at_once)), Counter()
    for name in ("item", "tolist", "__bool__", "__float__", "__int__", "numpy", "cpu"):
        real = getattr(torch.Tensor, name)

        def counted(tensor, *given, name=name, real=real):
            read[name] += 1
            return real(tensor, *given)

        monkeypatch.setattr(torch.Tensor, name, counted)
    x = start()
    run.predict(x, 999.0)  # what is made once for a video and its windows
    read.clear()
    with Counted() as counted:
        for step, time in enumerate((749.0, 499.0, 249.0), 1):
            run.predict(x, time)
            assert read == {"tolist": step}, "whether numbers were wrong, of all windows together"
    assert sum(counted.names.values()) > 1000
    assert [name for name in WAITS if counted.names[name]] == []
    assert len(run.video.options.windows(len(x))) > 1


class Moved(TorchDispatchMode):
    """What is copied from one device to another."""

    def __init__(self):
        super().__init__()
        self.names = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        devices = {t.device for t in tree_iter((args, kwargs, made)) if isinstance(t, torch.Tensor) and t.ndim}
        self.names[str(func)] += len(devices) > 1
        return made


def test_the_loop_copies_nothing_between_devices(monkeypatch):
    """After its first step, which brings over what drives the video. ``meta`` stands in for a GPU."""
    networks = build_mmhaa(tiny_state(), **HEADS)
    made = video(networks, 14, windows_at_once=2)  # three windows: two together, one alone
    run = VideoRun(networks.video_network.to("meta"), made)
    monkeypatch.setattr("mmgt.mmhaa.sample._wrong", lambda fine: [])  # ``meta`` has no numbers
    x = start(14).to("meta")
    for is_first, times in ((True, (999.0,)), (False, (749.0, 499.0, 249.0))):
        with Moved() as moved:
            for time in times:
                run.predict(x, time)
        assert moved.names
        assert (moved.names.total() > 0) == is_first, moved.names


@pytest.mark.parametrize("rows", [(True,), (False, True)])
def test_pictures_keep_their_channels_last(nets, rows):
    """From the latents on; else every convolution, and every way to tokens, would begin with a copy."""
    network, x, lost = nets.video_network, start(), []
    run = VideoRun(network, video(nets))

    def look(name):
        def hook(_module, given, made):
            for tensor in (*given, made):
                pictures = isinstance(tensor, torch.Tensor) and tensor.ndim == 4 and min(tensor.shape[1:]) > 1
                if pictures and not tensor.is_contiguous(memory_format=torch.channels_last):
                    lost.append(name)

        return hook

    hooks = [
        module.register_forward_hook(look(name))
        for name, module in network.named_modules()
        if isinstance(module, (torch.nn.Conv2d, torch.nn.GroupNorm)) and "pose_guider" not in name
    ]
    run.predict(x, 999.0, rows)
    for hook in hooks:
        hook.remove()
    assert lost == []

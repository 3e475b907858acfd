"""LPIPS by a tiny random AlexNet in torchvision's layout and heads in the lpips package's."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d

from mmgt.errors import InputError
from mmgt.evaluation.lpips import SCALE, SHIFT, load_lpips
from mmgt.evaluation.networks import Networks
from mmgt.evaluation.video import evaluate_video

WIDTHS = (4, 5, 6, 5, 3)
KERNELS = {0: 11, 3: 5, 6: 3, 8: 3, 10: 3}


@pytest.fixture
def files(tmp_path):
    draw, before, backbone, heads = torch.Generator().manual_seed(0), 3, {}, {}
    for layer, (place, width) in enumerate(zip(KERNELS, WIDTHS, strict=True)):
        shape = (width, before, KERNELS[place], KERNELS[place])
        weight = torch.randn(shape, generator=draw) / np.sqrt(np.prod(shape[1:]))
        backbone |= {f"features.{place}.weight": weight, f"features.{place}.bias": torch.zeros(width) + 0.1}
        heads[f"lin{layer}.model.1.weight"] = torch.rand(1, width, 1, 1, generator=draw)
        before = width
    backbone["classifier.1.weight"] = torch.zeros(2, 2)
    paths = tmp_path / "alexnet.pth", tmp_path / "lpips_alex.pth"
    torch.save(backbone, paths[0])
    torch.save(heads, paths[1])
    return paths, backbone, heads


def frames(seed=0):
    return np.random.default_rng(seed).integers(0, 256, (64, 80, 3), np.uint8)


def by_hand(picture, backbone):
    """What each layer sees, [C, h, w], by scipy's correlation and numpy's maxima."""
    x = ((picture / 127.5 - 1) - SHIFT) / SCALE
    x, seen = x.transpose(2, 0, 1), []
    for place, stride, padding in ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1)):
        if place in (3, 6):
            windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2]
            x = windows.max(axis=(3, 4))
        x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
        weight = backbone[f"features.{place}.weight"].double().numpy()
        x = np.stack([sum(correlate2d(c, k, "valid") for c, k in zip(x, kernel, strict=True)) for kernel in weight])
        x = np.maximum(x[:, ::stride, ::stride] + 0.1, 0)
        seen.append(x)
    return seen


def test_it_is_the_definition(files):
    paths, backbone, heads = files
    wanted = 0.0
    for layer, (a, b) in enumerate(zip(by_hand(frames(0), backbone), by_hand(frames(1), backbone), strict=True)):
        difference = (a / (np.linalg.norm(a, axis=0) + 1e-10) - b / (np.linalg.norm(b, axis=0) + 1e-10)) ** 2
        head = heads[f"lin{layer}.model.1.weight"].double().numpy()[0]
        wanted += (difference * head).sum(axis=0).mean()
    assert load_lpips(*paths).of_frames(frames(0), frames(1)) == pytest.approx(wanted, rel=1e-4)


def test_equal_frames_are_nothing_and_noise_is_worse_and_worse(files):
    network, still = load_lpips(*files[0]), frames()
    noise = np.random.default_rng(2).normal(0, 1, still.shape)
    found = [
        network.of_frames((still + level * noise).clip(0, 255).astype(np.uint8), still) for level in (0, 4, 16, 64)
    ]
    assert found[0] == 0
    assert found == sorted(found)
    assert network.of_frames(frames(0), frames(1)) == pytest.approx(network.of_frames(frames(1), frames(0)), rel=1e-5)


def test_a_report_has_it_where_the_files_are(files):
    class Held:
        num_frames = 2

        def __init__(self, seed):
            self.seed = seed

        def __call__(self, places):
            return [frames(self.seed) for _ in places]

    report = evaluate_video(Held(0), reference=Held(1), networks=Networks(lpips=load_lpips(*files[0])))
    row = next(row for row in report.rows if row.name == "LPIPS whole 256x256")
    assert (row.n, row.better) == (2, "lower")
    assert row.value > 0


def test_other_files_are_one_sentence(files, tmp_path):
    (backbone, heads), tensors, _ = files
    with pytest.raises(InputError, match=r"is no AlexNet: it has no .*alexnet-owt"):
        load_lpips(heads, heads)
    with pytest.raises(InputError, match=r"LPIPS cannot be measured .*heads"):
        load_lpips(backbone, backbone)
    torch.save({**tensors, "more": torch.zeros(1)}, tmp_path / "more.pth")
    with pytest.raises(InputError, match=r"LPIPS cannot be measured .*more"):
        load_lpips(tmp_path / "more.pth", heads)

"""Levels and colours, there and back."""

import numpy as np
import torch

from mmgt.colours import as_colours, as_pictures


def test_colours_come_back():
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    assert np.array_equal(as_pictures(as_colours(levels)), levels)
    assert as_pictures(torch.tensor([-9.0, 0.0, 9.0]).view(1, 3, 1, 1)).tolist() == [[[[0, 128, 255]]]]

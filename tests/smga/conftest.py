"""The small random SMGA that these tests sample."""

import pytest
import torch

from mmgt.smga.config import SMGAConfig
from mmgt.smga.model import SMGA


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = SMGAConfig(width=32, feed_forward_width=64, num_layers=2, num_heads=4, audio_channels=35)
    model = SMGA(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    return model

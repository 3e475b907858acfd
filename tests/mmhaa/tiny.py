"""A tiny random MM-HAA in the authors' keys, and a video for it."""

import torch

from mmgt.mmhaa.config import NO_CLIP, UNetConfig
from mmgt.mmhaa.network import VideoNetwork, authors_state
from mmgt.mmhaa.unet import UNet
from mmgt.speech.features import NUM_HANDCRAFTED

NUM_LAYERS, SPEECH_WIDTH, NUM_TOKENS, TOKEN_WIDTH, IMAGE_WIDTH = 3, 12, 4, 16, 24
WIDTHS = (32, 64, 64, 64)
HEADS = {"num_heads": 4, "motion_heads": 4}


def tiny_state(seed=0, image_width=IMAGE_WIDTH, speech_width=SPEECH_WIDTH, widths=WIDTHS, num_layers=NUM_LAYERS):
    """A state dict of all four modules; every size can be read from it but the numbers of heads (``HEADS``)."""
    torch.manual_seed(seed)
    config = UNetConfig(widths, num_heads=4, image_channels=image_width, audio_channels=TOKEN_WIDTH, motion_heads=4)
    reading = UNetConfig(
        widths, num_heads=4, image_channels=image_width, audio_channels=None, motion_heads=None, has_output=False
    )
    audio_sizes = (5 * num_layers * speech_width, 32, NUM_TOKENS, TOKEN_WIDTH)
    video = VideoNetwork(config, ([8, 16, 16, 16], widths[0]), audio_sizes)
    return authors_state(UNet(reading).state_dict(), video.state_dict())


def small_state(seed=0):
    """The same of a network that was trained without CLIP, on the 35 hand-crafted features."""
    return tiny_state(seed, NO_CLIP, NUM_HANDCRAFTED, num_layers=1)

"""What the video network takes."""

import pytest
from tiny import HEADS, NUM_LAYERS, SPEECH_WIDTH, small_state, tiny_state

from mmgt.errors import InputError
from mmgt.mmhaa.config import NO_CLIP
from mmgt.mmhaa.load import build_mmhaa
from mmgt.mmhaa.network import check_speech


def test_wav2vec2_of_another_shape_is_one_sentence():
    network = build_mmhaa(tiny_state(), **HEADS).video_network
    check_speech(network, NUM_LAYERS, SPEECH_WIDTH)
    for num_layers, width in ((12, 768), (NUM_LAYERS, SPEECH_WIDTH + 1)):
        with pytest.raises(InputError, match=f"gives {num_layers} layers of {width} per frame, .* reads 180 numbers"):
            check_speech(network, num_layers, width)


def test_a_network_says_what_it_hears_and_sees():
    published, small = (build_mmhaa(state, **HEADS).video_network for state in (tiny_state(), small_state()))
    assert (published.hears, published.sees_clip) == ("wav2vec2", True)
    assert (small.hears, small.sees_clip, small.config.image_channels) == ("handcrafted", False, NO_CLIP)

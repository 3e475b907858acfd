"""The pace: measured by hand, told from speech, and heard beside it."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from tiny_contextual import TINY

from mmgt.contextual_gesture.alignment import Alignment
from mmgt.contextual_gesture.config import PARTS
from mmgt.contextual_gesture.generator import Generator
from mmgt.contextual_gesture.pace import pace_of
from mmgt.training.gestures import new_generator

BLOCKS = 2
PACED = replace(TINY.generator, pace_blocks=BLOCKS)


def speech(num_frames, seed=0):
    return torch.randn(1, num_frames, 35, generator=torch.Generator().manual_seed(seed))


def test_by_hand():
    motion = torch.randn(2, 30, 96, generator=torch.Generator().manual_seed(0)).double().cumsum(dim=1)
    for row, pace in zip(motion.tolist(), pace_of(motion, "body")[..., 0].tolist(), strict=True):
        points = [[frame[2 * i : 2 * i + 2] for i in range(6)] for frame in row]  # both arms come first
        speeds = [sum(map(math.dist, before, after)) for before, after in pairwise(points)]
        speeds = [speeds[0], *speeds]
        smoothed = []
        for t in range(30):
            weights = [math.exp(-(k**2) / 8) for k in range(-6, 7)]
            near = [speeds[min(max(t + k, 0), 29)] for k in range(-6, 7)]
            smoothed.append(sum(w * v for w, v in zip(weights, near, strict=True)) / sum(weights))
        logs = [math.log(v / (sum(smoothed) / 30) + 0.05) for v in smoothed]
        assert pace == pytest.approx([value - sum(logs) / 30 for value in logs], abs=1e-6)


def test_it_knows_no_size_and_bears_stillness():
    motion = torch.randn(1, 30, 136, generator=torch.Generator().manual_seed(0)).cumsum(dim=1)
    torch.testing.assert_close(pace_of(3 * motion, "face"), pace_of(motion, "face"))
    assert torch.equal(pace_of(torch.zeros(1, 30, 96), "body"), torch.zeros(1, 30, 1))


def test_it_begins_as_nothing():
    torch.manual_seed(0)
    alignment = Alignment(TINY.alignment)
    plain, paced = (new_generator(config, alignment, TINY.tokens, 0) for config in (TINY.generator, PACED))
    for part in PARTS:
        assert plain.part(part).pace is None
        assert torch.equal(plain.part(part).hear(speech(40)), plain.part(part).speech(speech(40)))
        assert torch.equal(paced.part(part).hear(speech(40)), paced.part(part).speech(speech(40)))


def test_it_is_told_from_speech_near_a_frame_or_given():
    torch.manual_seed(0)
    part = Generator(PACED, TINY.tokens).part("body")
    part.speech.mean.normal_()
    part.speech.deviation.uniform_(0.5, 2)
    normalised = (speech(40) - part.speech.mean) / part.speech.deviation
    told = part.pace(normalised)
    assert told.shape == (1, 40, 1)
    assert torch.equal(part.hear(speech(40)), part.hear(speech(40), told))
    assert not torch.equal(part.hear(speech(40)), part.hear(speech(40), told + 1))
    assert torch.equal(part.hear(speech(40), pace_strength=2.0), part.hear(speech(40), 2 * told))
    changed = normalised.clone()
    changed[0, 20] += 1
    differs = (part.pace(changed) != told)[0, :, 0]
    reach = 2 * BLOCKS + 2  # two convolutions of three frames a block, one before and one behind them
    assert differs.nonzero().flatten().tolist() == list(range(20 - reach, 20 + reach + 1))

"""InfoNCE, ranks and chronological negatives against plain restatements."""

import math

import numpy as np
import pytest
import torch
from tiny_contextual import TINY

from mmgt.contextual_gesture.alignment import Alignment, info_nce, ranks
from mmgt.contextual_gesture.chronology import SHORTEST_FRAMES, another_order, cuts_at_pauses, cuts_at_words
from mmgt.contextual_gesture.config import CHANNELS


def unit(*shape, seed):
    rows = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return rows / rows.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize("num_negatives", [0, 5])
def test_info_nce_by_hand(num_negatives):
    gestures, speech, negatives = unit(4, 6, seed=0), unit(4, 6, seed=1), unit(num_negatives, 6, seed=2)
    total = 0.0
    for i in range(4):
        cosines = [float(gestures[i] @ other) for other in [*speech, *negatives]]
        total -= math.log(math.exp(cosines[i] / 0.7) / sum(math.exp(c / 0.7) for c in cosines))
        back = [float(speech[i] @ other) for other in gestures]
        total -= math.log(math.exp(back[i] / 0.7) / sum(math.exp(c / 0.7) for c in back))
    made = info_nce(gestures, speech, negatives if num_negatives else None, 0.7)
    assert float(made) == pytest.approx(total / 8, abs=1e-12)


def test_ranks_count_who_comes_before():
    similarity = torch.tensor([[0.5, 0.9, 0.1], [0.2, 0.8, 0.3], [0.9, 0.8, 0.1]])
    assert ranks(similarity).tolist() == [1, 0, 2]


def test_towers_see_time_and_answer_with_unit_vectors():
    torch.manual_seed(0)
    network = Alignment(TINY.alignment).eval()
    motion = {part: torch.randn(2, 30, channels) for part, channels in CHANNELS.items()}
    embedded = network.embed_motion(motion)
    turned = network.embed_motion({part: each.flip(1) for part, each in motion.items()})
    for part in CHANNELS:
        assert embedded[part].shape == (2, 32)
        torch.testing.assert_close(embedded[part].norm(dim=-1), torch.ones(2))
        assert (embedded[part] - turned[part]).abs().max() > 1e-3  # a mean of frames would not see the order


def test_another_order_keeps_segments_whole_and_is_never_the_old_one():
    cuts = [20, 41, 60]
    for seed in range(30):
        order = another_order(cuts, 80, torch.Generator().manual_seed(seed))
        assert sorted(order.tolist()) == list(range(80))
        assert order.tolist() != list(range(80))
        breaks = [int(order[i + 1]) for i in range(79) if order[i + 1] != order[i] + 1]
        assert set(breaks) <= {0, *cuts}
    assert another_order([], 10, torch.Generator().manual_seed(0)).tolist() == [5, 6, 7, 8, 9, 0, 1, 2, 3, 4]


def test_speech_is_cut_in_its_pauses():
    loudness = np.ones(80)
    loudness[30:40] = 0
    loudness[60:64] = 0.01
    assert cuts_at_pauses(loudness) == [35, 62]
    steady = 1 + 0.1 * np.sin(np.arange(80) / 3)
    cuts = cuts_at_pauses(steady)
    assert len(cuts) == 2
    assert np.diff([0, *cuts, 80]).min() >= SHORTEST_FRAMES
    assert cuts_at_pauses(np.zeros(4)) == []


def test_words_are_cut_where_they_begin():
    words = [(0.0, 0.4), (1.0, 1.3), (1.1, 1.6), (2.0, 2.5), (9.0, 9.5)]
    assert cuts_at_words(words, start_frame=10, num_frames=60, fps=25) == [15, 40]

import shutil

import numpy as np
import pytest

from mmgt.errors import InputError
from mmgt.world import voice


def test_sentences_belong_to_the_seed():
    first, again, other = (voice.sentences(np.random.default_rng(seed), 20) for seed in (1, 1, 2))
    assert first == again != other
    assert len(first.split()) >= 20


def test_without_a_voice_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(voice.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="apt-get install espeak-ng"):
        voice.spoken("hello", 0)


@pytest.mark.skipif(not (shutil.which("espeak-ng") or shutil.which("flite")), reason="no espeak-ng, no flite")
def test_the_same_seed_speaks_the_same():
    first, again, other = (voice.spoken("The teacher counts seven windows.", seed) for seed in (1, 1, 2))
    assert np.array_equal(first.samples, again.samples)
    assert first.samples.shape != other.samples.shape or not np.array_equal(first.samples, other.samples)
    assert 0.8 < first.seconds < 8

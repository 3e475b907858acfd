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


@pytest.mark.skipif(not shutil.which("espeak-ng"), reason="no espeak-ng")
def test_every_accent_and_speaker_is_a_voice_of_its_own(tmp_path):
    import subprocess

    def said(name):
        path = tmp_path / "v.wav"
        done = subprocess.run(
            ["espeak-ng", "-v", name, "-w", str(path), "hello there"], capture_output=True, check=False
        )
        assert not done.stderr, name
        return path.read_bytes()

    accents = {said(accent) for accent in voice.ESPEAK_ACCENTS}
    speakers = {said(f"en{speaker}") for speaker in voice.ESPEAK_SPEAKERS}
    assert len(accents) == len(voice.ESPEAK_ACCENTS)
    assert len(speakers) == len(voice.ESPEAK_SPEAKERS)


@pytest.mark.parametrize("program", ["espeak-ng", "flite"])
def test_either_program_speaks(monkeypatch, program):
    if not shutil.which(program):
        pytest.skip(f"no {program}")
    found = shutil.which
    monkeypatch.setattr(voice.shutil, "which", lambda name: found(name) if name == program else None)
    recordings = [voice.spoken("The music of the river.", seed) for seed in range(4)]
    assert all(0.8 < recording.seconds < 6 for recording in recordings)
    assert len({recording.samples.tobytes() for recording in recordings}) == 4

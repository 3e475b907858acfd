"""The schedule, what never changes, out-painting of any length, and bad input."""

import copy
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from people import moving, still
from tiny_contextual import TINY, save_tiny_contextual, tiny_contextual

from mmgt.contextual_gesture import sample
from mmgt.contextual_gesture.config import PARTS
from mmgt.contextual_gesture.load import load_alignment, load_contextual_gesture
from mmgt.contextual_gesture.motion import MotionFrame
from mmgt.contextual_gesture.retrieval import find_gestures, similarity, style_of, surprise
from mmgt.contextual_gesture.sample import (
    UNKNOWN,
    GestureSettings,
    draw,
    given_tokens,
    masked_after,
    sample_gestures,
    sample_tokens,
)
from mmgt.errors import InputError
from mmgt.motion_edit.keep import kept_track, parse_spans
from mmgt.windows import window_starts

PERSON = still()
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model():
    return tiny_contextual()


def speech(num_frames, seed=0):
    return torch.randn(num_frames, 35, generator=torch.Generator().manual_seed(seed))


def test_the_cosine_schedule_of_five_steps():
    """round(T cos(pi / 2 i / 5)) of 80 tokens stay masked, as the paper has it."""
    expected = [round(80 * math.sin(math.pi / 2 * (5 - i) / 5)) for i in range(1, 6)]
    assert [masked_after(i, 5, 80) for i in range(1, 6)] == expected == [76, 65, 47, 25, 0]
    assert [masked_after(i, 1, 80) for i in (1,)] == [0]


@pytest.mark.parametrize("num_steps", [1, 5, 12])
def test_unmasked_tokens_never_change_and_each_step_leaves_as_many_as_the_schedule(model, num_steps, monkeypatch):
    seen = {part: [] for part in PARTS}
    for part in PARTS:
        masked = model.generator.part(part).masked
        forward = type(masked).forward

        def spy(own, other, memory, masked=masked, forward=forward, part=part):
            seen[part].append(own[0].clone())
            return forward(masked, own, other, memory)

        monkeypatch.setattr(masked, "forward", spy)
    given = given_tokens(model, MotionFrame(PERSON), 80, None, CPU)
    made = sample_tokens(
        model, speech(80), given, model.style(), GestureSettings(num_steps), torch.Generator().manual_seed(0)
    )
    mask = TINY.tokens.num_codes
    for part in PARTS:
        states = [*seen[part], made[part][:, 0]]
        assert len(states) == num_steps + 1
        for step, (before, after) in enumerate(pairwise(states), start=1):
            assert int((after == mask).sum()) == masked_after(step, num_steps, 79)
            assert torch.equal(after[before != mask], before[before != mask])
        assert made[part].min() >= 0


def test_the_least_certain_are_masked_again(model, monkeypatch):
    certain = torch.zeros(80, TINY.tokens.num_codes)
    certain[:, 3] = torch.arange(80).float() / 8  # later frames are surer
    for part in PARTS:
        monkeypatch.setattr(model.generator.part(part).masked, "forward", lambda own, other, memory: certain[None])
    states = []
    given = {part: torch.full((80,), UNKNOWN) for part in PARTS}
    monkeypatch.setattr(sample, "draw", lambda logits, t, g: states.append(1) or draw(logits, 0.0, g))
    monkeypatch.setattr(sample, "masked_after", lambda step, steps, masked: 30)
    made = sample.fill_masked(model, given, dict.fromkeys(PARTS, (None, None)), GestureSettings(1), torch.Generator())
    assert (made["face"][:30] == TINY.tokens.num_codes).all()
    assert (made["face"][30:] == 3).all()


def test_the_pace_strength_is_of_what_is_told():
    paced = tiny_contextual(replace(TINY, generator=replace(TINY.generator, pace_blocks=1)))
    none, told, more = (
        sample_gestures(paced, speech(80), PERSON, seed=0, settings=GestureSettings(pace_strength=strength)).keypoints
        for strength in (0.0, 1.0, 3.0)
    )
    assert not torch.equal(none, told)
    assert not torch.equal(told, more)
    for part in PARTS:
        paced.generator.part(part).pace.from_speech.output.weight.zero_()
        paced.generator.part(part).pace.from_speech.output.bias.zero_()
    still = sample_gestures(paced, speech(80), PERSON, seed=0, settings=GestureSettings(pace_strength=3.0))
    assert torch.equal(still.keypoints, none)


def test_draws_are_of_the_softmax():
    logits = torch.tensor([[2.0, 0.0, -1.0]]).expand(20000, 3)
    tokens, chances = draw(logits, 1.0, torch.Generator().manual_seed(0))
    share = torch.bincount(tokens, minlength=3) / 20000
    torch.testing.assert_close(share, logits[0].softmax(0), atol=0.015, rtol=0)
    torch.testing.assert_close(chances, logits[0].softmax(0)[tokens])
    assert draw(logits, 0.0, torch.Generator().manual_seed(0))[0].unique().tolist() == [0]


@pytest.mark.parametrize("num_frames", [1, 7, 80, 81, 230])
def test_any_length_begins_at_the_initial_pose_and_is_the_seeds(model, num_frames):
    features = speech(num_frames)
    poses = sample_gestures(model, features, PERSON, seed=3)
    assert (poses.num_frames, poses.fps, poses.width_px) == (num_frames, 25, 512)
    np.testing.assert_allclose(poses.keypoints[0], PERSON.keypoints[0], atol=1e-5)
    assert torch.equal(poses.keypoints, sample_gestures(model, features, PERSON, seed=3).keypoints)
    if num_frames > 1:
        assert not torch.equal(poses.keypoints, sample_gestures(model, features, PERSON, seed=4).keypoints)
        other = sample_gestures(model, speech(num_frames, seed=9), PERSON, seed=3)
        assert not torch.equal(poses.keypoints, other.keypoints)


def test_windows_go_on_from_the_tokens_of_the_one_before(model):
    """Out-painting: what a longer recording makes of its first window is what the window alone makes."""
    settings = GestureSettings(overlap=30)
    features = speech(130)

    def tokens(num_frames):
        given = given_tokens(model, MotionFrame(PERSON), num_frames, None, CPU)
        return sample_tokens(
            model, features[:num_frames], given, model.style(), settings, torch.Generator().manual_seed(0)
        )

    short, long = tokens(80), tokens(130)
    for part in PARTS:
        assert torch.equal(short[part], long[part][:80])
        assert (long[part] >= 0).all()


def test_a_minute_has_no_seam(model):
    """Where windows go on from each other the motion is no faster than elsewhere: z below 2."""
    num_frames, settings = 1500, GestureSettings()
    poses = sample_gestures(model, speech(num_frames), PERSON, seed=0, settings=settings)
    assert poses.num_frames == num_frames
    speed = poses.pixels.diff(dim=0).norm(dim=-1).mean(dim=1).numpy()
    seams = [start + settings.overlap - 1 for start in window_starts(num_frames, 80, settings.overlap)[1:]]
    z = (speed[seams].mean() - speed.mean()) / (speed.std() / len(seams) ** 0.5)
    assert len(seams) == 24
    assert abs(z) < 2


def test_given_tokens_stay_in_every_layer(model):
    kept = kept_track(170, PERSON, poses=moving(PERSON, 170), regions=["face", "lips"], spans_s=parse_spans("2-3"))
    given = given_tokens(model, MotionFrame(PERSON), 170, kept, CPU)
    assert (given["face"] >= 0).all()
    assert ((given["body"][:, 0] >= 0).nonzero()[:, 0] == torch.tensor([0, *range(50, 75)])).all()
    made = sample_tokens(model, speech(170), given, model.style(), GestureSettings(), torch.Generator().manual_seed(0))
    for part in PARTS:
        known = given[part] != UNKNOWN
        assert torch.equal(made[part][known], given[part][known])


@pytest.mark.parametrize("keep", [{"regions": ["body", "hands"]}, {"regions": ["lips"]}, {"spans_s": ((0.0, 1.0),)}])
def test_what_is_kept_stays_to_the_number(model, keep):
    given = moving(PERSON, 100)
    kept = kept_track(100, PERSON, poses=given, **keep)
    poses = sample_gestures(model, speech(100), PERSON, seed=0, kept=kept)
    again = sample_gestures(model, speech(100), PERSON, seed=1, kept=kept)
    exact = torch.from_numpy(kept.kept) & (kept.poses.score > 0)
    if keep != {"regions": ["lips"]}:  # lips alone move with the new head
        torch.testing.assert_close(poses.keypoints[exact], given.keypoints[exact], atol=0, rtol=0)
    free = ~torch.from_numpy(kept.kept)
    assert not torch.equal(poses.keypoints[free], again.keypoints[free])


def test_without_residual_layers_and_with_another_style(model):
    features = speech(80)
    plain = sample_gestures(model, features, PERSON, seed=0)
    lowest = sample_gestures(model, features, PERSON, seed=0, with_residual=False)
    assert not torch.equal(plain.keypoints, lowest.keypoints)
    lively = sample_gestures(model, features, PERSON, seed=0, style=model.style("lively"))
    assert not torch.equal(plain.keypoints, lively.keypoints)
    torch.testing.assert_close(model.style(), (model.style("calm") + model.style("lively")) / 2)


def test_transformers_compute_in_the_dtype_of_speech(model):
    """In bfloat16 their logits are float32's but for its rounding; what is decoded stays float32."""
    features, halved = speech(80), copy.deepcopy(model)
    halved.generator.bfloat16()
    logits = {}
    for dtype, network in ((torch.float32, model), (torch.bfloat16, halved)):
        generator, style = network.generator.part("body"), network.style()[None]
        memory = generator.masked.decoder.memory(generator.hear(features[None].to(dtype)), style)
        masked = torch.full((1, 80), generator.masked.mask_token)
        logits[dtype] = generator.masked(masked, masked, memory)
        assert logits[dtype].dtype == dtype
    error = (logits[torch.bfloat16].float() - logits[torch.float32]).norm() / logits[torch.float32].norm()
    assert error < 0.03
    poses = sample_gestures(halved, features.bfloat16(), PERSON, seed=0)
    assert poses.keypoints.dtype == torch.float32
    np.testing.assert_allclose(poses.pixels[0], PERSON.pixels[0], atol=1e-3)


def test_an_examples_style_is_the_speaker_who_made_it(model):
    """Whose embedding finds the clip's hidden tokens likelier has the larger share of the style."""
    features, example = speech(80), moving(PERSON, 80)
    motion = MotionFrame(PERSON).motion(example)
    tokens = {part: model.tokenizer(part).encode(motion[part][None])[..., 0] for part in PARTS}
    mask = torch.rand(1, 80, generator=torch.Generator().manual_seed(0)) < 0.5
    losses = [surprise(model, tokens, features[None], style[None], [mask]) for style in model.generator.styles]
    style, found = style_of(model, features, example)
    assert found["lively"] > 0.5 if losses[1] < losses[0] else found["calm"] > 0.5
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)
    mixed = sum(share * model.style(speaker) for speaker, share in found.items())
    torch.testing.assert_close(style, mixed, atol=1e-5, rtol=1e-5)


def test_progress_counts_all_passes_and_may_cancel(model):
    steps = []
    sample_gestures(model, speech(150), PERSON, seed=0, progress=lambda step, total: steps.append((step, total)))
    assert steps == [(i, 3 * 7) for i in range(1, 22)]


def test_retrieval_ranks_by_the_towers(model):
    features, clips = speech(100), {name: moving(PERSON, 90, seed=i) for i, name in enumerate("abc")}
    found = find_gestures(model, features, clips)
    assert sorted(each.name for each in found) == ["a", "b", "c"]
    values = [each.similarity for each in found]
    assert values == sorted(values, reverse=True)
    motion = MotionFrame(PERSON).motion(clips[found[0].name])
    assert similarity(model, features, motion) == pytest.approx(values[0], abs=1e-5)
    with pytest.raises(InputError, match="no pose clip to choose from"):
        find_gestures(model, features, {})


def test_a_file_comes_back_to_the_bit(model, tmp_path):
    path = tmp_path / "contextual.safetensors"
    save_tiny_contextual(path, model)
    loaded = load_contextual_gesture(path)
    assert loaded.config == TINY
    poses = [sample_gestures(each, speech(90), PERSON, seed=0).keypoints for each in (model, loaded)]
    assert torch.equal(*poses)
    with pytest.raises(InputError, match=r"is Contextual Gesture \(all of its networks\), not .* alignment alone"):
        load_alignment(path)


def test_bad_input_is_one_sentence(model):
    with pytest.raises(InputError, match=r"reads \[T, 35\] speech features, but \[80, 1059\] were given"):
        sample_gestures(model, torch.zeros(80, 1059), PERSON, seed=0)
    with pytest.raises(InputError, match="the seed is -1"):
        sample_gestures(model, speech(80), PERSON, seed=-1)
    with pytest.raises(InputError, match="no speaker 'who'; it knows calm, lively"):
        model.style("who")
    for wrong in ({"num_steps": 0}, {"overlap": 80}, {"temperature": -1.0}, {"pace_strength": -1.0}):
        with pytest.raises(InputError, match="Contextual Gesture"):
            GestureSettings(**wrong)
    with pytest.raises(InputError, match="every size must be 1 or more"):
        replace(TINY.generator, num_heads=5)

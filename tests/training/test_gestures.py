"""Contextual Gesture's three trainings: their losses by hand, that they learn and go on to the bit, and their proof."""

import copy
import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from clip_sets import swaying_set
from safetensors.torch import load_file

from mmgt.cli import main
from mmgt.contextual_gesture.config import AlignmentConfig, TokensConfig
from mmgt.contextual_gesture.load import load_alignment, load_contextual_gesture, load_tokenizers
from mmgt.contextual_gesture.motion import MotionFrame
from mmgt.contextual_gesture.sample import sample_gestures
from mmgt.errors import InputError
from mmgt.evaluation.distributions import frechet_distance
from mmgt.evaluation.pose_autoencoder import PoseAutoencoder
from mmgt.training.gesture_alignment import AlignmentTraining, retrieval, train_alignment
from mmgt.training.gesture_loss import gesture_errors, motion_errors
from mmgt.training.gesture_proof import (
    ALIGNED,
    MEAN,
    OURS,
    OUT_OF_ORDER,
    SHUFFLED,
    WITH_SPEECH,
    aligned_latents,
    compare_gestures,
    gestures_tables,
)
from mmgt.training.gesture_windows import GestureWindows, read_words
from mmgt.training.gestures import (
    GesturesTraining,
    TokenWindows,
    beginnings,
    masked_for_learning,
    pace_rate_share,
    soft_decoded,
    train_gestures,
)
from mmgt.training.motion_tokens import LearningTokenizer, TokensTraining, distillation, train_tokens
from mmgt.training.proofs import FGD, HELD, TRUTH

ALIGN = AlignmentTraining(
    num_steps=30,
    batch=6,
    learning_rate=3e-3,
    temperature=0.1,
    sizes=AlignmentConfig(width=16, feed_forward_width=32, num_layers=1, num_heads=2),
)
TOKENS = TokensTraining(
    num_steps=30, batch=4, learning_rate=5e-3, sizes=TokensConfig(latent_width=16, num_layers=2, num_codes=16)
)
GESTURES = GesturesTraining(
    num_steps=12, batch=4, learning_rate=5e-3, average_decay=0.5, num_layers=1, num_residual_layers=1
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return swaying_set(tmp_path_factory.mktemp("gestures") / "set", num_clips=5, num_frames=110)


@pytest.fixture(scope="module")
def trained(clips, tmp_path_factory):
    """Folder, networks and losses of all three runs."""
    out, losses = tmp_path_factory.mktemp("runs"), {"alignment": [], "tokens": [], "gestures": []}

    def noted(name):
        return lambda _step, _total, loss: losses[name].append(loss)

    alignment = train_alignment(clips, out / "alignment", ALIGN, progress=noted("alignment"))
    tokens = train_tokens(clips, out / "tokens", TOKENS, alignment=alignment, progress=noted("tokens"))
    whole = train_gestures(clips, out / "gestures", GESTURES, alignment, tokens, progress=noted("gestures"))
    return out, (alignment, tokens, whole), losses


def test_each_learns(trained):
    _, _, losses = trained
    for name, most in (("alignment", 0.9), ("tokens", 0.8), ("gestures", 0.9)):
        assert sum(losses[name][-3:]) / 3 < most * losses[name][0], name


def test_broken_off_they_end_with_the_same_weights(clips, trained, tmp_path):
    out, (alignment, tokens, _), _ = trained

    def broken_off(step, total, _loss):
        if step == total - 3:
            raise RuntimeError("killed")

    runs = {
        "alignment": lambda **how: train_alignment(clips, tmp_path / "alignment", ALIGN, save_every=20, **how),
        "tokens": lambda **how: train_tokens(
            clips, tmp_path / "tokens", TOKENS, alignment=alignment, save_every=20, **how
        ),
        "contextual_gesture": lambda **how: train_gestures(
            clips, tmp_path / "gestures", GESTURES, alignment, tokens, save_every=5, **how
        ),
    }
    for name, run in runs.items():
        for progress in (broken_off, None):
            with nullcontext() if progress is None else pytest.raises(RuntimeError):
                run(progress=progress)
        folder = "gestures" if name == "contextual_gesture" else name
        whole = load_file(out / folder / f"{name}.safetensors")
        for key, value in load_file(tmp_path / folder / f"{name}.safetensors").items():
            assert torch.equal(value, whole[key]), key


def test_files_load_as_they_were_and_know_the_set(clips, trained):
    out, (alignment, tokens, whole), _ = trained
    assert load_alignment(out / "alignment" / "alignment.safetensors").config == alignment.config
    assert load_tokenizers(out / "tokens" / "tokens.safetensors")["face"].config == tokens["face"].config
    loaded = load_contextual_gesture(out / "gestures" / "contextual_gesture.safetensors")
    assert loaded.speakers == ("nobody",)
    entry = clips.of_split("test")[0]
    poses = [
        sample_gestures(each, clips.features(entry), clips.poses(entry).frames(0, 1), seed=1).keypoints
        for each in (whole, loaded)
    ]
    assert torch.equal(*poses)
    mean, deviation = GestureWindows(clips, "train", 80).speech_scale()
    torch.testing.assert_close(loaded.alignment.pair("face").speech.mean, mean)
    torch.testing.assert_close(loaded.alignment.pair("body").speech.deviation, deviation)
    curve = (out / "gestures" / "losses.csv").read_text()
    assert "held_out_layer_0" in curve


def test_what_is_masked_for_learning():
    tokens = torch.randint(100, (64, 80), generator=torch.Generator().manual_seed(1))
    shown, hidden = masked_for_learning(tokens, 100, torch.Generator().manual_seed(0))
    assert not hidden[:, 0].any()
    share = hidden[:, 1:].double().mean(dim=1)
    assert share.min() >= 0.5
    assert share.max() <= 1
    assert share.mean() == pytest.approx(0.75, abs=0.05)
    assert torch.equal(shown[~hidden], tokens[~hidden])
    of_hidden = shown[hidden]
    assert (of_hidden == 100).double().mean() == pytest.approx(0.8, abs=0.02)
    assert (of_hidden == tokens[hidden]).double().mean() == pytest.approx(0.1, abs=0.02)


def test_windows_of_which_all_but_a_beginning_is_hidden():
    tokens = torch.randint(100, (64, 80), generator=torch.Generator().manual_seed(1))
    begin = beginnings(64, 0.5, torch.Generator().manual_seed(2))
    shown, hidden = masked_for_learning(tokens, 100, torch.Generator().manual_seed(0), begin)
    before, usually = masked_for_learning(tokens, 100, torch.Generator().manual_seed(0))
    assert 20 < int((begin > 0).sum()) < 44
    assert 8 < int((begin == 1).sum()) < 26
    assert begin.max() <= 40
    for idx, num_shown in enumerate(begin.tolist()):
        if num_shown:
            assert torch.equal(shown[idx, :num_shown], tokens[idx, :num_shown])
            assert (shown[idx, num_shown:] == 100).all()
            assert hidden[idx].nonzero().flatten().tolist() == list(range(num_shown, 80))
        else:  # as without
            assert torch.equal(shown[idx], before[idx])
            assert torch.equal(hidden[idx], usually[idx])
    assert beginnings(64, 0.0, torch.Generator()) is None


def test_losses_by_hand(trained):
    _, (_, tokens, _), _ = trained
    a, b = (torch.randn(2, 9, 4, generator=torch.Generator().manual_seed(i)).double() for i in range(2))
    cosines = [
        float((a[n, :, d] * b[n, :, d]).sum() / a[n, :, d].norm() / b[n, :, d].norm())
        for n in range(2)
        for d in range(4)
    ]
    assert float(distillation(a, b)) == pytest.approx(1 - sum(cosines) / 8)
    body, errors = torch.randn(2, 2, 7, 48, 2, generator=torch.Generator().manual_seed(2)).double(), []
    for n in range(2):
        for point in range(6):  # both arms come first
            for axis in range(2):
                wrong = (body[0, n, :, point, axis] - body[1, n, :, point, axis]).tolist()
                speed = [wrong[t + 1] - wrong[t] for t in range(6)]
                change = [speed[t + 1] - speed[t] for t in range(5)]
                errors.append(sum(v * v for v in speed) / 6 + sum(v * v for v in change) / 5)
    assert float(gesture_errors(*body.flatten(-2), "body")) == pytest.approx(sum(errors) / 24)
    face = torch.zeros(1, 5, 68, 2).index_fill(2, torch.tensor([30]), 1.0).cumsum(dim=1)  # the tip of the nose alone
    assert float(gesture_errors(face.flatten(-2), torch.zeros(1, 5, 136), "face")) == pytest.approx(1.0)
    error = (a - b).numpy()
    velocity = error[:, 1:] - error[:, :-1]
    acceleration = velocity[:, 1:] - velocity[:, :-1]
    by_hand = (error**2).mean() + (velocity**2).mean() + (acceleration**2).mean()
    assert float(motion_errors(a, b)) == pytest.approx(by_hand)
    face = tokens["face"]
    true = torch.randint(16, (1, 12, 2), generator=torch.Generator().manual_seed(0))
    sure = torch.full((1, 12, 16), -1e4).scatter(-1, true[..., :1], 1e4)
    made = soft_decoded(face, sure, true, torch.ones(1, 12, dtype=torch.bool))
    torch.testing.assert_close(made, face.normalised(face.decode(true)), atol=1e-4, rtol=1e-3)


def test_decoders_go_on_while_tokens_stay(clips, trained, tmp_path):
    _, (_, tokens, _), _ = trained
    motion = GestureWindows(clips, "test", 80).motion(0)
    settings = replace(TOKENS, gesture_weight=10.0, learning_rate=1e-2)

    def trembling(tokenizers):
        face = tokenizers["face"]
        truth = face.normalised(motion["face"][None])
        return float(gesture_errors(face.normalised(face.decode(face.encode(motion["face"][None]))), truth, "face"))

    before = tokens["body"].decoder.output.bias.clone()
    more = train_tokens(clips, tmp_path / "more", settings, start=tokens)
    for part, moved in motion.items():
        assert torch.equal(more[part].encode(moved[None]), tokens[part].encode(moved[None]))
    assert not torch.equal(more["body"].decoder.output.bias, before)
    assert torch.equal(tokens["body"].decoder.output.bias, before)
    assert trembling(more) < 0.9 * trembling(tokens)
    with pytest.raises(InputError, match=r"give the same sizes"):
        train_tokens(clips, tmp_path / "other", TokensTraining(), start=tokens)


def test_a_generator_goes_on(clips, trained, tmp_path):
    _, (alignment, tokens, whole), _ = trained
    settings = replace(GESTURES, num_steps=1, learning_rate=1e-6, gesture_weight=100.0, all_hidden=0.5)
    more = train_gestures(clips, tmp_path / "more", settings, alignment, tokens, start=whole)
    for name, value in more.generator.state_dict().items():
        torch.testing.assert_close(value, whole.generator.state_dict()[name], atol=2e-6, rtol=0)
    paced = replace(settings, pace_blocks=2)
    more = train_gestures(clips, tmp_path / "paced", paced, alignment, tokens, start=whole)
    for name, value in more.generator.state_dict().items():
        if ".pace." not in name:
            torch.testing.assert_close(value, whole.generator.state_dict()[name], atol=2e-6, rtol=0)
    loaded = load_contextual_gesture(tmp_path / "paced" / "contextual_gesture.safetensors")
    assert loaded.config.generator.pace_blocks == 2
    with pytest.raises(InputError, match="same sizes and speakers"):
        train_gestures(clips, tmp_path / "without", settings, alignment, tokens, start=loaded)
    with pytest.raises(InputError, match="same sizes and speakers"):
        train_gestures(clips, tmp_path / "deeper", replace(settings, num_layers=2), alignment, tokens, start=whole)
    others = copy.deepcopy(tokens)
    with torch.no_grad():
        others["face"].codebooks += 1
    with pytest.raises(InputError, match="learned other tokens than those given"):
        train_gestures(clips, tmp_path / "others", settings, alignment, others, start=whole)


def test_a_pace_learns_in_its_own_steps_only(clips, trained, tmp_path):
    _, (alignment, tokens, _), _ = trained
    few = replace(GESTURES, num_steps=2, average_decay=1e-9, pace_blocks=1)
    shorter = train_gestures(clips, tmp_path / "short", few, alignment, tokens)
    longer = train_gestures(clips, tmp_path / "long", replace(few, num_steps=4, pace_steps=2), alignment, tokens)
    for (name, value), other in zip(
        shorter.generator.state_dict().items(), longer.generator.state_dict().values(), strict=True
    ):
        if ".pace.from_speech." in name:
            torch.testing.assert_close(value, other, atol=1e-7, rtol=0)
    body = shorter.generator.part("body"), longer.generator.part("body")
    assert not torch.equal(*(part.masked.output.weight for part in body))
    falling = GesturesTraining(num_steps=1400, cool_down=350, pace_blocks=5, pace_steps=400)
    shares = [pace_rate_share(falling, step) for step in (0, 299, 350, 399, 400, 1000)]
    assert shares == pytest.approx([1, 1, 50 / 101, 1 / 101, 0, 0])
    for wrong in ({"pace_blocks": None}, {"pace_steps": 0}, {"pace_steps": 1401}):
        with pytest.raises(InputError, match="cannot learn in"):
            replace(falling, **wrong)


def test_dead_codes_come_back_to_life():
    from mmgt.contextual_gesture.tokens import Tokenizer

    torch.manual_seed(0)
    learner = LearningTokenizer(Tokenizer("body", TOKENS.sizes), None).train()
    book = learner.quantiser.layers[0]._codebook
    latents = torch.randn(4, 80, 16)
    learner.quantiser(latents)
    with torch.no_grad():
        book.embed[0, 3] = 1e3  # nobody's nearest
        book.embed_avg[0, 3] = 1e3
        book.cluster_size[0, 3] = 0.01
    learner.quantiser(latents)
    assert book.embed[0, 3].abs().max() < 10


def test_words_of_the_user_cut_the_speech(clips, tmp_path):
    windows = GestureWindows(clips, "train", 80)
    batch = windows.at([0], [10])
    path = Path(clips.folder / windows.entries[0].file).with_suffix(".words.json")
    assert read_words(path.with_name("none.safetensors")) is None
    try:
        path.write_text(json.dumps([[0.5, 0.9, "so"], [2.0, 2.4, "it"]]))  # frame 12.5 - 10: too near, frame 40
        order = windows.another_order(batch, torch.Generator().manual_seed(0))
        torch.testing.assert_close(order[0], torch.cat([batch.features[0, 40:], batch.features[0, :40]]))
        path.write_text('{"words": 3}')
        with pytest.raises(InputError, match="holds no times of words"):
            windows.another_order(batch, torch.Generator().manual_seed(0))
    finally:
        path.unlink()


def test_retrieval_finds_what_was_learned(clips, trained):
    _, (alignment, _, whole), _ = trained
    found = retrieval(alignment, GestureWindows(clips, "train", 80), num_batches=5)
    assert found.batch == 4
    assert found.recall[1] <= found.recall[2] <= found.recall[3] <= 1
    assert found.recall[5] == 1  # of four
    compared = compare_gestures(whole, swaying_twice(clips), 2, autoencoder=PoseAutoencoder().eval())
    rows = {row.name: row for row in compared.rows}
    assert rows[TRUTH].frechet == pytest.approx({FGD: 0, ALIGNED: 0, WITH_SPEECH: 0}, abs=1e-6)
    assert rows[OURS].frechet[WITH_SPEECH] > rows[OURS].frechet[ALIGNED] > 1e-6
    assert rows[OURS] != replace(rows[OUT_OF_ORDER], name=OURS)
    assert rows[HELD].moved_px == 0
    assert rows[MEAN].moved_px == pytest.approx(0, abs=1e-4)
    assert rows[OURS] != rows[SHUFFLED]
    assert compared.reconstruction_px[2] > 0
    table = gestures_tables(compared)
    assert "| R@1 |" in table.replace("R@1 | R@2", "R@1 |")
    assert f"| {TRUTH} |" in table
    assert f"{FGD} (lower) | {ALIGNED} (lower) | {WITH_SPEECH} (lower)" in table


def test_the_distance_with_speech_tells_whose_gestures_they_are(clips, trained):
    """The same gestures, each beside another clip's speech: as gestures they are the same, with speech they are not."""
    alignment = trained[1][0]
    of_clips = [aligned_latents(alignment, clips.poses(entry), clips.features(entry)) for entry in clips.entries]
    own = np.concatenate(of_clips).reshape(-1, 4, alignment.config.width)  # gestures, speech; each of face, body
    np.testing.assert_allclose(np.linalg.norm(own, axis=2), 1, atol=1e-5)
    poses = clips.poses(clips.entries[0])
    whole = MotionFrame(poses.frames(0, 1)).motion(poses)
    second = alignment.embed_motion({part: motion[None, 10:90] for part, motion in whole.items()})
    np.testing.assert_allclose(own[1, 1], second["body"][0].detach(), atol=1e-5)

    swapped = own.copy()
    swapped[:, :2] = np.roll(own[:, :2], len(of_clips[0]), axis=0)
    gestures, both = (swapped[:, :2], own[:, :2]), (swapped, own)
    assert distance(*gestures) == pytest.approx(0, abs=1e-9)
    assert distance(*both) > 1e-4


def distance(first, second):
    return frechet_distance(first.reshape(len(first), -1), second.reshape(len(second), -1))


def swaying_twice(clips):
    """The set with two held-out clips."""
    from mmgt.training.clips import ClipSet

    twice = ClipSet(clips.folder)
    twice.entries = [replace(entry, split="test") if i in (0, 1) else entry for i, entry in enumerate(twice.entries)]
    return twice


def test_commands(clips, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    common = ["--data", str(clips.folder), "--device", "cpu", "--size", "small", "--steps", "1", "--batch", "2"]
    aligned = ["--alignment", "a/alignment.safetensors"]
    assert main(["train", "alignment", *common, "--out", "a"]) == 0
    assert main(["train", "tokens", *common, "--codes", "16", *aligned, "--out", "t"]) == 0
    parts = [*aligned, "--tokens", "t/tokens.safetensors"]
    assert main(["train", "gestures", *common, *parts, "--out", "g"]) == 0
    assert "done: g/contextual_gesture.safetensors" in capsys.readouterr().out.replace("\\", "/")
    # given again with other settings, or with the wrong file: one sentence
    assert main(["train", "alignment", *common, "--temperature", "0.1", "--out", "a"]) == 2
    assert "temperature was 0.7 and is 0.1" in capsys.readouterr().err
    swapped = ["--alignment", "t/tokens.safetensors", "--tokens", "t/tokens.safetensors"]
    assert main(["train", "gestures", *common, *swapped, "--out", "h"]) == 2
    assert "tokenizers alone" in capsys.readouterr().err
    words = ["train", "compare-gestures", "--network", "g/contextual_gesture.safetensors", "--data", str(clips.folder)]
    assert main(words) == 2  # one held-out clip
    assert "1 held-out clips, but 2 or more" in capsys.readouterr().err


def test_short_clips_and_other_speech_are_one_sentence(clips, trained, tmp_path):
    _, (_, tokens, _), _ = trained
    short = swaying_set(tmp_path / "set", num_frames=50)
    with pytest.raises(InputError, match=r"has no train clip of 80 frames \(3.2 s\)"):
        TokenWindows(GestureWindows(short, "train", 80), tokens)
    with pytest.raises(InputError, match="cannot train an alignment"):
        AlignmentTraining(batch=1)
    with pytest.raises(InputError, match="cannot train tokenizers"):
        TokensTraining(commitment=-1)
    with pytest.raises(InputError, match="steps, batch and layers must be 1 or more"):
        GesturesTraining(num_layers=0)

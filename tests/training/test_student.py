import json
from dataclasses import asdict, replace
from itertools import pairwise
from typing import get_args

import pytest
import torch
from killing import Killed, killed_at
from safetensors.torch import load_file, save_file
from video_sets import NARROW, SIDE_PX, square_set

from mmgt.commands import train_student as command
from mmgt.diffusion import Parametrisation
from mmgt.errors import InputError
from mmgt.mmhaa.drive import STRENGTHS
from mmgt.mmhaa.load import load_mmhaa
from mmgt.mmhaa.network import authors_state
from mmgt.mmhaa.student import Student
from mmgt.training.low_rank import add_low_rank, merged_state
from mmgt.training.mmhaa import Batches, BothNetworks, Drops, MMHAARun, MMHAATraining
from mmgt.training.mmhaa_loss import predict
from mmgt.training.new_networks import new_mmhaa
from mmgt.training.processes import PROCESSES, trainable
from mmgt.training.run import STATE, Run
from mmgt.training.student import LORA_PLACES, Learns, StudentRun, StudentTraining, taught, train_student
from mmgt.training.student_loss import CLEAN, Segments, StudentLoss

pytestmark = pytest.mark.usefixtures("one_thread")
PLAIN = StudentLoss(0, 0, 0, 0, 0)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return square_set(tmp_path_factory.mktemp("clips") / "set", shows_hands=True, strengths=STRENGTHS)


@pytest.fixture(scope="module")
def teacher_file(tmp_path_factory):
    return write_teacher(tmp_path_factory.mktemp("teacher") / "net.safetensors")


def write_teacher(path, **config):
    networks = new_mmhaa(NARROW, 0, with_video=True)
    generator = torch.Generator().manual_seed(1)
    state = authors_state(networks.reference_unet.state_dict(), networks.video_network.state_dict())
    for key, value in state.items():
        if not key.endswith(".pe"):
            value += 0.02 * torch.randn(value.shape, generator=generator)  # zero convolutions would hide speech
    config = {**json.loads(NARROW.heads), "schedule": "scaled_linear", "side_px": SIDE_PX, **config}
    save_file(state, path, {"config": json.dumps(config)})
    return path


def settings(teacher_file, **given):
    training = MMHAATraining(
        process="video", seed=0, num_steps=3, batch=1, side_px=SIDE_PX, num_frames=2, learning_rate=1e-3,
        drops=Drops(0, 0, 0, 0),
    )  # fmt: skip
    own = {name: given.pop(name) for name in list(given) if name in StudentTraining.__dataclass_fields__}
    return StudentTraining(replace(taught(training, load_mmhaa(teacher_file)), **given), **own)


def a_run(videos, teacher_file, **given):
    given = settings(teacher_file, **given)
    student, teacher = load_mmhaa(teacher_file), load_mmhaa(teacher_file)
    trainable(student, PROCESSES[given.learns])
    if given.learns == "lora":
        add_low_rank(student.video_network, LORA_PLACES, given.rank, seed=0)
    run = Run(videos.clips.folder)
    return StudentRun(run, given.training, videos, BothNetworks(student), distillation=given, teacher=teacher)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(StudentRun, "validate", lambda _: 1.0)
    monkeypatch.setattr(Run, "draw_losses", lambda *_: None)


# ---- the schedule


@pytest.mark.parametrize("num_steps", [1, 2, 3, 4])
def test_segments_begin_at_zero_snr_and_where_the_student_is_sampled(num_steps):
    segments = Segments(num_steps, per_segment=6, parametrisation=Parametrisation())
    assert segments.times[0] == 999
    assert segments.level(0) == 0
    assert segments.times[-1] == CLEAN
    assert [segments.times[place] for place in range(0, 6 * num_steps, 6)] == segments.starts
    assert sorted(set(segments.times), reverse=True) == segments.times
    for place in range(6 * num_steps):
        assert place < segments.end(place) <= place + 6
        assert segments.times[segments.start(place)] in segments.starts
        assert segments.end(place) - segments.start(place) == 6
        assert segments.times[segments.end(place)] in {*segments.starts, CLEAN}
    drawn = [segments.place(timestep) for timestep in range(1000)]
    counts = [drawn.count(place) for place in range(6 * num_steps)]
    assert sum(counts) == 1000
    assert max(counts) - min(counts) <= 1


def test_a_jump_to_where_it_is_changes_nothing_and_from_noise_it_is_all():
    segments = Segments(1, 5, Parametrisation())
    x, v = torch.randn(2, 2, 4, 3, 3)
    assert torch.equal(segments.jump(x, v.clone(), 2, 2), x)
    assert torch.allclose(segments.jump(x, v.clone(), 0, 5), -v, atol=1e-6)  # x0 = -v at zero SNR
    assert segments.reach(3) == pytest.approx(1)


# ---- the loss


@pytest.mark.parametrize(("jump", "prediction"), [(1, "v"), (9, "v"), (1, "epsilon")])
def test_the_target_is_what_the_formulas_say(videos, tmp_path, jump, prediction):
    """Restated: two rows as two calls, x0 and noise taken apart, the differences in loops over frames."""
    teacher_file = write_teacher(tmp_path / "net.safetensors", prediction=prediction)
    run = a_run(videos, teacher_file, student_steps=2, teacher_steps=6, jump=jump, guidance=2.0)
    for parameter in run.both.parameters():
        parameter.data += 1e-3  # the student is not its teacher
    (batch,) = Batches(videos, run.settings).make(5)
    batch = replace(batch, timesteps=torch.tensor([700]))  # the second of the teacher's times in the first segment
    levels = Parametrisation(prediction, "scaled_linear").alpha_bar
    times, begin = [999, 832, 666, 499], 0 if jump == 9 else 1  # regression is from where the student is sampled

    def walked(x, predicted, now, later):
        a, b = levels[now], levels[later]
        if prediction == "v":
            x0, noise = a.sqrt() * x - (1 - a).sqrt() * predicted, a.sqrt() * predicted + (1 - a).sqrt() * x
        else:
            x0, noise = (x - (1 - a).sqrt() * predicted) / a.sqrt(), predicted
        return b.sqrt() * x0 + (1 - b).sqrt() * noise

    def said(networks, x, time, without=False):
        given = batch.clip, x, torch.tensor([time])
        return predict(networks, *given, drop_image=without, drop_audio=without, strengths=STRENGTHS)

    with torch.no_grad():
        level = levels[times[begin]]
        start = level.sqrt() * batch.clip.latents + (1 - level).sqrt() * batch.noise
        x, student = start, run.both.networks
        reached = min(begin + jump, 3)
        for now, later in pairwise(times[begin : reached + 1]):
            bare, full = said(run.teacher, x, now, without=True), said(run.teacher, x, now)
            x = walked(x, bare + 2.0 * (full - bare), now, later)
        if reached < 3:
            x = walked(x, said(student, x, times[reached]), times[reached], 499)
        made = walked(start, said(student, start, times[begin]), times[begin], 499)
    whole = abs(((1 - levels[499]) * levels[999]).sqrt() - (levels[499] * (1 - levels[999])).sqrt())
    wrong = (made - x) / whole
    _full, face, lips = batch.clip.masks[0].view(3, 2, 8, 8)
    weights = 1 + 2 * face + 5 * lips + 3 * batch.clip.hands.view(2, 8, 8)
    weights = weights / weights.mean()
    naive = sum(float((wrong[f, c] ** 2 * weights[f]).sum()) for f in range(2) for c in range(4)) / wrong.numel()
    naive += 0.5 * float(((wrong[1] - wrong[0]) ** 2).mean())
    naive += 0.25 * sum(float(wrong[f, c].mean()) ** 2 for f in range(2) for c in range(4)) / 8
    run.distillation = replace(run.distillation, weights=StudentLoss(2, 5, 3, 0.5, 0.25))
    assert run.loss(batch).item() == pytest.approx(naive, rel=2e-3)


@torch.no_grad()
def test_a_teacher_of_one_step_without_guidance_teaches_its_likeness_nothing(videos, teacher_file):
    run = a_run(videos, teacher_file, student_steps=3, teacher_steps=3, guidance=1.0)
    (batch,) = Batches(videos, run.settings).make(0)
    assert run.loss(batch).item() == 0
    guided = a_run(videos, teacher_file, student_steps=3, teacher_steps=3, guidance=3.5)
    assert guided.loss(batch).item() > 0, "guidance is folded in"


def test_each_term_sees_its_own_kind_of_error(videos):
    clip = videos.clip(videos.clips.entries[0], 3, 2, 0)
    clip = replace(clip, masks=(torch.zeros(3, 2, 64),), hands=torch.zeros(2, 64))
    truth = torch.zeros_like(clip.latents)
    still, flicker = truth + 1, truth + torch.tensor([1.0, -1.0])[:, None, None, None]
    checked = truth + torch.tensor([1.0, -1.0]).repeat(4)  # no frame's mean changes
    for made, motion, colour in ((still, 0, 1), (flicker, 4, 1), (checked, 0, 0)):
        plain = float(PLAIN(made, truth, clip))
        assert float(replace(PLAIN, motion_weight=1)(made, truth, clip)) == pytest.approx(plain + motion)
        assert float(replace(PLAIN, colour_weight=1)(made, truth, clip)) == pytest.approx(plain + colour)
    hands = clip.hands.clone()
    hands[:, 0] = 1
    wrong = truth.clone()
    wrong[:, :, 0, 0] = 1
    more = replace(PLAIN, hand_weight=9)(wrong, truth, replace(clip, hands=hands))
    assert more / PLAIN(wrong, truth, clip) == pytest.approx(10 / (1 + 9 / 64))


# ---- what learns


@pytest.mark.parametrize(
    ("learns", "inside", "outside"),
    [
        ("everything", ("down_blocks.0.resnets.0.conv1", "reference_unet", "pose_guider", "audioproj"), ()),
        ("attention", ("motion_modules", "audio_modules", "attn1"), ("reference_unet", "resnets", "pose_guider")),
        ("lora", (".up", ".down"), ("reference_unet", "resnets", "original", "norm")),
    ],
)
def test_gradients_flow_only_to_what_learns(videos, teacher_file, learns, inside, outside):
    run = a_run(videos, teacher_file, learns=learns, rank=2)
    (batch,) = Batches(videos, run.settings).make(1)
    run.loss(batch).backward()
    moved = {name for name, p in run.both.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    for part in inside:
        assert learns == "lora" or any(part in name for name in moved), part
    assert not [name for name in moved if any(part in name for part in outside)]
    if learns == "lora":
        assert moved
        assert all(name.endswith(".up") for name in moved), "down begins to learn when up is not zero"
    for network in (run.teacher.reference_unet, run.teacher.video_network):
        assert all(parameter.grad is None and not parameter.requires_grad for parameter in network.parameters())


def test_low_rank_updates_begin_as_nothing_and_are_written_as_sums():
    networks = new_mmhaa(NARROW, 0, with_video=True)
    plain = {key: value.clone() for key, value in networks.video_network.state_dict().items()}
    add_low_rank(networks.video_network, LORA_PLACES, 3, seed=0)
    merged = merged_state(networks.video_network)
    assert merged.keys() == plain.keys()
    assert all(torch.equal(merged[key], plain[key]) for key in plain)
    layer = networks.video_network.mid_block.motion_modules[0].temporal_transformer.proj_in
    update = layer.parametrizations.weight[0]
    torch.nn.init.ones_(update.up)
    key = "mid_block.motion_modules.0.temporal_transformer.proj_in.weight"
    wanted = plain[key] + torch.ones(len(plain[key]), 3) @ update.down
    assert torch.allclose(merged_state(networks.video_network)[key], wanted)
    with pytest.raises(InputError, match="rank is 0"):
        add_low_rank(new_mmhaa(NARROW, 0, with_video=True).video_network, LORA_PLACES, 0, seed=0)


# ---- runs


@pytest.mark.parametrize("learns", ["everything", "lora"])
def test_a_killed_run_ends_with_the_same_weights_as_one_that_was_not(videos, teacher_file, tmp_path, quick, learns):
    given = settings(teacher_file, learns=learns, rank=2, accumulate=2, average_decay=0.5)
    train_student(teacher_file, videos, tmp_path / "whole", given, save_every=2)
    with pytest.raises(Killed):
        train_student(teacher_file, videos, tmp_path / "killed", given, save_every=2, progress=killed_at(3))
    train_student(teacher_file, videos, tmp_path / "killed", given, save_every=2)
    for name in ("net-3.safetensors", STATE):
        whole, killed = (load_file(tmp_path / run / name) for run in ("whole", "killed"))
        assert whole.keys() == killed.keys()
        assert all(torch.equal(whole[key], killed[key]) for key in whole)
    before = load_file(teacher_file)
    changed = {key for key, value in load_file(tmp_path / "whole" / "net-3.safetensors").items() if
               not torch.equal(value, before[key])}  # fmt: skip
    assert changed
    if learns == "lora":
        assert all(any(place in key for place in LORA_PLACES) for key in changed)


def test_one_draw_is_learned(videos, teacher_file):
    """The student's jump comes to lead where the teacher's steps and guidance lead."""
    run = a_run(videos, teacher_file, student_steps=1, teacher_steps=2, jump=2, guidance=2.0)
    (batch,) = Batches(videos, run.settings).make(0)
    batch = replace(batch, timesteps=torch.tensor([999]))
    optimiser = torch.optim.AdamW(run.both.parameters(), lr=5e-4)
    losses = []
    for _ in range(16):
        optimiser.zero_grad()
        losses.append(run.backward([batch]))
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0], losses


def test_a_file_says_how_to_sample_it(videos, teacher_file, tmp_path, monkeypatch):
    """Its error is the jumps' distance from the teacher's steps; and it is no teacher itself."""
    monkeypatch.setattr(Run, "draw_losses", lambda *_: None)
    monkeypatch.setattr(MMHAARun, "held_out", lambda run: run.videos.clips.entries[:1])
    given = settings(
        teacher_file, num_steps=1, student_steps=2, teacher_steps=2, shared_noise=0.5, guidance=1.0, learning_rate=1e-12
    )
    train_student(teacher_file, videos, tmp_path / "run", given)
    assert float((tmp_path / "run" / "losses.csv").read_text().split()[1].split(",")[1]) < 1e-6
    before, after = (load_mmhaa(path) for path in (teacher_file, tmp_path / "run" / "best.safetensors"))
    assert after.student == Student(2, 0.5)
    assert (after.parametrisation, after.trained_px) == (Parametrisation("v", "scaled_linear"), SIDE_PX)
    assert after.video_network.config == before.video_network.config
    assert before.student is None
    with pytest.raises(InputError, match="is a student of 2 steps already"):
        train_student(tmp_path / "run" / "best.safetensors", videos, tmp_path / "again", given)


def test_samples_are_drawn_as_the_student_is_sampled(videos, teacher_file, tmp_path, quick, monkeypatch):
    asked = []
    monkeypatch.setattr("mmgt.training.mmhaa.write_samples", lambda *given: asked.append(given[-2:]))
    given = settings(teacher_file, num_steps=1, shared_noise=1.0, student_steps=3)
    train_student(teacher_file, videos, tmp_path / "run", given, sample_every=1)
    assert asked == [(3, 1.0)]


def test_settings_that_cannot_be_are_refused(teacher_file):
    for wrong in ({"student_steps": 0}, {"student_steps": 9}, {"jump": 0}, {"learns": "nothing"}, {"guidance": -1.0}):
        with pytest.raises(InputError):
            settings(teacher_file, **wrong)
    with pytest.raises(InputError, match="no drops"):
        settings(teacher_file, drops=Drops())
    with pytest.raises(InputError, match="0 or more"):
        StudentLoss(motion_weight=-1)
    with pytest.raises(InputError, match="500"):
        Segments(4, 200, Parametrisation())


def test_the_command_offers_the_trainings_own_defaults():
    assert get_args(Learns) == command.LEARNS
    assert StudentTraining.__dataclass_fields__["rank"].default == command.RANK
    assert asdict(StudentLoss()) == {f"{name}_weight": value for name, value in command.WEIGHTS.items()}

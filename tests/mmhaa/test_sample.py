"""Sampling of a video by windows: what it keeps, what it leaves out, and what it does with wrong numbers."""

import re
import threading
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from tiny import HEADS, IMAGE_WIDTH, NUM_LAYERS, SPEECH_WIDTH, tiny_state

from mmgt.errors import InputError
from mmgt.mmhaa.drive import Drive
from mmgt.mmhaa.load import build_mmhaa
from mmgt.mmhaa.masks import EvenMasks
from mmgt.mmhaa.network import Photo
from mmgt.mmhaa.pictures import PictureSize
from mmgt.mmhaa.sample import (
    DDIM,
    NumericalError,
    Video,
    VideoOptions,
    VideoRun,
    finer_dtype,
    sample_latents,
    share_noise,
)

SIZE = PictureSize(64, 128)
NUM_FRAMES = 10


@pytest.fixture(scope="module")
def nets():
    return build_mmhaa(tiny_state(), **HEADS)


def video(nets, num_frames=NUM_FRAMES, **options):
    generator = torch.Generator().manual_seed(1)

    def noise(*shape):
        return torch.randn(*shape, generator=generator)

    photo = nets.read_photo(noise(1, 4, *SIZE.latent_shape), noise(1, 1, IMAGE_WIDTH))
    pictures = torch.rand(num_frames, 3, SIZE.canvas_height_px, SIZE.canvas_width_px, generator=generator)
    speech = noise(num_frames, NUM_LAYERS, SPEECH_WIDTH)
    drive = Drive(num_frames, SIZE, lambda frames: pictures[list(frames)], EvenMasks(SIZE), speech)
    return Video(photo, drive, VideoOptions(**{"window": 6, "overlap": 2, **options}))


def start(num_frames=NUM_FRAMES, seed=2):
    return torch.randn(num_frames, 4, *SIZE.latent_shape, generator=torch.Generator().manual_seed(seed))


def sampled(nets, made, steps=3, **more):
    return sample_latents(VideoRun(nets.video_network, made), start(), DDIM(steps), **more)


def count_calls(monkeypatch, network):
    """(rows, whole network) of each call of the network."""
    calls, real = [], network.forward

    def counted(latents, timestep, context, deep=None):
        calls.append((context.rows, deep is None))
        return real(latents, timestep, context, deep)

    monkeypatch.setattr(network, "forward", counted)
    return calls


def test_same_seed_same_video_and_rows_match_the_guidance(nets, monkeypatch):
    calls = count_calls(monkeypatch, nets.video_network)
    first = sampled(nets, video(nets))
    assert calls == [((False, True), True)] * 6  # 3 steps of 2 windows
    torch.testing.assert_close(sampled(nets, video(nets)), first, rtol=0, atol=0)
    calls.clear()
    sampled(nets, video(nets), guidance=1)
    assert calls == [((True,), True)] * 6


def test_a_window_of_one_frame_and_clips_shorter_than_a_window(nets):
    for num_frames in (1, 3):
        made = video(nets, num_frames)
        v = VideoRun(nets.video_network, made).predict(start(num_frames), 500.0)
        assert v.shape == (2, num_frames, 4, *SIZE.latent_shape)
        assert v.isfinite().all()


def test_guidance_only_inside_its_interval(nets, monkeypatch):
    calls = count_calls(monkeypatch, nets.video_network)
    sampled(nets, video(nets, guidance_end=0.5))  # timesteps 999, 666, 332
    assert [rows for rows, _ in calls] == [(False, True)] * 4 + [(True,)] * 2


def test_deep_features_are_reused_between_whole_steps(nets, monkeypatch):
    calls = count_calls(monkeypatch, nets.video_network)
    near = sampled(nets, video(nets, reuse_every=2), steps=4)
    assert [whole for _, whole in calls] == [True, True, False, False] * 2
    exact = sampled(nets, video(nets), steps=4)
    assert 0 < (near - exact).abs().max() < exact.abs().max()


def test_what_the_network_reads_is_kept_for_a_usual_clip(nets, monkeypatch):
    made, asked = video(nets), []
    pictures = made.drive.pictures
    drive = Drive(
        NUM_FRAMES, SIZE, lambda frames: asked.append(list(frames)) or pictures(frames), made.drive.masks, None
    )
    first = sampled(nets, Video(made.photo, drive, made.options))
    assert asked == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9]]  # each frame once, not once a step or a window
    asked.clear()
    monkeypatch.setattr("mmgt.mmhaa.sample.MAX_KEPT_WINDOWS", 0)  # as with a long video
    again = sampled(nets, Video(made.photo, drive, made.options))
    assert asked == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9]]
    assert torch.equal(again, first)


@pytest.mark.parametrize(("kept", "ram"), [(16, 2**40), (1, 2**40), (0, 2**40), (0, 2**20)])
def test_features_are_reused_however_many_windows_the_device_keeps(nets, monkeypatch, kept, ram):
    """Beyond the windows that the device keeps they lie in RAM; without RAM the window runs whole."""
    calls, made = count_calls(monkeypatch, nets.video_network), video(nets, 20, reuse_every=2)
    expected = sample_latents(VideoRun(nets.video_network, made), start(20), DDIM(4))
    usual = list(calls)
    calls.clear()
    monkeypatch.setattr("mmgt.mmhaa.sample.MAX_KEPT_WINDOWS", kept)
    monkeypatch.setattr("mmgt.mmhaa.sample.free_bytes", lambda device: ram)
    latents = sample_latents(VideoRun(nets.video_network, made), start(20), DDIM(4))
    num_windows = len(made.options.windows(20))
    if ram < 2**30:
        assert [whole for _, whole in calls] == [True] * 4 * num_windows
        return
    assert calls == usual
    assert [whole for _, whole in calls].count(False) == 2 * num_windows
    assert torch.equal(latents, expected)


def test_cancel_before_each_window(nets):
    seen = []

    def check():
        seen.append(1)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        VideoRun(nets.video_network, video(nets), check).predict(start(), 500.0)


def overflowing(nets):
    """A network whose numbers lie beyond 65504 between conv_in and the way out, which undoes it."""
    large = deepcopy(nets.video_network)
    large.conv_out.weight.data *= 2.0**10
    large.conv_in.weight.data *= 2.0**17
    large.conv_in.bias.data *= 2.0**17
    return large


def test_a_window_that_overflows_in_half_precision_is_run_in_float32_from_then_on(nets, monkeypatch, caplog):
    network, made = overflowing(nets), video(nets)
    large = VideoRun(network, made).predict(start(), 500.0)
    assert large.isfinite().all()
    dtypes, real = [], network.forward
    run = VideoRun(network.half(), made)
    monkeypatch.setattr(network, "forward", lambda latents, *more: dtypes.append(latents.dtype) or real(latents, *more))
    again = run.predict(start().half(), 500.0, where="step 1 of 1")
    assert "running this window again in float32" in caplog.text
    assert "frames 4 to 9, step 1 of 1, timestep 500" in caplog.text
    assert (again - large).abs().max() / large.abs().max() < 0.05
    assert dtypes == [torch.float16] * 2 + [torch.float32] * 2
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float16}  # no copy of it was made
    dtypes.clear()
    run.predict(start().half(), 400.0)
    assert dtypes == [torch.float32] * 2


def test_bfloat16_is_tried_first_where_the_card_has_it(nets, monkeypatch, caplog):
    monkeypatch.setattr("mmgt.mmhaa.sample._computes_in_bfloat16", lambda device: True)
    card, cpu = torch.device("cuda"), torch.device("cpu")
    assert finer_dtype(torch.float16, card) is torch.bfloat16
    assert finer_dtype(torch.bfloat16, card) is finer_dtype(torch.float16, cpu) is torch.float32
    assert finer_dtype(torch.float32, card) is None
    monkeypatch.setattr(
        "mmgt.mmhaa.sample.finer_dtype",
        lambda dtype, device: {torch.float16: torch.bfloat16, torch.bfloat16: torch.float32}.get(dtype),
    )
    run = VideoRun(overflowing(nets).half(), video(nets))
    assert run.predict(start().half(), 500.0).isfinite().all()
    assert "again in bfloat16" in caplog.text
    assert "again in float32" not in caplog.text


def test_only_the_windows_with_wrong_numbers_are_run_again(nets, monkeypatch):
    network, made = deepcopy(nets.video_network).bfloat16(), video(nets)
    expected = VideoRun(network, made).predict(start().bfloat16(), 500.0)
    seen, real = [], network.forward

    def broken_once(latents, time, context, deep=None):
        seen.append(latents.dtype)
        v, deep = real(latents, time, context, deep)
        return (v * torch.nan if len(seen) == 2 else v), deep

    monkeypatch.setattr(network, "forward", broken_once)
    v = VideoRun(network, made).predict(start().bfloat16(), 500.0)
    assert seen == [torch.bfloat16, torch.bfloat16, torch.float32]
    assert torch.equal(v[:, :4], expected[:, :4])  # of the first window alone
    torch.testing.assert_close(v, expected, atol=0.05, rtol=0)


def test_a_cancel_reaches_a_run_that_waits_for_a_window(nets):
    made, begun, go_on = video(nets), threading.Event(), threading.Event()

    def pictures(frames):
        begun.set()
        assert go_on.wait(20)
        return made.drive.pictures(frames)

    def check():
        if begun.is_set():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        VideoRun(nets.video_network, replace(made, drive=replace(made.drive, pictures=pictures)), check).predict(
            start(), 500.0
        )
    go_on.set()


def test_an_error_of_a_source_names_its_cause(nets):
    made = video(nets)

    def pictures(frames):
        if 9 in frames:
            raise InputError("the video ends at frame 8.")
        return made.drive.pictures(frames)

    with pytest.raises(InputError, match="ends at frame 8"):
        VideoRun(nets.video_network, replace(made, drive=replace(made.drive, pictures=pictures))).predict(
            start(), 500.0
        )


def test_numbers_that_stay_wrong_name_window_step_and_dtype(nets):
    made = video(nets)
    broken = Photo({path: feature * torch.nan for path, feature in made.photo.features.items()}, made.photo.image_token)
    with pytest.raises(NumericalError, match=r"frames 0 to 5, step 1 of 3, timestep 999, in float32"):
        sampled(nets, Video(broken, made.drive, made.options))
    half = Video(broken, made.drive, made.options)
    run = VideoRun(deepcopy(nets.video_network).bfloat16(), half)
    with pytest.raises(NumericalError, match="bfloat16, and again in float32"):
        run.predict(start().bfloat16(), 999.0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"window": 0}, "window is 0"),
        ({"window": 33}, "1 to 32"),
        ({"overlap": 6}, "0 to 5"),
        ({"guidance_start": 0.9, "guidance_end": 0.1}, "in this order"),
        ({"reuse_every": 0}, "1 \\(no reuse\\) or more"),
        ({"windows_at_once": 3}, "1, 2, 4, 8, 16 or 32"),
    ],
)
def test_bad_options_are_one_sentence(options, says):
    with pytest.raises(InputError, match=says):
        VideoOptions(**{"window": 6, "overlap": 2, **options})


def test_bad_steps():
    with pytest.raises(InputError, match="steps is 0"):
        DDIM(0)


def short_of_memory(monkeypatch, network, most_frames):
    """A network without memory for more frames. Returns how many it was asked for."""
    asked, real = [], network.forward

    def forward(latents, timestep, context, deep=None):
        asked.append(len(context.pose_features))
        if asked[-1] > most_frames:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(latents, timestep, context, deep)

    monkeypatch.setattr(network, "forward", forward)
    return asked


def test_windows_are_halved_once_where_memory_is_short(nets, monkeypatch, caplog):
    expected = sampled(nets, video(nets, window=3, overlap=1))
    asked = short_of_memory(monkeypatch, nets.video_network, 3)
    assert torch.equal(sampled(nets, video(nets, window=6, overlap=2)), expected)
    assert asked.count(6) == 1
    assert [record.message for record in caplog.records if "windows of 3, overlap 1" in record.message]


def test_memory_that_is_short_twice_is_one_sentence(nets, monkeypatch):
    asked = short_of_memory(monkeypatch, nets.video_network, 0)
    with pytest.raises(InputError, match="windows of 3 frames of 128x64 px; make the video smaller"):
        sampled(nets, video(nets))
    assert asked == [6, 3]


def test_memory_that_is_short_for_windows_together_lets_them_pass_one_by_one(nets, monkeypatch, caplog):
    expected = sampled(nets, video(nets))
    asked = short_of_memory(monkeypatch, nets.video_network, 6)
    assert torch.equal(sampled(nets, video(nets, windows_at_once=2)), expected)
    assert asked == [12] + [6] * 6
    (said,) = (record.message for record in caplog.records)
    assert said == "the memory does not suffice for 2 windows at once; going on with one"


@pytest.mark.parametrize(
    ("options", "frames_of_calls"),
    [
        ({"windows_at_once": 2}, [12, 12, 6]),
        ({"windows_at_once": 4}, [24, 6]),
        ({"windows_at_once": 8}, [6] * 5),
        ({"windows_at_once": 2, "looped": True}, [12, 12, 6]),
        ({"windows_at_once": 2, "reuse_every": 2, "guidance_end": 0.5}, [12, 12, 6]),
    ],
    ids=str,
)
def test_windows_that_pass_together_give_what_they_give_alone(nets, monkeypatch, options, frames_of_calls):
    """And in two shapes only, which a compiler makes one graph each of."""
    alone = video(nets, 20, **{**options, "windows_at_once": 1})
    asked = short_of_memory(monkeypatch, nets.video_network, 100)
    expected, together = (
        sample_latents(VideoRun(nets.video_network, made), start(20), DDIM(2))
        for made in (alone, replace(alone, options=replace(alone.options, **options)))
    )
    assert asked == [6] * 10 + frames_of_calls * 2
    torch.testing.assert_close(together, expected, rtol=1e-4, atol=1e-4)


def test_a_window_with_wrong_numbers_leaves_its_batch(nets, monkeypatch):
    """The others of the batch keep what they gave together, and later pass as they are left."""
    network, made = deepcopy(nets.video_network).bfloat16(), video(nets, 18, windows_at_once=2)  # 4 windows
    expected = VideoRun(network, made).predict(start(18).bfloat16(), 500.0)
    seen, real, broken = [], network.forward, [2]  # a frame of the first window

    def broken_once(latents, time, context, deep=None):
        seen.append((len(latents), latents.dtype))
        v, deep = real(latents, time, context, deep)
        while broken:
            v = v.index_fill(0, torch.tensor(broken.pop()), torch.nan)
        return v, deep

    monkeypatch.setattr(network, "forward", broken_once)
    run = VideoRun(network, made)
    v = run.predict(start(18).bfloat16(), 500.0)
    half, whole = torch.bfloat16, torch.float32
    assert seen == [(12, half), (12, half), (6, whole)]
    assert torch.equal(v[:, 6:], expected[:, 6:])
    torch.testing.assert_close(v, expected, atol=0.05, rtol=0)
    seen.clear()
    run.predict(start(18).bfloat16(), 400.0)
    assert seen == [(6, whole), (6, half), (12, half)]


def test_a_run_tells_how_it_went(nets):
    run = VideoRun(nets.video_network, video(nets))
    assert run.told("an attention") == "nothing was sampled"
    sample_latents(run, start(), DDIM(3))
    assert re.fullmatch(
        r"10 frames of 128x64 px in 3 steps: [\d.]+ s a step, [\d.]+ frames/s; cpu, float32, an attention, "
        r"at most [\d.]+ GB",
        run.told("an attention"),
    )


def test_frames_share_a_part_of_their_noise():
    noise = torch.randn(200, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(share_noise(noise, 0), noise)
    assert all(torch.equal(frame, noise[0]) for frame in share_noise(noise, 1))
    shared = share_noise(noise, 0.25)
    assert torch.equal(shared[0], noise[0])
    assert shared.var() == pytest.approx(1, abs=0.02)
    alike = torch.nn.functional.cosine_similarity(shared[1:].flatten(1), noise[:1].flatten(1)).mean()
    assert alike == pytest.approx(0.5, abs=0.02)

import pytest

from mmgt.bench.video import AUTHORS_VIDEO_TFLOP
from mmgt.bench.video_cost import FullSize, count_calls, video_flop
from mmgt.errors import InputError
from mmgt.mmhaa.presets import PRESETS, Preset, preset_of_student
from mmgt.mmhaa.sample import DDIM, VideoOptions
from mmgt.mmhaa.student import Student
from mmgt.standalone.schedulers import check_scheduler

BOTH, ONE = (False, True), (True,)


def test_the_authors_preset_is_the_authors():
    authors = PRESETS["authors"]
    assert (authors.scheduler, authors.num_steps, authors.guidance) == ("ddim", 30, 3.5)
    assert authors.options == VideoOptions(window=12, overlap=4)
    assert authors.options.guides(999) == authors.options.guides(DDIM(30).timesteps[-1]) is True


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_run(name):
    check_scheduler(PRESETS[name].scheduler, PRESETS[name].num_steps)


@pytest.mark.parametrize("guidance", [-1, float("nan"), 1000])
def test_a_guidance_that_is_none(guidance):
    with pytest.raises(InputError, match="cfg is"):
        Preset(guidance=guidance)


def test_the_loop_asks_for_what_the_options_say():
    """14 frames, windows of 8 with overlap 2: two windows. Four steps at 999, 749, 499, 249."""
    options = VideoOptions(window=8, overlap=2, guidance_end=0.6, reuse_every=2)
    calls = count_calls(Preset("ddim", 4, options=options), 14)
    assert calls["pose guider", 8, (), True] == calls["audio projection", 8, (), True] == 2
    assert calls["photo's keys and values", 0, (), True] == 1
    denoising = {call[2:]: times for call, times in calls.items() if call[0] == "denoising"}
    # The steps: guided, guided on kept features, guided, one row on kept features.
    assert denoising == {(BOTH, True): 4, (BOTH, False): 2, (ONE, False): 2}
    without = count_calls(Preset("ddim", 4, guidance=1.0), 14)
    assert {call[2:] for call in without if call[0] == "denoising"} == {(ONE, True)}


def test_the_fast_preset_costs_a_quarter_of_the_authors_work():
    full_size = FullSize(64)
    fast, authors = (sum(video_flop(full_size, PRESETS[name], 80).values()) / 1e12 for name in ("fast", "authors"))
    assert fast <= AUTHORS_VIDEO_TFLOP / 4
    assert authors <= AUTHORS_VIDEO_TFLOP + 201  # they decode too
    parts = video_flop(full_size, PRESETS["fast"], 80)
    assert parts["VAE, frames"] / 1e12 == pytest.approx(201, abs=1)


def test_a_students_video_is_counted():
    """80 frames of 512 px: at most 800 TFLOP with the full decoder, 620 with a tiny one."""
    full_size = FullSize(64)
    parts = video_flop(full_size, PRESETS["student"], 80)
    assert sum(parts.values()) / 1e12 <= 800
    tiny = full_size.tiny_decoding(80)
    assert (sum(parts.values()) - parts["VAE, frames"] + tiny) / 1e12 <= 620
    assert 5e12 < tiny < 15e12
    assert not [name for name in parts if "2 rows" in name]


def test_a_students_preset_is_what_its_file_says():
    chosen = preset_of_student(Student(2, 0.5))
    assert chosen == Preset("ddim", 2, 1.0, PRESETS["student"].options, 0.5)

from functools import partial

from dying_workers import Killed

from mmgt.batch.clip import Clip
from mmgt.batch.processes import MAX_TRIES, make_by_processes


def test_a_dead_worker_s_clip_is_done_by_another_and_a_deadly_one_ends(tmp_path):
    clips = [Clip(name, "p.png", "s.wav") for name in ("a", "dies-once", "b", "dies", "c")]
    told = list(make_by_processes(clips, partial(Killed, str(tmp_path)), num_workers=2))
    assert sorted(status.id for status in told) == ["a", "b", "c", "dies", "dies-once"]
    (failed,) = (status for status in told if not status.ok)
    assert failed.id == "dies"
    assert f"died {MAX_TRIES} times" in failed.error
    made = [path.name.partition(".")[0] for path in tmp_path.glob("*.*")]
    assert sorted(made) == ["a", "b", "c", "dies-once"]  # each once


def test_no_clips_need_no_process():
    assert list(make_by_processes([], partial(Killed, "nowhere"))) == []

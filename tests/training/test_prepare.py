"""Films in all the states that they come in -> a training set: prepared or reported, and nothing done twice."""

import json
import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from avatar import silence, syllables
from talking_films import listed, plain, spoken_poses, talking_film, write_film
from turned import turned

from mmgt.errors import InputError
from mmgt.media import read_recording
from mmgt.pose_files import save_poses
from mmgt.poses.skeleton import LIPS
from mmgt.training import prepare as module
from mmgt.training.clip_pictures import clip_pictures
from mmgt.training.clips import ClipSet
from mmgt.training.film_clips import Crop, FilmSettings, RejectedFilmError, Tools, clips_of_film
from mmgt.training.prepare import Preparation, prepare
from mmgt.world import draw_presenter, random_identity

SMALL = Preparation(film=FilmSettings(side_px=64))


def prepared(film, out, **tools):
    """The clips of one film, and what was left out."""
    out.mkdir(exist_ok=True)
    entries, left_out = clips_of_film(
        film, film.with_suffix(".json"), Tools(**tools), SMALL.film, out, "clip", "somebody"
    )
    return ClipSet.write_index(out, entries), left_out


def reason_of(film, out):
    with pytest.raises(RejectedFilmError) as rejected:
        prepared(film, out)
    assert not list(out.glob("*.safetensors"))
    return rejected.value.reason


RATES = {
    24: [n / 24 for n in range(96)],
    25: [n / 25 for n in range(100)],
    60: [n / 60 for n in range(240)],
    "changing": [n / 60 for n in range(120)] + [2 + n / 12 for n in range(24)],
}


@pytest.mark.parametrize("rate", RATES)
def test_a_film_of_any_rate_becomes_25_fps_by_its_times(tmp_path, rate):
    clips, left_out = prepared(talking_film(tmp_path / "v.mp4", RATES[rate]), tmp_path / "set")
    (entry,) = clips.entries
    assert (entry.num_features, left_out) == (35, [])
    assert entry.num_frames == pytest.approx(100, abs=1)  # how long a last picture is shown, few files say
    poses = clips.poses(entry)
    assert (poses.height_px, poses.width_px) == (64, 64)
    brightness = clip_pictures(clips, entry, range(99), 64)[:, :8].mean(axis=(1, 2, 3))
    times_s = np.array(RATES[rate])
    shown_s = times_s[np.searchsorted(times_s, (np.arange(99) + 0.5) / 25, side="right") - 1]
    assert np.abs(brightness - brightness[0] - 20 * shown_s).max() < 2.5
    assert read_recording(clips.folder / "clip.mp4").seconds == pytest.approx(4, abs=0.1)


def test_points_stay_where_they_are_in_the_picture(tmp_path):
    """A presenter is drawn, filmed at 24 fps in a wide picture and prepared; drawn again from the clip's poses it is
    the film."""
    who, poses, size = random_identity(4), spoken_poses(3.6, seed=4), (144, 256)
    times_s = [n / 24 for n in range(86)]
    shifted = listed([(poses, 60)], times_s, size)
    pictures = []
    for frame in shifted:
        points = np.array(frame["people"][0]["mmgt_keypoints_2d"]).reshape(134, 3)
        pictures.append(draw_presenter(who, points[:, :2], *size))
    film = write_film(tmp_path / "v.mp4", pictures, times_s, syllables(3.6))
    film.with_suffix(".json").write_text(json.dumps(shifted))
    clips, _ = prepared(film, tmp_path / "set")
    (entry,) = clips.entries
    frames = range(0, entry.num_frames, 8)
    filmed = clip_pictures(clips, entry, frames, 128).astype(float)
    again = clips.poses(entry).at(frames).sized(128, 128).pixels.numpy()
    drawn = np.stack([draw_presenter(who, xy_px, 128, 128) for xy_px in again]).astype(float)
    body = (slice(None), slice(24, 100), slice(30, 98))  # the walls differ: each picture has a gradient of its own
    assert np.abs(filmed[body] - drawn[body]).mean() < 9
    moved = np.roll(drawn, 3, axis=2)
    assert np.abs(filmed[body] - moved[body]).mean() > 1.5 * np.abs(filmed[body] - drawn[body]).mean()


def test_a_vertical_film_with_a_rotation_flag(tmp_path):
    lying = np.rot90(np.stack(list(plain([0.0], (160, 120)))), 1, axes=(1, 2))[0]
    times_s = [n / 25 for n in range(100)]
    film = write_film(tmp_path / "lying.mp4", [np.ascontiguousarray(lying)] * 100, times_s, syllables(4))
    upright = turned(film, (0, 1, -1, 0))
    upright.with_suffix(".json").write_text(json.dumps(listed([(spoken_poses(), 0)], times_s, (160, 120))))
    clips, _ = prepared(upright, tmp_path / "set")
    top, bottom = clip_pictures(clips, clips.entries[0], [0], 64)[0][[4, -4]].mean(axis=(1, 2))
    assert clips.entries[0].num_frames == 100
    assert abs(top - bottom).max() < 8


@pytest.mark.parametrize(("pix_fmt", "codec"), [("yuv420p10le", "libx264"), ("yuv444p", "libx264")])
def test_more_bits_and_other_colours(tmp_path, pix_fmt, codec):
    clips, _ = prepared(talking_film(tmp_path / "v.mp4", pix_fmt=pix_fmt, codec=codec), tmp_path / "set")
    assert clips.entries[0].num_frames == 100
    assert clip_pictures(clips, clips.entries[0], [0], 64)[0, 8].mean(axis=0) == pytest.approx([160, 60, 60], abs=6)


def test_features_are_those_of_the_sound(tmp_path):
    clips, _ = prepared(talking_film(tmp_path / "v.mp4"), tmp_path / "set")
    level = clips.features(clips.entries[0])[:, 1]  # loudness: 2 s of syllables, 1 s of silence, 1 s of syllables
    assert level[10:45].mean() > level[55:70].mean() + 50
    assert level[80:95].mean() > level[55:70].mean() + 50


def test_what_cannot_be_used_says_why(tmp_path):
    out = tmp_path / "set"
    nobody = talking_film(tmp_path / "nobody.mp4")
    nobody.with_suffix(".json").write_text(
        json.dumps([{"people": [], "canvas_width": 160, "canvas_height": 120}] * 100)
    )
    assert reason_of(nobody, out) == "nobody"
    poses = spoken_poses()
    crossing = talking_film(tmp_path / "crossing.mp4")
    frames = []
    for t in range(100):
        left_px = np.interp(t, [0, 99], [0, 40])
        frames += listed([(poses, left_px), (poses, 40 - left_px)], [t / 25])
    crossing.with_suffix(".json").write_text(json.dumps(frames))
    assert reason_of(crossing, out) == "several people"
    assert reason_of(talking_film(tmp_path / "silent.mp4", sound=silence(4)), out) == "silent"
    assert reason_of(talking_film(tmp_path / "short.mp4", seconds=2), out) == "too short"
    assert reason_of(talking_film(tmp_path / "cut.mp4", cuts_s=(1.4, 2.8)), out) == "cuts"
    corrupt = tmp_path / "corrupt.mp4"
    corrupt.write_bytes(os.urandom(5000))
    assert reason_of(corrupt, out) == "unreadable"
    other = talking_film(tmp_path / "other.mp4")
    other.with_suffix(".json").write_text(json.dumps(listed([(poses, 0)], [0.0, 0.04])))
    assert reason_of(other, out) == "pose file"


def test_no_sound_at_all(tmp_path):
    times_s = [n / 25 for n in range(100)]
    film = write_film(tmp_path / "v.mp4", plain(times_s), times_s)
    film.with_suffix(".json").write_text(json.dumps(listed([(spoken_poses(), 0)], times_s)))
    assert reason_of(film, tmp_path / "set") == "silent"


def test_shots_become_clips_and_somebody_passing_is_left_out(tmp_path):
    poses = spoken_poses(8.4)
    film = talking_film(tmp_path / "v.mp4", seconds=8.4, cuts_s=(3.6,), people=[(poses, 0)])
    frames = listed([(poses, 0)], [n / 25 for n in range(210)])
    both = listed([(poses, 0), (poses, 40)], [n / 25 for n in range(210)])
    frames[178:198] = both[178:198]
    film.with_suffix(".json").write_text(json.dumps(frames))
    clips, left_out = prepared(film, tmp_path / "set")
    assert {entry.file: entry.num_frames for entry in clips.entries} == {
        "clip.safetensors": 90,
        "clip-2.safetensors": 88,
    }
    assert [(round(part.from_s, 2), part.why) for part in left_out] == [(7.12, "several people"), (7.92, "too short")]


def test_our_own_pose_files_are_taken_as_they_are(tmp_path):
    film = talking_film(tmp_path / "v.mp4", size=(120, 120))
    film.with_suffix(".json").unlink()
    save_poses(spoken_poses().sized(120, 120), film.with_suffix(".json"))
    clips, _ = prepared(film, tmp_path / "set")
    crop = Crop.around(spoken_poses().sized(120, 120))
    expected = (spoken_poses().sized(120, 120).pixels - torch.tensor([crop.x0, crop.y0])) / crop.side_px
    torch.testing.assert_close(clips.poses(clips.entries[0]).keypoints, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("size", [(720, 1280), (1280, 720), (480, 480)])
@pytest.mark.parametrize("seed", range(3))
def test_a_crop_is_a_square_in_the_picture_around_the_person(size, seed):
    poses = spoken_poses(seed=seed).sized(min(size), min(size))
    poses.keypoints[..., 0] = poses.keypoints[..., 0] * min(size) / size[1] + 0.1
    poses = poses.sized(*size)
    crop = Crop.around(poses)
    assert 0 <= crop.x0 <= crop.x0 + crop.side_px <= size[1]
    assert 0 <= crop.y0 <= crop.y0 + crop.side_px <= size[0]
    inside = crop.poses(poses, 512).keypoints[:, list(LIPS)]
    assert 0 < inside.min() < inside.max() < 1


# ---- a folder of films


def folder_of(tmp_path, names=("anna/a.mp4", "anna/b.mp4", "ben/c.mp4")):
    folder = tmp_path / "films"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        talking_film(folder / name)
    return folder


def test_a_folder_becomes_a_set_and_again_nothing_is_done(tmp_path, monkeypatch):
    folder, out = folder_of(tmp_path), tmp_path / "set"
    (folder / "ben/broken.mp4").write_bytes(b"no film")
    (folder / "ben/broken.json").write_text("[]")
    steps = []
    clips = prepare(folder, out, SMALL, lambda step, total: steps.append((step, total)))
    assert sorted(entry.speaker for entry in clips.entries) == ["anna", "anna", "ben"]
    assert {entry.split for entry in clips.entries} == {"train", "test"}
    assert steps[-1][0] == steps[-1][1] == sum(path.stat().st_size for path in folder.rglob("*.mp4"))
    report = json.loads((out / "report.json").read_text())
    assert report["counts"] == {"films": 4, "prepared": 3, "rejected": {"unreadable": 1}}
    page = (out / "report.txt").read_text()
    assert "ben/broken.mp4: unreadable" in page
    assert "4 films: 3 prepared as 3 clips, 1 rejected" in page
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.suffix in (".mp4", ".safetensors")}
    with monkeypatch.context() as patched:
        patched.setattr(module, "_records", lambda jobs, out, settings: iter(() if not jobs else pytest.fail("twice")))
        prepare(folder, out, SMALL)
    talking_film(folder / "ben/c.mp4", seconds=6)
    clips = prepare(folder, out, SMALL)
    assert sorted(entry.num_frames for entry in clips.entries) == [100, 100, 150]
    assert {path.name[0] for path in times if path.stat().st_mtime_ns == times[path]} == {"a", "b"}


def test_a_film_whose_process_dies_is_reported_and_the_others_go_on(tmp_path, monkeypatch):
    folder, out = folder_of(tmp_path, ("a.mp4", "b.mp4")), tmp_path / "set"
    monkeypatch.setenv("MMGT_TEST_DIES_AT", "a.mp4")
    monkeypatch.setattr(module, "_film", dies_or_prepares)
    clips = prepare(folder, out, SMALL)
    assert [entry.file[0] for entry in clips.entries] == ["b"]
    assert json.loads((out / "report.json").read_text())["counts"]["rejected"] == {"failed": 1}


def dies_or_prepares(job, out, settings, whole=module._film):
    if job.title == os.environ["MMGT_TEST_DIES_AT"]:
        os._exit(9)
    return whole(job, out, settings)


def test_killed_at_any_time_leaves_nothing_half_and_goes_on(tmp_path):
    folder, out = folder_of(tmp_path), tmp_path / "set"
    command = [sys.executable, "-m", "mmgt", "data", "prepare", str(folder), "--out", str(out), "--side", "64"]
    for films in (1, 2):
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)
        while len(list(out.glob("films/*.json"))) < films and process.poll() is None:
            time.sleep(0.02)
        process.kill()
        process.wait()
    done = {path: path.stat().st_mtime_ns for path in out.glob("films/*.json")}
    assert done
    for path in out.glob("*.safetensors"):
        assert path.stat().st_size > 100_000
    clips = prepare(folder, out, SMALL)
    assert len(clips.entries) == 3
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert not list(out.rglob("*unfinished*"))


def test_two_runs_at_once_are_refused(tmp_path):
    from filelock import FileLock

    folder, out = folder_of(tmp_path, ("a.mp4",)), tmp_path / "set"
    out.mkdir()
    with FileLock(out / ".lock"), pytest.raises(InputError, match="another run"):
        prepare(folder, out, SMALL)


def test_what_is_asked_for_is_checked_first(tmp_path):
    with pytest.raises(InputError, match="no folder"):
        prepare(tmp_path / "none", tmp_path / "set", SMALL)
    (tmp_path / "films").mkdir()
    with pytest.raises(InputError, match="holds no film"):
        prepare(tmp_path / "films", tmp_path / "set", SMALL)
    for wrong in (100, 32):
        with pytest.raises(InputError, match="multiple of 8"):
            FilmSettings(side_px=wrong)
    with pytest.raises(InputError, match=r"at least 3\.24"):
        FilmSettings(min_seconds=1)

import numpy as np
import pytest
from scripted_people import (
    HEIGHT,
    WIDTH,
    BoxFinder,
    ScriptedDetector,
    astronaut_score,
    crossing,
    detection,
    moving_box,
    standing,
)

from mmgt.detect import DWPose, detect_each
from mmgt.errors import InputError
from mmgt.media import VideoStream, write_video
from mmgt.pose_video import PoseVideoSettings, poses_of_video

AS_IT_IS = PoseVideoSettings(smoothing=0)
GREY = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)


def timed(num_frames, fps=25, picture=GREY):
    return ((t / fps, picture) for t in range(num_frames))


def run(script, fps=25, settings=AS_IT_IS):
    return poses_of_video(ScriptedDetector(script), timed(len(script), fps), len(script), settings)


def steps_px(poses):
    """Way of the body's middle from frame to frame."""
    return np.linalg.norm(np.diff(poses.pixels[:, :8].double().mean(dim=1).numpy(), axis=0), axis=1)


def swaying(num_frames=100, fps=25):
    t = np.arange(num_frames) / fps
    return standing(
        240, np.stack([320 + 80 * np.sin(2 * np.pi * 0.3 * t), 240 + 20 * np.sin(2 * np.pi * 0.5 * t)], axis=1)
    )


def test_the_chosen_of_two_who_cross_is_kept_in_all_frames():
    tracks = crossing(np.random.default_rng(0))
    script = [detection(*tracks[[0, 1] if t % 2 else [1, 0], t]) for t in range(100)]
    for index in (0, 1):
        settings = PoseVideoSettings("left to right", index, smoothing=0)
        poses, report = run(script, settings=settings)
        visible = astronaut_score() > 0.3
        np.testing.assert_allclose(poses.pixels[:, visible], tracks[index][:, visible], atol=1e-3)
        assert (report.num_seen, report.most_people, report.held_s, report.interpolated_s) == (100, 2, (), ())


@pytest.mark.parametrize("smoothing", [0, 1])
@pytest.mark.parametrize("seed", range(4))
def test_without_30_percent_of_the_frames_nothing_jumps(seed, smoothing, caplog):
    track, random = swaying(), np.random.default_rng(seed)
    missing = random.uniform(size=100) < 0.3
    missing[[0, 99]] = False
    script = [detection() if gone else detection(person) for gone, person in zip(missing, track, strict=True)]
    poses, report = run(script, settings=PoseVideoSettings(smoothing=smoothing))
    own, _ = run([detection(person) for person in track])
    assert steps_px(poses).max() <= 1.01 * steps_px(own).max()
    off_px = (poses.pixels - own.pixels)[:, astronaut_score() > 0.3].abs().max()
    assert off_px < 0.05 * 240
    assert report.num_seen == (~missing).sum()
    assert sum(stop - start for start, stop in report.interpolated_s) == pytest.approx(missing.sum() / 25)
    assert f"found in {report.num_seen} of 100 frames by ScriptedDetector; interpolated for" in caplog.text


def test_a_steady_walk_without_30_percent_stays_at_its_speed():
    track = standing(200, np.stack([np.linspace(150, 450, 100), np.full(100, 240)], axis=1))
    missing = np.isin(np.arange(100), [*range(20, 27), *range(50, 73)])
    poses, _ = run([detection() if gone else detection(p) for gone, p in zip(missing, track, strict=True)])
    assert steps_px(poses).max() <= 1.001 * np.median(steps_px(poses))


def test_a_cut_is_held_not_glided_over():
    left, right = standing(200, [[150, 240]] * 10), standing(260, [[480, 250]] * 10)
    script = [detection(p) for p in left[:8]] + [detection()] * 4 + [detection(p) for p in right[2:]]
    frames = [(t / 25, np.full((HEIGHT, WIDTH, 3), 40 if t < 10 else 190, np.uint8)) for t in range(20)]
    poses, report = poses_of_video(ScriptedDetector(script), frames, 20)
    visible = astronaut_score() > 0.3
    np.testing.assert_allclose(poses.pixels[:10, visible], left[:, visible], atol=1e-3)
    np.testing.assert_allclose(poses.pixels[10:, visible], right[:, visible], atol=1e-3)
    assert report.cuts_s == (0.4,)
    assert report.held_s == ((0.32, 0.48),)
    assert report.interpolated_s == ()


@pytest.mark.parametrize(
    ("fps", "num_frames", "num_poses"), [(50, 100, 50), (12.5, 20, 40), (30, 61, 51), (23.976, 48, 51)]
)
def test_any_rate_becomes_25(fps, num_frames, num_poses):
    poses, _ = run([detection(p) for p in swaying(num_frames, fps)], fps)
    assert (poses.fps, poses.num_frames) == (25, num_poses)
    expected = swaying(num_poses)
    visible = astronaut_score() > 0.3
    inner = slice(0, num_poses - 2)  # the last source frame is held
    np.testing.assert_allclose(poses.pixels[inner, visible], expected[inner, visible], atol=0.5)


def test_jitter_is_removed_without_lag():
    random = np.random.default_rng(1)
    track = swaying(150)
    noisy = track + random.normal(0, 1.5, track.shape)
    poses, _ = run([detection(p) for p in noisy], settings=PoseVideoSettings())
    visible = np.flatnonzero(astronaut_score()[:18] > 0.3)
    smoothed, clean = poses.pixels[:, visible].double().numpy(), track[:, visible]
    assert np.diff(smoothed - clean, n=2, axis=0).std() < np.diff(noisy[:, visible] - clean, n=2, axis=0).std() / 2.5
    shifted = [np.abs(smoothed[10:-10] - clean[10 + k : 140 + k]).mean() for k in (-1, 0, 1)]
    assert np.argmin(shifted) == 1


def test_progress_and_cancel():
    seen = []
    script = [detection(p) for p in swaying(20)]
    poses_of_video(ScriptedDetector(script), timed(20), 20, progress=lambda step, total: seen.append((step, total)))
    assert seen == [(step, 20) for step in range(1, 21)]

    def cancel(step, _total):
        if step == 5:
            raise KeyboardInterrupt

    detector = ScriptedDetector(script)
    with pytest.raises(KeyboardInterrupt):
        poses_of_video(detector, timed(20), 20, progress=cancel)
    assert detector.num_calls == 5


def test_frames_are_taken_one_by_one():
    """No picture is kept: at no time are more than a few alive."""
    alive, most = set(), 0

    class Picture(np.ndarray):
        def __del__(self):
            alive.discard(id(self))

    def frames():
        nonlocal most
        for t in range(40):
            picture = np.zeros((32, 32, 3), np.uint8).view(Picture)
            alive.add(id(picture))
            most = max(most, len(alive))
            yield t / 25, picture

    poses_of_video(ScriptedDetector([detection(p) for p in swaying(40)]), frames(), 40)
    assert most <= 3


def test_dwpose_reads_two_pictures_at_a_time_in_order(monkeypatch):
    monkeypatch.setattr("mmgt.detect.dwpose.detect_people", lambda _model, picture: int(picture[0, 0, 0]))
    pictures = (np.full((4, 4, 3), t, np.uint8) for t in range(9))
    assert list(detect_each(DWPose(None, None, "test"), pictures)) == list(range(9))


def test_bad_input_is_one_sentence():
    with pytest.raises(InputError, match="no frames"):
        poses_of_video(ScriptedDetector([]), [], 0)
    with pytest.raises(InputError, match="nobody was found in any of the 4 frames"):
        run([detection()] * 4)
    with pytest.raises(InputError, match="max_gap is -1"):
        PoseVideoSettings(max_gap_s=-1)
    with pytest.raises(InputError, match="smoothing is nan"):
        PoseVideoSettings(smoothing=float("nan"))
    with pytest.raises(InputError, match="'tallest' is unknown"):
        PoseVideoSettings("tallest")
    (person,) = standing(200, [[300, 240]])
    with pytest.raises(InputError, match="no frame shows more than 1"):
        run([detection(person)] * 4, settings=PoseVideoSettings(person_index=1))


def test_a_single_frame():
    (person,) = standing(200, [[300, 240]])
    poses, report = run([detection(person)], settings=PoseVideoSettings())
    assert poses.num_frames == 1
    assert str(report) == "the person was found in 1 of 1 frames by ScriptedDetector"


def test_a_video_file(tmp_path):
    """20 frames at 30 fps; in 3 of them nobody is there."""
    write_video(tmp_path / "v.mp4", moving_box(20, nobody=(8, 9, 10)), 30)
    video = VideoStream(tmp_path / "v.mp4")
    poses, report = poses_of_video(BoxFinder(), video, video.num_frames)
    assert (poses.fps, poses.num_frames, poses.height_px, poses.width_px) == (25, 17, 120, 160)
    visible = astronaut_score() > 0.3
    centre = poses.pixels[:, visible, 0].mean(dim=1).numpy()
    expected = 49.5 + 2 * (np.arange(17) * 30 / 25).clip(max=19)
    np.testing.assert_allclose(centre, expected, atol=1.0)
    assert (report.num_frames, report.num_seen, report.held_s) == (20, 17, ())
    assert report.interpolated_s == ((0.28, 0.4),)

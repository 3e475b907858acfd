"""Drawn clips with one known defect each: the number that is meant for it raises the alarm, and no other does."""

from dataclasses import replace

import numpy as np
import pytest

from mmgt.assets import SPEECH
from mmgt.evaluation.alarms import alarms
from mmgt.evaluation.frames import person_box
from mmgt.evaluation.measured import Measured
from mmgt.evaluation.video import evaluate_video
from mmgt.media import read_recording
from mmgt.poses.skeleton import LEFT_HAND, LIPS, RIGHT_HAND
from mmgt.rhythm import rhythm_poses
from mmgt.speech.recording import Recording
from mmgt.world import draw_frames, random_identity
from mmgt.world.presenter import presenter

SEED, SIDE_PX, NUM_FRAMES, SEAM = 3, 96, 88, 80
HANDS = [*LEFT_HAND, *RIGHT_HAND]


class Held:
    def __init__(self, frames):
        self.frames, self.num_frames = frames, len(frames)

    def __call__(self, frames):
        return [self.frames[t] for t in frames]


def drawn(poses):
    return np.stack(list(draw_frames(random_identity(SEED), poses, SIDE_PX, SIDE_PX)))


@pytest.fixture(scope="module")
def clean():
    speech = read_recording(SPEECH)
    speech = Recording(speech.samples[:, : speech.rate_hz * NUM_FRAMES // 25], speech.rate_hz)
    poses, other = (rhythm_poses(speech, presenter(SEED), seed=seed).frames(0, NUM_FRAMES) for seed in (0, 1))
    return speech, poses, other, drawn(poses)


def with_points(poses, points, from_frames):
    """The points of other frames in each frame."""
    keypoints = poses.keypoints.clone()
    keypoints[:, points] = poses.keypoints[from_frames][:, points]
    return replace(poses, keypoints=keypoints)


def nothing(poses, _other, frames):
    return poses, frames


def lips_late(poses, _other, _frames):
    changed = with_points(poses, [*LIPS], np.maximum(np.arange(NUM_FRAMES) - 4, 0))
    return changed, drawn(changed)


def hands_frozen(poses, _other, _frames):
    changed = with_points(poses, HANDS, np.zeros(NUM_FRAMES, int))
    return changed, drawn(changed)


def background_flickers(poses, _other, frames):
    x0, y0, x1, y1 = person_box(poses, SIDE_PX, SIDE_PX)
    outside = np.ones((SIDE_PX, SIDE_PX), bool)
    outside[y0:y1, x0:x1] = False
    changed = frames.astype(np.int16)
    changed[:, outside] += np.resize([3, -3], NUM_FRAMES)[:, None, None]
    return poses, changed.clip(0, 255).astype(np.uint8)


def seam(poses, other, frames):
    """Another motion from frame 80 on, which nothing joins."""
    keypoints = poses.keypoints.clone()
    keypoints[SEAM:] = other.keypoints[SEAM:] + 0.02
    changed = replace(poses, keypoints=keypoints)
    return changed, np.concatenate([frames[:SEAM], drawn(changed.frames(SEAM, NUM_FRAMES))])


def colours_shifted(poses, _other, frames):
    return poses, (frames + np.array([12, -8, 6])).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("defect", "raised"),
    [
        (nothing, None),
        (lips_late, "lip lag"),
        (hands_frozen, "range of motion of the hands"),
        (background_flickers, "background flicker"),
        (seam, "largest jump"),
        (colours_shifted, "colour shift"),
    ],
)
def test_the_matching_number_and_only_it_raises_the_alarm(clean, defect, raised):
    speech, poses, other, frames = clean
    changed, video = defect(poses, other, frames)
    report = evaluate_video(Held(video), reference=Held(frames), recording=speech, poses=changed, reference_poses=poses)
    rows = {row.name: row for row in report.rows}
    seen = {name: rows[name].value for name in report.alarms}
    assert list(report.alarms) == ([] if raised is None else [raised]), seen
    if raised == "lip lag":
        assert rows[raised].value == 4
    if raised == "largest jump":
        assert f"at frame {SEAM}" in rows[raised].source
    if raised == "colour shift":
        assert rows[raised].value == pytest.approx(26 / 3, abs=1)


def test_a_sound_of_another_length_and_a_little_of_everything():
    def row(name, value):
        return Measured(name, value, 1, "", "none", "", "")

    assert list(alarms([row("sound minus picture", -0.2)])) == ["sound minus picture"]
    little = {"lip lag": -1, "background flicker": 1.9, "largest jump": 3.9, "colour shift": 2.9}
    little |= {"sound minus picture": 0.06, "range of motion of the hands": 0.02}
    assert alarms([row(*both) for both in little.items()]) == {}
    follows_nothing = [row("lip lag", 9), row("best lip correlation", 0.1)]
    assert alarms(follows_nothing) == {}

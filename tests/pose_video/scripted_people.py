"""People who move as a script says, and a detector that finds them without looking."""

import numpy as np

from mmgt.assets import ASTRONAUT_POSE
from mmgt.people import Detection
from mmgt.pose_files import load_poses
from mmgt.poses.skeleton import is_visible

HEIGHT, WIDTH = 480, 640


def standing(height_px, centres_px, arm=0.0):
    """The astronaut's pose, ``height_px`` tall around centres [T, 2], arms raised by ``arm`` of the height:
    keypoints [T, 134, 2]."""
    pose = load_poses(ASTRONAUT_POSE)
    points, visible = pose.pixels[0].double().numpy(), is_visible(pose.score[0].numpy())
    points = (points - points[visible].mean(axis=0)) / np.ptp(points[visible, 1])
    points[[3, 6], 1] -= arm / 2
    points[[4, 7], 1] -= arm
    return height_px * points + np.asarray(centres_px)[:, None]


def astronaut_score():
    return load_poses(ASTRONAUT_POSE).score[0].numpy()


def detection(*people, height_px=HEIGHT, width_px=WIDTH):
    """A detection of people [134, 2] px with the astronaut's scores."""
    score = astronaut_score()
    boxes = [np.concatenate([p[is_visible(score)].min(axis=0), p[is_visible(score)].max(axis=0)]) for p in people]
    num_people = len(people)
    return Detection(
        np.array(boxes, float).reshape(num_people, 4),
        np.linspace(0.9, 0.5, num_people),
        np.array(people, float).reshape(num_people, 134, 2),
        np.tile(score, (num_people, 1)),
        height_px,
        width_px,
    )


class ScriptedDetector:
    """Answers with one detection after another."""

    def __init__(self, script):
        self.script, self.num_calls = script, 0

    def detect(self, picture):
        self.num_calls += 1
        return self.script[self.num_calls - 1]


class BoxFinder:
    """Finds one person wherever it is white."""

    def detect(self, picture):
        y, x = np.nonzero(picture.mean(axis=-1) > 150)
        if not len(x):
            return detection(height_px=picture.shape[0], width_px=picture.shape[1])
        (person,) = standing(np.ptp(y) + 1, [[x.mean(), y.mean()]])
        return detection(person, height_px=picture.shape[0], width_px=picture.shape[1])


def moving_box(num_frames, nobody=()):
    """Pictures [120, 160, 3] of a white box that moves to the right by 2 px a frame, from the column 49.5 on."""
    for t in range(num_frames):
        picture = np.zeros((120, 160, 3), np.uint8)
        if t not in nobody:
            picture[30:90, 40 + 2 * t : 60 + 2 * t] = 255
        yield picture


def crossing(random, height_px=(260, 200), num_frames=100, noise_px=1.0):
    """Two people [2, T, 134, 2] who change sides, on one line."""
    t = np.arange(num_frames)
    centres = [np.stack([np.interp(t, [0, num_frames - 1], ends), np.full(num_frames, 240.0)], axis=1)
               for ends in ((120, 520), (520, 120))]  # fmt: skip
    both = np.stack(
        [standing(height, centre, arm) for height, centre, arm in zip(height_px, centres, (0, 0.15), strict=True)]
    )
    return both + random.normal(0, noise_px, both.shape)

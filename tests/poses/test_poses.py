import json

import pytest
import torch

from mmgt.assets import ASTRONAUT_POSE
from mmgt.errors import InputError
from mmgt.openpose import poses_to_openpose
from mmgt.pose_files import load_poses, poses_from_json, poses_to_json, save_poses
from mmgt.poses import PoseSequence


def random_poses(num_frames=3, height_px=300, width_px=400):
    generator = torch.Generator().manual_seed(5)
    xy = torch.rand(num_frames, 134, 2, generator=generator) * 600 - 100
    score = torch.rand(num_frames, 134, generator=generator)
    return PoseSequence.from_pixels(xy, score, height_px=height_px, width_px=width_px, fps=25), xy


def test_pixels_are_what_was_given():
    poses, xy = random_poses()
    torch.testing.assert_close(poses.pixels, xy, atol=1e-4, rtol=0)
    assert poses.seconds == pytest.approx(3 / 25)


def test_json_round_trip(tmp_path):
    poses, xy = random_poses()
    save_poses(poses, tmp_path / "p.json")
    again = load_poses(tmp_path / "p.json")
    torch.testing.assert_close(again.pixels, xy, atol=1e-3, rtol=0)
    torch.testing.assert_close(again.score, poses.score, atol=1e-5, rtol=0)
    assert (again.fps, again.height_px, again.width_px) == (25, 300, 400)


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "p.json").write_text("mine")
    with pytest.raises(InputError, match="not overwritten"):
        save_poses(random_poses()[0], tmp_path / "p.json")
    assert (tmp_path / "p.json").read_text() == "mine"


def test_the_demo_pose_is_a_still_of_the_astronaut():
    pose = load_poses(ASTRONAUT_POSE)
    assert (pose.num_frames, pose.height_px, pose.width_px) == (1, 512, 512)
    nose = pose.pixels[0, 0]
    torch.testing.assert_close(nose, torch.tensor([219.364, 129.698]), atol=1e-3, rtol=0)
    assert pose.visible[0, 24:92].all()  # the face is seen


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not JSON"),
        ("hello", "not JSON"),
        ("[1, 2]", "holds no poses"),
        ('{"people": []}', "in none of the 1 frames"),
        ('{"people": {"a": 1}}', "no list of people"),
        ("[" * 100_000, "too deep"),
        ('{"frames": [[{"x": 1}]], "width": 9, "height": 9}', "cannot be read"),
        ('{"frames": [], "width": Infinity, "height": 9}', "cannot be read as poses .*infinity"),
        ('{"frames": [], "width": 1e30, "height": 9}', "shape"),
        ('{"keypoints": [[0, 0, 0]]}', "cannot be read"),
        ('{"keypoints": [[0, 0, 0]], "width": 9, "height": 9}', r"shape \[1, 1, 3\]"),
    ],
)
def test_a_foreign_file_is_one_sentence(tmp_path, content, says):
    path = tmp_path / "p.json"
    path.write_text(content)
    with pytest.raises(InputError, match=says):
        load_poses(path)


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="there is no pose file"):
        load_poses(tmp_path / "none.json")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_must_be_finite(bad):
    data = json.loads(json.dumps(poses_to_json(random_poses()[0])))
    data["frames"][0][0][0] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        poses_from_json(data)


def test_a_pose_belongs_to_a_picture_of_its_aspect():
    poses, _ = random_poses()
    still = poses.still_on(600, 800)
    torch.testing.assert_close(still.pixels[0], poses.pixels[0] * 2)
    with pytest.raises(InputError, match="400x300 px, but the picture has 300x400 px"):
        poses.still_on(400, 300)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_files_of_any_editor_are_read(tmp_path, encoding):
    poses, xy = random_poses()
    (tmp_path / "p.json").write_text(json.dumps(poses_to_json(poses)), encoding=encoding)
    torch.testing.assert_close(load_poses(tmp_path / "p.json").pixels, xy, atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("name", "value"), [("fps", float("nan")), ("fps", float("inf")), ("width", 10**6), ("fps", 0)]
)
def test_a_rate_and_a_size_are_numbers_that_can_be(name, value):
    data = {**poses_to_json(random_poses()[0]), name: value}
    with pytest.raises(InputError, match="positive fps and a picture of 1 to 100000 px"):
        poses_from_json(data)


def test_poses_of_other_packs_are_read_where_ours_are(tmp_path):
    poses, xy = random_poses()
    (tmp_path / "p.json").write_text(json.dumps(poses_to_openpose(poses)))
    torch.testing.assert_close(load_poses(tmp_path / "p.json").pixels, xy, atol=0.01, rtol=0)
    frame = poses_to_openpose(poses)[0]
    del frame["canvas_width"], frame["canvas_height"]
    (tmp_path / "q.json").write_text(json.dumps(frame))
    torch.testing.assert_close(load_poses(tmp_path / "q.json", canvas=(400, 300)).pixels, xy[:1], atol=0.01, rtol=0)
    with pytest.raises(InputError, match=r"q.json.*--canvas WIDTHxHEIGHT"):
        load_poses(tmp_path / "q.json")

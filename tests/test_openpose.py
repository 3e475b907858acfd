import json

import numpy as np
import pytest
import torch

from mmgt.errors import InputError
from mmgt.openpose import poses_from_openpose, poses_to_openpose
from mmgt.poses import PoseSequence
from mmgt.poses.skeleton import FACE, FEET, LEFT_HAND, RIGHT_HAND

WIDTH, HEIGHT = 640, 480


def random_poses(num_frames=3):
    generator = torch.Generator().manual_seed(4)
    xy = torch.rand(num_frames, 134, 2, generator=generator) * torch.tensor([WIDTH, HEIGHT])
    score = 0.01 + 0.99 * torch.rand(num_frames, 134, generator=generator)
    return PoseSequence.from_pixels(xy, score, height_px=HEIGHT, width_px=WIDTH)


def frame_of(body=18, face=70, hands=True, scale=(1.0, 1.0), seed=0):
    """A frame as another pack writes it, and its points."""
    random = np.random.default_rng(seed)

    def part(count):
        points = random.uniform(5, 400, (count, 3))
        points[:, 2] = 1.0
        points[:, :2] *= scale
        return points.flatten().tolist()

    person = {"pose_keypoints_2d": part(body), "face_keypoints_2d": part(face) if face else None}
    for side in ("left", "right"):
        person[f"hand_{side}_keypoints_2d"] = part(21) if hands else None
    return {"people": [person], "canvas_width": WIDTH, "canvas_height": HEIGHT}


def test_round_trip_loses_nothing():
    poses = random_poses()
    again = poses_from_openpose(poses_to_openpose(poses))
    torch.testing.assert_close(again.pixels, poses.pixels, atol=0.01, rtol=0)
    torch.testing.assert_close(again.score, poses.score, atol=1e-4, rtol=0)
    assert (again.height_px, again.width_px) == (HEIGHT, WIDTH)


def test_other_packs_see_ones_and_zeros():
    """The format's convention: score 1 or a point of zeros; nothing in between is drawn by other packs."""
    poses = random_poses(1)
    (frame,) = poses_to_openpose(poses)
    face = np.array(frame["people"][0]["face_keypoints_2d"]).reshape(70, 3)[:68]
    shown = poses.score[0, list(FACE)].numpy() >= 0.3
    assert 0 < shown.sum() < 68
    assert (face[shown, 2] == 1).all()
    assert (face[~shown] == 0).all()


def test_points_that_another_node_moved_win():
    (frame,) = poses_to_openpose(random_poses(1))
    body = np.array(frame["people"][0]["pose_keypoints_2d"]).reshape(18, 3)
    body[body[:, 2] > 0, 0] += 7
    frame["people"][0]["pose_keypoints_2d"] = body.flatten().tolist()
    again = poses_from_openpose([frame])
    shown = body[:, 2] > 0
    np.testing.assert_allclose(again.pixels[0, :18][shown], body[shown, :2], atol=1e-2)


def test_missing_points_are_zeros_and_come_back_hidden():
    poses = random_poses(1)
    poses.score[0, 100] = 0
    (frame,) = poses_to_openpose(poses)
    assert frame["people"][0]["hand_left_keypoints_2d"][3 * 8 : 3 * 9] == [0, 0, 0]
    assert poses_from_openpose([frame]).score[0, 100] == 0


def test_pixels_and_fractions_are_both_read():
    pixels = poses_from_openpose([frame_of()])
    fractions = poses_from_openpose([frame_of(scale=(1 / WIDTH, 1 / HEIGHT))])
    torch.testing.assert_close(pixels.pixels, fractions.pixels, atol=1e-2, rtol=0)


def test_body_25_leaves_out_the_mid_hip_and_brings_feet():
    frame = frame_of(body=25)
    body = np.array(frame["people"][0]["pose_keypoints_2d"]).reshape(25, 3)
    poses = poses_from_openpose([frame])
    np.testing.assert_allclose(poses.pixels[0, 8], body[9, :2], atol=1e-3)  # right hip
    np.testing.assert_allclose(poses.pixels[0, 17], body[18, :2], atol=1e-3)  # left ear
    np.testing.assert_allclose(poses.pixels[0, list(FEET)], body[19:25, :2], atol=1e-3)


@pytest.mark.parametrize("face", [68, 70])
def test_both_face_layouts(face):
    frame = frame_of(face=face)
    expected = np.array(frame["people"][0]["face_keypoints_2d"]).reshape(face, 3)[:68, :2]
    np.testing.assert_allclose(poses_from_openpose([frame]).pixels[0, list(FACE)], expected, atol=1e-3)


def test_missing_parts_are_hidden():
    poses = poses_from_openpose([frame_of(face=None, hands=False)])
    for region in (FACE, LEFT_HAND, RIGHT_HAND):
        assert not poses.score[0, list(region)].any()
    assert poses.score[0, :18].all()


def test_camel_case_canvas_and_strings_for_numbers():
    frame = frame_of()
    plain = poses_from_openpose([frame])
    frame["canvasWidth"], frame["canvasHeight"] = str(frame.pop("canvas_width")), str(frame.pop("canvas_height"))
    person = frame["people"][0]
    person["pose_keypoints_2d"] = [str(value) for value in person["pose_keypoints_2d"]]
    torch.testing.assert_close(poses_from_openpose([frame]).pixels, plain.pixels)


def test_the_chosen_person_of_several():
    frame = frame_of(seed=1)
    frame["people"].append(frame_of(seed=2)["people"][0])
    second = poses_from_openpose([frame], person_index=1)
    torch.testing.assert_close(second.pixels, poses_from_openpose([frame_of(seed=2)]).pixels)


def test_gaps_are_interpolated_and_reported(caplog):
    first, last = frame_of(seed=1), frame_of(seed=2)
    empty = {**first, "people": []}
    poses = poses_from_openpose([empty, first, empty, last, empty])
    torch.testing.assert_close(poses.pixels[2], (poses.pixels[1] + poses.pixels[3]) / 2, atol=1e-3, rtol=0)
    torch.testing.assert_close(poses.pixels[0], poses.pixels[1])
    torch.testing.assert_close(poses.pixels[4], poses.pixels[3])
    assert "missing in 3 of 5 frames" in caplog.text


def test_a_point_that_is_missing_beside_a_gap_stays_in_its_place():
    first, last = frame_of(seed=1), frame_of(seed=2)
    last["people"][0]["hand_left_keypoints_2d"] = None
    poses = poses_from_openpose([first, {**first, "people": []}, last])
    hand = list(LEFT_HAND)
    torch.testing.assert_close(poses.pixels[1, hand], poses.pixels[0, hand])
    torch.testing.assert_close(poses.score[1, hand], torch.full((21,), 0.5))


def test_fractions_far_outside_of_the_canvas_are_still_fractions():
    frame = frame_of(scale=(1 / WIDTH, 1 / HEIGHT))
    frame["people"][0]["pose_keypoints_2d"][3 * 10 : 3 * 10 + 2] = [0.5, 3.0]  # an ankle far below the picture
    poses = poses_from_openpose([frame_of(scale=(1 / WIDTH, 1 / HEIGHT)), frame])
    torch.testing.assert_close(poses.keypoints[1, 10], torch.tensor([0.5, 3.0]))
    assert poses.keypoints[:, :9].max() < 1


def test_each_frame_has_its_own_canvas():
    small = frame_of()
    large = {**frame_of(scale=(2, 2)), "canvas_width": 2 * WIDTH, "canvas_height": 2 * HEIGHT}
    poses = poses_from_openpose([small, large])
    torch.testing.assert_close(poses.pixels[1], poses.pixels[0], atol=1e-3, rtol=0)
    assert (poses.height_px, poses.width_px) == (HEIGHT, WIDTH)


def test_null_coordinates_are_a_missing_point():
    frame = frame_of()
    frame["people"][0]["hand_right_keypoints_2d"][:3] = [None, None, None]
    score = poses_from_openpose([frame]).score[0, list(RIGHT_HAND)]
    assert score.tolist() == [0.0] + [1.0] * 20


@pytest.mark.parametrize("person_index", [-1, 2])
def test_a_person_index_out_of_range_says_how_many_there_are(person_index):
    frame = frame_of(seed=1)
    frame["people"].append(frame_of(seed=2)["people"][0])
    with pytest.raises(InputError, match=f"person {person_index} was asked for, .* more than 2; choose .* 0..1"):
        poses_from_openpose([frame], person_index)


@pytest.mark.parametrize(
    ("frames", "says"),
    [
        ([], "not poses"),
        ("text", "not poses"),
        ([{"people": [{"pose_keypoints_2d": [9.0] * 54}]}], "no canvas size"),
        ([{"people": [{"pose_keypoints_2d": [9.0] * 54}], "canvas_width": 0, "canvas_height": 9}], "canvas of 0x9"),
        ([{"people": [{"pose_keypoints_2d": 7}], "canvas_width": 9, "canvas_height": 9}], "has 1 numbers"),
        ([{"animals": [], "canvas_width": 9, "canvas_height": 9}], "no list of people"),
        ([{"people": [], "canvas_width": 9, "canvas_height": 9}], "in none of the 1 frames"),
        ([{"people": [{"pose_keypoints_2d": [1, 2]}], "canvas_width": 9, "canvas_height": 9}], "has 2 numbers"),
        ([{"people": [{"pose_keypoints_2d": ["x"] * 54}], "canvas_width": 9, "canvas_height": 9}], "no number"),
    ],
)
def test_anything_else_is_one_sentence(frames, says):
    with pytest.raises(InputError, match=says):
        poses_from_openpose(frames)


def plain(frame):
    return frame


def strings(frame):
    (person,) = frame["people"]
    written = {name: None if part is None else [f"{value:.6f}" for value in part] for name, part in person.items()}
    return {"people": [written], "canvas_width": str(WIDTH), "canvas_height": f"{HEIGHT}.0"}


def camel_case(frame):
    return {"people": frame["people"], "canvasWidth": WIDTH, "canvasHeight": HEIGHT}


def triples(frame):
    (person,) = frame["people"]
    return {**frame, "people": [{name: np.reshape(part, (-1, 3)).tolist() for name, part in person.items() if part}]}


def with_another(frame):
    as_fractions = max(frame["people"][0]["pose_keypoints_2d"]) <= 1
    scale = (1 / WIDTH, 1 / HEIGHT) if as_fractions else (1, 1)
    return {**frame, "people": [*frame["people"], *frame_of(scale=scale, seed=9)["people"]]}


def other_keys(frame):
    (person,) = frame["people"]
    return {**frame, "version": "1.3", "people": [{"person_id": [-1], "pose_keypoints_3d": [], **person}]}


def empty_lists(frame):
    (person,) = frame["people"]
    return {**frame, "people": [{name: part or [] for name, part in person.items()}]}


@pytest.mark.parametrize("as_fractions", [False, True])
@pytest.mark.parametrize("write", [plain, strings, camel_case, triples, with_another, other_keys, empty_lists])
@pytest.mark.parametrize("layout", [(18, 68, True), (25, 70, True), (18, None, False), (25, 70, False)])
def test_dialects_say_the_same(layout, write, as_fractions):
    """However it is written, with an empty frame behind: the points are where they are."""
    body, face, hands = layout
    expected = poses_from_openpose([frame_of(body, face, hands)])
    dialect = write(frame_of(body, face, hands, (1 / WIDTH, 1 / HEIGHT) if as_fractions else (1, 1)))
    read = poses_from_openpose(json.loads(json.dumps([dialect, {**dialect, "people": []}])))
    shown = expected.score[0] > 0
    assert shown.sum() == (18 + (6 if body == 25 else 0) + (68 if face else 0) + (42 if hands else 0))
    for t in range(2):
        torch.testing.assert_close(read.pixels[t, shown], expected.pixels[0, shown], atol=0.01, rtol=0)
        torch.testing.assert_close(read.score[t], expected.score[0], atol=1e-4, rtol=0)
    assert (read.height_px, read.width_px) == (HEIGHT, WIDTH)


@pytest.mark.parametrize("hidden", [slice(0, 1), slice(0, 3), slice(1, 2)])
def test_a_round_trip_keeps_frames_without_any_visible_point(hidden):
    poses = random_poses()
    poses.score[hidden] = 0
    again = poses_from_openpose(json.loads(json.dumps(poses_to_openpose(poses))))
    torch.testing.assert_close(again.pixels, poses.pixels, atol=0.01, rtol=0)
    torch.testing.assert_close(again.score, poses.score, atol=1e-4, rtol=0)


def standing_at(x_px, num_points=18):
    """A person of 20 x 60 px, whose middle is x_px from the left, as other packs write one."""
    random = np.random.default_rng(3)
    points = np.concatenate([random.uniform((x_px - 10, 20), (x_px + 10, 80), (num_points, 2)), np.ones((18, 1))], 1)
    return {"pose_keypoints_2d": points.flatten().tolist()}


def xs_of(poses):
    return poses.pixels[:, :18, 0].mean(dim=1).tolist()


def test_a_person_is_followed_when_the_order_of_people_changes():
    """Two people walk apart, and are listed in another order in every second frame; one frame shows only the other."""
    places = [(100 + t, 200 - t) for t in range(6)]
    frames = [
        {
            "people": [standing_at(x) for x in (xs if t % 2 == 0 else xs[::-1])],
            "canvas_width": 640,
            "canvas_height": 480,
        }
        for t, xs in enumerate(places)
    ]
    frames[3]["people"] = [standing_at(197)]
    for person_index in (0, 1):
        expected = np.array([xs[person_index] for xs in places]) + np.mean(xs_of(poses_from_openpose(frames[:1]))) - 100
        np.testing.assert_allclose(xs_of(poses_from_openpose(frames, person_index)), expected, atol=0.01)


def test_behind_a_cut_whoever_is_nearest_goes_on():
    near, far = [standing_at(100), standing_at(160)], [standing_at(500), standing_at(600)]
    frames = [{"people": people, "canvas_width": 640, "canvas_height": 480} for people in (near, near, far, far[::-1])]
    moved = np.diff(xs_of(poses_from_openpose(frames, 1)))
    np.testing.assert_allclose(moved, [0, 340, 0], atol=0.01)


def test_a_frame_without_canvas_takes_the_one_that_is_given():
    """OpenPose's own program writes one file a frame and no size."""
    frame = frame_of()
    expected = poses_from_openpose([frame])
    bare = {"version": 1.3, "people": frame["people"]}
    with pytest.raises(InputError, match=r"no canvas size; give the size .*--canvas WIDTHxHEIGHT"):
        poses_from_openpose(bare)
    torch.testing.assert_close(poses_from_openpose(bare, canvas=(WIDTH, HEIGHT)).pixels, expected.pixels)
    assert poses_from_openpose(frame, canvas=(7, 7)).width_px == WIDTH  # what a frame says wins

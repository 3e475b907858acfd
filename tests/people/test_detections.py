import numpy as np
import pytest

from mmgt.errors import InputError
from mmgt.people import Detection, check_picture, choose_person


def people(*boxes, confidence=None):
    num_people = len(boxes)
    random = np.random.default_rng(0)
    return Detection(
        boxes_px=np.array(boxes, float).reshape(-1, 4),
        confidence=np.array(confidence or np.linspace(1, 0.5, num_people)),
        keypoints_px=random.uniform(0, 100, (num_people, 134, 2)),
        score=np.ones((num_people, 134), np.float32),
        height_px=200,
        width_px=300,
    )


THREE = people((200, 0, 250, 100), (0, 0, 100, 150), (120, 0, 150, 50))  # right, left and largest, middle


@pytest.mark.parametrize(
    ("order", "index", "row"),
    [("largest", 0, 1), ("largest", 2, 2), ("highest score", 0, 0), ("left to right", 0, 1), ("left to right", 2, 0)],
)
def test_three_people_are_counted_in_the_order_asked_for(order, index, row):
    pose = choose_person(THREE, order, index)
    np.testing.assert_allclose(pose.pixels[0], THREE.keypoints_px[row], atol=1e-3)
    assert (pose.height_px, pose.width_px, pose.num_frames) == (200, 300, 1)


def test_nobody_and_too_few_people_are_one_sentence():
    with pytest.raises(InputError, match="nobody was found in the picture of 300x200 px"):
        choose_person(people())
    with pytest.raises(InputError, match="person 3 was asked for, but the picture shows 3 people"):
        choose_person(THREE, "largest", 3)
    with pytest.raises(InputError, match="choose one of largest"):
        choose_person(THREE, "tallest")  # type: ignore[arg-type]


def test_several_people_are_logged(caplog):
    caplog.set_level("INFO", logger="mmgt")
    choose_person(THREE)
    assert "3 people" in caplog.text


@pytest.mark.parametrize(
    "picture",
    [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3)), np.zeros((9, 9, 4), np.uint8), np.zeros((2, 99, 3), "u1")],
)
def test_what_is_no_picture_is_one_sentence(picture):
    with pytest.raises(InputError, match=r"the picture (is|has)"):
        check_picture(picture)

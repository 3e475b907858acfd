"""mmgt/mediapipe_pose.py. Landmarks are made up, so MediaPipe is needed by the last test only."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from mmgt.assets import ASTRONAUT, ASTRONAUT_POSE
from mmgt.detect.coco import coco_to_openpose
from mmgt.detect.find import find_detector
from mmgt.detect.mediapipe_pose import MediaPipePose, face_68, landmarks_to_coco, load_mediapipe, spread_evenly
from mmgt.errors import InputError
from mmgt.media import read_picture
from mmgt.people import choose_person, initial_pose_of
from mmgt.pose_files import load_poses
from mmgt.poses import skeleton as sk
from mmgt.weights import in_models

HEIGHT, WIDTH = 100, 200


def numbered(count, row):
    """Points that tell their index: x = index / 1000, y = row / 10."""
    return np.stack([np.arange(count) / 1000, np.full(count, row / 10)], axis=1)


def landmarks(points, visibility=1.0):
    return SimpleNamespace(landmark=[SimpleNamespace(x=x, y=y, visibility=visibility) for x, y in points])


def holistic(body=None, face=None, left=None, right=None):
    """Stands in for MediaPipe's Holistic: it finds these parts in any picture."""
    found = SimpleNamespace(
        pose_landmarks=body, face_landmarks=face, left_hand_landmarks=left, right_hand_landmarks=right
    )
    return MediaPipePose(SimpleNamespace(process=lambda _picture: found))


def detect(**parts):
    return holistic(**parts).detect(np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def test_body_and_hands_take_their_places():
    people = detect(body=landmarks(numbered(33, 1)), left=landmarks(numbered(21, 2)), right=landmarks(numbered(21, 3)))
    index = np.round(people.keypoints_px[0, :, 0] / WIDTH * 1000).astype(int)
    row = np.round(people.keypoints_px[0, :, 1] / HEIGHT * 10).astype(int)
    # OpenPose order <- MediaPipe Pose; the neck (1) is between the shoulders 11 and 12
    assert index[[0, *range(2, 18)]].tolist() == [0, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7]
    assert people.keypoints_px[0, sk.NECK, 0] == pytest.approx(11.5 / 1000 * WIDTH)
    assert index[list(sk.FEET)].tolist() == [31, 31, 29, 32, 32, 30]
    assert people.score[0, list(sk.FEET)].tolist() == [1, 0.5, 1, 1, 0.5, 1]
    for hand, hand_row in ((sk.LEFT_HAND, 2), (sk.RIGHT_HAND, 3)):
        assert index[list(hand)].tolist() == list(range(21))
        assert set(row[list(hand)]) == {hand_row}
    assert people.score[0, list(sk.FACE)].max() == 0  # there was no face
    assert people.num_people == 1


def test_nose_and_eyes_come_from_the_face():
    body, mesh = np.zeros((33, 2)), np.random.default_rng(0).uniform(1, 99, (478, 2))
    points, score = coco_to_openpose(*landmarks_to_coco(body, np.full(33, 0.9), mesh, None, None))
    np.testing.assert_allclose(points[sk.NOSE], mesh[4])
    np.testing.assert_allclose(points[sk.RIGHT_EYE_CENTRE], points[list(sk.RIGHT_EYE)].mean(axis=0))
    np.testing.assert_allclose(points[sk.LEFT_EYE_CENTRE], points[list(sk.LEFT_EYE)].mean(axis=0))
    assert (score[list(sk.FACE)] == 1).all()
    assert not score[list(sk.LEFT_HAND)].any()


def test_the_face_has_its_corners_and_middles_where_ibug_has_them():
    mesh = np.random.default_rng(0).uniform(1, 99, (478, 2))
    face = face_68(mesh)
    # (iBUG, mesh): jaw ends, brow ends, bridge, nose tip and base, eye corners, lip corners and middles
    pairs = [(0, 127), (16, 356), (17, 70), (26, 300), (27, 168), (30, 4), (33, 2), (36, 33), (39, 133), (42, 362),
             (45, 263), (48, 61), (51, 0), (54, 291), (57, 17), (60, 78), (62, 13), (64, 308), (66, 14)]  # fmt: skip
    for ibug, vertex in pairs:
        np.testing.assert_allclose(face[ibug], mesh[vertex], err_msg=f"iBUG {ibug}")


def test_points_are_spread_by_length_not_by_vertex():
    line = np.array([[0.0, 0], [1, 0], [2, 0], [2, 6]])  # 8 long
    np.testing.assert_allclose(spread_evenly(line, 5), [[0, 0], [2, 0], [2, 2], [2, 4], [2, 6]])


def test_points_outside_of_the_picture_have_score_0():
    body = numbered(33, 5)
    body[[25, 26]] = [0.5, 1.4]  # knees below the picture
    body[16] = [-0.1, 0.5]  # right wrist
    people = detect(body=landmarks(body, 0.9))
    hidden = [sk.LEFT_KNEE, sk.RIGHT_KNEE, sk.RIGHT_WRIST]
    assert not people.score[0, hidden].any()
    np.testing.assert_allclose(people.score[0, [sk.LEFT_WRIST, sk.NOSE]], 0.9)
    assert people.boxes_px[0, 3] <= HEIGHT
    assert choose_person(people).score[0, hidden].tolist() == [0, 0, 0]


def test_nobody_is_an_error():
    assert detect().num_people == 0
    with pytest.raises(InputError, match="nobody was found in the picture of 200x100 px"):
        initial_pose_of(holistic(), np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def test_a_missing_mediapipe_names_the_two_lines(monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    with pytest.raises(InputError, match=r"pip install --no-deps mediapipe==0\.10\.21") as error:
        load_mediapipe()
    assert "pip install absl-py" in str(error.value)
    assert "DWPose" in str(error.value)


def newer_mediapipe(monkeypatch, create):
    newer = ModuleType("mediapipe")
    newer.__version__ = "1.2.3"  # type: ignore[attr-defined]
    newer.Image = lambda image_format, data: (image_format, data)  # type: ignore[attr-defined]
    newer.ImageFormat = SimpleNamespace(SRGB="rgb")  # type: ignore[attr-defined]
    landmarker = SimpleNamespace(create_from_model_path=create)
    newer.tasks = SimpleNamespace(vision=SimpleNamespace(HolisticLandmarker=landmarker))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mediapipe", newer)


def test_a_newer_mediapipe_reads_its_models_from_a_file(tmp_path, monkeypatch):
    """The same landmarks give the same person as by the older release; parts that were not found are empty lists."""
    body, hand = landmarks(numbered(33, 1)), landmarks(numbered(21, 2))
    found = SimpleNamespace(
        pose_landmarks=body.landmark, face_landmarks=[], left_hand_landmarks=hand.landmark, right_hand_landmarks=[]
    )
    asked = []
    newer_mediapipe(
        monkeypatch, lambda path: SimpleNamespace(detect=lambda image: asked.append((path, image)) or found)
    )
    task = tmp_path / "mmgt" / "holistic_landmarker.task"
    task.parent.mkdir()
    task.write_bytes(b"PK")
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    made, expected = find_detector(in_models(tmp_path)).detect(picture), detect(body=body, left=hand)
    assert asked[0][0] == str(task)
    assert asked[0][1][0] == "rgb"
    np.testing.assert_array_equal(made.keypoints_px, expected.keypoints_px)
    np.testing.assert_array_equal(made.score, expected.score)


def test_a_broken_models_file_is_one_sentence(tmp_path, monkeypatch):
    def broken(path):
        raise RuntimeError("Unable to open zip archive.\n(more)")

    newer_mediapipe(monkeypatch, broken)
    task = tmp_path / "holistic_landmarker.task"
    task.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"cannot read .*task \(Unable to open zip archive\.\); put") as error:
        load_mediapipe(task)
    assert "\n" not in str(error.value)


def test_a_newer_mediapipe_without_its_models_is_named(monkeypatch):
    newer = ModuleType("mediapipe")
    newer.__version__ = "1.2.2"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mediapipe", newer)
    with pytest.raises(InputError, match=r"MediaPipe 1\.2\.2 has no `solutions`.*holistic_landmarker\.task"):
        load_mediapipe()


def test_a_protobuf_that_mediapipe_cannot_use_is_named(monkeypatch):
    def fail(**_options):
        raise AttributeError("'FieldDescriptor' object has no attribute 'label'")

    solutions = SimpleNamespace(holistic=SimpleNamespace(Holistic=fail))
    google, protobuf = ModuleType("google"), ModuleType("google.protobuf")
    google.protobuf, protobuf.__version__ = protobuf, "7.36.2"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "google", google)
    monkeypatch.setitem(sys.modules, "google.protobuf", protobuf)
    monkeypatch.setitem(sys.modules, "mediapipe", SimpleNamespace(solutions=solutions, __version__="0.10.21"))
    with pytest.raises(InputError, match=r"protobuf 7\.36\.2 .* below 7"):
        load_mediapipe()


def test_the_astronaut_is_where_the_example_pose_has_her():
    pytest.importorskip("mediapipe", reason="MediaPipe is not installed (see README, Detector)")
    astronaut = read_picture(ASTRONAUT)
    try:
        detector = load_mediapipe()
    except InputError as error:
        pytest.skip(str(error))
    pose, example = initial_pose_of(detector, astronaut), load_poses(ASTRONAUT_POSE)
    distance_px = (pose.pixels - example.pixels).norm(dim=-1)[0]
    assert distance_px[list(sk.FACE)].max() < 3
    assert distance_px[[sk.NECK, sk.LEFT_SHOULDER, sk.RIGHT_SHOULDER]].max() < 5
    assert not pose.score[0, [*sk.LEFT_HAND, *sk.RIGHT_HAND, sk.LEFT_ANKLE]].any()

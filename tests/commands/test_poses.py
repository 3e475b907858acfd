"""``mmgt poses`` from a film to a pose file."""

import argparse
from typing import get_args

import numpy as np
import pytest
from golden import golden_folder, onnx_stand_ins
from scripted_people import BoxFinder, astronaut_score, moving_box

from mmgt.cli import main
from mmgt.commands import poses as command
from mmgt.detect import detect_each, find, load_dwpose
from mmgt.media import VideoStream, read_picture, write_video
from mmgt.people import PersonOrder, people_in_order
from mmgt.pose_files import load_poses


def one_sentence(capsys):
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mmgt: error: ")]
    assert len(lines) == 1
    return lines[0]


def test_a_film_becomes_a_pose_file(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(find, "find_detector", lambda models: BoxFinder())
    write_video(tmp_path / "film.mp4", moving_box(20, nobody=(8, 9, 10)), 30)
    words = ["poses", str(tmp_path / "film.mp4"), "--out", str(tmp_path / "p.json"), "--smoothing", "0"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "poses 100 % (20/20)" in said
    assert "found in 17 of 20 frames by BoxFinder" in said
    assert "interpolated for 0.12 s in all: 0.28-0.40 s" in said
    poses = load_poses(tmp_path / "p.json")
    assert (poses.num_frames, poses.fps, poses.height_px, poses.width_px) == (17, 25, 120, 160)
    centre = poses.pixels[:, astronaut_score() > 0.3, 0].mean(dim=1).numpy()
    np.testing.assert_allclose(centre, 49.5 + 2 * (np.arange(17) * 30 / 25).clip(max=19), atol=1.0)

    assert main(words) == 2
    assert "exists already" in one_sentence(capsys)


def test_dwpose_reads_the_film(tmp_path):
    """DWPose's tiny stand-ins through onnxruntime: the file holds what they see in the film's own frames."""
    networks = onnx_stand_ins("two_people_600x600")
    picture = read_picture(golden_folder("stage1") / "dwpose_two_people_600x600_image.png")
    for network, name in zip(networks, ("yolox_l.onnx", "dw-ll_ucoco_384.onnx"), strict=True):
        (tmp_path / name).write_bytes(network.read_bytes())
    write_video(tmp_path / "film.mp4", [picture] * 3, 25)
    out = tmp_path / "p.json"
    given = ["--models", str(tmp_path), "--person", "left to right", "--person-index", "1", "--smoothing", "0"]
    assert main(["poses", str(tmp_path / "film.mp4"), "--out", str(out), *given]) == 0

    model = load_dwpose(tmp_path / "yolox_l.onnx", tmp_path / "dw-ll_ucoco_384.onnx", ["CPUExecutionProvider"])
    first = next(detect_each(model, (picture for _, picture in VideoStream(tmp_path / "film.mp4"))))
    assert first.num_people == 2
    person = people_in_order(first, "left to right")[1]
    poses = load_poses(out)
    assert poses.num_frames == 3
    np.testing.assert_allclose(poses.pixels[0], first.keypoints_px[person], atol=0.01)
    np.testing.assert_allclose(poses.score[0], first.score[person], atol=1e-4)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--person", "tallest"], "choose one of largest, highest score, left to right"),
        (["--max-gap", "-1"], "max_gap is -1"),
        (["--person-index", "1"], "no frame shows more than 1"),
        (["--out", "none/p.json"], "there is no folder none"),
        (
            ["--models", "none"],
            "yolox_l.onnx and dw-ll_ucoco_384.onnx not found in none/mmgt or none",
        ),
    ],
)
def test_bad_input_is_one_sentence(tmp_path, monkeypatch, capsys, more, says):
    if "--models" not in more:
        monkeypatch.setattr(find, "find_detector", lambda models: BoxFinder())
    write_video(tmp_path / "film.mp4", moving_box(3), 25)
    assert main(["poses", str(tmp_path / "film.mp4"), "--out", str(tmp_path / "p.json"), *more]) == 2
    assert says in one_sentence(capsys)
    assert not (tmp_path / "p.json").exists()


def test_the_help_names_every_order_of_people():
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    (subparsers,) = parser._subparsers._group_actions
    (person,) = [action for action in subparsers.choices["poses"]._actions if action.dest == "person"]
    assert all(order in person.help for order in get_args(PersonOrder))

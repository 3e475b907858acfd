"""Preview Motion's frames, mended: sizes, what stays, and files that are no refinement."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from drawn_person import SIDE_PX
from safetensors.torch import load_file, save_file
from tiny_refinement import TINY, save_tiny_refinement, tiny_refinement

from mmgt.colours import as_colours, as_pictures
from mmgt.errors import InputError
from mmgt.poses import PoseSequence
from mmgt.preview import preview_motion
from mmgt.preview.refinement import Refiner, edge_pyramid, load_refinement, working_size

FRAMES = 2


@pytest.fixture(scope="module")
def track(person):
    """The person at rest, then 8 px to the right."""
    _, xy, score = person
    xy = np.stack([xy, xy + np.array([8, 0])])
    return PoseSequence.from_pixels(
        torch.from_numpy(xy), torch.from_numpy(np.stack([score] * FRAMES)), height_px=SIDE_PX, width_px=SIDE_PX
    )


def frames_of(person, track, network=None):
    picture, initial_pose = person[0], track.frames(0, 1)
    refine = None if network is None else Refiner.of(network, picture, initial_pose, track)
    return list(preview_motion(picture, initial_pose, track, refine=refine))


def test_the_first_frame_stays_and_others_are_mended(person, track):
    plain, untrained, trained = (
        frames_of(person, track, network) for network in (None, tiny_refinement(trained=False), tiny_refinement())
    )
    assert all(np.array_equal(a, b) for a, b in zip(plain, untrained, strict=True))
    assert np.array_equal(plain[0], trained[0])
    changed = (plain[1] != trained[1]).any(axis=-1)
    assert changed.mean() > 0.05
    assert not changed[:, :16].any()  # the background at the border
    assert trained[1].dtype == np.uint8


def test_at_its_own_size_the_frame_is_what_the_network_says(person, track):
    """Of a picture as large as those it learned on, nothing is made smaller."""
    network = tiny_refinement(replace(TINY, side_px=SIDE_PX))
    plain, made = frames_of(person, track)[1], frames_of(person, track, network)[1]
    frame, photo = as_colours(plain[None]), as_colours(person[0][None])
    edges = [m[:, None] for m in edge_pyramid(track.frames(1, 2), SIDE_PX, SIDE_PX)]
    assert np.array_equal(made, as_pictures(frame + network(frame, photo, edges))[0])


def test_bones_that_the_initial_pose_hides_are_not_drawn(person, track):
    """A generated pose's own score is not trusted."""
    picture, network = person[0], tiny_refinement()
    seen, hidden = track.frames(0, 1), replace(track.frames(0, 1), score=torch.zeros(1, 134))
    frame = np.roll(picture, 5, axis=1)
    others = replace(track, score=torch.zeros_like(track.score))
    assert np.array_equal(
        Refiner.of(network, picture, seen, track)(frame, 1), Refiner.of(network, picture, seen, others)(frame, 1)
    )
    assert not np.array_equal(
        Refiner.of(network, picture, hidden, track)(frame, 1), Refiner.of(network, picture, seen, track)(frame, 1)
    )


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((64, 64), (64, 64)),
        ((512, 512), (64, 64)),
        ((1080, 1920), (64, 112)),
        ((90, 30), (88, 32)),
        ((16, 16), (16, 16)),
    ],
)
def test_a_picture_is_mended_at_the_size_of_those_that_were_learned(size, expected):
    assert working_size(*size, 64) == expected
    photo = np.random.default_rng(0).integers(256, size=(*size, 3), dtype=np.uint8)
    pose = PoseSequence(
        torch.rand(1, 134, 2, generator=torch.Generator().manual_seed(0)), torch.ones(1, 134), 25, *size
    )
    made = Refiner.of(tiny_refinement(), photo, pose, pose)(255 - photo, 0)
    assert made.shape == (*size, 3)


def test_a_file_comes_back(tmp_path):
    path = save_tiny_refinement(tmp_path / "r.safetensors")
    network = load_refinement(path)
    assert network.config == TINY
    assert all(torch.equal(tensor, network.state_dict()[key]) for key, tensor in load_file(path).items())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("missing", "there is no file"),
        ("another", "is an unknown model of 1 tensors"),
        ("sizes", "does not say the network's sizes"),
        ("wide", "does not fit Refinement: tensors"),
        ("short", "cannot be read as a checkpoint"),
    ],
)
def test_another_file_is_one_sentence(tmp_path, change, says):
    path = tmp_path / "r.safetensors"
    tensors = dict(tiny_refinement().state_dict())
    if change == "another":
        save_file({"a": torch.zeros(1)}, path)
    elif change == "sizes":
        save_file(tensors, path, {"config": '{"widths": 3}'})
    elif change == "wide":
        save_file(tensors, path, {"config": '{"widths": [4, 6, 8, 16], "edge_width": 4, "side_px": 64}'})
    elif change == "short":
        path.write_bytes(save_tiny_refinement(path).read_bytes()[:900])
    with pytest.raises(InputError) as error:
        load_refinement(path)
    assert says in str(error.value)
    if change in ("missing", "another", "sizes"):
        assert "`mmgt train refine`" in str(error.value)

"""The comparison of SMGA with what needs no learning, on clips whose answer is known."""

from dataclasses import replace

import pytest
import torch
from clip_sets import swaying_set
from tiny_smga import tiny_smga

from mmgt.errors import InputError
from mmgt.evaluation.pose_autoencoder import PoseAutoencoder
from mmgt.smga.sample import SamplerSettings
from mmgt.training.clips import ClipSet
from mmgt.training.proofs import FGD, _TrainingClips, compare_smga, comparison_table


def test_every_way_is_scored_and_a_held_pose_scores_nothing(tmp_path):
    clips = swaying_set(tmp_path / "set", num_clips=4)
    entries = [replace(entry, split="train" if i < 2 else "test") for i, entry in enumerate(clips.entries)]
    clips = ClipSet.write_index(clips.folder, entries)
    rows = {row.name: row for row in compare_smga({"SMGA": tiny_smga()}, clips, 2, SamplerSettings(2))}
    assert list(rows) == [
        "truth", "SMGA", "SMGA, another clip's speech", "nearest training clip", "first pose held",
    ]  # fmt: skip
    held = rows["first pose held"]
    assert (held.lip_correlation, held.lip_lag, held.beat_alignment, held.moved_px) == (0, 0, 0, 0)
    assert rows["SMGA"] != rows["SMGA, another clip's speech"]
    assert len(comparison_table(list(rows.values()), 2).splitlines()) == 7


def test_several_networks_stand_in_one_table_with_their_distance(tmp_path):
    clips = swaying_set(tmp_path / "set", num_clips=4, num_frames=100)
    entries = [replace(entry, split="train" if i < 2 else "test") for i, entry in enumerate(clips.entries)]
    clips = ClipSet.write_index(clips.folder, entries)
    network, settings = tiny_smga(), SamplerSettings(2)
    rows = compare_smga({"full": network, "again": network}, clips, 2, settings, 0, PoseAutoencoder().eval())
    of = {row.name: row for row in rows}
    assert replace(of["full"], name="again") == of["again"]
    assert of["truth"].frechet[FGD] == pytest.approx(0, abs=1e-6)
    assert of["full"].frechet[FGD] > 1e-6
    table = comparison_table(rows, 2).splitlines()
    assert len({line.count("|") for line in table}) == 1
    assert "FGD" in table[0]


def test_the_nearest_clip_is_found_and_put_onto_the_person(tmp_path):
    clips = swaying_set(tmp_path / "set", num_clips=4)
    training = _TrainingClips(clips)
    entry = training.entries[1]
    first = clips.poses(clips.entries[-1]).frames(0, 1)
    features = clips.features(entry) + 0.1 * torch.randn(100, 35, generator=torch.Generator().manual_seed(0))
    poses = training.nearest(features, first)
    theirs = clips.poses(entry)
    torch.testing.assert_close(
        (poses.keypoints - first.keypoints)[:, 24:],
        (theirs.keypoints - theirs.keypoints[:1])[:, 24:],
        atol=1e-5,
        rtol=0,
    )


def test_one_held_out_clip_cannot_be_compared(tmp_path):
    with pytest.raises(InputError, match="2 or more"):
        compare_smga({"SMGA": tiny_smga()}, swaying_set(tmp_path / "set"), 5)

"""FID, FVD, KVD, LPIPS and LSE of videos: small random networks, and sums that are written out."""

import json

import numpy as np
import pytest
import torch
from tiny_backbones import SCALES, seeded, shapes_of

from mmgt.assets import ASTRONAUT_POSE
from mmgt.cli import main
from mmgt.evaluation.i3d import I3D
from mmgt.evaluation.inception import Inception
from mmgt.evaluation.network_measures import face_region, feature_measures
from mmgt.evaluation.networks import NETWORK_FILES, Networks
from mmgt.evaluation.syncnet import MAX_OFFSET, SyncNet, face_crop, face_squares, sync_scores
from mmgt.evaluation.video import evaluate_video
from mmgt.media import write_video
from mmgt.pose_files import load_poses, save_poses
from mmgt.poses import PoseSequence
from mmgt.poses.skeleton import FACE
from mmgt.speech.recording import Recording

PERSON = load_poses(ASTRONAUT_POSE)
LENGTH = 40
SPEECH = Recording(np.random.default_rng(7).normal(0, 0.1, (1, 16_000 * LENGTH // 25)).astype(np.float32), 16_000)


def network(build, *sizes):
    made = build(*sizes)
    made.load_state_dict({**made.state_dict(), **seeded(shapes_of(made))})
    return made.eval()


@pytest.fixture(scope="module")
def networks():
    return Networks(
        inception=network(Inception, SCALES["inception"]),
        i3d=network(I3D, SCALES["i3d"], 10),
        syncnet=network(SyncNet, SCALES["syncnet"], 24),
    )


class Noise:
    """A picture, and noise of a level on each frame."""

    def __init__(self, level=20.0, seed=0, num_frames=LENGTH):
        self.level, self.seed, self.num_frames = level, seed, num_frames

    def __call__(self, frames):
        still = np.indices((64, 64)).sum(axis=0)[..., None] * (1.0, 0.5, 1.5)
        draws = (np.random.default_rng([self.seed, t]).normal(0, self.level, (64, 64, 3)) for t in frames)
        return [(still + draw).clip(0, 255).astype(np.uint8) for draw in draws]


def test_a_report_has_them_with_how_many(networks):
    poses = PERSON.at([0] * LENGTH)
    report = evaluate_video(Noise(30), reference=Noise(seed=1), poses=poses, recording=SPEECH, networks=networks)
    rows = {row.name: row for row in report.rows}
    for region in ("whole", "face"):
        assert (rows[f"FID {region}"].n, rows[f"FID {region}"].better) == (LENGTH // 4, "lower")
        assert (rows[f"FVD {region}"].n, rows[f"KVD {region}"].n) == (4, 4)  # of 16 frames, every 8
        own, reference = (report.features[f"FID {region}{whose}"].astype(float) for whose in ("", " of the reference"))
        c1, c2 = np.cov(own, rowvar=False), np.cov(reference, rowvar=False)
        shared = np.sqrt(np.linalg.eigvals(c1 @ c2).real.clip(0)).sum()
        wanted = ((own.mean(0) - reference.mean(0)) ** 2).sum() + np.trace(c1 + c2) - 2 * shared
        assert rows[f"FID {region}"].value == pytest.approx(wanted, rel=0.01)
        assert rows[f"FID {region} of two halves of the reference"].n == 5
    assert (rows["LSE-D"].better, rows["LSE-C"].better, rows["LSE-D"].n) == ("lower", "higher", LENGTH - 5)
    assert not any(name in note for note in report.notes for name in ("FID", "FVD", "LSE"))
    assert {"LPIPS", "FGD"} > {note.partition(": no ")[2].split(";")[0] for note in report.notes if "mmgt_eval" in note}


def test_equal_videos_are_nothing_and_noise_is_more_and_more(networks):
    found = []
    for level in (20, 30, 60):
        report = evaluate_video(Noise(level, num_frames=24), reference=Noise(num_frames=24), networks=Networks(
            inception=networks.inception))  # fmt: skip
        found.append(next(row.value for row in report.rows if row.name == "FID whole"))
        assert "FVD and KVD in" not in "".join(report.notes)
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found == sorted(found)


def test_what_is_missing_or_too_short_is_one_line_each(networks):
    poses = PERSON.at([0] * 5)
    short = Noise(num_frames=5)
    report = evaluate_video(short, reference=short, poses=poses, recording=SPEECH, networks=networks)
    said = "\n".join(report.notes)
    assert "FID: needs 13 frames or more." in said
    assert "FVD and KVD: needs 40 frames or more." in said
    assert "LSE-D and LSE-C: needs 6 frames or more" in said
    said = evaluate_video(short, reference=short, poses=poses, recording=SPEECH).notes
    for name in ("lpips", "inception", "i3d", "syncnet"):
        (line,) = (note for note in said if NETWORK_FILES[name].names[0] in note)
        assert line.startswith(f"No {' and '.join(NETWORK_FILES[name].names)} in models/mmgt_eval: no ")
        assert " is " in line  # which file that is
    assert not any("fgd.safetensors" in note or "syncnet" in note for note in evaluate_video(short, poses=poses).notes)


def test_features_of_one_kind_come_to_nothing_with_too_few():
    draw = np.random.default_rng(0)
    features = {"FVD whole": draw.normal(size=(2, 3)), "FVD whole of the reference": draw.normal(size=(4, 3))}
    names = ["FVD whole", "FVD whole of two halves of the reference", "KVD whole"]
    assert [row.name for row in feature_measures(features)] == names
    features["FVD whole of the reference"] = features["FVD whole of the reference"][:3]
    assert feature_measures(features) == []


@pytest.mark.parametrize("late", [0, 3, -4])
def test_lse_is_its_definition_and_finds_the_lag(late):
    draw = np.random.default_rng(4)
    sound = draw.normal(size=(60, 8))
    lips = np.roll(sound, late, axis=0) + 0.1 * draw.normal(size=sound.shape)
    means = []
    for offset in range(-MAX_OFFSET, MAX_OFFSET + 1):
        distances = []
        for t in range(len(lips)):
            heard = sound[t + offset] if 0 <= t + offset < len(sound) else np.zeros(8)
            distances.append(sum((a - b + 1e-6) ** 2 for a, b in zip(lips[t], heard, strict=True)) ** 0.5)
        means.append(sum(distances) / len(distances))
    scores = sync_scores(lips, sound)
    assert scores.distance == pytest.approx(min(means))
    assert scores.confidence == pytest.approx(sorted(means)[MAX_OFFSET] - min(means))
    assert scores.late_frames == late


def test_lse_falls_and_rises_with_noise():
    draw = np.random.default_rng(5)
    sound, noise = draw.normal(size=(2, 60, 8))
    scores = [sync_scores(sound + level * noise, sound) for level in (0, 0.5, 1, 2)]
    assert scores[0].distance == pytest.approx(0, abs=1e-5)
    assert [each.distance for each in scores] == sorted(each.distance for each in scores)
    assert [each.confidence for each in scores] == sorted((each.confidence for each in scores), reverse=True)


def test_a_face_is_cut_as_syncnets_pipeline_does():
    keypoints = PERSON.keypoints.repeat(20, 1, 1)
    keypoints[:, FACE.start : FACE.stop] = torch.tensor([0.5, 0.5])
    keypoints[:, FACE.start : FACE.start + 2] = torch.tensor([[0.4, 0.45], [0.6, 0.65]])
    score = PERSON.score.repeat(20, 1)
    score[:, FACE.start : FACE.stop] = 1
    score[3, FACE.start : FACE.stop] = 0  # hidden once
    poses = PoseSequence(keypoints, score, 25.0, 100, 200)
    squares = face_squares(poses, 100, 200)
    # 40 px wide, 20 px from brows to chin, and 10 px up to the hairline
    assert squares == pytest.approx(np.tile([100, 50, 20], (20, 1)), abs=1e-3)
    frame = np.zeros((100, 200, 3), np.uint8)
    frame[:, :] = 9, 8, 7
    frame[50:60, 80:120] = 250, 0, 100
    crop = face_crop(frame, squares[0])  # x 72..128, y 30..86
    assert crop.shape == (224, 224, 3)
    assert crop[100, 112].tolist() == [100, 0, 250]
    seen = (crop[..., 2] > 200).nonzero()
    assert (seen[0].min() / 4, seen[0].max() / 4) == pytest.approx((20, 30), abs=1.5)
    assert (seen[1].min() / 4, seen[1].max() / 4) == pytest.approx((8, 48), abs=1.5)
    assert (face_crop(frame, np.array([0, 50, 20]))[100, 0] == 110).all()  # grey beyond the picture
    left, top, right, bottom = face_region(poses, 100, 200)
    assert (left, right) == (80, 120)
    assert (top, bottom) == (35, 75)  # the middle of brows and chin is at 55
    nobody = PoseSequence(keypoints, torch.zeros_like(score), 25.0, 100, 200)
    assert face_squares(nobody, 100, 200) is None
    assert face_region(nobody, 100, 200) is None


def test_a_folder_has_them_together_and_is_resumed(networks, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    models = tmp_path / "models" / "mmgt_eval"
    models.mkdir(parents=True)
    path = models / NETWORK_FILES["inception"].names[0]
    torch.save(networks.inception.state_dict(), path)
    for folder, seed in (("pred", 0), ("real", 10)):
        (tmp_path / folder).mkdir()
        for number, name in enumerate("ab"):
            video = Noise(seed=seed + number, num_frames=13)
            write_video(tmp_path / folder / f"{name}.mp4", video(range(13)), 25)
    words = ["evaluate", "--pred", "pred", "--ref", "real", "--models", "models", "--out", "reports"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "| FID whole | " in said[said.index("All clips together") :]
    rows = json.loads((tmp_path / "reports" / "summary.json").read_text())["together"]
    together = {row["name"]: row for row in rows}
    assert together["FID whole"]["n"] == 8
    assert "8 of the reference" in together["FID whole"]["source"]
    single = json.loads((tmp_path / "reports" / "a.json").read_text())
    assert {row["name"] for row in single["rows"]} >= {"FID whole"}
    assert single["inputs"][path.name] == f"models/mmgt_eval/{path.name}"

    monkeypatch.setattr(Inception, "forward", lambda *_: pytest.fail("measured again"))
    assert main(words) == 0
    assert json.loads((tmp_path / "reports" / "summary.json").read_text())["together"] == rows
    (tmp_path / "reports" / "a_features.npz").write_bytes(b"PK nothing")
    assert main(words) == 2
    assert "a_features.npz cannot be read" in capsys.readouterr().err
    path.write_bytes(b"no network")
    words[-1] = "others"
    save_poses(PERSON, tmp_path / "p.json")
    assert main(words) == 2
    assert "pytorch-fid's Inception" in capsys.readouterr().err
    assert not (tmp_path / "others").exists()

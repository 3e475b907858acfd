"""What is kept stays, and what is new grows on it without a jump; with a small random network in the person's range."""

import numpy as np
import pytest
import torch
from people import moving, still
from tiny_smga import tiny_smga

from mmgt.errors import InputError
from mmgt.motion_edit.keep import FADE_FRAMES, KEPT_POINTS, kept_track, parse_spans
from mmgt.motion_edit.tree import FIRM_HEAD, HANDS, REGIONS, similarity, to_complex
from mmgt.poses import PoseSequence
from mmgt.poses.skeleton import LEGS, LIPS
from mmgt.poses.vector import TrainingFrame
from mmgt.smga.sample import SamplerSettings, sample_poses, sample_track, seeded_noise

NUM_FRAMES = 170  # three windows
SETTINGS = SamplerSettings(num_steps=6)
PERSON = still()
GIVEN = moving(PERSON, NUM_FRAMES)
NOISE = torch.randn(1, 35, NUM_FRAMES + 10, generator=torch.Generator().manual_seed(2))
SPEECH = 3 * torch.nn.functional.avg_pool1d(NOISE, 11, 1)[0].T.contiguous()


@pytest.fixture(scope="module")
def model():
    model = tiny_smga()
    torch.nn.init.normal_(model.output_projection.weight, std=0.02 * 32**-0.5)  # sways by some 10 px a frame
    model.output_projection.bias.copy_(TrainingFrame(PERSON).condition())
    return model


def resampled(model, seed=0, **keep):
    kept = kept_track(NUM_FRAMES, PERSON, **keep)
    return sample_poses(model, SPEECH, PERSON, seed=seed, settings=SETTINGS, kept=kept), kept


def speed(poses):
    """[T - 1, 134] px a frame."""
    return poses.pixels.diff(dim=0).norm(dim=-1).numpy()


def between_times(kept):
    """[T - 1, 134] bool: the point is kept before or after this step, not both."""
    return kept[1:] != kept[:-1]


@pytest.mark.parametrize(
    "keep",
    [
        {"regions": ["body"]},
        {"regions": ["hands"]},
        {"regions": ["face"]},
        {"regions": ["face", "lips"]},
        {"regions": ["body", "lips"]},
        {"spans_s": parse_spans("0-1.2, 3-4")},
        {"regions": ["body", "face", "lips"], "spans_s": ((2.0, 3.0),)},
    ],
    ids=str,
)
def test_what_is_kept_stays_and_the_rest_is_new(model, keep):
    poses, kept = resampled(model, poses=GIVEN, **keep)
    given_regions = keep.get("regions", [])
    whole = np.zeros(NUM_FRAMES, bool)
    for start_s, stop_s in keep.get("spans_s", ()):
        whole[round(25 * start_s) : round(25 * stop_s)] = True
    off = (poses.pixels - GIVEN.pixels).norm(dim=-1).numpy()
    assert off[whole].max(initial=0) < 1e-3
    for region, points in REGIONS.items():
        points = [point for point in points if point not in LEGS]
        if region in given_regions:
            assert off[:, points].max() < 1e-3, region
        elif not set(KEPT_POINTS[region]) & {p for r in given_regions for p in KEPT_POINTS[r]}:
            far = whole == 0
            assert np.median(off[far][:, points]) > 1, region
    assert torch.equal(poses.score[torch.from_numpy(kept.kept)], GIVEN.score[torch.from_numpy(kept.kept)])


def test_the_network_sees_what_is_kept_in_every_step(model):
    """Replacement, not a collage at the end: other kept hands give another body."""
    other = moving(PERSON, NUM_FRAMES, seed=9)
    a, _ = resampled(model, poses=GIVEN, regions=["hands"])
    b, _ = resampled(model, poses=other, regions=["hands"])
    head = REGIONS["face"]
    assert (a.pixels[:, head] - b.pixels[:, head]).norm(dim=-1).max() > 0.1

    frame, seen = TrainingFrame(PERSON), []
    kept = kept_track(NUM_FRAMES, PERSON, GIVEN, ["body"])
    replaced = kept.in_vectors(frame)

    def spy(x0):
        seen.append(replaced(x0))
        return seen[-1]

    noise = seeded_noise(0, NUM_FRAMES, 402)
    vectors = sample_track(model, SPEECH, frame.condition(), noise, SETTINGS, replaced=spy)
    assert len(seen) == SETTINGS.num_steps
    body = [point for point in REGIONS["body"] if point not in LEGS]
    given = frame.vectors(GIVEN).reshape(NUM_FRAMES, 134, 3)[:, body]
    for x0 in [*seen, vectors]:
        torch.testing.assert_close(x0.reshape(NUM_FRAMES, 134, 3)[:, body].double(), given, atol=1e-6, rtol=0)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    "keep",
    [
        {"poses": GIVEN, "spans_s": parse_spans("0-1.2, 3-4")},
        {"poses": GIVEN, "spans_s": parse_spans("1-2, 5-")},
        {"poses": GIVEN, "regions": ["body"], "spans_s": ((2.0, 3.0),)},
        {"poses": GIVEN.frames(0, 90), "regions": ["face", "lips"]},
        {"poses": GIVEN.frames(0, 90), "regions": ["body"]},
        {"start_pose": GIVEN.frames(60, 61), "end_pose": GIVEN.frames(100, 101)},
    ],
    ids=["spans", "to the end", "body and span", "short face", "short body", "start and end"],
)
def test_joins_have_no_speed_jump(model, seed, keep):
    """At a join the person is no faster than elsewhere, and no point is by much: by construction, for any network."""
    poses, kept = resampled(model, seed, **keep)
    joins = between_times(kept.kept)
    at = joins.any(axis=1)
    per_frame = speed(poses).mean(axis=1)
    assert per_frame[at].max() <= np.percentile(per_frame[~at], 99)
    assert speed(poses)[joins].max() <= speed(poses)[~at].max()


def test_the_offset_beside_a_span_fades_and_leaves_the_rest_alone():
    """A still person elsewhere, kept for a moment: the way there and back is smooth and a second long."""
    there = PoseSequence.from_pixels(PERSON.pixels + 100, PERSON.score, height_px=512, width_px=512)
    kept = kept_track(100, PERSON, there.at([0] * 100), spans_s=((1.6, 2.0),))
    poses = kept.laid_over(PERSON.at([0] * 100))
    x = poses.pixels[:, 1, 0].numpy() - PERSON.pixels[0, 1, 0].item()
    np.testing.assert_allclose(x[40:50], 100, atol=1e-3)
    np.testing.assert_allclose(x[: 40 - FADE_FRAMES], 0, atol=1e-3)
    np.testing.assert_allclose(x[50 + FADE_FRAMES :], 0, atol=1e-3)
    assert np.all(np.diff(x[:41]) >= -1e-3)
    assert np.abs(np.diff(x)).max() < 6


def test_a_short_gap_is_bridged():
    for gap in (1, 2, 5):
        stop_s = 1 + gap / 25
        track = moving(PERSON, 60)
        kept = kept_track(60, PERSON, track, spans_s=((0, 1.0), (stop_s, None)))
        poses = kept.laid_over(PERSON.at([0] * 60))
        assert not kept.kept[25 : 25 + gap].any()
        assert speed(poses).max() < 1.5 * speed(track).max()


@pytest.mark.parametrize("regions", [["body"], ["hands"]])
def test_hands_stay_on_the_wrists(model, regions):
    poses, _ = resampled(model, poses=GIVEN, regions=regions, spans_s=((2.0, 3.0),))
    z, _ = to_complex(poses)
    for _, wrist, hand in HANDS:
        assert np.abs(z[:, wrist] - z[:, hand[0]]).max() < 0.01  # as in the given track


def test_a_new_face_lies_on_the_kept_head(model):
    poses, _ = resampled(model, poses=GIVEN, regions=["body"])
    z, _ = to_complex(poses)
    given, _ = to_complex(GIVEN)
    head = [point for point in FIRM_HEAD if point >= 24]
    assert np.abs(z[:, head].mean(1) - given[:, head].mean(1)).max() < 3
    plain = sample_poses(model, SPEECH, PERSON, seed=0, settings=SETTINGS)
    assert np.abs(to_complex(plain)[0][:, head].mean(1) - given[:, head].mean(1)).max() > 20


def test_kept_lips_move_with_a_new_head(model):
    """Without face and body the lips have no place of their own: they are the given ones in the new face."""
    poses, kept = resampled(model, poses=GIVEN, regions=["lips"])
    assert kept.kept.sum() == NUM_FRAMES * len(LIPS)
    z, given = to_complex(poses)[0], to_complex(GIVEN)[0]
    m, b, _ = similarity(given[:, FIRM_HEAD], z[:, FIRM_HEAD], np.ones((NUM_FRAMES, len(FIRM_HEAD))))
    np.testing.assert_allclose(z[:, LIPS], m[:, None] * given[:, LIPS] + b[:, None], atol=0.01)
    assert (np.abs(z - given)[:, LIPS]).max() > 5


def test_start_and_end_pose_are_reached(model):
    start, end = GIVEN.frames(60, 61), GIVEN.frames(100, 101)
    poses, _ = resampled(model, start_pose=start, end_pose=end)
    assert torch.equal(poses.keypoints[0], start.keypoints[0])
    assert torch.equal(poses.keypoints[-1], end.keypoints[0])
    plain = sample_poses(model, SPEECH, PERSON, seed=0, settings=SETTINGS)
    assert (plain.pixels[-1] - end.pixels[0]).norm(dim=-1).max() > 20


def test_hidden_points_of_the_given_track_disturb_nothing(model):
    """Packs write a hidden point as 0, 0 with score 0: it stays hidden, and pulls neither its neighbours nor a join."""
    keypoints, score = GIVEN.keypoints.clone(), GIVEN.score.clone()
    hidden = [4, *range(113, 134)]
    keypoints[:, hidden], score[:, hidden] = 0, 0
    given = PoseSequence(keypoints, score, 25.0, 512, 512)
    poses, kept = resampled(model, poses=given, spans_s=((2.0, 3.0),))
    assert torch.equal(poses.score[50:75], score[50:75])
    outside = np.r_[0:49, 75:169]
    assert speed(poses)[outside].max() < 60
    assert not np.isnan(poses.pixels.numpy()).any()
    assert kept.kept[50:75].all()


def test_other_rates_and_sizes_of_the_given_track(model):
    """50 fps at twice the size is the same track; a longer one is cut."""
    twice = PoseSequence(
        GIVEN.keypoints.repeat_interleave(2, dim=0), GIVEN.score.repeat_interleave(2, 0), 50.0, 1024, 1024
    )
    longer = twice.at([*range(340), 339, 339, 339, 339])
    poses, _ = resampled(model, poses=longer, regions=["body"])
    body = REGIONS["body"]
    torch.testing.assert_close(poses.pixels[:, body], GIVEN.pixels[:, body], atol=1e-3, rtol=0)
    assert (poses.height_px, poses.width_px, poses.num_frames) == (512, 512, NUM_FRAMES)


def test_a_shorter_track_keeps_what_it_has(model, caplog):
    with caplog.at_level("INFO", logger="mmgt"):
        poses, kept = resampled(model, poses=GIVEN.frames(0, 90), regions=["body"])
    assert "90 of 170 frames" in caplog.text
    assert not kept.kept[90:].any()
    body = REGIONS["body"]
    assert torch.equal(poses.keypoints[:90, body], GIVEN.keypoints[:90, body])


@pytest.mark.parametrize(
    ("text", "spans"),
    [("", ()), ("0-1.2, 3-", ((0.0, 1.2), (3.0, None))), (" 2 - 2.5 ;4-5", ((2.0, 2.5), (4.0, 5.0)))],
)
def test_spans_are_read(text, spans):
    assert parse_spans(text) == spans


@pytest.mark.parametrize("text", ["1.5", "-2", "a-b", "1-2-3", "1.2.3-4"])
def test_other_text_is_one_sentence(text):
    with pytest.raises(InputError, match="is no span of seconds"):
        parse_spans(text)


@pytest.mark.parametrize(
    ("keep", "says"),
    [
        ({}, "nothing is kept"),
        ({"poses": GIVEN}, "nothing of them is kept"),
        ({"regions": ["body"]}, "no poses are given"),
        ({"poses": GIVEN, "regions": ["legs"]}, "region 'legs' cannot be kept; choose from body, hands, face, lips"),
        ({"poses": GIVEN, "regions": ["body", "hands", "face", "lips"]}, "everything is kept"),
        ({"poses": GIVEN, "spans_s": ((0.0, None),)}, "everything is kept"),
        ({"poses": GIVEN, "spans_s": ((6.0, 7.0),)}, "6-7 s leaves the recording, which lasts 6.80 s"),
        ({"poses": GIVEN, "spans_s": ((7.0, None),)}, "leaves the recording"),
        ({"poses": GIVEN, "spans_s": ((2.0, 1.0),)}, "2-1 s is empty"),
        ({"poses": GIVEN.frames(0, 50), "spans_s": ((3.0, 4.0),)}, "begins after the given poses, which last 2.00 s"),
        ({"poses": GIVEN.sized(512, 900), "regions": ["body"]}, "the given track was made for a picture of 900x512"),
        ({"end_pose": GIVEN.sized(512, 900)}, "the end pose was made for a picture of 900x512"),
        ({"poses": GIVEN, "regions": ["body"], "end_pose": GIVEN}, "the last frame keeps the given poses already"),
        ({"poses": GIVEN, "spans_s": ((0.0, 1.0),), "start_pose": GIVEN}, "the first frame keeps the given poses"),
    ],
)
def test_errors_come_before_sampling_in_one_sentence(keep, says):
    with pytest.raises(InputError, match=says):
        kept_track(NUM_FRAMES, PERSON, **keep)

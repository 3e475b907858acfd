from dataclasses import replace

import numpy as np
import pytest
import torch
from people import bone_lengths, child, moving, opening_px, shoulder_px, still

from mmgt.assets import ASTRONAUT_POSE
from mmgt.errors import InputError
from mmgt.motion_edit.combine import CombineSettings, combine_poses
from mmgt.motion_edit.silence import pauses, silent_frames
from mmgt.motion_edit.tree import FIRM_FACE, REGIONS
from mmgt.pose_files import load_poses
from mmgt.rhythm import rhythm_poses
from mmgt.speech.encode import encode_speech
from mmgt.speech.recording import Recording

WRISTS = [4, 7]


def syllables(seconds: float = 9.0, rate_hz: int = 16_000) -> Recording:
    """A buzz in syllables of 0.25 s of changing loudness: 2 s of it, 1 s of silence, and again."""
    times = np.arange(round(seconds * rate_hz)) / rate_hz
    loud = np.random.default_rng(2).uniform(0.3, 1, 1000)[(times / 0.25).astype(int)]
    buzz = 0.3 * loud * np.abs(np.sin(np.pi * times / 0.25)) * (times % 3 < 2) * np.sign(np.sin(817 * times))
    return Recording(buzz[None].astype(np.float32), rate_hz)


def test_a_mixed_drive_keeps_the_videos_wrists_and_the_speechs_lips():
    speech = syllables()
    driven = rhythm_poses(speech, load_poses(ASTRONAUT_POSE), seed=1)
    video = moving(still(), 270).at_fps(30)  # another rate and length: 10.8 s
    mixed = combine_poses(video, driven, speech=speech)
    assert (mixed.num_frames, mixed.fps) == (225, 25)
    shown = video.at_fps(25).frames(0, 225)
    silent = silent_frames(speech)
    speaking = pauses(silent, 20, 10) == 0
    assert speaking.mean() > 0.6
    assert torch.equal(mixed.keypoints[speaking][:, WRISTS], shown.keypoints[speaking][:, WRISTS])
    assert torch.equal(mixed.keypoints[speaking][:, 92:], shown.keypoints[speaking][:, 92:])
    said, lips = opening_px(driven), opening_px(mixed)
    lags = [np.corrcoef(np.roll(said, lag)[5:-5], lips[5:-5])[0, 1] for lag in range(-3, 4)]
    assert max(lags) > 0.9
    assert abs(int(np.argmax(lags)) - 3) <= 1


def test_a_face_lies_on_the_head_that_carries_it():
    a, b = moving(still()), moving(child(), seed=4)
    mixed = combine_poses(a, b)
    error = (mixed.pixels - a.pixels)[:, FIRM_FACE].norm(dim=-1)  # the child's face is the same one, in another size
    assert error.max() < 0.02 * shoulder_px(a)
    said, lips = opening_px(b), opening_px(mixed)
    assert np.corrcoef(said, lips)[0, 1] > 0.999
    np.testing.assert_allclose(lips.std() / said.std(), 1 / 0.7, rtol=0.02)  # and the lips with it


def test_lips_alone_find_the_mouth_of_another_face():
    a, b = moving(still()), moving(child(), seed=4)
    lower = b.keypoints.clone()
    lower[:, 72:92, 1] += 0.02  # a longer upper lip
    mixed = combine_poses(a, replace(b, keypoints=lower), CombineSettings(face="A"))
    others = [*REGIONS["body"], *REGIONS["hands"], *REGIONS["face"]]
    assert torch.equal(mixed.keypoints[:, others], a.keypoints[:, others])
    apart = (mixed.pixels - a.pixels)[:, 72:92].mean(dim=(0, 1))
    assert apart.norm() < 1
    assert np.corrcoef(opening_px(b), opening_px(mixed))[0, 1] > 0.99


def test_hands_sit_on_the_wrists_in_the_bodys_size():
    a, b = moving(still()), moving(child(), seed=4)
    mixed = combine_poses(a, b, CombineSettings(hands="B", face="A", lips="A"))
    assert torch.equal(mixed.keypoints[:, :92], a.keypoints[:, :92])
    for root, wrist in ((92, 7), (113, 4)):
        assert (mixed.pixels[:, root] - a.pixels[:, wrist]).norm(dim=-1).max() < 0.01
    torch.testing.assert_close(bone_lengths(mixed)[:, 92:], bone_lengths(a)[:, 92:], atol=0.1, rtol=0.01)


def test_all_from_one_track_is_that_track():
    a, b = moving(still()), moving(child())
    for source, track in (("A", a), ("B", b)):
        same = combine_poses(a, b, CombineSettings(source, source, source, source))
        assert torch.equal(same.keypoints, track.keypoints)
        assert same.width_px == track.width_px


def test_weights_fade_at_the_ends():
    a, b = moving(still()), moving(child(), seed=4)
    full, faded = combine_poses(a, b), combine_poses(a, b, CombineSettings(fade_s=0.4))
    assert torch.equal(faded.keypoints[[0, -1]], a.keypoints[[0, -1]])
    assert torch.equal(faded.keypoints[10:50], full.keypoints[10:50])
    nothing = combine_poses(a, b, CombineSettings(weight=0.0))
    assert torch.equal(nothing.keypoints, a.keypoints)


def test_silence_rests_in_the_idle_pose_with_closed_lips():
    speech = syllables()
    video, idle = moving(still(), 225), still()
    mixed = combine_poses(video, video, CombineSettings(), speech, idle)
    middle = [62, 137, 212]  # of the pauses
    lips = REGIONS["lips"]
    others = [point for point in range(134) if point not in lips]
    torch.testing.assert_close(
        mixed.pixels[middle][:, others], idle.pixels[:, others].expand(3, -1, -1), atol=0.01, rtol=0
    )
    assert opening_px(mixed)[middle].max() < 0.01
    awake = combine_poses(video, video, CombineSettings(rest_in_silence=0.0), speech, idle)
    assert torch.equal(awake.keypoints, video.keypoints)
    speeds = [torch.diff(poses.pixels, dim=0).norm(dim=-1).max() for poses in (mixed, video)]
    assert speeds[0] < 1.5 * speeds[1]  # eased: from a wave to rest in 0.4 s, without a jump


def test_features_hear_the_same_pauses():
    speech = syllables()
    features = encode_speech(speech)
    assert (silent_frames(features) == silent_frames(speech)).mean() > 0.85
    assert combine_poses(moving(still()), moving(child()), speech=features).num_frames == 225


def test_a_pause_is_exactly_nothing_outside_of_itself():
    silent = np.zeros(40, bool)
    silent[[0, 1, 2, 3, 20, 21]] = silent[28:38] = True
    share = pauses(silent, 4, 3)
    assert share[:4].tolist()[:1] == [1.0]
    assert share[20:22].max() == 0
    assert share[~silent].max() == 0
    assert share[33] == 1


def test_missing_points_of_a_source_stay_missing():
    a, b = moving(still()), moving(child())
    hidden = replace(b, score=b.score.clone())
    hidden.score[5:9, 100] = 0
    no_face = replace(a, score=a.score.clone())
    no_face.score[:, 24:92] = 0
    mixed = combine_poses(no_face, hidden, CombineSettings(hands="B"))  # joined by nose and eyes of the body
    assert (mixed.score[5:9, 100] == 0).all()
    assert (mixed.score[:, 24:92] == 1).all()
    assert (mixed.pixels - a.pixels)[:, FIRM_FACE].norm(dim=-1).max() < 0.05 * shoulder_px(a)


def test_bad_input_is_one_sentence():
    a, b = moving(still()), moving(child())
    with pytest.raises(InputError, match="poses B show no head"):
        combine_poses(a, replace(b, score=torch.zeros(60, 134)))
    with pytest.raises(InputError, match="hands comes from 'C'"):
        CombineSettings(hands="C")
    with pytest.raises(InputError, match="weight is 2"):
        CombineSettings(weight=2)
    with pytest.raises(InputError, match="the idle pose was made for"):
        combine_poses(a, b, speech=syllables(3.2), idle_pose=child())

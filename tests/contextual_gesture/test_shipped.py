"""The small network that comes with the pack has learned: its lips and gestures follow the bundled speech."""

import torch

from mmgt.assets import PRESENTER_POSE, SPEECH, TINY_GESTURES
from mmgt.contextual_gesture.load import load_contextual_gesture
from mmgt.contextual_gesture.sample import sample_gestures
from mmgt.evaluation.speech_motion import feature_loudness, lip_correlation
from mmgt.media import read_recording
from mmgt.pose_files import load_poses
from mmgt.poses.skeleton import LEFT_WRIST, RIGHT_WRIST
from mmgt.speech.encode import encode_speech
from mmgt.speech.features import MFCC
from mmgt.weights import open_checkpoint


def test_what_is_shipped_follows_speech():
    network = load_contextual_gesture(TINY_GESTURES)
    features = encode_speech(read_recording(SPEECH)).gesture
    first = load_poses(PRESENTER_POSE).still_on(256, 256)
    loudness = feature_loudness(features[:, MFCC].numpy())
    own = sample_gestures(network, features, first, seed=0)
    reversed_speech = sample_gestures(network, features.flip(0), first, seed=0)
    assert lip_correlation(own, loudness) > 0.7
    assert abs(lip_correlation(reversed_speech, loudness)) < 0.4
    torch.testing.assert_close(own.keypoints[0], first.keypoints[0], atol=1e-4, rtol=0)
    moved_px = own.pixels[:, [LEFT_WRIST, RIGHT_WRIST]].std(dim=0).mean()
    assert 1 < moved_px < 30


def test_what_is_shipped_knows_styles_and_says_where_it_is_from():
    network = load_contextual_gesture(TINY_GESTURES)
    assert network.speakers == ("calm", "even", "hands", "lively", "nodding")
    metadata = open_checkpoint(TINY_GESTURES, "").metadata
    assert metadata["licence"] == "Apache-2.0"
    assert "mmgt data synth" in metadata["training"]

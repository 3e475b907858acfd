"""Rhythm Audio2Pose: a pose track from speech by rules alone, without any network or weights."""

from .audio2pose import Amplitudes, rhythm_poses

__all__ = ["Amplitudes", "rhythm_poses"]

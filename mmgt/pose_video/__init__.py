"""A filmed person -> poses: who is followed, across which cuts, over which gaps, how smoothly."""

from .poses_of_video import PoseVideoReport, PoseVideoSettings, poses_of_video

__all__ = ["PoseVideoReport", "PoseVideoSettings", "poses_of_video"]

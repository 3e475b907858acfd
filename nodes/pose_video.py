"""The node that reads poses off a video."""

from __future__ import annotations

from typing import get_args

from comfy_api.latest import io

from ..mmgt.people import PersonOrder
from ..mmgt.pose_video import PoseVideoSettings, poses_of_video
from ..mmgt.poses import PoseSequence
from ..mmgt.poses.draw import draw_poses
from . import host, sockets, tensors

PREVIEW_FRAMES, PREVIEW_SHORT_SIDE_PX = 250, 256  # an IMAGE of a whole film would not fit into memory


class DWPosePoseVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        usual = PoseVideoSettings()
        return host.schema(
            search_aliases=["dwpose", "openpose", "video to pose", "motion capture", "gesture"],
            node_id="MMGT_DWPosePoseVideo",
            display_name="DWPose Pose Video",
            category="MMGT/pose",
            description="The poses of one person in a video, at 25 frames a second: followed through crossings and "
            "cuts, gaps filled, jitter removed.",
            inputs=[
                sockets.PoseDetector.Input("detector", tooltip="From Load Pose Detector."),
                io.MultiType.Input(
                    "frames",
                    types=[io.Image, io.Video],
                    tooltip="A VIDEO, read frame by frame at its own rate, or an IMAGE batch at 'fps'.",
                ),
                io.Float.Input(
                    "fps",
                    default=25.0,
                    min=1.0,
                    max=240.0,
                    step=0.001,
                    tooltip="Frames per second of an IMAGE batch; a VIDEO has its own. The poses always have 25.",
                ),
                io.Combo.Input(
                    "person",
                    options=list(get_args(PersonOrder)),
                    default=usual.person,
                    tooltip="In which order people are counted, in the first frame that shows enough of them.",
                ),
                io.Int.Input(
                    "person_index",
                    default=usual.person_index,
                    min=0,
                    max=99,
                    tooltip="Place in that order of the person to follow: 0 = the first, e.g. the largest person.",
                ),
                io.Float.Input(
                    "max_gap",
                    default=usual.max_gap_s,
                    min=0.0,
                    max=10.0,
                    step=0.04,
                    tooltip="Seconds without the person, or without a hand, that are interpolated. In longer gaps the "
                    "person stands still first; a hand disappears.",
                ),
                io.Float.Input(
                    "smoothing",
                    default=usual.smoothing,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="Removes jitter without delay: 0 = none, 1 = usual. Fast motion is smoothed little, lips "
                    "a third.",
                ),
            ],
            outputs=[
                sockets.Poses.Output(display_name="poses", tooltip="25 fps, on the first frame's size."),
                io.Image.Output(
                    display_name="preview", tooltip="The poses drawn small; of a long video every n-th frame."
                ),
                io.String.Output(display_name="report", tooltip="How many frames were found, and what was filled in."),
            ],
        )

    @classmethod
    def execute(cls, detector, frames, fps, person, person_index, max_gap, smoothing) -> io.NodeOutput:
        settings = PoseVideoSettings(person, person_index, max_gap, smoothing)
        timed_frames, num_frames = tensors.timed_frames(frames, fps)
        seen = host.counted(timed_frames, num_frames)
        poses, report = poses_of_video(detector, seen, num_frames, settings)
        images = preview(poses)
        shown = host.result(tensors.pictures(images), len(images), poses.fps * len(images) / poses.num_frames)
        return io.NodeOutput(poses, images, str(report), ui={**shown.as_dict(), **host.words(str(report)).as_dict()})


def preview(poses: PoseSequence):
    """IMAGE of the drawn poses, small, and of a long track every n-th only."""
    shown = poses.at(range(0, poses.num_frames, -(-poses.num_frames // PREVIEW_FRAMES)))
    zoom = min(1.0, PREVIEW_SHORT_SIDE_PX / min(poses.height_px, poses.width_px))
    height, width = max(1, round(zoom * poses.height_px)), max(1, round(zoom * poses.width_px))
    return tensors.image_batch(draw_poses(shown, height, width), shown.num_frames)


NODES = [DWPosePoseVideo]

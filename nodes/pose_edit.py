"""Nodes that change poses: edit and fit one track, combine two."""

from __future__ import annotations

from typing import get_args

from comfy_api.latest import io

from ..mmgt.motion_edit.combine import MAX_FADE_S, CombineSettings, combine_poses
from ..mmgt.motion_edit.edit import MAX_AMPLITUDE, MAX_SMOOTHING_S, TEMPO_RANGE, EditRegion, RegionEdit, edit_poses
from ..mmgt.poses import PoseSequence
from ..mmgt.poses.draw import draw_poses
from ..mmgt.speech.features import SpeechFeatures
from ..mmgt.speech.recording import Recording
from . import host, sockets, tensors


def number(name: str, default: float, low: float, high: float, tooltip: str) -> io.Float.Input:
    return io.Float.Input(name, default=default, min=low, max=high, step=0.01, tooltip=tooltip)


def poses_shown(poses: PoseSequence, sound: Recording | None = None):
    """The track as its node shows it: drawn, as a short video."""
    frames = draw_poses(poses, *host.size_shown(poses.height_px, poses.width_px))
    return host.result(frames, poses.num_frames, poses.fps, sound)


class EditPoses(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["gesture", "retarget", "smooth poses", "fit poses", "openpose"],
            node_id="MMGT_EditPoses",
            display_name="Edit Poses",
            category="MMGT/pose",
            description="Fit a pose track to the photo's person, and change how far, how fast and how calmly one "
            "region moves. For other regions put more of these nodes in a row.",
            inputs=[
                sockets.poses_input("poses", "The pose sequence to edit."),
                sockets.poses_input(
                    "initial_pose",
                    "The person's pose in the photo (first frame). Connected: the track is fitted to that person. "
                    "Not connected: the person stays as they are.",
                    optional=True,
                ),
                io.Combo.Input(
                    "region",
                    options=list(get_args(EditRegion)),
                    default="whole person",
                    tooltip="What the values below act on. body = torso, head turns and arms; face = without the lips; "
                    "left and right are the person's own.",
                ),
                number(
                    "amplitude",
                    1.0,
                    0.0,
                    MAX_AMPLITUDE,
                    "How far the region moves. 0 = still, 1 = unchanged, 2 = twice as far.",
                ),
                number(
                    "tempo",
                    1.0,
                    *TEMPO_RANGE,
                    "How fast it moves. 1 = unchanged, 2 = twice as fast; the length stays.",
                ),
                number("smoothing", 0.0, 0.0, MAX_SMOOTHING_S, "Calmed over this many seconds, without lag. 0 = none."),
                number(
                    "offset_x",
                    0.0,
                    -1.0,
                    1.0,
                    "Moved to the right with all that hangs on it, in widths of the picture. 0 = none.",
                ),
                number(
                    "offset_y",
                    0.0,
                    -1.0,
                    1.0,
                    "Moved down with all that hangs on it, in heights of the picture. 0 = none.",
                ),
                io.Boolean.Input(
                    "mirror",
                    default=False,
                    tooltip="Left and right swapped. An arm or hand alone moves as the other one's mirror image.",
                ),
            ],
            outputs=[sockets.Poses.Output(display_name="poses", tooltip="The edited track, as long as before.")],
        )

    @classmethod
    def execute(
        cls, poses, region, amplitude, tempo, smoothing, offset_x, offset_y, mirror, initial_pose=None
    ) -> io.NodeOutput:
        host.check_interrupt()
        edit = RegionEdit(amplitude, tempo, smoothing, offset_x, offset_y, mirror)
        photo = None if initial_pose is None else tensors.poses(initial_pose).frames(0, 1)
        edited = edit_poses(tensors.poses(poses), edit, region, photo)
        return io.NodeOutput(edited, ui=poses_shown(edited))


class CombinePoses(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        def source(region: str, default: str, tooltip: str) -> io.Combo.Input:
            return io.Combo.Input(region, options=["A", "B"], default=default, tooltip=tooltip)

        defaults = CombineSettings()
        return host.schema(
            search_aliases=["lip sync", "gesture", "merge poses", "body from video, lips from audio"],
            node_id="MMGT_CombinePoses",
            display_name="Combine Poses",
            category="MMGT/pose",
            description="Regions of two pose tracks in one, joined where they grow: say the body of a pose video with "
            "the face and lips of a speech.",
            inputs=[
                sockets.poses_input("poses_a", "The first pose sequence, e.g. of a pose video."),
                sockets.poses_input("poses_b", "The second pose sequence, e.g. made from the speech."),
                source("body", defaults.body, "Whose body, arms and head turns; also decides place, size and picture."),
                source("hands", defaults.hands, "Whose hands; they are put on the wrists of the body."),
                source("face", defaults.face, "Whose face without the lips; it is laid over the head of the body."),
                source("lips", defaults.lips, "Whose lips; they are laid over the mouth of the face."),
                io.Float.Input(
                    "weight",
                    default=defaults.weight,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How much of what comes from the other track than the body's. 1 = all of it, 0 = nothing.",
                ),
                io.Float.Input(
                    "fade",
                    default=defaults.fade_s,
                    min=0.0,
                    max=MAX_FADE_S,
                    step=0.1,
                    tooltip="Seconds within which that comes in at the start and goes out at the end. 0 = at once.",
                ),
                io.Float.Input(
                    "rest_in_silence",
                    default=defaults.rest_in_silence,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="With speech connected: how far the person returns to the idle pose, with closed lips, "
                    "while nobody speaks. 0 = not at all.",
                ),
                io.MultiType.Input(
                    "speech",
                    types=[sockets.Speech, io.Audio],
                    optional=True,
                    tooltip="The speech decides the length, and where it is silent. Takes AUDIO, or MMGT_SPEECH of "
                    "Encode Speech. Not connected: the length of poses_a.",
                ),
                sockets.poses_input(
                    "idle_pose",
                    "The pose to rest in, e.g. the photo's initial pose (first frame). Not connected: the usual pose "
                    "of the result.",
                    optional=True,
                ),
            ],
            outputs=[sockets.Poses.Output(display_name="poses", tooltip="One track of both.")],
        )

    @classmethod
    def execute(
        cls,
        poses_a,
        poses_b,
        body,
        hands,
        face,
        lips,
        weight,
        fade,
        rest_in_silence,
        speech=None,
        idle_pose=None,
    ) -> io.NodeOutput:
        host.check_interrupt()
        sound = None
        if speech is not None and not isinstance(speech, SpeechFeatures):
            speech = sound = tensors.recording(speech)
        combined = combine_poses(
            tensors.poses(poses_a),
            tensors.poses(poses_b),
            CombineSettings(body, hands, face, lips, weight, fade, rest_in_silence),
            speech,
            None if idle_pose is None else tensors.poses(idle_pose),
        )
        return io.NodeOutput(combined, ui=poses_shown(combined, sound))


NODES = [EditPoses, CombinePoses]

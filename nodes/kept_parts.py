"""What stays of a given pose track: the inputs that both re-samplers have, and what they mean."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..mmgt.errors import InputError
from ..mmgt.motion_edit.keep import KEPT_POINTS, KeptTrack, kept_track, parse_spans
from ..mmgt.poses import PoseSequence
from . import sockets, tensors


def pose_inputs() -> list[io.Input]:
    """The initial pose, and what can be kept. They are read by ``kept_of``."""
    return [
        sockets.poses_input("initial_pose", "The person's pose in the photo; decides which new points are visible."),
        sockets.poses_input(
            "poses",
            "The pose sequence to keep parts of, of this person and on this picture (else Edit Poses first). "
            "Not connected: nothing but a start or end pose is kept.",
            optional=True,
        ),
        sockets.poses_input(
            "start_pose",
            "The first frame becomes exactly this pose (its first frame). Not connected: it begins near the "
            "initial pose.",
            optional=True,
        ),
        sockets.poses_input("end_pose", "The last frame becomes exactly this pose (its first frame).", optional=True),
    ]


def keep_inputs() -> list[io.Input]:
    """Regions and seconds."""

    def keep(region: str, default: bool, what: str) -> io.Boolean.Input:
        tooltip = f"On: {what} of the given poses stay as they are, at all times. Off: made anew to the speech."
        return io.Boolean.Input(f"keep_{region}", default=default, tooltip=tooltip)

    return [
        keep("body", False, "body, arms and head turns"),
        keep("hands", False, "hands, with the place of the wrists,"),
        keep("face", True, "brows, eyes, jaw and the place of the head"),
        keep("lips", True, "lips"),
        io.String.Input(
            "keep_seconds",
            default="",
            tooltip="Spans of the given poses in which everything stays, in seconds: '0-1.2, 3-' keeps the "
            "first 1.2 s and all from 3 s on. Empty: none.",
        ),
    ]


def problem_with(keep_seconds: str | None) -> str | None:
    """Why the seconds cannot be read, for ``validate_inputs``."""
    try:
        parse_spans(keep_seconds or "")
    except InputError as error:
        return str(error)
    return None


def kept_of(
    num_frames: int,
    initial_pose: PoseSequence,
    keep: dict[str, bool],
    keep_seconds: str,
    poses: Any = None,
    start_pose: Any = None,
    end_pose: Any = None,
) -> KeptTrack:
    """What the inputs were set to. keep: by region."""
    given, start, end = (None if p is None else tensors.poses(p) for p in (poses, start_pose, end_pose))
    regions = [region for region in KEPT_POINTS if keep[region]] if given is not None else []
    return kept_track(num_frames, initial_pose, given, regions, parse_spans(keep_seconds), start, end)

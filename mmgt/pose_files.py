"""Pose files: ours, read and written; OpenPose JSON of other packs, read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from .errors import InputError
from .media import unfinished_file
from .openpose import is_openpose, poses_from_openpose
from .poses import POSE_FPS, PoseSequence
from .poses.skeleton import NUM_KEYPOINTS
from .provenance import Provenance
from .provenance.record import AIGC_TAG, RECORD_TAG


def poses_to_json(poses: PoseSequence) -> dict[str, Any]:
    """A JSON-able dict; ``poses_from_json`` reads it back to within 0.001 px and 1e-5 of score."""
    points = torch.cat([poses.pixels.double(), poses.score.double()[..., None]], dim=-1)  # [T, 134, 3]
    frames = [[[round(x, 3), round(y, 3), round(s, 5)] for x, y, s in frame] for frame in points.tolist()]
    return {
        "format": "mmgt-poses",
        "version": 1,
        "fps": poses.fps,
        "width": poses.width_px,
        "height": poses.height_px,
        "layout": "134 points: 0-17 body (OpenPose order), 18-23 feet, 24-91 face "
        "(iBUG 68), 92-112 left hand, 113-133 right hand; x px, y px, score",
        "frames": frames,
    }


def poses_from_json(data: Any, source: str = "the pose file") -> PoseSequence:
    """Read ``poses_to_json``'s dict, or a still of {"width", "height", "keypoints": [134][x px, y px, score]}.

    Raises InputError that says what is missing.
    """
    expected = "a JSON object with width, height and frames [T][134][x px, y px, score], as 'Save Poses' writes it"
    if not isinstance(data, dict) or not ("frames" in data or "keypoints" in data):
        raise InputError(f"{source} holds no poses; it must be {expected}.")
    try:
        frames = data["frames"] if "frames" in data else [data["keypoints"]]
        points = torch.tensor(frames, dtype=torch.float64)
        width_px, height_px, fps = int(data["width"]), int(data["height"]), float(data.get("fps", POSE_FPS))
    except (KeyError, TypeError, ValueError, OverflowError, RuntimeError) as error:  # RuntimeError: dicts in the list
        reason = str(error).partition("\n")[0][:100]
        raise InputError(f"{source} cannot be read as poses ({reason}); it must be {expected}.") from error
    if points.ndim != 3 or points.shape[1:] != (NUM_KEYPOINTS, 3):
        raise InputError(f"{source} has frames of shape {list(points.shape)}; it must be {expected}.")
    return PoseSequence.from_pixels(points[..., :2], points[..., 2], height_px=height_px, width_px=width_px, fps=fps)


def load_poses(path: Path, canvas: tuple[int, int] | None = None) -> PoseSequence:
    """Read a pose file: ours, or the OpenPose JSON of other packs (its first person).

    canvas: width and height in px, for OpenPose files that do not say theirs. UTF-8 with or without a byte order mark,
    UTF-16 and UTF-32 are read. Raises InputError for a missing, empty or foreign file.
    """
    data = _read_json(path)
    try:
        return poses_from_openpose(data, canvas=canvas) if is_openpose(data) else poses_from_json(data, str(path))
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from error


def _read_json(path: Path) -> Any:
    wanted = "give a file written by 'Save Poses' or `mmgt preview --poses-out`, or an OpenPose JSON"
    if not path.is_file():
        raise InputError(f"there is no pose file {path}; {wanted}.")
    try:
        return json.loads(path.read_bytes())  # which knows UTF-8, -16 and -32 by their first bytes
    except RecursionError as error:
        raise InputError(f"{path} holds lists in lists too deep for poses; {wanted}.") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); {wanted}.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); {wanted}.") from error


def save_poses(poses: PoseSequence, path: Path, provenance: Provenance | None = None) -> None:
    """Write a pose file; refuses to replace an existing one. A full disk and the like is an InputError too.

    provenance: how the poses were made; without one the file says that this pack made it.
    """
    provenance = provenance or Provenance()
    marks = {RECORD_TAG: provenance.record(), AIGC_TAG: provenance.aigc()}
    with unfinished_file(path) as unfinished:
        unfinished.write_text(json.dumps({**poses_to_json(poses), **marks}), encoding="utf-8")

"""All that reads what others wrote, as functions of a file. Each may return or raise an InputError, nothing else."""

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmgt.batch.manifest import read_manifest
from mmgt.errors import InputError
from mmgt.media import VideoReader, read_marks, read_picture, read_recording
from mmgt.openpose import detections_of_openpose, is_openpose, poses_from_openpose
from mmgt.output_files import check_name
from mmgt.pose_files import load_poses
from mmgt.standalone.options import OPTIONS, animate_settings, check_options
from mmgt.weights.files import open_checkpoint
from mmgt.weights.signatures import recognise
from mmgt.weights.strict import read_config

CORPUS = Path(__file__).with_name("corpus")


@dataclass(frozen=True)
class Parser:
    """read(a file). is_json: whether structures are changed, too, not bytes alone."""

    read: Callable[[Path], object]
    is_json: bool = False

    def __call__(self, content: bytes, suffix: str = "") -> str | None:
        """The sentence that the content was refused with; None if it was taken."""
        with _file(content, suffix) as path:
            try:
                self.read(path)
            except InputError as error:
                return str(error)
        return None


@contextmanager
def _file(content: bytes, suffix: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mmgt-fuzz-") as folder:
        path = Path(folder, f"input{suffix}")
        path.write_bytes(content)
        yield path


def _json_of(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError("no JSON") from error


def _video(path: Path) -> None:
    reader = VideoReader(path, 25)
    for _ in zip(range(8), reader([0, min(3, reader.num_frames - 1)]), strict=False):
        pass


def _pose_keypoint(path: Path) -> None:
    """As a node gets it: any JSON, whatever it looks like."""
    frames = _json_of(path)
    is_openpose(frames)
    detections_of_openpose(frames, (512, 512))
    poses_from_openpose(frames)


def _checkpoint(path: Path) -> None:
    checkpoint = open_checkpoint(path, "give another")
    recognise(checkpoint.tensors)
    read_config(checkpoint)


def _values(path: Path) -> None:
    """Settings and names of a workflow or a manifest's line."""
    given = _json_of(path)
    if not isinstance(given, dict):
        raise InputError("no object")
    for value in given.values():
        if isinstance(value, str):
            check_name(value, "the name") if len(value) > 20 else None
    check_options(given)
    animate_settings({name: given.get(name) for name in OPTIONS})


PARSERS = {
    "sound": Parser(read_recording),
    "video": Parser(_video),
    "picture": Parser(read_picture),
    "marks": Parser(read_marks),
    "poses": Parser(load_poses, is_json=True),
    "pose_keypoint": Parser(_pose_keypoint, is_json=True),
    "checkpoint": Parser(_checkpoint),
    "manifest": Parser(lambda path: read_manifest(path, {}), is_json=True),
    "values": Parser(_values, is_json=True),
}

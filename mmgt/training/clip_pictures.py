"""The pictures of a clip: read from its film, or drawn again from its poses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..media import VideoReader
from ..poses import POSE_FPS
from ..world import draw_frames, random_identity
from .clips import ClipEntry, ClipSet


def clip_pictures(
    clips: ClipSet, entry: ClipEntry, frames: Sequence[int], side_px: int, person: int | None = None
) -> np.ndarray:
    """[F, side_px, side_px, 3] uint8 of these frames. Reading a film forwards is cheap, going back starts it over.

    person: who is seen in a drawn clip's poses, by a seed; None is the clip's own. Whom a film shows cannot be changed.
    """
    metadata = clips.metadata(entry)
    if "film" not in metadata:
        return drawn_pictures(clips, entry, frames, side_px, person)
    pictures = _reader(clips.folder / metadata["film"])(list(frames))
    return np.stack([resized(picture, side_px) for picture in pictures])


def resized(picture: np.ndarray, side_px: int) -> np.ndarray:
    """A square picture [S, S, 3] uint8 at another side."""
    import cv2

    if len(picture) == side_px:
        return picture
    interpolation = cv2.INTER_AREA if side_px < len(picture) else cv2.INTER_CUBIC
    return cv2.resize(picture, (side_px, side_px), interpolation=interpolation)


def drawn_pictures(
    clips: ClipSet, entry: ClipEntry, frames: Sequence[int], side_px: int, person: int | None = None
) -> np.ndarray:
    """The same of a presenter of the world: the clip's own, or the ``person`` of another seed in the same poses.

    Raises InputError if the clip does not say which one.
    """
    try:
        person_seed = int(json.loads(clips.metadata(entry)["source"])["seeds"][0])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise InputError(
            f"{clips.folder / entry.file} has neither a film nor a presenter; make the set with `mmgt data prepare` or "
            "`mmgt data synth`."
        ) from error
    who = random_identity(person_seed if person is None else person)
    return np.stack(list(draw_frames(who, clips.poses(entry).at(frames), side_px, side_px)))


@lru_cache(maxsize=2)
def _reader(path: Path) -> VideoReader:
    return VideoReader(path, POSE_FPS)

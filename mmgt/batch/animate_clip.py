"""The worker of a batch: an object that keeps its networks, called with one clip after another."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import InputError, sentence_of, unforeseen
from ..media import VideoReader
from ..pose_files import load_poses
from ..poses import POSE_FPS
from ..standalone.animate import animate, animate_poses
from ..standalone.networks import KeptNetworks
from ..standalone.options import animate_settings
from ..standalone.video import installed_student
from .clip import Clip, Status, check_id
from .outputs import Outputs, local_copies

logger = logging.getLogger("mmgt")


class AnimateClip:
    """A row {"id", "image", "audio" or "poses", ...} (see ``Clip``) -> a row {"id", "ok", "seconds", ...} (``Status``).

    For Ray Data: ``dataset.map(AnimateClip, fn_constructor_kwargs={"out": ...}, num_gpus=1, concurrency=8)``;
    ``map_batches`` serves too. The networks are loaded for the first clip and stay on the device. Never raises for a
    clip that cannot be made: its row says why. A clip that is in its place already is not made again.
    """

    def __init__(self, out: str, models: str | None = None, settings: Mapping[str, Any] | None = None) -> None:
        """out: a folder that all workers see, or an address that fsspec opens. models: see ``weights.places``.
        settings: of clips that do not say otherwise, by names of ``standalone.options``."""
        self._outputs, self._models = Outputs(out), None if models is None else Path(models)
        self._outputs.prepare()
        self._settings = dict(settings or {})
        self._networks, self._student = KeptNetworks(), installed_student(self._models)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        ids = row.get("id")
        if ids is None or isinstance(ids, str) or not hasattr(ids, "__len__"):
            return self.status_of(row).row()
        rows = [{name: _plain(column[idx]) for name, column in row.items()} for idx in range(len(ids))]
        made = [self.status_of(one).row() for one in rows]  # a batch of Ray's: names to columns
        return {name: [one[name] for one in made] for name in made[0]} if made else {}

    def status_of(self, row: Mapping[str, Any]) -> Status:
        """Make the clip of a row; what became of it is told, and written beside the outputs."""
        name = str(row.get("id"))
        began = time.perf_counter()
        try:
            given = {key: _without_none(value) for key, value in row.items()}
            clip = Clip.from_row(given)
            if self._outputs.has(clip.id):
                return self._outputs.status(clip.id)
            num_frames = self._make(clip)
            seconds = time.perf_counter() - began
            status = Status(clip.id, True, seconds, num_frames, self._outputs.address(clip.id))
            self._outputs.write_status(status)
        except Exception as error:  # one bad clip never stops the rest
            if (sentence := sentence_of(error)) is None:
                logger.exception("the clip %s", name)
                sentence = unforeseen(error)
            status = Status(name, False, time.perf_counter() - began, error=sentence)
            with suppress(InputError):  # an id that names no file, or a place that cannot be written: the row tells it
                check_id(name)
                self._outputs.write_status(status)
        return status

    def _make(self, clip: Clip) -> int:
        """Returns how many frames the video has."""
        settings = animate_settings({**self._settings, **clip.settings}, self._student)
        inputs = {name: getattr(clip, name) for name in ("image", "audio", "poses", "initial_pose", "vocals")}
        with local_copies(**inputs) as files, self._outputs.video(clip.id) as out:
            given: dict[str, Any] = {"seed": clip.seed, "vocals": files["vocals"], "networks": self._networks}
            image, audio, poses, initial = (files[name] for name in ("image", "audio", "poses", "initial_pose"))
            assert image is not None
            if poses is not None:
                driving = load_poses(poses) if poses.suffix.lower() == ".json" else poses
                animate_poses(image, driving, out, self._models, settings.video, recording=audio, **given)
                return VideoReader(out, POSE_FPS).num_frames
            assert audio is not None
            pose = None if initial is None else load_poses(initial)
            return animate(image, audio, out, self._models, settings, initial_pose=pose, **given).poses.num_frames


def _without_none(value: Any) -> Any:
    """A table's struct has every name that any of its rows has."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items() if one is not None}
    return _plain(value)


def _plain(value: Any) -> Any:
    """A number, text or list of a table's cell, without numpy."""
    return value.tolist() if hasattr(value, "tolist") else value

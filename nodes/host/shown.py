"""What a node shows on itself: its result as a picture, a short video, or words."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np
import torch
from comfy_api.latest import io, ui
from comfy_execution.utils import get_executing_context

from ...mmgt.errors import InputError
from ...mmgt.provenance import Provenance
from ...mmgt.speech.recording import Recording
from .files import new_temp_path
from .runtime import check_interrupt

SHOWN_SIDE_PX = 512  # a node on the page is smaller
SHOWN_S = 20  # of a long track; the rest is what a saved video is for

logger = logging.getLogger("mmgt")


def words(text: str) -> ui.PreviewText:
    """What a node says when it is done, for its output ``ui``; it is seen on the node at once.

    The page shows the text of an output on core's Preview Any alone; what a node says while it works it shows on all.
    """
    server, running = sys.modules.get("server"), get_executing_context()
    if server is not None and running is not None:  # where core runs without its server, nobody looks on
        page = server.PromptServer.instance
        page.send_progress_text(text, running.node_id, page.client_id)
    return ui.PreviewText(text)


def result(
    frames: Iterable[np.ndarray],
    num_frames: int,
    fps: float,
    sound: Recording | None = None,
    provenance: Provenance | None = None,
) -> ui._UIOutput:
    """What a node shows when it is done: one frame [H, W, 3] uint8 as a picture, more as a video with its sound.

    Long tracks are shown for ``SHOWN_S`` seconds. No frame is taken beyond these.
    """
    few = map(_small, islice(frames, min(num_frames, round(SHOWN_S * fps))))
    if num_frames == 1:
        return ui.PreviewImage(torch.from_numpy(next(few)).float()[None] / 255)
    from ...mmgt.media import write_video  # here: PyAV is loaded when the first video is written

    path = new_temp_path("mmgt_shown", ".mp4")
    try:
        write_video(path, _cancellable(few), fps, sound, provenance=provenance)
    except InputError as error:  # what is only shown must not cost what was made
        logger.warning("the result cannot be shown on its node: %s", error)
        return ui.PreviewVideo([])
    return ui.PreviewVideo([ui.SavedResult(path.name, "", io.FolderType.temp)])


def size_shown(height_px: int, width_px: int) -> tuple[int, int]:
    """Height and width within ``SHOWN_SIDE_PX``, in the same shape."""
    zoom = min(1.0, SHOWN_SIDE_PX / max(height_px, width_px))
    return max(16, round(zoom * height_px)), max(16, round(zoom * width_px))


def _small(frame: np.ndarray) -> np.ndarray:
    import cv2

    height_px, width_px = size_shown(*frame.shape[:2])
    if (height_px, width_px) == frame.shape[:2]:
        return frame
    return cv2.resize(frame, (width_px, height_px), interpolation=cv2.INTER_AREA)


def _cancellable(frames: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    for frame in frames:
        check_interrupt()
        yield frame

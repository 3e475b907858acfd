"""The paper's ablations side by side: their names, their numbers as one table, their frames as one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from .paper_ablation import orderings
from .report import GOOD, table
from .summary import Clip

FULL, NO_MASK, STILL_MASK, NO_AUDIO, POSE_DRIVEN = VARIANTS = (
    *("full", "no motion mask", "still mask", "no audio", "pose-driven"),
)
COLUMNS = 3  # of the picture of all
TITLE_PX = 22


def ablation_markdown(clips: Sequence[Clip], against_full: bool, left_out: Sequence[str] = ()) -> str:
    """The numbers with a column for each variant, the alarms, and both orderings.

    against_full: whether "full" is the reference of all others. left_out: variants that lack what they need.
    """
    names = list(dict.fromkeys(row.name for clip in clips for row in clip.rows))
    values = {clip.name: {row.name: row for row in clip.rows} for clip in clips}
    cells = []
    for name in names:
        row = next(rows[name] for rows in values.values() if name in rows)
        shown = [f"{rows[name].value:.4g}" if name in rows else "" for rows in values.values()]
        cells.append([name, *shown, row.unit, GOOD[row.better], row.meaning])
    lines = ["# Ablations", "", *table(["Number", *values, "Unit", "Which way is good", "What it means"], cells), ""]
    if against_full:
        lines += [f'- No real video was given: the reference of all others is "{FULL}", so likeness says how little a '
                  "change changes."]  # fmt: skip
    lines += [f"- Left out: {name}, which needs the poses of a real person (--driving)." for name in left_out]
    lines += [f"- {clip.name}: {alarm}" for clip in clips for alarm in clip.alarms]
    lines += [f"- {clip.name} could not be measured: {clip.error}" for clip in clips if clip.error]
    compared = orderings({clip.name: clip.rows for clip in clips})
    if compared:
        head = ["Paper's number", "Its order, best first", "Ours", "Our order, best first", "Pairs that agree"]
        ordered = [
            [each.paper_number, ", ".join(each.paper), each.our_number, ", ".join(each.ours),
             f"{each.agreeing} of {each.num_pairs}"]
            for each in compared
        ]  # fmt: skip
        lines += ["", "## Beside the paper's ordering", "", *table(head, ordered), "",
                  "The numbers measure the same side of a video, not the same thing; one clip proves no order. The "
                  "paper's are of 2048 clips and networks trained for each row."]  # fmt: skip
    return "\n".join([*lines, ""])


def beside(frames: Mapping[str, np.ndarray]) -> np.ndarray:
    """Frames [H, W, 3] uint8 of one size -> [.., .., 3] uint8: in rows of three, each under its name."""
    tiles = [_named(frame, name) for name, frame in frames.items()]
    num_columns = min(COLUMNS, len(tiles))
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % num_columns)
    rows = [np.concatenate(tiles[i : i + num_columns], axis=1) for i in range(0, len(tiles), num_columns)]
    return np.concatenate(rows)


def _named(frame: np.ndarray, name: str) -> np.ndarray:
    import cv2

    title = np.zeros((TITLE_PX, frame.shape[1], 3), np.uint8)
    (width, _), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 1, 1)
    scale = min(0.5, (frame.shape[1] - 6) / width)
    place = 3, TITLE_PX - math.ceil(TITLE_PX / 3)
    cv2.putText(title, name, place, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return np.concatenate([title, frame])

"""Many reports as one table: the mean of each number over the clips, and the clip where it is worst."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from .measured import Measured
from .report import GOOD, plain, row_of, table

SUMMARY_FORMAT = "mmgt-evaluation-summary"


@dataclass(frozen=True)
class Clip:
    """One video of a folder: its numbers and alarms, or the sentence why there are none."""

    name: str
    rows: tuple[Measured, ...] = ()
    alarms: tuple[str, ...] = ()
    error: str = ""

    @classmethod
    def of_json(cls, name: str, text: str) -> Clip:
        """Of ``report.report_json``."""
        data = json.loads(text)
        rows = tuple(Measured(**{**row, "value": float(row["value"])}) for row in data["rows"])
        return cls(name, rows, tuple(data["alarms"].values()))


@dataclass(frozen=True)
class Mean:
    """A number over all clips that have it. row: value = the mean, n = how many clips."""

    row: Measured
    deviation: float
    worst: str


def means(clips: Sequence[Clip]) -> list[Mean]:
    """Each number's mean over the clips that have it, its standard deviation, and the worst clip ("": none is)."""
    found: dict[str, list[tuple[str, Measured]]] = {}
    for clip in clips:
        for row in clip.rows:
            found.setdefault(row.name, []).append((clip.name, row))
    rows = []
    for having in found.values():
        row = having[0][1]
        values = np.array([each.value for _, each in having])
        with np.errstate(invalid="ignore"):  # infinite PSNRs
            deviation = float(values.std())
        order = {"higher": values.argmin(), "lower": values.argmax()}.get(row.better)
        worst = "" if order is None else having[int(order)][0]
        rows.append(Mean(replace(row, value=float(values.mean()), n=len(values)), deviation, worst))
    return rows


def summary_json(clips: Sequence[Clip], inputs: dict[str, str], together: Sequence[Measured] = ()) -> str:
    """{"format", "version", "inputs", "means": [...], "together": [...], "clips": [...]}.

    together: numbers of all clips as one.
    """
    rows = [{**row_of(mean.row), "deviation": plain(mean.deviation), "worst": mean.worst} for mean in means(clips)]
    listed = [{**asdict(clip), "rows": [row_of(row) for row in clip.rows]} for clip in clips]
    data: dict[str, Any] = {"format": SUMMARY_FORMAT, "version": 1, "inputs": inputs, "means": rows}
    data |= {"together": [row_of(row) for row in together], "clips": listed}
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def summary_csv(clips: Sequence[Clip], together: Sequence[Measured] = ()) -> str:
    """A line for each number of each clip; those of all clips as one are of the clip "all together"."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["clip", "name", "value", "unit", "better", "n"])
    for clip in [*clips, Clip("all together", tuple(together))]:
        for row in clip.rows:
            writer.writerow([clip.name, row.name, plain(row.value), row.unit, row.better, row.n])
    return text.getvalue()


def summary_markdown(clips: Sequence[Clip], inputs: dict[str, str], together: Sequence[Measured] = ()) -> str:
    """The table of means, what stands out, and the clips without numbers."""
    measured, failed = [clip for clip in clips if not clip.error], [clip for clip in clips if clip.error]
    lines = ["# Evaluation of a folder", "", *(f"- {name}: `{path}`" for name, path in inputs.items())]
    lines += [f"- {len(measured)} of {len(clips)} videos measured", ""]
    head = ["Number", "Mean", "Deviation", "Unit", "Which way is good", "Worst", "What it means", "Clips"]
    cells = []
    for mean in means(clips):
        row, deviation = mean.row, mean.deviation
        shown = f"{deviation:.3g}" if math.isfinite(deviation) else ""
        cells.append([row.name, f"{row.value:.4g}", shown, row.unit, GOOD[row.better], mean.worst, row.meaning, row.n])
    lines += table(head, cells)
    lines += ["", *(f"- {clip.name}: {alarm}" for clip in measured for alarm in clip.alarms)]
    if together:
        head = ["All clips together", "Value", "Unit", "Which way is good", "What it means", "Taken over"]
        cells = [[row.name, f"{row.value:.4g}", row.unit, GOOD[row.better], row.meaning, row.n] for row in together]
        lines += ["", *table(head, cells)]
    if failed:
        lines += ["", "## Not measured", "", *(f"- {clip.name}: {clip.error}" for clip in failed)]
    return "\n".join([*lines, ""])

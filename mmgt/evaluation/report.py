"""A report as JSON, as CSV, and as a Markdown table for who has not read the paper."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any
from urllib.parse import quote

from .measured import Measured
from .video import Report

GOOD = {"higher": "higher is better", "lower": "lower is better", "none": "neither by itself"}


def report_json(report: Report, inputs: Mapping[str, str], stamp: Mapping[str, list[int]] | None = None) -> str:
    """{"format", "version", "inputs", "rows": [Measured], "alarms": {name: sentence}, "notes", "stamp"}.

    JSON has no infinity: it is the string "inf". stamp: size and time of the files, by which a run is resumed.
    """
    rows = [row_of(row) for row in report.rows]
    data = {"format": "mmgt-evaluation", "version": 1, "inputs": inputs, "rows": rows, "alarms": report.alarms}
    data |= {"notes": report.notes} | ({} if stamp is None else {"stamp": stamp})
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def report_csv(report: Report) -> str:
    """A line for each number under the names of ``Measured``'s fields."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Measured)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(row_of(row) for row in report.rows)
    return text.getvalue()


def report_markdown(report: Report, inputs: Mapping[str, str], pictures: Sequence[str] = ()) -> str:
    """What was compared, what stands out, the table, the notes, and the pictures by their files' names."""
    lines = ["# Evaluation", "", *(f"- {name}: `{path}`" for name, path in inputs.items()), ""]
    lines += [*(f"- **{sentence}**" for sentence in report.alarms.values()), ""] if report.alarms else []
    head = ["Number", "Value", "Unit", "Which way is good", "What it means", "Taken over", "Definition"]
    cells = [
        [row.name, f"{row.value:.4g}", row.unit, GOOD[row.better], row.meaning, row.n, row.source]
        for row in report.rows
    ]
    lines += [*table(head, cells), "", *(f"- {note}" for note in report.notes), ""]
    return "\n".join([*lines, *(f"![{name}]({quote(name)})" for name in pictures), ""])


def report_text(report: Report) -> str:
    """What stands out, a line for each number with all of ``Measured``, and the notes, without Markdown."""
    lines = [f"! {sentence}" for sentence in report.alarms.values()]
    for row in report.rows:
        unit = "" if ".." in row.unit else f" {row.unit}"
        lines.append(
            f"{row.name}: {row.value:.4g}{unit} ({GOOD[row.better]}): {row.meaning} [over {row.n}; {row.source}]"
        )
    return "\n".join([*lines, *(f"- {note}" for note in report.notes)])


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    """Lines of a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        lines.append(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in row)} |")
    return lines


def row_of(row: Measured) -> dict[str, Any]:
    """As JSON takes it."""
    return {**asdict(row), "value": plain(row.value)}


def plain(value: float) -> float | str:
    """A number that JSON can hold, or its name: "inf", "nan"."""
    return value if math.isfinite(value) else str(value)

"""A report as JSON, as CSV, and as a Markdown table for who has not read the paper."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict, fields
from typing import Any

from .measured import Measured
from .video import Report

GOOD = {"higher": "higher is better", "lower": "lower is better", "none": "neither by itself"}


def report_json(report: Report, inputs: dict[str, str]) -> str:
    """{"format", "version", "inputs", "rows": [Measured], "notes"}. JSON has no infinity: it is the string "inf"."""
    rows = [_row(row) for row in report.rows]
    data = {"format": "mmgt-evaluation", "version": 1, "inputs": inputs, "rows": rows, "notes": report.notes}
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def report_csv(report: Report) -> str:
    """A line for each number under the names of ``Measured``'s fields."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Measured)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(_row(row) for row in report.rows)
    return text.getvalue()


def report_markdown(report: Report, inputs: dict[str, str]) -> str:
    """What was compared, the table, and the notes."""
    lines = ["# Evaluation", "", *(f"- {name}: `{path}`" for name, path in inputs.items()), ""]
    lines += ["| Number | Value | Unit | Which way is good | What it means | Taken over | Definition |"]
    lines += ["|---|---:|---|---|---|---:|---|"]
    for row in report.rows:
        cells = row.name, f"{row.value:.4g}", row.unit, GOOD[row.better], row.meaning, str(row.n), row.source
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join([*lines, "", *(f"- {note}" for note in report.notes), ""])


def _row(row: Measured) -> dict[str, Any]:
    return {**asdict(row), "value": row.value if math.isfinite(row.value) else str(row.value)}

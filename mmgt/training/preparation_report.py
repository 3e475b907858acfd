"""What became of the films of a training set: report.json in full, report.txt as one page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..output_files import write_text_atomically
from ..poses import POSE_FPS
from .film_clips import REASONS

LISTED = 30  # films on the page


def write_report(out: Path, films: Sequence[dict[str, Any]]) -> None:
    """films: records as dicts, in the order of their names (see ``prepare.FilmRecord``)."""
    counts = {"films": len(films), "prepared": sum(not film["reason"] for film in films),
              "rejected": dict(Counter(film["reason"] for film in films if film["reason"]))}  # fmt: skip
    write_text_atomically(out / "report.json", json.dumps({"counts": counts, "films": films}, indent=1))
    write_text_atomically(out / "report.txt", page(films))


def page(films: Sequence[dict[str, Any]]) -> str:
    clips = [clip for film in films for clip in film["clips"]]
    rejected = [film for film in films if film["reason"]]
    partly = [film for film in films if film["clips"] and film["left_out"]]
    speakers = sorted({clip["speaker"] for clip in clips})
    lines = [
        f"{len(films)} films: {len(films) - len(rejected)} prepared as {len(clips)} clips, {len(rejected)} rejected",
        f"{_seconds(clips, 'train'):.0f} s to learn from, {_seconds(clips, 'test'):.0f} s held out; "
        f"{len(speakers)} speakers ({listed(speakers, 8)})",
    ]
    if rejected:
        lines += ["", "Rejected"]
        for reason, count in Counter(film["reason"] for film in rejected).most_common():
            advice = REASONS.get(reason, "see the log")
            lines.append(f"  {count} {reason}: {advice}")
        lines += [""] + [
            f"  {film['source']}: {film['reason']}, {_brief(film['detail'])}" for film in rejected[:LISTED]
        ]
        lines += _more(rejected)
    if partly:
        lines += ["", "Used in part"]
        for film in partly[:LISTED]:
            parts = [f"{part['from_s']:.1f}-{part['to_s']:.1f} s {part['why']}" for part in film["left_out"]]
            lines.append(f"  {film['source']}: without {listed(parts, 3)}")
        lines += _more(partly)
    return "\n".join(lines) + "\n"


def _seconds(clips: Sequence[dict[str, Any]], split: str) -> float:
    return sum(clip["num_frames"] for clip in clips if clip["split"] == split) / POSE_FPS


def listed(words: Sequence[str], most: int) -> str:
    """The first of the words, and how many more there are."""
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return ", ".join(words[:most]) + more if words else "none"


def _brief(text: str) -> str:
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= 120 else line[:117] + "..."


def _more(films: Sequence[dict[str, Any]]) -> list[str]:
    return [f"  ... and {len(films) - LISTED} more in report.json"] if len(films) > LISTED else []

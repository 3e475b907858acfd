"""What is in a set: counts, seconds, pose statistics, and a contact sheet of pictures over pose pictures."""

from __future__ import annotations

import numpy as np

from ..media import contact_sheet
from ..poses import POSE_FPS
from ..poses.draw import draw_poses
from ..provenance import ALGORITHMIC, COMPOSITE_SYNTHETIC
from .clip_pictures import clip_pictures
from .clips import ClipEntry, ClipSet
from .pose_statistics import PoseStatistics, pose_statistics, table
from .preparation_report import listed

TILE_PX, COLUMNS, CLIPS = 192, 4, 6
MOST_SPEAKERS = 6  # with a column of their own


def description(clips: ClipSet) -> str:
    """Counts of each split, features, and a column of pose statistics for each of the speakers who speak most."""
    lines = []
    for split in ("train", "test"):
        entries = clips.of_split(split)
        speakers = sorted({entry.speaker for entry in entries})
        lines.append(f"{split}: {len(entries)} clips, {_seconds(entries):.0f} s, speakers {listed(speakers, 8)}")
    if clips.entries:
        widths = sorted({entry.num_features for entry in clips.entries})
        filmed = sum("film" in clips.metadata(entry) for entry in clips.entries)
        lines.append(f"speech features: {', '.join(map(str, widths))} a frame; {filmed} clips filmed, the others drawn")
        lines += ["", table(_statistics(clips))]
    return "\n".join(lines)


def _statistics(clips: ClipSet) -> dict[str, PoseStatistics]:
    of_speaker: dict[str, list[ClipEntry]] = {}
    for entry in clips.entries:
        of_speaker.setdefault(entry.speaker, []).append(entry)
    most = sorted(of_speaker, key=lambda speaker: -_seconds(of_speaker[speaker]))[:MOST_SPEAKERS]
    columns = {"all": clips.entries, **({name: of_speaker[name] for name in most} if len(of_speaker) > 1 else {})}
    return {name: pose_statistics(clips.poses(entry) for entry in entries) for name, entries in columns.items()}


def _seconds(entries: list[ClipEntry]) -> float:
    return sum(entry.num_frames for entry in entries) / POSE_FPS


def shown(clips: ClipSet) -> list[ClipEntry]:
    """The clips of a contact sheet: up to six, evenly out of all."""
    chosen = np.linspace(0, len(clips.entries) - 1, min(CLIPS, len(clips.entries))).round().astype(int)
    return [clips.entries[i] for i in chosen.tolist()]


def source_of_sheet(clips: ClipSet) -> str | None:
    """IPTC's source type of a contact sheet by what it shows; None where all was filmed, which nobody generated."""
    filmed = ["film" in clips.metadata(entry) for entry in shown(clips)]
    if filmed and all(filmed):
        return None
    return COMPOSITE_SYNTHETIC if any(filmed) else ALGORITHMIC


def sheet(clips: ClipSet) -> np.ndarray:
    """[H, W, 3] uint8: of up to six clips four moments, each with the pose picture below it."""
    tiles: list[np.ndarray] = []
    for entry in shown(clips):
        moments = [round(entry.num_frames * (i + 0.5) / COLUMNS) for i in range(COLUMNS)]
        tiles += list(clip_pictures(clips, entry, moments, TILE_PX))
        tiles += list(draw_poses(clips.poses(entry).at(moments), TILE_PX, TILE_PX))
    return contact_sheet(tiles, COLUMNS)

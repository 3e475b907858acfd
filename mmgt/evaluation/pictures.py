"""A report's pictures: errors over time, speed against speech, the motion heat map, the worst frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..poses import POSE_FPS
from .charts import HEIGHT_PX, PAPER, WIDTH_PX, Chart, Curve, write
from .series import Series
from .video import Report

TITLE_PX = 26
GAP_PX = 8
MAX_FRAME_PX = 384  # the long side of a frame in the pictures


def report_pictures(report: Report) -> dict[str, np.ndarray]:
    """Name -> [H, W, 3] uint8 RGB, of those that the report's inputs allow: "errors", "speech", "heat", "worst"."""
    series = report.series
    found = {
        "errors": _errors(series),
        "speech": _speech(series),
        "heat": _heat(series),
        "worst": _worst(series),
    }
    return {name: picture for name, picture in found.items() if picture is not None}


def _errors(series: Series) -> np.ndarray | None:
    charts = []
    if series.ssim is not None:
        charts.append(Chart("SSIM to the reference, higher is better", "", [Curve("SSIM", series.ssim)], POSE_FPS))
    if series.psnr_db is not None and np.isfinite(series.psnr_db).any():
        curve = Curve("PSNR", series.psnr_db)
        charts.append(Chart("PSNR to the reference, higher is better", "dB", [curve], POSE_FPS))
    if series.position_error is not None:
        curve = Curve("position error", series.position_error)
        charts.append(Chart("Poses beside the reference's, lower is better", "shoulder widths", [curve], POSE_FPS))
    if series.change is not None and len(series.change):
        curve = Curve("change", series.change, start_s=1 / POSE_FPS)
        charts.append(Chart("Change from frame to frame; a lone spike is a seam", "levels of 255", [curve], POSE_FPS))
    return np.concatenate([chart.draw() for chart in charts]) if charts else None


def _speech(series: Series) -> np.ndarray | None:
    if series.speed is None or not len(series.speed):
        return None
    beats = [] if series.motion_beats is None else [(t + 0.5) / POSE_FPS for t in series.motion_beats]
    highest = max(float(series.speed.max()), 1e-9)
    curves = [Curve("speed of head and arms; dots: beats", series.speed / highest, beats, start_s=0.5 / POSE_FPS)]
    lines: dict[str, Sequence[float]] = {}
    if series.loudness is not None:
        curves.append(Curve("loudness of the voice", series.loudness))
    if series.sound_beats is not None:
        lines["onsets and beats of the sound"] = [(t + 0.5) / POSE_FPS for t in series.sound_beats]
    return Chart("Motion against speech, each by its most", "", curves, POSE_FPS, lines).draw()


def _heat(series: Series) -> np.ndarray | None:
    """Heat maps side by side on one scale."""
    import cv2

    if series.heat is None:
        return None
    maps = {"the video": series.heat}
    if series.reference_heat is not None:
        maps["the reference"] = series.reference_heat
    most = max(float(heat.max()) for heat in maps.values())
    tiles = []
    for name, heat in maps.items():
        levels = np.round(heat / max(most, 1e-9) * 255).astype(np.uint8)
        coloured = cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
        tiles.append(_titled(_fitted(coloured), f"Motion of {name}: black 0, yellow {most:.3g} of 255"))
    return _side_by_side(tiles)


def _worst(series: Series) -> np.ndarray | None:
    if not series.worst:
        return None
    rows = []
    for worst in series.worst:
        difference = np.abs(worst.frame.astype(np.int16) - worst.reference).astype(np.uint8)
        tiles = {
            f"frame {worst.t} ({worst.t / POSE_FPS:.2f} s), SSIM {worst.ssim:.3f}": worst.frame,
            "reference": worst.reference,
            "difference": difference,
        }
        rows.append(_side_by_side([_titled(_fitted(picture), title) for title, picture in tiles.items()]))
    return np.concatenate(rows)


def _fitted(picture: np.ndarray) -> np.ndarray:
    import cv2

    height, width = picture.shape[:2]
    scale = MAX_FRAME_PX / max(height, width)
    if scale >= 1:
        return picture
    return cv2.resize(picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA)


def _titled(picture: np.ndarray, title: str) -> np.ndarray:
    above = np.full((TITLE_PX, max(picture.shape[1], MAX_FRAME_PX), 3), PAPER, np.uint8)
    write(above, title, (4, TITLE_PX - 9))
    below = np.full((picture.shape[0], above.shape[1], 3), PAPER, np.uint8)
    below[:, : picture.shape[1]] = picture
    return np.concatenate([above, below])


def _side_by_side(tiles: list[np.ndarray]) -> np.ndarray:
    gap = np.full((tiles[0].shape[0], GAP_PX, 3), PAPER, np.uint8)
    return np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)


def sheet(pictures: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The pictures at one size, as a batch of them must be: white around the smaller."""
    height = max((picture.shape[0] for picture in pictures.values()), default=HEIGHT_PX)
    width = max((picture.shape[1] for picture in pictures.values()), default=WIDTH_PX)
    sheets = []
    for picture in pictures.values():
        paper = np.full((height, width, 3), PAPER, np.uint8)
        paper[: picture.shape[0], : picture.shape[1]] = picture
        sheets.append(paper)
    return sheets

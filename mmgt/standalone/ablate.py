"""The paper's ablations of one photo, one speech and one seed: videos, their numbers, and one video of all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..evaluation.ablation import (
    FULL,
    NO_AUDIO,
    NO_MASK,
    POSE_DRIVEN,
    STILL_MASK,
    VARIANTS,
    ablation_markdown,
    beside,
)
from ..evaluation.summary import Clip, summary_csv, summary_json
from ..media import VideoReader, check_video_output, unfinished_file, write_video
from ..pose_files import load_poses, save_poses
from ..poses import POSE_FPS, PoseSequence
from ..seeds import check_seed
from .animate import AnimateSettings, animate, animate_poses, no_progress
from .evaluate_files import EvaluationFiles, evaluate_clip, found_networks, loaded
from .video import Progress, VideoSettings

SIDE_BY_SIDE = "side_by_side.mp4"


def ablate(
    photo: Path,
    recording: Path,
    out: Path,
    weights: Path | None = None,
    settings: AnimateSettings = AnimateSettings(),
    *,
    seed: int = 0,
    initial_pose: PoseSequence | None = None,
    driving: Path | None = None,
    reference: Path | None = None,
    trained: Mapping[str, Path] = {},
    progress: Progress = no_progress,
) -> list[Clip]:
    """Make and measure each of ``VARIANTS`` into the folder ``out``, and write what they come to as ablation.*.

    "full" makes poses of the speech and the video; "no motion mask", "still mask" and "no audio" make the video of the
    same poses anew; "pose-driven" that of ``driving``, poses of a real person who says the same (left out without).
    reference: the real video; without it the others are compared with "full". trained: name -> an SMGA that was trained
    otherwise, or a models folder (``evaluation.paper_ablation`` has the paper's names). What ``out`` holds of an
    earlier run of the same is kept. Raises InputError.
    """
    check_seed(seed)
    if settings.video.masks.motion != "motion":
        raise InputError("the ablations change the masks' motion themselves; leave --masks out.")
    taken = [name for name in trained if name in VARIANTS or "/" in name or not name.strip()]
    if taken:
        raise InputError(f"a trained row is called '{taken[0]}'; give it a name that is none of {', '.join(VARIANTS)}.")
    out.mkdir(exist_ok=True)
    _check_run(out, {"photo": photo, "recording": recording, "driving": driving}, [settings, seed, str(weights)])
    found = found_networks(weights)
    clips, networks = [], loaded(found)
    made = _videos(photo, recording, out, weights, settings, seed, initial_pose, driving, trained, progress)
    for name, video, poses in made:
        against = reference or (out / f"{FULL}.mp4" if name != FULL else None)
        files = EvaluationFiles(video, against, recording, poses, driving, photo, found)
        clips.append(evaluate_clip(f"{name} report", files, out, progress, networks))
    clips = [replace(clip, name=clip.name.removesuffix(" report")) for clip in clips]
    _write_all(clips, out, recording, against_full=reference is None, left_out=() if driving else (POSE_DRIVEN,))
    return clips


def _videos(
    photo: Path,
    recording: Path,
    out: Path,
    weights: Path | None,
    settings: AnimateSettings,
    seed: int,
    initial_pose: PoseSequence | None,
    driving: Path | None,
    trained: Mapping[str, Path],
    progress: Progress,
) -> Iterator[tuple[str, Path, Path]]:
    """Name, video and poses of each variant, made where they are not there."""

    def spoken(name: str, models: Path | None, smga: Path | None = None) -> tuple[str, Path, Path]:
        video, poses = out / f"{name}.mp4", out / f"{name}.poses.json"
        if not video.exists():
            poses.unlink(missing_ok=True)  # of a run that was ended before its video
            made = animate(photo, recording, video, models, settings, seed=seed, initial_pose=initial_pose,
                           progress=progress, smga=smga)  # fmt: skip
            save_poses(made.poses, poses, made.provenance)
        return name, video, poses

    first = spoken(FULL, weights)
    yield first
    masks = settings.video.masks
    changed: dict[str, tuple[VideoSettings, Path | None, Path]] = {
        NO_MASK: (replace(settings.video, masks=replace(masks, motion="none")), recording, first[2]),
        STILL_MASK: (replace(settings.video, masks=replace(masks, motion="still")), recording, first[2]),
        NO_AUDIO: (settings.video, None, first[2]),
    }
    if driving is not None:
        changed[POSE_DRIVEN] = settings.video, recording, driving
    for name, (video_settings, sound, poses) in changed.items():
        video = out / f"{name}.mp4"
        if not video.exists():
            animate_poses(photo, load_poses(poses), video, weights, video_settings, seed=seed, recording=sound,
                          progress=progress)  # fmt: skip
        yield name, video, poses
    for name, path in trained.items():
        yield spoken(name, path) if path.is_dir() else spoken(name, weights, path)


def _check_run(out: Path, files: Mapping[str, Path | None], given: list[object]) -> None:
    """Raise InputError where ``out`` holds another run, or something else; else note this one there."""
    stats = {name: path.stat() for name, path in files.items() if path is not None}
    run = {"files": {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}, "given": repr(given)}
    path = out / "run.json"
    if path.exists():
        if json.loads(path.read_text(encoding="utf-8")) != run:
            raise InputError(f"{out} holds the ablations of other files or settings; choose another folder for --out.")
    elif any(out.iterdir()):
        raise InputError(f"{out} is a folder with something else in it; choose a new one for --out.")
    else:
        with unfinished_file(path) as unfinished:
            unfinished.write_text(json.dumps(run, indent=1), encoding="utf-8")


def _write_all(clips: Sequence[Clip], out: Path, recording: Path, against_full: bool, left_out: Sequence[str]) -> None:
    """ablation.json, .csv and .md, and the video of all."""
    texts = {
        "json": summary_json(clips, {}),
        "csv": summary_csv(clips),
        "md": ablation_markdown(clips, against_full, left_out),
    }
    for suffix, text in texts.items():
        path = out / f"ablation.{suffix}"
        path.unlink(missing_ok=True)  # ours: the folder is
        with unfinished_file(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    video = out / SIDE_BY_SIDE
    video.unlink(missing_ok=True)
    check_video_output(video)
    write_video(video, side_by_side({clip.name: out / f"{clip.name}.mp4" for clip in clips}), POSE_FPS, recording)


def side_by_side(videos: Mapping[str, Path]) -> Iterator[np.ndarray]:
    """Frames [H, W, 3] uint8 of videos of one size in rows of three, each under its name; the shortest ends them."""
    readers = {name: VideoReader(path, POSE_FPS) for name, path in videos.items()}
    for t in range(min(reader.num_frames for reader in readers.values())):
        yield beside({name: reader([t])[0] for name, reader in readers.items()})

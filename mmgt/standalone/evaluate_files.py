"""Videos on disk and what belongs to them -> reports on disk: one, or a folder's, which is resumed where it ended."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..errors import InputError
from ..evaluation.measured import Measured
from ..evaluation.network_measures import Features, feature_measures
from ..evaluation.networks import NO_NETWORKS, Networks, computes_all, load_networks, network_files
from ..evaluation.pictures import report_pictures
from ..evaluation.pose_autoencoder import latent_measures, latents_of
from ..evaluation.report import report_csv, report_json, report_markdown
from ..evaluation.summary import SUMMARY_FORMAT, Clip, summary_csv, summary_json, summary_markdown
from ..evaluation.video import Report, evaluate_video
from ..media import VideoReader, all_or_none, check_output, read_picture, read_recording, unfinished_file, write_png
from ..media.sound import sound_offset_s
from ..output_files import check_distinct
from ..pose_files import load_poses
from ..poses import POSE_FPS
from ..weights.catalog import EVALUATION_FOLDER
from ..weights.places import in_models
from .devices import choose_device

TEXTS = (".json", ".csv", ".md")
VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
SOUNDS = (".wav", ".flac", ".mp3", ".m4a", ".ogg", ".opus", ".aac", *VIDEOS)
PHOTOS = (".png", ".jpg", ".jpeg", ".webp")
SUMMARY = "summary"
TOGETHER_STRIDE = 20  # frames between the windows of all clips together
PICTURES = ("errors", "speech", "heat", "worst")
Progress = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class EvaluationFiles:
    """What is evaluated, and what it is compared with; each a file, or each a folder of files by the same names.

    networks: file name -> path, as of ``evaluation.networks.network_files``; one for all videos.
    """

    video: Path
    reference: Path | None = None
    sound: Path | None = None
    poses: Path | None = None
    reference_poses: Path | None = None
    photo: Path | None = None
    networks: Mapping[str, Path] = field(default_factory=dict)

    def paths(self) -> dict[str, Path]:
        """What was given, by its name."""
        given = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "networks"}
        return {**{name: path for name, path in given.items() if path is not None}, **self.networks}

    def named(self) -> dict[str, str]:
        """What was given, for people."""
        return {name.replace("_", " ") if name not in self.networks else name: str(path)
                for name, path in self.paths().items()}  # fmt: skip

    def stamp(self) -> dict[str, list[int]]:
        """Size and time of each file: whether a report is of these."""
        stats = {name: path.stat() for name, path in self.paths().items()}
        return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}


def found_networks(models: Path | None) -> dict[str, Path]:
    """The files of ``mmgt_eval`` in a models folder, as of ``weights.places.in_models``."""
    return network_files(in_models(models)(EVALUATION_FOLDER))


def loaded(found: Mapping[str, Path]) -> Networks:
    """The networks of ``found_networks``, on a GPU where one is that runs them. Raises InputError."""
    device = choose_device()
    return load_networks(found, device if computes_all(device) else NO_NETWORKS.device) if found else NO_NETWORKS


def evaluate_files(files: EvaluationFiles, networks: Networks, progress: Progress | None = None) -> Report:
    """All files are opened before the first frame is measured. networks: of ``loaded``. Raises InputError."""
    return evaluate_video(
        VideoReader(files.video, POSE_FPS),
        reference=_read(partial(VideoReader, fps=POSE_FPS), files.reference),
        recording=_read(read_recording, files.sound),
        poses=_read(load_poses, files.poses),
        reference_poses=_read(load_poses, files.reference_poses),
        photo=_read(read_picture, files.photo),
        sound_offset_s=sound_offset_s(files.video),
        networks=networks,
        progress=progress,
    )


def _read(read: Callable[[Path], T], path: Path | None) -> T | None:
    return None if path is None else read(path)


def report_paths(out: Path) -> list[Path]:
    """The files of a report: three texts and four pictures. out: their common name; a text's suffix is left out."""
    stem = out.name.removesuffix(out.suffix) if out.suffix in TEXTS else out.name
    names = [*(stem + suffix for suffix in TEXTS), *(f"{stem}_{picture}.png" for picture in PICTURES)]
    return [out.with_name(name) for name in names]


def evaluate_to_files(
    files: EvaluationFiles,
    out: Path,
    progress: Progress | None = None,
    networks: Networks | None = None,
    features: Path | None = None,
) -> tuple[Report, list[Path]]:
    """Measure one video and write its report, as a whole or not at all; to ``features`` what FID and FVD of a folder
    are taken of, where there are any. networks: of ``loaded``, which is called without. Raises InputError."""
    paths = report_paths(out)
    for path in (*paths, *([] if features is None else [features])):
        check_output(path)
    check_distinct((*paths, files.video))
    report = evaluate_files(files, loaded(files.networks) if networks is None else networks, progress)
    drawn = report_pictures(report)
    pictures = [drawn.get(name) for name in PICTURES]
    written = []
    with all_or_none() as wrote:
        # The JSON comes last: a folder's run takes it for the sign that the others are there.
        for path, picture in zip(paths[len(TEXTS) :], pictures, strict=True):
            if picture is not None:
                write_png(path, picture, is_generated=False)
                wrote(path)
                written.append(path)
        named, shown = files.named(), [path.name for path in written]
        if features is not None and report.features:
            with unfinished_file(features) as unfinished, unfinished.open("wb") as file:
                np.savez(file, **report.features)  # type: ignore[arg-type]  # names of numbers, not of its options
            wrote(features)
        texts = report_json(report, named, files.stamp()), report_csv(report), report_markdown(report, named, shown)
        for path, text in reversed([*zip(paths, texts, strict=False)]):
            with unfinished_file(path) as unfinished:
                unfinished.write_text(text, encoding="utf-8")
            wrote(path)
            written.append(path)
    return report, sorted(written)


def files_of_folders(folders: EvaluationFiles) -> Iterator[tuple[str, EvaluationFiles | InputError]]:
    """Name -> the files of each video of a folder, by name; an InputError where one is missing.

    What is no folder but a file belongs to every video.
    """
    endings = {"reference": VIDEOS, "sound": SOUNDS, "poses": (".json",), "reference_poses": (".json",)}
    endings["photo"] = PHOTOS
    videos = sorted(path for path in folders.video.iterdir() if path.suffix.lower() in VIDEOS and path.is_file())
    if not videos:
        raise InputError(f"there is no video in {folders.video}; give a folder with {', '.join(VIDEOS)} files.")
    taken: set[str] = set()
    for video in videos:
        name = video.stem if video.stem not in taken else video.name
        taken.add(name)
        try:
            given = {kind: _of_name(getattr(folders, kind), video, kind, endings[kind]) for kind in endings}
            yield name, EvaluationFiles(video, **given, networks=folders.networks)
        except InputError as error:
            yield name, error


def _of_name(place: Path | None, video: Path, kind: str, endings: tuple[str, ...]) -> Path | None:
    if place is None or not place.is_dir():
        return place
    found = (place / f"{video.stem}{ending}" for ending in endings)
    path = next((path for path in found if path.is_file()), None)
    if path is None:
        raise InputError(f"there is no {kind.replace('_', ' ')} {video.stem} ({', '.join(endings)}) in {place}.")
    return path


def evaluate_folder(
    folders: EvaluationFiles, out: Path, progress: Callable[[str], Progress] | None = None
) -> tuple[list[Clip], list[Path]]:
    """Measure every video of a folder into reports in ``out``, and write a summary of those that could be.

    A video whose report is there already, of the same files, is not measured again; one that cannot be measured ends
    nothing: its ``Clip`` says why. progress(name) -> progress(frame, num_frames). Raises InputError if ``out`` is a
    file, or holds a report of other files.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; a folder of videos gets a folder of reports.")
    work = list(files_of_folders(folders))
    summaries = [out / f"{SUMMARY}.{suffix}" for suffix in ("json", "csv", "md")]
    is_ours = _is_summary(summaries[0])
    for path in summaries:
        if path.exists() and not is_ours:
            raise InputError(f"{path} is there, and of no earlier run; choose another folder for --out.")
    networks = loaded(folders.networks)
    out.mkdir(exist_ok=True)
    clips = [evaluate_clip(name, files, out, progress, networks, keep_features=True) for name, files in work]
    together, named = _together(work, clips, out, networks), folders.named()
    texts = (
        summary_json(clips, named, together),
        summary_csv(clips, together),
        summary_markdown(clips, named, together),
    )
    for path, text in zip(summaries, texts, strict=True):
        path.unlink(missing_ok=True)
        with unfinished_file(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    return clips, summaries


def _together(
    work: Sequence[tuple[str, EvaluationFiles | InputError]], clips: Sequence[Clip], out: Path, networks: Networks
) -> list[Measured]:
    """FGD and diversity of the gestures, FID, FVD and KVD of the frames of all clips that could be measured."""
    measured = {clip.name for clip in clips if not clip.error}
    latents, others = [], []
    features: dict[str, list[np.ndarray]] = {}
    for name, files in work:
        if isinstance(files, InputError) or name not in measured:
            continue
        poses, other = (_read(load_poses, path) for path in (files.poses, files.reference_poses))
        if networks.pose_autoencoder is not None and poses is not None and other is not None:
            latents.append(latents_of(networks.pose_autoencoder, poses, TOGETHER_STRIDE))
            others.append(latents_of(networks.pose_autoencoder, other, TOGETHER_STRIDE))
        for key, samples in _kept_features(features_path(out, name)).items():
            features.setdefault(key, []).append(samples)
    rows = latent_measures(np.concatenate(latents), np.concatenate(others)) if latents else []
    return [*rows, *feature_measures({key: np.concatenate(samples) for key, samples in features.items()})]


def features_path(out: Path, name: str) -> Path:
    """Where the features of a folder's video are kept, so that a run goes on without measuring it again."""
    return out / f"{name}_features.npz"


def _kept_features(path: Path) -> Features:
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as kept:
            return dict(kept)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        report = path.name.replace("_features.npz", ".*")
        raise InputError(f"{path} cannot be read ({error}); remove it and the report {report} beside it.") from error


def _is_summary(path: Path) -> bool:
    """Whether it is a summary that an earlier run wrote."""
    try:
        return bool(json.loads(path.read_text(encoding="utf-8"))["format"] == SUMMARY_FORMAT)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def evaluate_clip(
    name: str,
    files: EvaluationFiles | InputError,
    out: Path,
    progress: Callable[[str], Progress] | None,
    networks: Networks | None = None,
    keep_features: bool = False,
) -> Clip:
    """One video's report in the folder ``out``, or the earlier one of the same files; what is wrong is in the Clip.

    networks: of ``loaded``, which is called without. keep_features: for FID and FVD of all videos together.
    """
    if isinstance(files, InputError):
        return Clip(name, error=str(files))
    place = out / name
    try:
        done = _earlier(place.with_name(f"{name}.json"), files)
        if done is not None:
            return Clip.of_json(name, done)
        if name == SUMMARY:
            raise InputError(f"the reports' summary takes the name {SUMMARY}; rename the video.")
        features = features_path(out, name) if keep_features else None
        report, _ = evaluate_to_files(files, place, progress and progress(name), networks, features)
    except (InputError, OSError) as error:
        return Clip(name, error=str(error))
    return Clip(name, report.rows, tuple(report.alarms.values()))


def _earlier(path: Path, files: EvaluationFiles) -> str | None:
    """The report of an earlier run; None where there is none. Raises InputError where it is of other files."""
    if not path.exists():
        return None
    text = path.read_text(encoding="utf-8")
    try:
        stamp = json.loads(text).get("stamp")
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path} is no report; choose another folder for --out.") from error
    if stamp != files.stamp():
        raise InputError(f"{path} is a report of other files; choose another folder for --out, or remove it.")
    return text

"""Films of people who talk -> a training set: in processes, again and again without doing anything twice.

What became of a film is written to SET/films/NAME.json when its clips are in their place, with the film's size and
time of change and the settings: a film whose record still fits is left alone. Clips are made in SET/.unfinished and
moved; what is found there at the start is of a run that was killed, and is removed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ..errors import InputError
from ..output_files import write_text_atomically
from .clips import INDEX, ClipEntry, ClipSet
from .film_clips import FilmSettings, LeftOut, RejectedFilmError, Tools, clips_of_film
from .preparation_report import write_report

logger = logging.getLogger("mmgt")

FILMS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".wmv", ".flv", ".3gp")
PROCESS_ENDED = "its process ended; is memory short?"
RECORDS, UNFINISHED, LOCK = "films", ".unfinished", ".lock"


@dataclass(frozen=True)
class Preparation:
    """What films become, and by which files. test_share: of the films, held out; of two and more at least one.

    models: the models folder in which DWPose is looked for. wavlm, wav2vec2: their files. device: where these two
    compute. num_processes: films at a time.
    """

    film: FilmSettings = field(default_factory=FilmSettings)
    test_share: float = 0.1
    models: Path | None = None
    wavlm: Path | None = None
    wav2vec2: Path | None = None
    device: str = "cpu"
    num_processes: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.test_share < 1:
            raise InputError(f"test-share is {self.test_share:g}; it must be at least 0 and below 1.")
        if self.num_processes < 1:
            raise InputError(f"jobs is {self.num_processes}; it must be at least 1.")


@dataclass(frozen=True)
class FilmRecord:
    """What became of a film. fits: what it was made of and how; another value, and it is made again.

    reason: "" of a film in the set, else why it is not, one of ``film_clips.REASONS`` or "failed".
    """

    source: str
    fits: str
    clips: tuple[ClipEntry, ...] = ()
    reason: str = ""
    detail: str = ""
    left_out: tuple[LeftOut, ...] = ()

    @classmethod
    def read(cls, path: Path) -> FilmRecord | None:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            values["clips"] = tuple(ClipEntry(**clip) for clip in values["clips"])
            values["left_out"] = tuple(LeftOut(**part) for part in values["left_out"])
            return cls(**values)
        except (OSError, ValueError, TypeError, KeyError):
            return None


@dataclass(frozen=True)
class _Job:
    source: Path
    pose_file: Path | None
    speaker: str
    title: str  # the film's path in the folder
    name: str  # of its clips and its record
    fits: str


def prepare(
    folder: Path, out: Path, settings: Preparation, progress: Callable[[int, int], None] | None = None
) -> ClipSet | None:
    """Make or bring up to date the set of a folder's films, and its report; None if no film can be used.

    A film directly in the folder is of the speaker that the folder is called; one below it, of the folder it lies in.
    Beside a film NAME.mp4, NAME.json may hold its poses: ours, or POSE_KEYPOINT. progress(bytes of films, of all).
    Raises InputError if there is no film, or no detector for a film without poses, or another run prepares this set.
    """
    from filelock import FileLock, Timeout

    films = find_films(folder, out)
    jobs = [_job(film, folder, settings) for film in films]
    out.mkdir(parents=True, exist_ok=True)
    if (out / INDEX).is_file() and not (out / RECORDS).is_dir():
        raise InputError(f"{out} is a set that was not prepared from films; choose another folder.")
    try:
        with FileLock(out / LOCK, timeout=0):
            _prepare(jobs, out, settings, progress)
            return _finish(jobs, out, settings.test_share)
    except Timeout as error:
        raise InputError(f"{out} is being prepared by another run; wait until it has ended.") from error


def find_films(folder: Path, out: Path) -> list[Path]:
    """Films in and below a folder, but not in the set, in the order of their names. Raises InputError for none."""
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}; give the folder that the films lie in.")
    films = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in FILMS
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and out.resolve() not in path.resolve().parents
        and path.is_file()
    )
    if not films:
        raise InputError(f"{folder} holds no film; put some into it ({', '.join(FILMS)}).")
    return films


def _job(film: Path, folder: Path, settings: Preparation) -> _Job:
    title = film.relative_to(folder).as_posix()
    poses = film.with_suffix(".json")
    pose_file = poses if poses.is_file() else None
    stem = "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in film.stem)[:60]
    name = f"{stem}-{hashlib.sha256(title.encode()).hexdigest()[:8]}"
    files = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in (film, pose_file, settings.wavlm, settings.wav2vec2)
        if path is not None
    ]
    fits = json.dumps([asdict(settings.film), files])
    return _Job(film, pose_file, film.parent.resolve().name, title, name, hashlib.sha256(fits.encode()).hexdigest())


def _record_path(out: Path, job: _Job) -> Path:
    return out / RECORDS / f"{job.name}.json"


def _is_done(out: Path, job: _Job) -> bool:
    record = FilmRecord.read(_record_path(out, job))
    return record is not None and record.fits == job.fits and all((out / clip.file).is_file() for clip in record.clips)


def _prepare(
    jobs: Sequence[_Job], out: Path, settings: Preparation, progress: Callable[[int, int], None] | None
) -> None:
    shutil.rmtree(out / UNFINISHED, ignore_errors=True)
    (out / RECORDS).mkdir(exist_ok=True)
    sizes = {job.name: max(1, job.source.stat().st_size) for job in jobs}
    waiting = [job for job in jobs if not _is_done(out, job)]
    if any(job.pose_file is None for job in waiting):
        _check_detector(settings.models)
    total, done = sum(sizes.values()), sum(sizes.values()) - sum(sizes[job.name] for job in waiting)
    for job, record in _records(waiting, out, settings):
        write_text_atomically(_record_path(out, job), json.dumps(asdict(record), indent=1))
        done += sizes[job.name]
        if progress is not None:
            progress(done, total)


def _check_detector(models: Path | None) -> None:
    """Raises InputError that names the ways to a detector, if there is none."""
    from ..detect.example_portrait import ExamplePortrait
    from ..detect.find import find_detector
    from ..weights import in_models

    detector = find_detector(in_models(models))
    if isinstance(detector, ExamplePortrait):
        raise InputError(detector.advice)


def _records(jobs: Sequence[_Job], out: Path, settings: Preparation) -> Iterator[tuple[_Job, FilmRecord]]:
    """What becomes of every film, in the order in which they are ready.

    A film that ends its process (no memory left, a fault in a decoder) is found by trying one at a time from then on.
    """
    waiting, num_processes = list(jobs), settings.num_processes
    while waiting:
        started = waiting[:1] if num_processes == 0 else waiting
        done: set[str] = set()
        with ProcessPoolExecutor(
            max(1, min(num_processes, len(started))),
            multiprocessing.get_context("spawn"),  # a fork of threads that compute may hang
            initializer=_open_tools,
            initargs=(settings,),
        ) as pool:
            running: dict[Future[FilmRecord], _Job] = {pool.submit(_film, job, out, settings): job for job in started}
            try:
                for future in as_completed(running):
                    job = running[future]
                    record = future.result()
                    done.add(job.name)
                    yield job, record
            except BrokenProcessPool:
                logger.warning("a process of the preparation ended; going on with one film at a time")
                if num_processes == 0:
                    job = started[0]
                    done.add(job.name)
                    yield job, FilmRecord(job.title, job.fits, reason="failed", detail=PROCESS_ENDED)
                num_processes = 0
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        waiting = [job for job in waiting if job.name not in done]


_tools: Tools  # of a process


def _open_tools(settings: Preparation) -> None:
    """Once in each process: what all its films need."""
    import signal
    import threading

    import torch

    from ..speech.encoders import load_wav2vec2, load_wavlm

    global _tools
    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the first process ends the others
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // settings.num_processes))
    device = torch.device(settings.device)
    _tools = Tools(
        wavlm=None if settings.wavlm is None else load_wavlm(settings.wavlm).to(device),
        wav2vec2=None if settings.wav2vec2 is None else load_wav2vec2(settings.wav2vec2).to(device),
    )


def _end_with_parent() -> None:
    """A process whose parent was killed would go on writing into the set, beside the next run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _film(job: _Job, out: Path, settings: Preparation) -> FilmRecord:
    """Prepare one film in this process. Whatever goes wrong with it is its record, and the others go on."""
    from ..detect.find import find_detector
    from ..weights import in_models

    global _tools
    if job.pose_file is None and _tools.detector is None:
        _tools = replace(_tools, detector=find_detector(in_models(settings.models)))
    folder = out / UNFINISHED / job.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        clips, left_out = clips_of_film(job.source, job.pose_file, _tools, settings.film, folder, job.name, job.speaker)
        for pattern in (f"{job.name}.*", f"{job.name}-*", f"cache/*/{job.name}*"):  # of an earlier form of this film
            for path in out.glob(pattern):
                path.unlink()
        for path in sorted(folder.iterdir()):
            path.replace(out / path.name)
        return FilmRecord(job.title, job.fits, tuple(clips), left_out=tuple(left_out))
    except RejectedFilmError as rejected:
        return FilmRecord(
            job.title, job.fits, reason=rejected.reason, detail=rejected.detail, left_out=rejected.left_out
        )
    except Exception as error:  # a night's run does not end for one film
        logger.exception("%s cannot be prepared", job.source)
        return FilmRecord(job.title, job.fits, reason="failed", detail=f"{type(error).__name__}: {error}"[:300])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _finish(jobs: Sequence[_Job], out: Path, test_share: float) -> ClipSet | None:
    """The index and the report, out of all records; also of films that are no longer in the folder."""
    shutil.rmtree(out / UNFINISHED, ignore_errors=True)
    by_name = {job.name: job for job in jobs}
    records: dict[str, FilmRecord] = {}
    for path in sorted((out / RECORDS).glob("*.json")):
        record = FilmRecord.read(path)
        if record is not None and (path.stem in by_name or record.clips):
            records[path.stem] = record
    clips = _with_splits({name: record.clips for name, record in records.items() if record.clips}, test_share)
    report = [
        {**asdict(record), "clips": [asdict(clip) for clip in clips if clip.file.startswith(name)]}
        for name, record in sorted(records.items(), key=lambda item: item[1].source)
    ]
    write_report(out, report)
    if not clips:
        (out / INDEX).unlink(missing_ok=True)
        return None
    return ClipSet.write_index(out, clips)


def _with_splits(clips: dict[str, tuple[ClipEntry, ...]], test_share: float) -> list[ClipEntry]:
    """Whole films are held out, chosen by their names, so that a film that is added changes no other film's split.

    Of two films and more one at least is held out, unless the share is 0.
    """
    chance = {name: int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32 for name in clips}
    held_out = {name for name in clips if chance[name] < test_share}
    if not held_out and len(clips) > 1 and test_share > 0:
        held_out = {min(chance, key=lambda name: chance[name])}
    return [
        ClipEntry(**{**asdict(clip), "split": "test" if name in held_out else "train"})
        for name, of_film in clips.items()
        for clip in of_film
    ]

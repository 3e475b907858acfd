"""A photo and a recording -> a video file, outside of ComfyUI: both stages, or the second with given poses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..contextual_gesture.model import ContextualGesture
from ..detect.find import find_detector
from ..errors import InputError
from ..media import VideoReader, check_video_output, read_picture, read_recording
from ..mmhaa.drive import drive_video
from ..mmhaa.load import load_mmhaa
from ..people import Detector, initial_pose_of
from ..poses import POSE_FPS, PoseSequence
from ..provenance import ALGORITHMIC, TRAINED, Provenance, digest, networks_of
from ..provenance.record import settings_of
from ..rhythm import rhythm_poses
from ..seeds import check_seed
from ..smga.candidates import Score
from ..smga.load import load_smga
from ..smga.model import SMGA
from ..speech.features import SpeechKind
from ..speech.recording import Recording, as_long_as
from ..unfinished_run import remove_finished
from ..weights import in_models
from ..weights.files import sha256_of
from ..weights.places import check_found, check_kinds, find_all, is_shipped
from .contextual import open_contextual_gesture, sample_contextual_gesture
from .devices import choose_device, choose_dtype
from .networks import LET_GO, Networks
from .onednn import fastest_ops
from .speech_to_poses import PoseSettings, encode_speech_with, reads_wavlm, sample_smga
from .vae import load_decoder
from .video import DECODER, Progress, VideoSettings, check_networks, filmed_drive, make_video, video_weights

logger = logging.getLogger("mmgt")


@dataclass(frozen=True)
class AnimateSettings:
    """How a photo is animated. poses: by stage I. video: by stage II; its device serves both."""

    poses: PoseSettings = field(default_factory=PoseSettings)
    video: VideoSettings = field(default_factory=VideoSettings)


@dataclass(frozen=True)
class Animation:
    """What was made. video: the file. poses: that it shows. scores: of SMGA's candidates, by seed; of Rhythm none.

    provenance: what the file says of itself.
    """

    video: Path
    poses: PoseSequence
    scores: tuple[Score, ...]
    provenance: Provenance


STAGE_ONE_NETWORKS = ("smga", "wavlm", "contextual_gesture")


def no_progress(_label: str) -> Callable[[int, int], None]:
    return lambda _step, _total: None


def animate(
    photo: Path | np.ndarray,
    recording: Path | Recording,
    out: Path,
    weights: Path | None = None,
    settings: AnimateSettings = AnimateSettings(),
    *,
    seed: int = 0,
    initial_pose: PoseSequence | None = None,
    vocals: Path | Recording | None = None,
    masks: Mapping[str, Tensor | None] = {},
    progress: Progress = no_progress,
    poses_made: Callable[[PoseSequence, Sequence[Score], Provenance], None] | None = None,
    networks: Networks = LET_GO,
    smga: Path | None = None,
    decoder: Path | None = None,
    contextual_gesture: Path | None = None,
) -> Animation:
    """Let the person in a photo speak a recording, which becomes the video's sound. Same inputs and seed, same video.

    photo: a file, or [H, W, 3] uint8. recording, vocals: files, or sound; vocals, the voice alone, are encoded instead
    of the recording. out: the video; must not exist. weights: the models folder, see ``weights.places.in_models``.
    initial_pose: the person's pose in the photo; None: it is detected. masks: face_mask, lip_mask, hands_mask,
    background_mask [T or 1, H, W] in 0..1 instead of the poses' boxes (see ``drive_video``). progress(label) ->
    progress(step, total), which may raise to cancel. poses_made(poses, scores, provenance) is called between the
    stages; provenance is that of the poses. networks: ``KeptNetworks`` where more runs follow.
    smga: a file of stage I instead of the models folder's. contextual_gesture: the file of the network that makes the
    poses instead of SMGA. decoder: of the frames, in the VAE's place
    (``vae.load_decoder``): a tiny one in TAESD's layout costs a twentieth.
    Everything is read and recognised before the first network runs. Raises InputError.
    """
    _check_out(out)
    check_seed(seed)
    picture, sound = _picture(photo), _recording(recording)
    settings.video.size_of(picture)  # a size that cannot be is said first
    device = choose_device(settings.video.device)
    choose_dtype(settings.video.dtype, device)
    vocals = None if vocals is None else as_long_as(sound, _recording(vocals))
    height, width = picture.shape[:2]
    if initial_pose is not None:
        initial_pose = initial_pose.still_on(height, width, "the initial pose")
    by_smga = not settings.poses.by_rules and contextual_gesture is None
    found, stage_one = networks(_open_weights, weights, not by_smga, device, smga)
    gestures: ContextualGesture | None = None
    more: dict[str, Path] = {}
    if contextual_gesture is not None:
        gestures, more = networks(open_contextual_gesture, contextual_gesture, settings.poses, weights, device)
    files, size = _with_decoder(found.files, decoder), settings.video.size_of(picture, found.trained_px)
    if initial_pose is None:
        initial_pose = initial_pose_of(networks(_detector, weights), picture)

    logger.info(
        "photo %dx%d px, speech %.1f s, video %dx%d px", width, height, sound.seconds, size.width_px, size.height_px
    )
    named = {} if contextual_gesture is None else {"contextual_gesture": contextual_gesture}
    made_by = {**files, **more, **named}
    provenance = Provenance(
        networks=networks_of(made_by, progress("checksums")),
        seed=seed,
        settings=settings_of(settings),
        inputs=(digest(picture, sound, vocals, initial_pose, masks),),
    )
    encoders = {key: path for key, path in {**files, **more}.items() if key in ("wavlm", "wav2vec2")}
    speech = encode_speech_with(encoders, sound, device, progress("speech"), vocals, networks)
    scores: list[Score] = []
    if gestures is not None:
        poses = sample_contextual_gesture(
            gestures,
            speech,
            initial_pose,
            settings.poses,
            seed=seed,
            device=device,
            progress=progress("Contextual Gesture"),
        )
    elif stage_one is None:
        poses = rhythm_poses(sound if vocals is None else vocals, initial_pose, seed=seed)
        logger.info("Rhythm Audio2Pose: %d frames (by rules)", poses.num_frames)
    else:
        poses, scores = sample_smga(
            stage_one, speech, initial_pose, settings.poses, seed=seed, device=device, progress=progress("SMGA")
        )
    del stage_one, gestures, sound, vocals  # the video network needs their memory
    if poses_made is not None:
        poses_made(poses, scores, _of_poses(provenance, settings.poses))
    drive = drive_video(
        size,
        poses=poses,
        speech=speech,
        hears=found.hears,
        strengths=settings.video.strengths,
        mask_options=settings.video.masks,
        **masks,
    )
    del speech  # what stage II reads of it is in drive
    make_video(
        out,
        picture,
        drive,
        files,
        settings.video,
        provenance,
        seed=seed,
        sound=recording,
        progress=progress,
        networks=networks,
    )
    return Animation(out, poses, tuple(scores), provenance)


def _of_poses(provenance: Provenance, settings: PoseSettings) -> Provenance:
    """Stage I's part: its networks and settings."""
    networks = tuple(network for network in provenance.networks if network.name in STAGE_ONE_NETWORKS)
    source = ALGORITHMIC if settings.by_rules else TRAINED
    return replace(provenance, source=source, networks=networks, settings=settings_of(settings))


def animate_poses(
    photo: Path | np.ndarray,
    poses: PoseSequence | Path,
    out: Path,
    weights: Path | None = None,
    settings: VideoSettings = VideoSettings(),
    *,
    seed: int = 0,
    recording: Path | Recording | None = None,
    vocals: Path | Recording | None = None,
    masks: Mapping[str, Tensor | None] = {},
    progress: Progress = no_progress,
    networks: Networks = LET_GO,
    decoder: Path | None = None,
) -> None:
    """Move the person in a photo by given poses; lips follow the recording, if there is one.

    poses: a sequence, or a video of pose pictures, which goes without masks. All others: see ``animate``.
    """
    _check_out(out)
    check_seed(seed)
    picture, sound = _picture(photo), None if recording is None else _recording(recording)
    settings.size_of(picture)
    device = choose_device(settings.device)
    choose_dtype(settings.dtype, device)
    if vocals is not None:
        if sound is None:
            raise InputError(
                "the vocals are the voice of a recording; give the recording too (--audio on the command line)."
            )
        vocals = as_long_as(sound, _recording(vocals))
    driving = poses if isinstance(poses, PoseSequence) else _open_filmed(poses, settings, masks)
    found = networks(_open_video_weights, weights, sound is not None)
    files, size = _with_decoder(found.files, decoder), settings.size_of(picture, found.trained_px)

    driving_content = sha256_of(poses) if isinstance(poses, Path) else poses
    provenance = Provenance(
        networks=networks_of(files, progress("checksums")),
        seed=seed,
        settings=settings_of(settings),
        inputs=(digest(picture, driving_content, sound, vocals, masks),),
    )
    speech = None
    if sound is not None:
        encoders = {key: path for key, path in files.items() if key == "wav2vec2"}
        speech = encode_speech_with(encoders, sound, device, progress("speech"), vocals, networks)
    if isinstance(driving, PoseSequence):
        drive = drive_video(
            size,
            poses=driving,
            speech=speech,
            hears=found.hears,
            strengths=settings.strengths,
            mask_options=settings.masks,
            **masks,
        )
    else:
        drive = filmed_drive(driving, size, speech, found.hears, settings.strengths)
    del speech, sound, vocals  # what is read of them is in drive
    logger.info("%d frames of %dx%d px", drive.num_frames, size.width_px, size.height_px)
    make_video(
        out,
        picture,
        drive,
        files,
        settings,
        provenance,
        seed=seed,
        sound=recording,
        progress=progress,
        networks=networks,
    )


def _check_out(out: Path) -> None:
    """Raise InputError if the video cannot be written; a run that was killed when it was leaves nothing beside it."""
    if out.exists():
        remove_finished(out.parent)
    check_video_output(out)


def _picture(photo: Path | np.ndarray) -> np.ndarray:
    return photo if isinstance(photo, np.ndarray) else read_picture(photo)


def _recording(sound: Path | Recording) -> Recording:
    return sound if isinstance(sound, Recording) else read_recording(sound)


def _open_filmed(video: Path, settings: VideoSettings, masks: Mapping[str, Tensor | None]) -> VideoReader:
    """A video of pose pictures. Raises InputError with masks, for which it has no places."""
    reader = VideoReader(video, POSE_FPS)
    if any(mask is not None for mask in masks.values()):
        raise InputError(f"{video.name} is a video, which goes without masks; give a pose file, or no mask files.")
    if settings.masks.motion != "motion":
        raise InputError(f"{video.name} is a video, which has no motion masks to change; give a pose file.")
    if settings.masks.needs_hands:
        raise InputError(f"{video.name} is a video, which does not say where the hands are; give a pose file.")
    return reader


@dataclass(frozen=True)
class _Found:
    """files: those that are needed, by the catalogue's keys, recognised. hears, trained_px: of the video network."""

    files: dict[str, Path]
    hears: SpeechKind
    trained_px: int


def _with_decoder(files: dict[str, Path], decoder: Path | None) -> dict[str, Path]:
    """The files with that of a decoder, if there is one. Raises InputError for a file that is none."""
    if decoder is None:
        return files
    load_decoder(decoder)
    return {**files, DECODER: decoder}


def _detector(models: Path | None) -> Detector:
    return find_detector(in_models(models))


def _open_video_weights(models: Path | None, with_speech: bool) -> _Found:
    """What the second stage needs."""
    return _checked(models, find_all(models), (), with_speech)


def _open_weights(
    models: Path | None, by_rules: bool, device: torch.device, smga_file: Path | None
) -> tuple[_Found, SMGA | None]:
    """What both stages need, and SMGA itself, which says whether it reads WavLM. smga_file: instead of the folder's."""
    found = find_all(models) | ({} if smga_file is None else {"smga": smga_file})
    smga = None if by_rules or "smga" not in found else load_smga(found["smga"], fastest_ops(device))
    stage_one = () if by_rules else ("smga",) if smga is not None and not reads_wavlm(smga) else ("smga", "wavlm")
    without = "" if found.keys() >= {*stage_one} else ", or give --rhythm, which needs no SMGA and no WavLM"
    return _checked(models, found, stage_one, True, without), smga


def _checked(
    models: Path | None, found: Mapping[str, Path], stage_one: tuple[str, ...], with_speech: bool, instead: str = ""
) -> _Found:
    """What is needed of the files that were found. stage_one: its files, by the catalogue's keys.

    Raises InputError if one is missing, broken or another.
    """
    networks = load_mmhaa(found["mmhaa"], dtype=None) if "mmhaa" in found else None
    network = None if networks is None else networks.video_network
    needed = (*stage_one, *video_weights(network, with_speech))
    check_found(models, found, needed, instead)
    check_kinds(found, needed)
    files = {key: found[key] for key in needed}
    assert networks is not None  # its file was found
    check_networks(networks.video_network, files)
    if small := [path.name for path in files.values() if is_shipped(path)]:
        logger.warning("%s: small networks that come with this pack; they know drawn presenters only", ", ".join(small))
    return _Found(files, networks.video_network.hears, networks.trained_px)

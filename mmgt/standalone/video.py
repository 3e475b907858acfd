"""Stage II outside of ComfyUI: a photo and what drives it -> a video file, network after network.

Each network is loaded when it is needed and let go after it. Memory does not grow with the length of the video but for
its latents and the speech features: frames are decoded and written some at a time.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..diffusion import Parametrisation
from ..errors import InputError
from ..media import FrameMarks, VideoReader
from ..media.sound import sound_for_aac
from ..mmhaa.config import NO_CLIP
from ..mmhaa.drive import STRENGTHS, DrawnPoses, Drive, heard
from ..mmhaa.load import load_mmhaa, student_of_file
from ..mmhaa.masks import EvenMasks, MaskOptions
from ..mmhaa.network import MMHAA, Photo, VideoNetwork, check_speech
from ..mmhaa.pictures import TRAINED_PX, PictureSize, photo_canvas, picture_for_network
from ..mmhaa.presets import PRESETS, Preset
from ..mmhaa.sample import NumericalError, Video, VideoRun, sample_latents, share_noise
from ..mmhaa.student import Student
from ..poses import POSE_FPS
from ..provenance import Provenance, digest
from ..speech.encoders import load_wav2vec2
from ..speech.features import SpeechFeatures, SpeechKind
from ..speech.recording import Recording
from ..unfinished_run import UnfinishedRun, unfinished_run, write_kept_video
from ..weights.places import find_all
from .devices import choose_device, choose_dtype
from .image_encoder import encode_photo, load_image_encoder
from .networks import LET_GO, Networks
from .onednn import fastest_ops
from .schedulers import check_scheduler, make_scheduler
from .vae import decode_latents, encode_picture, load_decoder, load_vae

logger = logging.getLogger("mmgt")

DECODER = "decoder"  # among a video's files: what makes its frames in the VAE's place

Progress = Callable[[str], Callable[[int, int], None]]  # a label -> progress(step, total)


@dataclass(frozen=True)
class VideoSettings:
    """How a video is made; the defaults are the authors'.

    width_px, height_px: of the video, 32..4096; where one is 0 the photo's aspect decides, where both are, about the
    area that the network was trained on (the published one: 512 x 512 px). preset: sampler, steps, guidance, windows.
    strengths: of the speech in the full, face and lip branch. masks: where these act. device: "auto" or a name of
    torch's; dtype: one of ``devices.DTYPES``.
    frame_marks: what the pictures themselves say of being generated.
    """

    width_px: int = 0
    height_px: int = 0
    preset: Preset = PRESETS["authors"]
    strengths: tuple[float, float, float] = STRENGTHS
    masks: MaskOptions = field(default_factory=MaskOptions)
    device: str = "auto"
    dtype: str = "auto"
    frame_marks: FrameMarks = field(default_factory=FrameMarks)

    def __post_init__(self) -> None:
        check_scheduler(self.preset.scheduler, self.preset.num_steps)
        full, face, lips = self.strengths
        if not all(map(math.isfinite, self.strengths)):
            raise InputError(f"the strengths are {full}, {face}, {lips}; give three numbers (the authors take 1 1 2).")

    def size_of(self, picture: np.ndarray, trained_px: int = TRAINED_PX) -> PictureSize:
        """Of the video of a photo [H, W, 3], by a network that was trained on so large pictures. Raises InputError."""
        height, width = picture.shape[:2]
        return PictureSize.of_photo(height, width, self.height_px, self.width_px, trained_px)


@dataclass(frozen=True)
class FilmedPoses:
    """Pose pictures of a video file, read when a window needs them: frames -> [F, 3, H, W] in 0..1."""

    reader: VideoReader
    size: PictureSize

    def __call__(self, frames: Sequence[int]) -> Tensor:
        return torch.stack([picture_for_network(picture, self.size) for picture in self.reader(frames)])


def filmed_drive(
    reader: VideoReader,
    size: PictureSize,
    speech: SpeechFeatures | None,
    hears: SpeechKind,
    strengths: tuple[float, float, float],
) -> Drive:
    """A video of pose pictures, read at ``POSE_FPS``, as what drives. Nothing in it says where face and lips are."""
    layers = None if speech is None else heard(speech, hears)
    if layers is not None:
        logger.warning("a pose video shows no masks: the speech acts on the whole picture alike (a pose file has them)")
    num_frames = reader.num_frames if layers is None else min(reader.num_frames, len(layers))
    return Drive(num_frames, size, FilmedPoses(reader, size), EvenMasks(size), layers, strengths)


def read_photo(networks: MMHAA, vae: Any, image_encoder: Any, picture: np.ndarray, size: PictureSize) -> Photo:
    """The photo [H, W, 3] uint8 as the networks read it, on their device and in their dtype. Raises InputError.

    image_encoder: None for networks without CLIP.
    """
    token = torch.zeros(1, 1, NO_CLIP) if image_encoder is None else encode_photo(image_encoder, picture)
    _check_token(networks.video_network, token.shape[-1])
    like = networks.reference_unet.conv_in.weight
    return networks.read_photo(encode_picture(vae, photo_canvas(picture, size)).to(like), token.to(like))


def installed_student(models: Path | None) -> Student | None:
    """How the video network that would run says that it is sampled; None where it is no student, or is not there.

    models: see ``weights.places.in_models``. What is wrong with the file is said when it is loaded.
    """
    try:
        found = find_all(models)
        return student_of_file(found["mmhaa"]) if "mmhaa" in found else None
    except InputError:
        return None


def video_weights(network: VideoNetwork | None, with_speech: bool) -> tuple[str, ...]:
    """The files that a video needs, by the catalogue's keys: those of what its network hears and sees.

    network: None where its file is not there; then those of the published one.
    """
    hears = with_speech and (network is None or network.hears == "wav2vec2")
    sees = network is None or network.sees_clip
    return (*(["wav2vec2"] if hears else []), "mmhaa", "vae", *(["clip"] if sees else []))


def check_networks(network: VideoNetwork, files: Mapping[str, Path]) -> None:
    """Build the networks of ``files`` and hold them against each other; weights stay on the disk, and nothing runs.

    network: of the file "mmhaa". files: of ``video_weights``. Raises InputError for a file that is not complete, a
    library that is missing, and networks that do not belong together.
    """
    load_vae(files["vae"])
    if "clip" in files:
        _check_token(network, load_image_encoder(files["clip"]).config.projection_dim)
    if "wav2vec2" in files:
        config = load_wav2vec2(files["wav2vec2"]).network.config
        check_speech(network, config.num_hidden_layers, config.hidden_size)


def _check_token(network: VideoNetwork, width: int) -> None:
    """Raise InputError unless the image encoder's token is as wide as the network reads it."""
    wanted = network.config.image_channels
    if width != wanted:
        raise InputError(
            f"the image encoder's token is {width} wide, but this video network reads {wanted}; take the image encoder "
            "that belongs to it."
        )


def start_noise(num_frames: int, size: PictureSize, generator: torch.Generator) -> Tensor:
    """[T, 4, h, w] float32 unit normal noise on the CPU: the same on every device."""
    return torch.randn(num_frames, 4, *size.latent_shape, generator=generator)


def frames_of(
    vae: Any, latents: Tensor, size: PictureSize, progress: Callable[[int, int], None]
) -> Iterator[np.ndarray]:
    """Latents [T, 4, h, w] -> the video's frames, one by one: [H, W, 3] uint8."""
    num_done = 0
    for decoded in decode_latents(vae, latents):
        cropped = decoded[:, :, : size.height_px, : size.width_px].permute(0, 2, 3, 1)
        yield from (cropped * 255).round().to(torch.uint8).cpu().numpy()
        num_done += len(decoded)
        progress(num_done, len(latents))


def make_video(
    out: Path,
    picture: np.ndarray,
    drive: Drive,
    weights: Mapping[str, Path],
    settings: VideoSettings,
    provenance: Provenance,
    *,
    seed: int,
    sound: Recording | Path | None,
    progress: Progress,
    networks: Networks = LET_GO,
) -> None:
    """Photo [H, W, 3] uint8 and drive -> a video file with ``sound``. Same inputs and seed, same video.

    weights: files of ``video_weights``, and DECODER's if another than the VAE decodes. settings: of these, what drive
    does not hold. provenance: what the file says of itself. progress(label) -> progress(step, total). What is finished
    is kept beside ``out`` until that is whole: the same call goes on with a run that was killed, to the same file.
    networks: ``KeptNetworks`` where more runs follow. Raises InputError.
    """
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    track = None if sound is None else sound_for_aac(sound)  # before hours of work: a file without sound is refused
    # Poses and speech were computed on this machine, and another one's roundings, or dtype, may make others.
    computed = (drive.pictures.poses if isinstance(drive.pictures, DrawnPoses) else None, drive.speech)
    decisive = (provenance.id, str(device), str(dtype), torch.__version__, torch.get_num_threads())
    with unfinished_run(out, digest(*decisive, *computed)) as kept:
        if kept is not None:
            kept.time_of_making(provenance.made)
        latents, vae = _sampled(
            picture, drive, weights, settings, seed, device, dtype, progress("sampling"), kept, networks
        )
        show = progress("decoding")

        def decode(first: int, last: int) -> Iterator[np.ndarray]:
            some = latents[first:last]
            return frames_of(vae, some, drive.size, lambda done, _total: show(first + done, len(latents)))

        marks = settings.frame_marks
        write_kept_video(
            kept, out, decode, len(latents), POSE_FPS, track, provenance=provenance, frame_marks=marks
        )  # fmt: skip


def _sampled(
    picture: np.ndarray,
    drive: Drive,
    weights: Mapping[str, Path],
    settings: VideoSettings,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    show: Callable[[int, int], None],
    kept: UnfinishedRun | None,
    networks: Networks,
) -> tuple[Tensor, Any]:
    """A video's latents [T, 4, h, w], and the VAE that decodes them; the networks are let go."""
    preset = settings.preset
    generator = torch.Generator("cpu").manual_seed(seed)
    vae = networks(load_vae, weights["vae"], dtype).to(device)
    network, photo, parametrisation = _load_and_read(weights, vae, picture, drive.size, device, dtype, networks, preset)
    scheduler = make_scheduler(preset.scheduler, preset.num_steps, generator, parametrisation)
    if drive.speech is not None:
        check_speech(network, *drive.speech.shape[1:])
    run = VideoRun(network, Video(photo, drive, preset.options))
    try:
        latents = sample_latents(
            run,
            share_noise(start_noise(drive.num_frames, drive.size, generator), preset.shared_noise).to(device, dtype),
            scheduler,
            preset.guidance,
            lambda step, total, _: show(step, total),
            kept,
        )
    except NumericalError as error:
        raise InputError(str(error)) from error
    logger.info("%s", run.told("torch's attention"))
    if DECODER in weights:
        vae = networks(load_decoder, weights[DECODER], dtype).to(device)
    return latents, vae


def _load_and_read(
    weights: Mapping[str, Path],
    vae: Any,
    picture: np.ndarray,
    size: PictureSize,
    device: torch.device,
    dtype: torch.dtype,
    loaded: Networks,
    preset: Preset,
) -> tuple[VideoNetwork, Photo, Parametrisation]:
    """The network that denoises, the photo, and what the network predicts; those that read the photo are let go.

    preset: how it will be sampled, held against what it says of that itself.
    """
    image_encoder = loaded(load_image_encoder, weights["clip"]).to(device, dtype) if "clip" in weights else None
    networks = loaded(load_mmhaa, weights["mmhaa"], fastest_ops(device), dtype)
    if networks.student is not None and (misuse := networks.student.misuse(preset.num_steps, preset.guidance != 1)):
        logger.warning("%s", misuse)
    networks.reference_unet.to(device)
    photo = read_photo(networks, vae, image_encoder, picture, size)
    return networks.video_network.to(device), photo, networks.parametrisation

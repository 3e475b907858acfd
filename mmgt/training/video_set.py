"""A training set as stage II learns it: latents, photo token, pose pictures, masks and speech of a window's frames.

Latents and tokens are made when they are first asked for, and kept beside the set: ``cache/NAME/CLIP``, one file for
each clip (or for each window, in a folder of the clip's name, where only some windows are learned), read by memory
mapping. Pose pictures and masks are made from the poses, as they are when sampling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor

from ..colours import as_colours, as_pictures
from ..errors import InputError
from ..mmhaa.audio_proj import CONTEXT_FRAMES, around_each_frame
from ..mmhaa.config import NO_CLIP
from ..mmhaa.drive import DrawnPoses, Drive
from ..mmhaa.masks import LIP_BLUR, BoxMasks, BranchMasks, MaskOptions, RegionMasks, mask_pyramid
from ..mmhaa.pictures import LATENT_PX, PictureSize
from ..poses.motion_mask import face_box, hand_boxes, lip_box
from ..speech.features import NUM_HANDCRAFTED, SpeechKind
from .clip_pictures import clip_pictures
from .clips import ClipEntry, ClipSet, write_atomically
from .mmhaa_loss import TRAINED_STRENGTHS, Clip


class Coder(Protocol):
    """Pictures <-> latents. name: of the cache, so that latents of two coders are not mixed."""

    @property
    def name(self) -> str: ...

    def encode(self, pictures: np.ndarray) -> Tensor:
        """[F, H, W, 3] uint8 -> scaled latents [F, 4, H / 8, W / 8]."""
        ...

    def decode(self, latents: Tensor) -> np.ndarray:
        """The way back."""
        ...


class BlockColours:
    """A coder without weights: a latent cell is the mean colour of its 8 x 8 px, and its brightness.

    What is smaller than a cell is lost; it is for trying a training out where no VAE is at hand.
    """

    name = "blocks"

    def encode(self, pictures: np.ndarray) -> Tensor:
        colours = as_colours(pictures)
        cells = F.avg_pool2d(colours, LATENT_PX)
        return torch.cat([cells, cells.mean(dim=1, keepdim=True)], dim=1)

    def decode(self, latents: Tensor) -> np.ndarray:
        colours = F.interpolate(latents[:, :3].float().cpu(), scale_factor=LATENT_PX, mode="nearest")
        return as_pictures(colours).numpy()


@dataclass(frozen=True)
class VAECoder:
    """A VAE of Stable Diffusion 1.5. name: which one it is (the checksum of its file)."""

    vae: Any

    name: str

    def encode(self, pictures: np.ndarray) -> Tensor:
        from ..standalone.vae import encode_picture

        return torch.cat([encode_picture(self.vae, picture).cpu() for picture in pictures])

    def decode(self, latents: Tensor) -> np.ndarray:
        from ..standalone.vae import decode_latents

        frames = torch.cat(list(decode_latents(self.vae, latents)))
        return (frames * 255).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


@dataclass(frozen=True)
class ImageEncoder:
    """CLIP's image encoder; name: which one it is."""

    encoder: Any
    name: str

    @property
    def width(self) -> int:
        """Of a token."""
        return self.encoder.config.projection_dim

    def tokens(self, pictures: np.ndarray) -> Tensor:
        """[F, H, W, 3] uint8 -> [F, 1, D]."""
        from ..standalone.image_encoder import encode_photo

        return torch.cat([encode_photo(self.encoder, picture).cpu() for picture in pictures])

    def zero_picture(self) -> Tensor:
        """[1, 1, D]: of a picture of zeros after CLIP's normalisation, its mean colour: what a dropped photo shows."""
        return zero_picture_token(self.encoder)


@torch.inference_mode()
def zero_picture_token(encoder: Any) -> Tensor:
    """[1, 1, D]: what an image encoder says of pixel values that are all zero (not of a black picture)."""
    side = encoder.config.image_size
    pixels = torch.zeros(1, 3, side, side, device=encoder.device, dtype=encoder.dtype)
    return encoder(pixel_values=pixels).image_embeds[:, None].cpu().clone()


class Filmed(Protocol):
    """Where pictures come from; see ``clip_pictures``."""

    def __call__(
        self, clips: ClipSet, entry: ClipEntry, frames: Sequence[int], side_px: int, person: int | None = None, /
    ) -> np.ndarray: ...


@dataclass
class VideoSet:
    """The clips of a set, square and ``side_px`` large.

    image_encoder: None for a network without CLIP. speech_kind: the speech features that the network reads. masks,
    strengths: which masks its branches take, and how strong these are. filmed: where a clip's pictures come from.
    whole_clips: False encodes only the frames that are asked for, where few of a clip's are learned. shows_hands: clips
    say where hands are, for a loss that weighs them.
    """

    clips: ClipSet
    side_px: int
    coder: Coder = field(default_factory=BlockColours)
    image_encoder: ImageEncoder | None = None
    speech_kind: SpeechKind = "handcrafted"
    masks: MaskOptions = field(default_factory=MaskOptions)
    strengths: tuple[float, float, float] = TRAINED_STRENGTHS
    filmed: Filmed = clip_pictures
    whole_clips: bool = True
    shows_hands: bool = False

    @property
    def size(self) -> PictureSize:
        return PictureSize(self.side_px, self.side_px)

    def facts(self) -> dict[str, str | None]:
        """Which clips, and by which networks they are read, for a run's settings."""
        image_encoder = None if self.image_encoder is None else self.image_encoder.name
        return {"data": self.clips.digest(), "coder": self.coder.name, "image_encoder": image_encoder}

    def long_enough(self, split: str, num_frames: int) -> list[ClipEntry]:
        """The clips of a split with so many frames. Raises InputError if there is none."""
        entries = [entry for entry in self.clips.of_split(split) if entry.num_frames >= num_frames]
        if not entries:
            raise InputError(
                f"{self.clips.folder} has no {split} clip of {num_frames} frames or more; add longer clips."
            )
        return entries

    def latents(self, entry: ClipEntry, frames: slice, person: int | None = None) -> Tensor:
        """[F, 4, h, w] float32. person: see ``clip_pictures``."""
        name = f"latents-{self.coder.name}-{self.side_px}"
        return self._kept(entry, name, "latents", frames, self.coder.encode, person)

    def tokens(self, entry: ClipEntry, frames: slice, person: int | None = None) -> Tensor:
        """CLIP's [F, 1, D] float32; zeros without CLIP."""
        if self.image_encoder is None:
            return torch.zeros(frames.stop - frames.start, 1, NO_CLIP)
        encoder = self.image_encoder
        return self._kept(entry, f"clip-{encoder.name}-{self.side_px}", "tokens", frames, encoder.tokens, person)

    def dropped_token(self) -> Tensor:
        """[1, 1, D]: in place of a photo that is dropped."""
        return torch.zeros(1, 1, NO_CLIP) if self.image_encoder is None else self.image_encoder.zero_picture().float()

    def _kept(
        self,
        entry: ClipEntry,
        name: str,
        part: str,
        frames: slice,
        make: Callable[[np.ndarray], Tensor],
        person: int | None,
    ) -> Tensor:
        path, kept = self.clips.folder / "cache" / name / entry.file, range(entry.num_frames)
        if person is not None or not self.whole_clips:
            kept = range(frames.start, frames.stop)
            who = "own" if person is None else str(person)
            path = path.with_suffix("") / f"{who}_{frames.start}_{frames.stop}.safetensors"
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            made = [
                make(self.filmed(self.clips, entry, kept[i : i + 16], self.side_px, person))
                for i in range(0, len(kept), 16)
            ]
            write_atomically(path, {part: torch.cat(made).half()}, {})
        with safe_open(path, framework="pt") as file:
            return file.get_slice(part)[frames.start - kept.start : frames.stop - kept.start].float()

    def speech(self, entry: ClipEntry, frames: slice = slice(None)) -> Tensor:
        """[T, layers, D]: the speech features that the network reads."""
        if self.speech_kind == "handcrafted":
            return self.clips.features(entry, frames)[:, None, -NUM_HANDCRAFTED:]
        return self.clips.video_features(entry, frames)

    def drive(self, entry: ClipEntry, with_speech: bool = True, frames: range | None = None) -> Drive:
        """All that drives a video of the clip, or of some of its frames, as for sampling."""
        frames = range(entry.num_frames) if frames is None else frames
        read = slice(frames.start, frames.stop)
        poses, size = self.clips.poses(entry, read), self.size
        regions: dict[str, RegionMasks] = {
            name: BoxMasks(poses, size, boxes)
            for name, boxes in (("face", face_box), ("lips", lip_box), ("hands", hand_boxes))
        }
        return Drive(
            len(frames),
            size,
            DrawnPoses(poses, size),
            BranchMasks(size, **regions, options=self.masks),
            self.speech(entry, read) if with_speech else None,
            strengths=self.strengths,
        )

    def clip(
        self,
        entry: ClipEntry,
        start: int,
        num_frames: int,
        photo_frame: int,
        with_speech: bool = True,
        person: int | None = None,
        with_masks: bool = True,
    ) -> Clip:
        """A window of a clip with a photo out of it. with_speech, with_masks: False where nothing needs them.

        person: see ``clip_pictures``.
        """
        frames, photo = slice(start, start + num_frames), slice(photo_frame, photo_frame + 1)
        heard = range(max(0, start - CONTEXT_FRAMES), min(entry.num_frames, frames.stop + CONTEXT_FRAMES))
        drive = self.drive(entry, with_speech, heard)
        numbers = range(start - heard.start, frames.stop - heard.start)
        return Clip(
            latents=self.latents(entry, frames, person),
            photo_latents=self.latents(entry, photo, person),
            image_token=self.tokens(entry, photo, person),
            pose_pictures=drive.pictures(numbers),
            audio=around_each_frame(drive.speech, numbers) if drive.speech is not None else None,
            masks=drive.masks(numbers) if with_masks else (),
            hands=self._hands(entry, numbers) if self.shows_hands else None,
        )

    def _hands(self, entry: ClipEntry, numbers: Sequence[int]) -> Tensor:
        """[F, h w] in 0..1, blurred as the branches' masks are."""
        masks = BoxMasks(self.clips.poses(entry), self.size, hand_boxes)(numbers)
        return mask_pyramid(masks, LIP_BLUR, *self.size.latent_shape)[0]


def open_coder(path: Path | None, device: torch.device) -> Coder:
    """The VAE of a file, or ``BlockColours`` without one."""
    if path is None:
        return BlockColours()
    from ..standalone.vae import load_vae
    from ..weights.files import sha256_of, weights_file

    return VAECoder(load_vae(path, torch.float32).to(device), sha256_of(weights_file(path))[:12])


def open_image_encoder(path: Path | None, device: torch.device) -> ImageEncoder | None:
    if path is None:
        return None
    from ..standalone.image_encoder import load_image_encoder
    from ..weights.files import sha256_of, weights_file

    return ImageEncoder(load_image_encoder(path).float().to(device), sha256_of(weights_file(path))[:12])

"""What drives a video: pose pictures, motion masks and speech, made for a window's frames when they are asked for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..poses import POSE_FPS, PoseSequence
from ..poses.draw import draw_pose
from ..poses.motion_mask import face_box, hand_boxes, lip_box
from ..speech.features import SpeechFeatures, SpeechKind
from .masks import BoxMasks, BranchMasks, EvenMasks, GivenMasks, MaskOptions, NoMasks, RegionMasks
from .pictures import LATENT_PX, NETWORK_PX, PictureSize, picture_for_network

logger = logging.getLogger("mmgt")

MASK_ASPECT = 0.05  # by which a mask's shape may differ: sizes are rounded to 8 px and the like
LATENT_CHANNELS = 4  # of Stable Diffusion 1.5's VAE
STRENGTHS = (1.0, 1.0, 2.0)  # of the full, face and lips branch: the authors' inference


@dataclass(frozen=True)
class DrawnPoses:
    """Pose pictures of poses: frames -> [F, 3, H, W] in 0..1."""

    poses: PoseSequence
    size: PictureSize

    def __call__(self, frames: Sequence[int]) -> Tensor:
        height, width = self.size.height_px, self.size.width_px
        chosen = self.poses.at(frames).sized(height, width)
        drawn = (
            draw_pose(xy.numpy(), score.numpy(), height, width)
            for xy, score in zip(chosen.pixels, chosen.score, strict=True)
        )
        return torch.stack([picture_for_network(picture, self.size) for picture in drawn])


@dataclass(frozen=True)
class GivenPictures:
    """Pose pictures that were drawn elsewhere: images [T, H, W, 3] in 0..1 of any size."""

    images: Tensor
    size: PictureSize

    def __call__(self, frames: Sequence[int]) -> Tensor:
        return torch.stack([picture_for_network(self._picture(frame), self.size) for frame in frames])

    def _picture(self, frame: int) -> np.ndarray:
        numbers = self.images[frame].to(torch.float32, copy=True)  # of a large picture each further copy takes long
        return numbers.clamp_(0, 1).mul_(255).round_().to(torch.uint8).cpu().numpy()


class FrameSource(Protocol):
    def __call__(self, frames: Sequence[int]) -> Any: ...


@dataclass(frozen=True)
class Drive:
    """All that drives a video besides the photo: small at any length.

    pictures(frames) -> pose pictures [F, 3, H, W] of the canvas in 0..1. masks(frames) -> for each level of the
    network [3 (full, face, lips), F, h w]. speech: features [T, layers, D] of ``heard``, or None: without speech.
    strengths: of the full, face and lips branch.
    """

    num_frames: int
    size: PictureSize
    pictures: FrameSource
    masks: FrameSource
    speech: Tensor | None
    strengths: tuple[float, float, float] = STRENGTHS

    def between(self, first: int, last: int) -> Drive:
        """What drives frames first to last - 1 alone."""
        return replace(
            self,
            num_frames=last - first,
            pictures=lambda frames: self.pictures([first + frame for frame in frames]),
            masks=lambda frames: self.masks([first + frame for frame in frames]),
            speech=None if self.speech is None else self.speech[first:last],
        )

    def check_latents(self, shape: Sequence[int]) -> None:
        """Raise InputError unless latents of a shape [T, 4, h, w] are of this video."""
        wanted = [self.num_frames, LATENT_CHANNELS, *self.size.latent_shape]
        if list(shape) == wanted:
            return
        advice = "connect the LATENT of MM-HAA Conditioning, or of a video of as many frames"
        if list(shape[:-2]) == wanted[:-2]:
            (height_px, width_px), size = (LATENT_PX * cells for cells in shape[-2:]), self.size
            advice = (
                f"enlarge them by Upscale Latent to {size.canvas_width_px}x{size.canvas_height_px} px, on which a "
                f"video of {size.width_px}x{size.height_px} px is made"
            )
            if height_px % NETWORK_PX == width_px % NETWORK_PX == 0:
                advice += f", or set width to {width_px} and height to {height_px}"
        raise InputError(
            f"the latents are {list(shape)}, but this video needs {wanted} (frames, channels, height and width in "
            f"cells of {LATENT_PX} px); {advice}."
        )


def drive_video(
    size: PictureSize,
    *,
    poses: PoseSequence | None = None,
    pose_pictures: Tensor | None = None,
    face_mask: Tensor | None = None,
    lip_mask: Tensor | None = None,
    hands_mask: Tensor | None = None,
    background_mask: Tensor | None = None,
    mask_options: MaskOptions = MaskOptions(),
    speech: SpeechFeatures | None = None,
    hears: SpeechKind = "wav2vec2",
    strengths: tuple[float, float, float] = STRENGTHS,
) -> Drive:
    """Check that the parts fit each other, and bind them.

    poses are drawn and masked; pose_pictures [T, H, W, 3] in 0..1 are shown instead of drawing, and each mask
    [T or 1, H, W] in 0..1 is used instead of making it. Speech decides the length where poses are longer; hears: what
    of it the network reads (``VideoNetwork.hears``). Raises InputError.
    """
    poses = None if poses is None else poses.at_fps(POSE_FPS)
    pictures: FrameSource
    if pose_pictures is not None:
        pictures, num_frames = GivenPictures(_checked_pictures(pose_pictures), size), len(pose_pictures)
    elif poses is not None:
        pictures, num_frames = DrawnPoses(poses, size), poses.num_frames
    else:
        raise InputError("there is nothing to move by; connect poses (MMGT_POSES or POSE_KEYPOINT) or pose_pictures.")
    layers = None if speech is None else heard(speech, hears)
    if poses is not None and pose_pictures is not None and poses.num_frames != num_frames:
        raise InputError(
            f"the poses have {poses.num_frames} frames at {POSE_FPS:g} fps and the pose pictures {num_frames}; connect "
            "pictures that were drawn of these poses, or only one of both."
        )
    if num_frames == 1 and speech is not None and len(speech.gesture) > 1:
        raise InputError(
            f"there is one frame of poses, but the speech has {len(speech.gesture)}; connect a pose sequence (SMGA "
            "Audio2Pose Sampler, Rhythm Audio2Pose, DWPose Pose Video), not the initial pose."
        )
    given = {"face": face_mask, "lips": lip_mask, "hands": hands_mask, "background": background_mask}
    pictures_px = [(size.height_px, size.width_px)]  # the video's, and those of what is squeezed to it alike
    if poses is not None:
        pictures_px.append((poses.height_px, poses.width_px))
    if pose_pictures is not None:
        pictures_px.append((pose_pictures.shape[1], pose_pictures.shape[2]))
    masks = _masks(size, poses, given, mask_options, num_frames, pictures_px)
    if layers is not None and len(layers) != num_frames:
        used = min(num_frames, len(layers))
        logger.info("poses last %d frames, speech %d; the video has %d", num_frames, len(layers), used)
        num_frames = used
    return Drive(num_frames, size, pictures, masks, layers, strengths)


def heard(speech: SpeechFeatures, hears: SpeechKind) -> Tensor:
    """The features [T, layers, D] that a network reads of speech. Raises InputError where they were not encoded."""
    if hears == "handcrafted":
        return speech.handcrafted
    if speech.video is None:
        raise InputError(
            "this speech was encoded without wav2vec2, whose features the video network reads; choose a wav2vec2 file "
            "in Load Audio Encoder and encode again."
        )
    return speech.video


def _checked_pictures(images: Tensor) -> Tensor:
    """Pose pictures [T, H, W, 3]; grey becomes RGB, a fourth channel is left out. Raises InputError for no pictures."""
    if images.ndim != 4 or images.shape[-1] not in (1, 3, 4):
        raise InputError(
            f"the pose pictures have the shape {list(images.shape)}; they must be [frames, height, width, channels] "
            "with 1, 3 or 4 channels. Connect Draw Poses, or a video's pictures."
        )
    if 0 in images.shape:
        raise InputError("the pose pictures hold 0 frames; a video needs at least one.")
    if (frame := _not_finite(images)) is not None:
        raise InputError(
            f"pose picture {frame} holds pixels that are no numbers (NaN or infinite); draw or decode it again, or "
            "connect poses alone."
        )
    return images.expand(*images.shape[:3], 3) if images.shape[-1] == 1 else images[..., :3]


def _not_finite(frames: Tensor) -> int | None:
    """The first frame of [T, ...] with NaN or infinity in it; of large batches nothing is copied."""
    sums = (frame.sum(dtype=torch.float32) for frame in frames)
    return next((t for t, total in enumerate(sums) if not total.isfinite()), None)


def _check_mask(name: str, mask: Tensor, pictures_px: Sequence[tuple[int, int]]) -> None:
    """Raise InputError for a mask [T, H, W] that is no mask, or of none of these pictures' (height, width) aspects."""
    if mask.ndim != 3:
        raise InputError(f"the {name} mask has the shape {list(mask.shape)}; it must be [frames, height, width].")
    if (frame := _not_finite(mask)) is not None:
        raise InputError(f"{name} mask {frame} holds NaN or infinite numbers; make it again, or disconnect it.")
    height, width = mask.shape[1:]
    is_fitting = any(abs(width * h - height * w) <= MASK_ASPECT * width * h for h, w in pictures_px)
    if not is_fitting and mask.amin() < mask.amax():  # one that is the same everywhere fits any picture
        h, w = pictures_px[0]
        raise InputError(
            f"the {name} mask is {width}x{height} px, the video {w}x{h} px: it would be squeezed. Make the mask from "
            "the same photo or poses, or crop it."
        )


def _masks(
    size: PictureSize,
    poses: PoseSequence | None,
    given: Mapping[str, Tensor | None],
    options: MaskOptions,
    num_frames: int,
    pictures_px: Sequence[tuple[int, int]],
) -> FrameSource:
    """The branches' masks: of each region the given one, else the poses' boxes. Raises InputError.

    pictures_px: height and width of the video and of what moves it, of whose aspects a mask may be.
    """
    if options.motion == "none":
        if any(mask is not None for mask in given.values()):
            raise InputError("masks were given, but without masks nothing reads them; leave them out, or take motion.")
        return NoMasks(size)
    if given["background"] is not None and options.third_mask != "background":
        raise InputError(
            "the background mask would act nowhere, as the full branch's mask is another; set masks to 'paper' (or "
            "third_mask to 'background'), or disconnect the mask."
        )
    regions: dict[str, RegionMasks] = {}
    for name, boxes in (("face", face_box), ("lips", lip_box), ("hands", hand_boxes), ("background", None)):
        mask = given[name]
        if mask is not None:
            _check_mask(name, mask, pictures_px)
            if len(mask) not in (1, num_frames):
                raise InputError(
                    f"there are {len(mask)} {name} masks for {num_frames} frames of "
                    f"{'poses' if poses is not None else 'pose pictures'} at {POSE_FPS:g} fps; "
                    f"give {num_frames}, or one for all."
                )
            regions[name] = GivenMasks(mask, size)
        elif poses is not None and boxes is not None:
            regions[name] = BoxMasks(poses, size, boxes)
    if options.needs_hands and "hands" not in regions:
        raise InputError(
            f"nothing says where the hands are, which {options} needs; connect poses or a hands mask, or take the "
            "defaults."
        )
    if given["hands"] is not None and not options.needs_hands:
        raise InputError(
            "the hands mask would act nowhere, as hands_branch is 'none' and third_mask is not 'hands'; set "
            "hands_branch to full, face or lips, third_mask to 'hands' or masks to 'paper', or disconnect the mask."
        )
    if not regions:
        logger.warning("pose pictures without poses or masks: the speech acts on the whole picture alike")
        return EvenMasks(size)
    missing = [name for name in ("face", "lips") if name not in regions]
    if missing:
        raise InputError(
            f"there is no {' and no '.join(missing)} mask, and there are no poses to make it of; connect either."
        )
    return BranchMasks(size, **regions, options=options)

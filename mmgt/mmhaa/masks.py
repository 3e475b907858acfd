"""Motion masks as MM-HAA's three branches take them: for each level of the network [3 (full, face, lips), F, h w].

Branches attend to the same speech, each in its own mask (paper section III-C). ``MaskOptions`` names what the authors'
code, their training and the paper do not agree on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, get_args

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, check_choice
from ..poses import PoseSequence
from ..poses.motion_mask import Box
from .pictures import NETWORK_PX, PictureSize

NUM_MASK_LEVELS = 3  # audio modules live at 1, 1/2 and 1/4 of the latent size
BLUR_PX = 64  # masks are blurred at this size, whatever the picture's
FACE_BLUR, LIP_BLUR = 31, 21  # kernel sizes in px; hands are blurred like lips

ThirdMask = Literal["1 + lips", "hands", "1 - face + lips", "background"]
HandsBranch = Literal["none", "full", "face", "lips"]
MaskMotion = Literal["motion", "still", "none"]


@dataclass(frozen=True)
class MaskOptions:
    """Which masks the branches take; the defaults are the authors' inference.

    third_mask: of the full branch. "1 + lips": everywhere, and twice at the lips (the authors' inference); "hands"
    (their training data); "1 - face + lips" (their training on PATS, clamped to 0..1 where theirs wraps around);
    "background": 1 - (face or hands) (the paper). Which of them made the published network is not recorded.
    hands_branch: the branch that also acts at the hands. "none" (the authors' inference); "face" (their training, and
    the paper); "lips"; "full": added to the third mask.
    motion: "motion": masks follow the person; the paper's ablations: "still": all frames have the first one's;
    "none": every branch acts everywhere.
    """

    third_mask: ThirdMask = "1 + lips"
    hands_branch: HandsBranch = "none"
    motion: MaskMotion = "motion"

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("third_mask", self.third_mask, get_args(ThirdMask)),
            ("hands_branch", self.hands_branch, get_args(HandsBranch)),
            ("the masks' motion", self.motion, get_args(MaskMotion)),
        ):
            if value not in allowed:
                raise InputError(f"{name} is '{value}'; it must be one of {', '.join(map(repr, allowed))}.")

    @property
    def needs_hands(self) -> bool:
        return self.motion != "none" and (self.third_mask in ("hands", "background") or self.hands_branch != "none")


AUTHORS_INFERENCE, PAPER, AUTHORS_TRAINING = MASK_SETS = ("authors' inference", "paper", "authors' training")


def mask_set(name: str, chosen: MaskOptions = MaskOptions()) -> MaskOptions:
    """The three branches' masks by name, one of ``MASK_SETS``. Raises InputError.

    "authors' inference": as chosen, which by default is 1 + lips, face, lips. "paper": background = 1 - (face or
    hands), face and hands, lips. "authors' training": hands (or 1 - face + lips, where that is chosen), face and hands,
    lips.
    """
    check_choice("the mask set", name, MASK_SETS)
    if name == PAPER:
        return replace(chosen, third_mask="background", hands_branch="face")
    if name == AUTHORS_TRAINING:
        third: ThirdMask = "1 - face + lips" if chosen.third_mask == "1 - face + lips" else "hands"
        return replace(chosen, third_mask=third, hands_branch="face")
    return chosen


class RegionMasks(Protocol):
    """One region's masks: frames -> [F, H, W] uint8, of any size."""

    def __call__(self, frames: Sequence[int]) -> np.ndarray: ...


@dataclass(frozen=True)
class BoxMasks:
    """A region's boxes in poses (paper Algorithm 1): 255 inside, on the canvas."""

    poses: PoseSequence
    size: PictureSize
    boxes: Callable[..., Box | list[Box | None] | None]  # one of motion_mask: face_box, lip_box, hand_boxes

    def __call__(self, frames: Sequence[int]) -> np.ndarray:
        height, width = self.size.height_px, self.size.width_px
        chosen = self.poses.at(frames).sized(height, width)
        masks = np.zeros((len(frames), self.size.canvas_height_px, self.size.canvas_width_px), np.uint8)
        for mask, xy, score in zip(masks, chosen.pixels.numpy(), chosen.score.numpy(), strict=True):
            boxes = self.boxes(xy, score, height, width)
            for x0, y0, x1, y1 in filter(None, boxes if isinstance(boxes, list) else [boxes]):
                mask[y0:y1, x0:x1] = 255
        return masks


@dataclass(frozen=True)
class GivenMasks:
    """A region's masks that were made elsewhere: [T or 1, H, W] in 0..1 of any size; one frame holds for all."""

    masks: Tensor
    size: PictureSize

    def __call__(self, frames: Sequence[int]) -> np.ndarray:
        import cv2

        chosen = self.masks[[0] * len(frames) if len(self.masks) == 1 else list(frames)]
        grey = (chosen.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        height, width = self.size.height_px, self.size.width_px
        if (self.size.canvas_height_px, self.size.canvas_width_px) == (height, width):
            return grey  # the whole picture: its own size does, the network's masks are 64 px
        sized = (cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR) for frame in grey)
        return np.stack([self.size.pad(frame, "constant") for frame in sized])


@dataclass(frozen=True)
class BranchMasks:
    """The masks of all branches: frames -> levels. hands may be missing where nothing needs them.

    background: of the full branch, instead of 1 - (face or hands); only with the third mask "background".
    """

    size: PictureSize
    face: RegionMasks
    lips: RegionMasks
    hands: RegionMasks | None = None
    options: MaskOptions = MaskOptions()
    background: RegionMasks | None = None

    def __call__(self, frames: Sequence[int]) -> tuple[Tensor, ...]:
        if self.options.motion == "still":
            frames = [0] * len(frames)
        hands = self.hands if self.options.needs_hands else None
        return network_masks(
            self.face(frames),
            self.lips(frames),
            *self.size.latent_shape,
            None if hands is None else hands(frames),
            self.options,
            keep_range=any(isinstance(region, GivenMasks) for region in (self.face, self.lips, hands)),
            background=None if self.background is None else self.background(frames),
        )


@dataclass(frozen=True)
class EvenMasks:
    """Where nothing says where face and lips are: the full branch acts everywhere alike, face and lips nowhere."""

    size: PictureSize

    def __call__(self, frames: Sequence[int]) -> tuple[Tensor, ...]:
        nothing = np.zeros((len(frames), NETWORK_PX, NETWORK_PX), np.uint8)
        return network_masks(nothing, nothing, *self.size.latent_shape)


@dataclass(frozen=True)
class NoMasks:
    """The ablation without motion masks: every branch acts everywhere alike."""

    size: PictureSize

    def __call__(self, frames: Sequence[int]) -> tuple[Tensor, ...]:
        return tuple(torch.ones_like(level) for level in EvenMasks(self.size)(frames))


def blurred_mask(mask: np.ndarray, kernel_px: int, keep_range: bool = False) -> np.ndarray:
    """One mask [H, W] uint8 -> [64, 64] uint8, blurred and stretched to 0..255, as the authors do.

    So a mask that is the same everywhere becomes zero, and half a mask a whole one. keep_range: stretched to the range
    that it had before the blur instead, which for boxes is the same.
    """
    import cv2

    small = cv2.resize(mask, (BLUR_PX, BLUR_PX), interpolation=cv2.INTER_LINEAR)
    blurred = cv2.GaussianBlur(small, (kernel_px, kernel_px), 0)
    low, high = (int(mask.min()), int(mask.max())) if keep_range else (0, 255)
    return cv2.normalize(blurred, None, low, high, cv2.NORM_MINMAX)  # type: ignore[call-overload]


def mask_pyramid(
    masks: np.ndarray, kernel_px: int, height: int, width: int, keep_range: bool = False
) -> tuple[Tensor, ...]:
    """Masks [F, H, W] uint8 -> [F, h w] float32 0..1 for each level: height x width (of the latents), half, quarter.

    Halves are rounded up, as the network's strided convolutions do.
    """
    from PIL import Image

    blurred = [Image.fromarray(blurred_mask(mask, kernel_px, keep_range)) for mask in masks]
    levels = []
    for level in range(NUM_MASK_LEVELS):
        size = (-(-width >> level), -(-height >> level))
        resized = [np.asarray(mask.resize(size, Image.Resampling.BILINEAR), dtype=np.float32) for mask in blurred]
        levels.append(torch.from_numpy(np.stack(resized) / 255).flatten(1))
    return tuple(levels)


def network_masks(
    face: np.ndarray,
    lips: np.ndarray,
    height: int,
    width: int,
    hands: np.ndarray | None = None,
    options: MaskOptions = MaskOptions(),
    keep_range: bool = False,
    background: np.ndarray | None = None,
) -> tuple[Tensor, ...]:
    """Masks [F, H, W] uint8 -> for each level [3 (full, face, lips), F, h w] for latents of height x width.

    hands are needed where ``options.needs_hands``. keep_range: see ``blurred_mask``. background: instead of what is
    outside of face and hands.
    """

    def pyramid(masks: np.ndarray, kernel_px: int) -> tuple[Tensor, ...]:
        return mask_pyramid(masks, kernel_px, height, width, keep_range)

    def with_hands(branch: str, masks: np.ndarray) -> np.ndarray:
        return _union(masks, hands) if hands is not None and options.hands_branch == branch else masks

    face_levels = pyramid(with_hands("face", face), FACE_BLUR)
    lip_levels = pyramid(with_hands("lips", lips), LIP_BLUR)
    full_levels: Sequence[Tensor]
    if options.third_mask == "background":
        if background is None:
            background = 255 - (face if hands is None else _union(face, hands))
        full_levels = mask_pyramid(background, FACE_BLUR, height, width, keep_range=True)  # one without a hole stays 1
    else:
        full_levels = [_without_hands(options, *regions) for regions in zip(face_levels, lip_levels, strict=True)]
    if hands is not None and (options.third_mask == "hands" or options.hands_branch == "full"):
        full_levels = [a + b for a, b in zip(full_levels, pyramid(hands, LIP_BLUR), strict=True)]
    return tuple(torch.stack(levels) for levels in zip(full_levels, face_levels, lip_levels, strict=True))


def _without_hands(options: MaskOptions, face: Tensor, lips: Tensor) -> Tensor:
    """What the full branch's mask of one level is apart from hands."""
    if options.third_mask == "hands":
        return torch.zeros_like(lips)
    return 1 + lips if options.third_mask == "1 + lips" else (1 - face + lips).clamp(0, 1)


def _union(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The larger of both, at the size of the first; [F, H, W] uint8."""
    import cv2

    height, width = masks.shape[1:]
    sized = [cv2.resize(other, (width, height), interpolation=cv2.INTER_LINEAR) for other in others]
    return np.maximum(masks, np.stack(sized))

"""Sizes of Contextual Gesture's networks; the defaults are the paper's where it states one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InputError
from ..poses.skeleton import FACE, LEFT_HAND, RIGHT_HAND
from ..speech.features import NUM_HANDCRAFTED

Part = Literal["face", "body"]
PARTS: tuple[Part, ...] = ("face", "body")
ARM_POINTS = 6  # shoulder, elbow, wrist of each side
# 136 and 96 numbers a frame: x and y of 68 face points; of both arms and hands.
CHANNELS: dict[Part, int] = {
    "face": 2 * len(FACE),
    "body": 2 * (ARM_POINTS + len(LEFT_HAND) + len(RIGHT_HAND)),
}


def _check(config: Any, width: int, num_heads: int) -> None:
    least = min(value for value in vars(config).values() if isinstance(value, int))
    if least < 1 or width % num_heads or width % 2:
        raise InputError(
            f"{config} cannot be built; every size must be 1 or more, and the width {width} even and a multiple of its "
            f"{num_heads} heads."
        )


@dataclass(frozen=True)
class AlignmentConfig:
    """Towers of speech and gestures (paper section 3.1). num_heads: not stated there; 64 numbers a head.

    audio_channels: of a frame of speech, 1059 (1024 of WavLM ++ 35 hand-crafted) or 35. The paper has 1024 ++ 34 and
    the words' embeddings.
    """

    audio_channels: int = 1024 + NUM_HANDCRAFTED
    width: int = 384
    feed_forward_width: int = 1024
    num_layers: int = 2
    num_heads: int = 6

    def __post_init__(self) -> None:
        _check(self, self.width, self.num_heads)


@dataclass(frozen=True)
class TokensConfig:
    """The residual VQ-VAEs: ``num_layers`` code books of ``num_codes``, a token of each for every frame."""

    latent_width: int = 128
    num_blocks: int = 2
    num_layers: int = 6
    num_codes: int = 1024

    def __post_init__(self) -> None:
        _check(self, 2 * self.latent_width, 2)


@dataclass(frozen=True)
class GeneratorConfig:
    """The masked transformer over layer 0 and the residual transformer over the layers above it.

    num_frames: of a window, 80 (3.2 s). num_speech_layers: of the speech tower, which begins as the aligned one.
    style_width: of a speaker's embedding (not stated). speakers: their names, in the order of the embeddings.
    pace_blocks: residual blocks of the convolutions that tell the pace (``pace.py``), each of which sees two frames
    more to either side; None has no pace, as the paper.
    """

    audio_channels: int = 1024 + NUM_HANDCRAFTED
    width: int = 384
    feed_forward_width: int = 1024
    num_layers: int = 8
    num_residual_layers: int = 6
    num_speech_layers: int = 2
    num_heads: int = 6
    style_width: int = 64
    num_frames: int = 80
    speakers: tuple[str, ...] = ("",)
    pace_blocks: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "speakers", tuple(self.speakers))
        if not self.speakers:
            raise InputError("a generator has no speakers; name one or more.")
        _check(self, self.width, self.num_heads)


@dataclass(frozen=True)
class ContextualGestureConfig:
    """Everything that one file holds."""

    alignment: AlignmentConfig = AlignmentConfig()
    tokens: TokensConfig = TokensConfig()
    generator: GeneratorConfig = GeneratorConfig()

    @classmethod
    def from_dict(cls, sizes: dict[str, dict[str, Any]]) -> ContextualGestureConfig:
        """Raises KeyError or TypeError for what no network of ours has."""
        return cls(
            AlignmentConfig(**sizes["alignment"]),
            TokensConfig(**sizes["tokens"]),
            GeneratorConfig(**sizes["generator"]),
        )

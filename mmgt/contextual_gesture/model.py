"""All networks of Contextual Gesture as one module, as one file holds them."""

from __future__ import annotations

from typing import Any, cast

from torch import Tensor, nn

from ..errors import InputError
from .alignment import Alignment
from .config import PARTS, ContextualGestureConfig, Part
from .generator import Generator
from .tokens import Tokenizer


class ContextualGesture(nn.Module):
    """alignment: speech and gestures in one space. tokenizers: motion <-> tokens. generator: speech -> tokens."""

    def __init__(self, config: ContextualGestureConfig, ops: Any = nn, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.config = config
        kw = {"device": device, "dtype": dtype}
        self.alignment = Alignment(config.alignment, ops, **kw)
        self.tokenizers = nn.ModuleDict({part: Tokenizer(part, config.tokens, ops, **kw) for part in PARTS})
        self.generator = Generator(config.generator, config.tokens, ops, **kw)

    def tokenizer(self, part: Part) -> Tokenizer:
        return cast(Tokenizer, self.tokenizers[part])

    @property
    def speakers(self) -> tuple[str, ...]:
        return self.config.generator.speakers

    def style(self, speaker: str = "") -> Tensor:
        """[S]: a speaker's embedding; "" is the mean of all. Raises InputError for a name that was not learned."""
        styles = self.generator.styles
        if not speaker:
            return styles.mean(dim=0)
        if speaker not in self.speakers:
            raise InputError(
                f"this network learned no speaker '{speaker}'; it knows {', '.join(self.speakers)}. Leave the speaker "
                "empty for their mean."
            )
        return styles[self.speakers.index(speaker)]

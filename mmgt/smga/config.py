"""SMGA's architecture, read from a state dict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class SMGAConfig:
    """Defaults are the published network: 90 M parameters with its unused tensors, 73.2 M without."""

    num_channels: int = 402
    num_frames: int = 80  # 3.2 s at 25 fps; fixed by the learned null audio tokens
    width: int = 512
    feed_forward_width: int = 1024
    num_layers: int = 8
    num_heads: int = 8
    num_audio_layers: int = 2
    audio_channels: int = 1059  # 1024 WavLM ++ 35 hand-crafted

    @classmethod
    def from_state_dict(cls, state_dict: Mapping[str, Tensor], num_heads: int = 8) -> SMGAConfig:
        """Read every size from the tensors (the authors' or our key layout). num_heads is not visible there."""
        _, num_frames, width = state_dict["null_cond_embed"].shape
        return cls(
            num_channels=state_dict["final_layer.weight"].shape[0],
            num_frames=num_frames,
            width=width,
            feed_forward_width=state_dict["seqTransDecoder.stack.0.linear1.weight"].shape[0],
            num_layers=1
            + max(int(key.split(".")[2]) for key in state_dict if key.startswith("seqTransDecoder.stack.")),
            num_heads=num_heads,
            num_audio_layers=1 + max(int(key.split(".")[1]) for key in state_dict if key.startswith("cond_encoder.")),
            audio_channels=state_dict["cond_projection.weight"].shape[1],
        )

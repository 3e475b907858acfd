"""SMGA's architecture, read from a state dict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

StartPose = Literal["concat", "add"]


@dataclass(frozen=True)
class SMGAConfig:
    """Defaults are the published network: 90 M parameters with its unused tensors, 73.2 M without.

    two_branches, film: False in the paper's ablations (Table IV). start_pose: how the initial pose joins the noisy
    ones, "concat" as the authors' code does or "add" as the paper's equation 5 says. target_offset: 0 where the first
    frame of a window repeats its initial pose (the authors'), 1 where it is the next one.
    """

    num_channels: int = 402
    num_frames: int = 80  # 3.2 s at 25 fps; fixed by the learned null audio tokens
    width: int = 512
    feed_forward_width: int = 1024
    num_layers: int = 8
    num_heads: int = 8
    num_audio_layers: int = 2
    audio_channels: int = 1059  # 1024 WavLM ++ 35 hand-crafted
    two_branches: bool = True
    film: bool = True
    start_pose: StartPose = "concat"
    target_offset: int = 0

    @property
    def pose_channels(self) -> int:
        return self.num_channels if self.start_pose == "add" else 2 * self.num_channels

    @classmethod
    def from_state_dict(
        cls, state_dict: Mapping[str, Tensor], num_heads: int = 8, target_offset: int = 0
    ) -> SMGAConfig:
        """Read every size from the tensors in the authors' keys. num_heads and target_offset are not visible there."""
        _, num_frames, width = state_dict["null_cond_embed"].shape
        num_channels = state_dict["final_layer.weight"].shape[0]
        return cls(
            num_channels=num_channels,
            num_frames=num_frames,
            width=width,
            feed_forward_width=state_dict["seqTransDecoder.stack.0.linear1.weight"].shape[0],
            num_layers=1
            + max(int(key.split(".")[2]) for key in state_dict if key.startswith("seqTransDecoder.stack.")),
            num_heads=num_heads,
            num_audio_layers=1 + max(int(key.split(".")[1]) for key in state_dict if key.startswith("cond_encoder.")),
            audio_channels=state_dict["cond_projection.weight"].shape[1],
            two_branches="seqTransDecoder.stack.0.norm_body_1.weight" in state_dict,
            film="seqTransDecoder.stack.0.film_final.block.1.weight" in state_dict,
            target_offset=target_offset,
            start_pose="add" if state_dict["input_projection.weight"].shape[1] == num_channels else "concat",
        )

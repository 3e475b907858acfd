"""The SMGA network: noisy poses + initial pose + speech -> clean poses (paper section III-B; Figure 4, in version 2
Figure 5).

Letters: L = 80 video frames of a window, D width, R guidance rows, "..." any leading axes (batch, windows, rows).
Leading axes broadcast: poses may have one row where the speech has two (with and without speech), and then everything
that does not depend on speech is computed once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ..ops import Layers
from ..poses.vector import is_face
from ..transformer import Attention, FeedForward, KeysValues
from .config import SMGAConfig

NUM_TIME_TOKENS = 2


@dataclass(frozen=True)
class SpeechTokens:
    """Speech as the decoder reads it. tokens [..., L, D]; summary [..., D], pooled over time."""

    tokens: Tensor
    summary: Tensor


@dataclass(frozen=True)
class LayerCondition:
    """What one decoder layer gets from speech and diffusion time.

    memories: keys and values of each branch (face, body), each [..., L + 2, D]. films: [..., 1, 2 D], two for each
    branch, then the merge's; None where the network has no FiLM.
    """

    memories: tuple[KeysValues, ...]
    films: tuple[Tensor | None, ...]


class Rotary:
    """Rotary positions over the full width, applied before the query and key projections (not per head)."""

    def __init__(self, width: int, num_positions: int, device: Any) -> None:
        frequencies = 10000.0 ** (-torch.arange(0, width, 2, device=device).float() / width)  # [D/2]
        angles = torch.arange(num_positions, device=device).float()[:, None] * frequencies  # [L, D/2]
        self.turns = torch.polar(torch.ones_like(angles), angles)  # [L, D/2] complex: cos + i sin

    def __call__(self, z: Tensor, start: int = 0) -> Tensor:
        pairs = rearrange(z.float(), "... (pairs two) -> ... pairs two", two=2)  # channels 2j and 2j + 1 turn together
        turned = torch.view_as_complex(pairs) * self.turns[start : start + z.shape[-2]]
        return rearrange(torch.view_as_real(turned), "... pairs two -> ... (pairs two)").to(z)


class SpeechLayer(nn.Module):
    """Pre-norm transformer encoder layer over the speech features."""

    def __init__(self, config: SMGAConfig, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.norm_1 = ops.LayerNorm(config.width, **kw)
        self.self_attention = Attention(config.width, config.num_heads, ops, **kw)
        self.norm_2 = ops.LayerNorm(config.width, **kw)
        self.feed_forward = FeedForward(config.width, config.feed_forward_width, ops, **kw)

    def forward(self, tokens: Tensor, rotary: Rotary) -> Tensor:
        n = self.norm_1(tokens)
        rotated = rotary(n)
        tokens = tokens + self.self_attention(rotated, self.self_attention.keys_values(rotated, n))
        return tokens + self.feed_forward(self.norm_2(tokens))


def film(y: Tensor, scale_and_shift: Tensor | None) -> Tensor:
    """FiLM: (1 + scale) y + shift, the same for all frames. y [..., L, D], scale_and_shift [..., 1, 2 D] or none."""
    if scale_and_shift is None:
        return y
    scale, shift = scale_and_shift.chunk(2, dim=-1)
    return torch.addcmul(shift, y, 1 + scale)


def film_layer(config: SMGAConfig, ops: Any, **kw: Any) -> nn.Module | None:
    """Speech and diffusion time -> scale and shift; None in the ablation without FiLM."""
    return ops.Linear(config.width, 2 * config.width, **kw) if config.film else None


class Branch(nn.Module):
    """Face or body: self-attention over the poses, then cross-attention to speech and diffusion time."""

    def __init__(self, config: SMGAConfig, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.norm_1 = ops.LayerNorm(config.width, **kw)
        self.self_attention = Attention(config.width, config.num_heads, ops, **kw)
        self.film_1 = film_layer(config, ops, **kw)
        self.norm_2 = ops.LayerNorm(config.width, **kw)
        self.cross_attention = Attention(config.width, config.num_heads, ops, **kw)
        self.film_2 = film_layer(config, ops, **kw)

    def forward(
        self, y: Tensor, memory: KeysValues, film_1: Tensor | None, film_2: Tensor | None, rotary: Rotary
    ) -> Tensor:
        n = self.norm_1(y)
        rotated = rotary(n)
        y = y + film(self.self_attention(rotated, self.self_attention.keys_values(rotated, n)), film_1)
        return y + film(self.cross_attention(rotary(self.norm_2(y)), memory), film_2)


class DecoderLayer(nn.Module):
    """Face and body side by side, summed and mixed by a feed-forward. The ablation with one branch has no body."""

    def __init__(self, config: SMGAConfig, ops: Any, **kw: Any) -> None:
        super().__init__()
        self.face = Branch(config, ops, **kw)
        self.body = Branch(config, ops, **kw) if config.two_branches else None
        self.norm = ops.LayerNorm(config.width, **kw)
        self.feed_forward = FeedForward(config.width, config.feed_forward_width, ops, **kw)
        self.film = film_layer(config, ops, **kw)

    @property
    def branches(self) -> tuple[Branch, ...]:
        return (self.face,) if self.body is None else (self.face, self.body)

    def condition(self, memory: Tensor, rotated_memory: Tensor) -> tuple[KeysValues, ...]:
        return tuple(branch.cross_attention.keys_values(rotated_memory, memory) for branch in self.branches)

    def films(self, tau: Tensor) -> tuple[Tensor | None, ...]:
        """tau [..., 1, D], already through Mish -> FiLM vectors [..., 1, 2 D], as ``LayerCondition`` has them."""
        layers = [layer for branch in self.branches for layer in (branch.film_1, branch.film_2)]
        return tuple(None if layer is None else layer(tau) for layer in (*layers, self.film))

    def forward(self, face: Tensor, body: Tensor, condition: LayerCondition, rotary: Rotary) -> Tensor:
        *films, merge = condition.films
        y = self.face(face, condition.memories[0], films[0], films[1], rotary)
        if self.body is not None:
            y = y + self.body(body, condition.memories[1], films[2], films[3], rotary)
        return y + film(self.feed_forward(self.norm(y)), merge)


class SMGA(nn.Module):
    """GestureDecoder of the paper. Build it through ``weights.load_smga``; parameters are float32.

    ops: where the layers and the attention come from (torch.nn, or ComfyUI's for its memory management and flags).
    """

    def __init__(self, config: SMGAConfig, ops: Any = nn, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.config = config
        kw = {"device": device, "dtype": dtype}
        width = config.width
        self.pose_projection = ops.Linear(config.pose_channels, width, **kw)  # shared by face and body
        self.speech_projection = ops.Linear(config.audio_channels, width, **kw)
        self.speech_layers = Layers(SpeechLayer(config, ops, **kw) for _ in range(config.num_audio_layers))
        self.summary_norm = ops.LayerNorm(width, **kw)
        self.summary_in = ops.Linear(width, width, **kw)
        self.summary_out = ops.Linear(width, width, **kw)
        self.null_tokens = nn.Parameter(torch.zeros(1, config.num_frames, width, **kw))
        self.null_summary = nn.Parameter(torch.zeros(1, width, **kw))
        self.time_in = ops.Linear(width, 4 * width, **kw)
        self.time_to_summary = ops.Linear(4 * width, width, **kw)
        self.time_to_tokens = ops.Linear(4 * width, NUM_TIME_TOKENS * width, **kw)
        self.memory_norm = ops.LayerNorm(width, **kw)
        self.layers = Layers(DecoderLayer(config, ops, **kw) for _ in range(config.num_layers))
        self.output_projection = ops.Linear(width, config.num_channels, **kw)

    def rotary(self, device: Any) -> Rotary:
        return Rotary(self.config.width, self.config.num_frames + NUM_TIME_TOKENS, device)

    def encode_speech(self, features: Tensor) -> SpeechTokens:
        """features [..., L, audio_channels] -> tokens and summary; independent of poses and diffusion time."""
        rotary = self.rotary(features.device)
        tokens = self.speech_projection(features)
        for layer in self.speech_layers:
            tokens = layer(tokens, rotary)
        pooled = self.summary_norm(tokens.mean(dim=-2))
        return SpeechTokens(tokens, self.summary_out(F.silu(self.summary_in(pooled))))

    def without_speech(self, like: SpeechTokens) -> SpeechTokens:
        """The learned null tokens and summary of classifier-free guidance, in the shape of ``like``."""
        return SpeechTokens(
            self.null_tokens[0].to(like.tokens).expand_as(like.tokens),
            self.null_summary[0].to(like.summary).expand_as(like.summary),
        )

    def embed_time(self, timesteps: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """timesteps [...] int64, 0..999 -> FiLM summand [..., D] and time tokens [..., 2, D], made in ``dtype``."""
        half = self.config.width // 2
        frequencies = torch.exp(torch.arange(half, device=timesteps.device) * (-math.log(10000.0) / (half - 1)))
        angles = timesteps.float().unsqueeze(-1) * frequencies  # [..., D/2]
        hidden = F.mish(self.time_in(torch.cat([angles.sin(), angles.cos()], dim=-1).to(dtype)))
        tokens = rearrange(self.time_to_tokens(hidden), "... (tokens d) -> ... tokens d", tokens=NUM_TIME_TOKENS)
        return self.time_to_summary(hidden), tokens

    def conditions(self, speech: SpeechTokens, timesteps: Tensor) -> Conditions:
        """Everything that depends on speech and diffusion time only, for S timesteps at once.

        timesteps [S, ...] int64; the axes after S broadcast against the leading axes of the speech.
        """
        num_frames, rotary = speech.tokens.shape[-2], self.rotary(speech.tokens.device)
        time_summary, time_tokens = self.embed_time(timesteps, speech.tokens.dtype)
        tokens = F.pad(self.memory_norm(speech.tokens), (0, 0, 0, NUM_TIME_TOKENS))  # room for the time tokens
        time_tokens = self.memory_norm(time_tokens)
        rotated, rotated_time = rotary(tokens), rotary(time_tokens, start=num_frames)
        tau = F.mish(speech.summary + time_summary).unsqueeze(-2)  # [S, ..., 1, D]
        return Conditions(
            memories=[layer.condition(tokens, rotated) for layer in self.layers],
            time_memories=[layer.condition(time_tokens, rotated_time) for layer in self.layers],
            films=[layer.films(tau) for layer in self.layers],
        )

    def decode(self, x: Tensor, initial_pose: Tensor, conditions: list[LayerCondition]) -> Tensor:
        """Noisy poses [..., L, 402] and initial poses [..., 402] -> hidden frames [..., L, D] of the clean poses."""
        rotary = self.rotary(x.device)
        start = initial_pose.unsqueeze(-2).expand_as(x)
        if self.config.two_branches:
            of_face = is_face(x.device)
            face = self.embed_poses(x * of_face, start * of_face)
            body = self.embed_poses(x * ~of_face, start * ~of_face)
        else:
            face = body = self.embed_poses(x, start)
        for layer, condition in zip(self.layers, conditions, strict=True):
            face = layer(face, body, condition, rotary)  # the body stream starts anew in every layer
        return face

    def embed_poses(self, x: Tensor, start: Tensor) -> Tensor:
        """Both [..., L, 402] -> [..., L, D]: side by side as the authors do, or added (the paper's equation 5)."""
        return self.pose_projection(x + start if self.config.start_pose == "add" else torch.cat([x, start], dim=-1))

    def forward(
        self, x: Tensor, initial_pose: Tensor, features: Tensor, timesteps: Tensor, drop: Tensor | bool = False
    ) -> Tensor:
        """One plain pass. x [B, L, 402], initial_pose [B, 402], features [B, L, audio_channels], timesteps [B] -> x0.

        drop: without speech (classifier-free guidance), for all or for each sample [B] bool. The authors encode the
        speech all the same; so does this.
        """
        speech, dropped = self.encode_speech(features), torch.as_tensor(drop, device=x.device)
        null = self.without_speech(speech)
        speech = SpeechTokens(
            torch.where(dropped[..., None, None], null.tokens, speech.tokens),
            torch.where(dropped[..., None], null.summary, speech.summary),
        )
        conditions = self.conditions(speech, timesteps[None]).at(0)
        return self.output_projection(self.decode(x, initial_pose, conditions))

    def guided(self, x: Tensor, initial_pose: Tensor, conditions: list[LayerCondition], guidance: float) -> Tensor:
        """Classifier-free guidance in one batch: u + (c - u) guidance.

        x [N, L, 402], initial_pose [N, 402] or [1, 402]; conditions of speech rows [N, 2 (without, with), ...].
        """
        rows = self.decode(x.unsqueeze(1), initial_pose.unsqueeze(1), conditions)  # [N, 2, L, D]
        without_speech, with_speech = rows.unbind(dim=1)
        # the output projection is linear, so guidance may be applied before it
        return self.output_projection(torch.lerp(without_speech, with_speech, guidance))


class Conditions:
    """Layer conditions of several timesteps. Speech keys and values are shared by all of them.

    memories: of each layer, keys and values of its branches [..., L + 2, D]; the last two rows are a buffer for the
    time tokens of one step. time_memories [S, ..., 2, D], films [S, ..., 1, 2 D]: of each layer, for every timestep.
    """

    def __init__(
        self,
        memories: list[tuple[KeysValues, ...]],
        time_memories: list[tuple[KeysValues, ...]],
        films: list[tuple[Tensor | None, ...]],
    ) -> None:
        self.memories, self.time_memories, self.films = memories, time_memories, films

    def at(self, step_idx: int) -> list[LayerCondition]:
        """The conditions of timestep number ``step_idx``, one per layer.

        The time tokens are written into the buffer, so they are valid until the next call.
        """
        conditions = []
        for memories, time_memories, films in zip(self.memories, self.time_memories, self.films, strict=True):
            for memory, time_memory in zip(memories, time_memories, strict=True):
                for rows, time_rows in zip(memory, time_memory, strict=True):  # keys, then values
                    rows[..., -NUM_TIME_TOKENS:, :] = time_rows[step_idx]
            films_now = tuple(None if film is None else film[step_idx] for film in films)
            conditions.append(LayerCondition(memories, films_now))
        return conditions

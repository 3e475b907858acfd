"""The two encoders: where their 25 rows a second come about, and long speech in chunks, so that memory stays flat."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...poses import POSE_FPS
from ...windows import add_window, blend_weights, window_starts
from .waveform import STEP_REACH_SAMPLES, STEP_SAMPLES, Speech

CHUNK_FRAMES = 30 * POSE_FPS  # the networks were trained with 20 s at most; WavLM-Large needs 0.7 GB for this
BLEND_FRAMES = 1 * POSE_FPS  # over which a chunk fades into the next one
STEPS_AT_ONCE = 100  # of the convolutions: 2 s, of which their first layer makes 13 MB

Layer = Callable[[Tensor], Tensor]


class SpeechEncoder(nn.Module, ABC):
    """A network of transformers (``network``) that encodes speech where its weights are and in their dtype."""

    epsilon: float  # added to the variance of the samples

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    @property
    @abstractmethod
    def context_frames(self) -> int:
        """How far the convolution that tells positions reaches to either side.

        What is nearer than this to the end of a chunk depends on where it ends, and is left to the chunk beside it.
        """

    @abstractmethod
    def row_steps(self, speech: Speech, num_frames: int) -> Tensor:
        """[T] float32: at which steps of the convolutions the rows lie."""

    @abstractmethod
    def first_layer(self, speech: Speech) -> Layer:
        """The first convolution and its norm: [1, 1, S] -> [1, C, steps]."""

    @abstractmethod
    def rows(self, conv_features: Tensor, steps: Tensor) -> Tensor:
        """Features of the convolutions [1, L, C] and places on their axis [N] -> [N, ...]."""

    def conv_features(self, speech: Speech, layers: Sequence[Layer], start: int, stop: int) -> Tensor:
        """[1, stop - start, C]: steps start..stop-1 of the convolutions."""
        like = next(self.network.parameters())
        blocks = []
        for first in range(start, stop, STEPS_AT_ONCE):
            last = min(first + STEPS_AT_ONCE, stop) - 1
            samples = speech.read(first * STEP_SAMPLES, last * STEP_SAMPLES + STEP_REACH_SAMPLES, self.epsilon)
            features = samples.to(like)[None, None]
            for layer in layers:
                features = layer(features)
            blocks.append(features)
        return torch.cat(blocks, dim=2).transpose(1, 2)

    @torch.no_grad()
    def encode(
        self,
        speech: Speech,
        num_frames: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """The rows [T, ...], float32 on the CPU, T = num_frames.

        More than ``CHUNK_FRAMES`` are made in chunks. progress(chunk, num_chunks) after each; it may raise to cancel.
        """
        steps = self.row_steps(speech, num_frames)
        layers = [self.first_layer(speech), *self.network.feature_extractor.conv_layers[1:]]
        starts, length, context = self._chunks(num_frames)
        encoded = torch.empty(0)
        for chunk_idx, weight in enumerate(blend_weights(starts, length, num_frames)):
            start = starts[chunk_idx]
            before = min(start, context)
            needed = steps[start - before : start + length + context]
            first, last = int(needed[0]), min(math.ceil(needed[-1]), speech.num_steps - 1)
            rows = self.rows(self.conv_features(speech, layers, first, last + 1), needed - first)
            rows = rows[before : before + length].float().cpu()
            if chunk_idx == 0:
                encoded = torch.zeros(num_frames, *rows.shape[1:])
            add_window(encoded, rows, start, weight)
            if progress is not None:
                progress(chunk_idx + 1, len(starts))
        return encoded

    def num_chunks(self, num_frames: int) -> int:
        """How often ``encode`` calls its progress."""
        return len(self._chunks(num_frames)[0])

    def _chunks(self, num_frames: int) -> tuple[list[int], int, int]:
        """Starts and length of the chunks that are blended, and how much more is read on either side."""
        if num_frames <= CHUNK_FRAMES:
            return [0], num_frames, 0
        length = CHUNK_FRAMES - 2 * self.context_frames
        return window_starts(num_frames, length, BLEND_FRAMES), length, self.context_frames


class WavLM(SpeechEncoder):
    """WavLM-Large, its last layer: rows [N, 1024] (arXiv 2110.13900)."""

    epsilon = 1e-5

    @property
    def context_frames(self) -> int:
        return self.network.config.num_conv_pos_embeddings // 4  # the transformer takes two steps a frame

    def row_steps(self, speech: Speech, num_frames: int) -> Tensor:
        # The last step counts twice, as when SMGA was trained: the 159 steps of 3.2 s become 80 rows. Speech that ends
        # within 5 ms of a frame makes none of this frame; the row before it holds.
        steps = spread(speech.num_steps + 1, (speech.num_steps + 2) // 2)
        return steps[torch.arange(num_frames).clamp(max=len(steps) - 1)]

    def first_layer(self, speech: Speech) -> Layer:
        return self.network.feature_extractor.conv_layers[0]

    def rows(self, conv_features: Tensor, steps: Tensor) -> Tensor:
        projected = self.network.feature_projection(conv_features)[0]
        return interpolate(self.network.encoder(projected).last_hidden_state[0], steps)


class Wav2Vec2(SpeechEncoder):
    """wav2vec2-base-960h, its 12 layers: rows [N, 12, 768] (arXiv 2006.11477).

    Rows are made of the convolutions' steps before the transformer, which so runs at the video's rate.
    """

    epsilon = 1e-7

    @property
    def context_frames(self) -> int:
        return self.network.config.num_conv_pos_embeddings // 2

    def row_steps(self, speech: Speech, num_frames: int) -> Tensor:
        return spread(speech.num_steps, num_frames)

    def first_layer(self, speech: Speech) -> Layer:
        """Its group norm takes each channel's mean and variance over the whole recording.

        A channel is a weighted sum of the samples in the convolution's receptive field: its mean and variance follow
        from the means of these samples and of their products.
        """
        layer = self.network.feature_extractor.conv_layers[0]
        conv, norm = layer.conv, layer.layer_norm
        (kernel,), (stride,) = conv.kernel_size, conv.stride
        num_steps = (speech.num_samples - kernel) // stride + 1
        samples_mean, products_mean = torch.zeros(kernel).double(), torch.zeros(kernel, kernel).double()
        steps_at_once = STEPS_AT_ONCE * STEP_SAMPLES // stride
        for first in range(0, num_steps, steps_at_once):
            last = min(first + steps_at_once, num_steps) - 1
            samples = speech.read(first * stride, last * stride + kernel, self.epsilon)
            spans = samples.double().unfold(0, kernel, stride)  # [steps, kernel]
            samples_mean += spans.sum(dim=0) / num_steps
            products_mean += spans.T @ spans / num_steps
        weights = conv.weight[:, 0].cpu().double()  # [C, kernel]
        mean = weights @ samples_mean
        variance = ((weights @ products_mean) * weights).sum(dim=1) - mean**2
        scale = norm.weight.cpu().double() / (variance + norm.eps).sqrt()
        shift = norm.bias.cpu().double() - mean * scale
        scale, shift = (statistic[:, None].float().to(conv.weight) for statistic in (scale, shift))
        return lambda waveform: layer.activation(conv(waveform) * scale + shift)

    def rows(self, conv_features: Tensor, steps: Tensor) -> Tensor:
        encoder = self.network.encoder
        hidden = self.network.feature_projection(interpolate(conv_features[0], steps)[None])[0]
        hidden = encoder.layer_norm(hidden + encoder.pos_conv_embed(hidden))
        layers = []
        for layer in encoder.layers:
            hidden = layer(hidden)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden  # transformers 4 and 5
            layers.append(hidden[0])
        return torch.stack(layers, dim=1)


def spread(num_steps: int, num_rows: int) -> Tensor:
    """[N] float32: N places from the first step to the last, rounded as torch's ``align_corners=True`` rounds them.

    That matters: the layer norm behind the convolutions amplifies even the rounding.
    """
    return torch.arange(num_rows) * (torch.tensor(num_steps - 1.0) / max(num_rows - 1, 1))


def interpolate(features: Tensor, places: Tensor) -> Tensor:
    """[L, D] -> [N, D], linear between neighbours. places: [N] float32 on the axis of L; behind its end, its end."""
    places = places.clamp(max=len(features) - 1)
    before = places.long()
    after = (before + 1).clamp(max=len(features) - 1)
    share = (places - before)[:, None].to(features)
    before, after = before.to(features.device), after.to(features.device)
    return features[before] * (1 - share) + features[after] * share

"""What a small SMGA begins from, so that it learns motion at once and need not find these first:

- the initial pose comes out as it went in (all 402 numbers through a width that may be narrower);
- frame t attends to the speech at t (rotary positions say nothing before queries and keys agree).

Both are weights of the published architecture, in its key layout; nothing of the network changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..poses.vector import FRAME_PX, PX, is_face, mask_legs
from ..smga.model import SMGA

POSE_ERROR = 1 / FRAME_PX  # in normalised units, where a pixel is 1 / 500: what a sampled or detected pose is off by
# Of the noisy poses SMGA reads what moves by 10 px or more (noise hides the rest until the last steps), in units of
# 100 px, so that unit noise is not larger than 5 there.
READ_PX, READ_UNIT_PX = 10, 100
POSITION_BIAS = 1.5  # in both norms before cross-attention: 2.25 x 32 / sqrt(32) = 12.7 for equal times, heads of 32


@dataclass(frozen=True)
class SpeechScale:
    """Mean and deviation of each speech feature [D]: hand-crafted ones reach from 0..1 to -240 +- 125 (MFCC 0).

    A network learns from normalised features; ``folded`` writes the scale into its first layer, which then takes raw
    ones, as published checkpoints do.
    """

    mean: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, features: Tensor) -> SpeechScale:
        """features [N, D]; one that never changes keeps its unit."""
        deviation = features.double().std(dim=0)
        return cls(features.double().mean(dim=0).float(), torch.where(deviation > 1e-6, deviation, 1.0).float())

    @classmethod
    def none(cls, num_features: int) -> SpeechScale:
        return cls(torch.zeros(num_features), torch.ones(num_features))

    def normalised(self, features: Tensor) -> Tensor:
        """[..., D] -> [..., D] of mean 0, deviation 1."""
        return (features - self.mean.to(features)) / self.deviation.to(features)

    def folded(self, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights over normalised features -> weights over raw ones; the rest as it is."""
        weight, bias = state_dict["speech_projection.weight"], state_dict["speech_projection.bias"]
        scaled = weight.double() / self.deviation.to(weight.device).double()
        moved = bias.double() - scaled @ self.mean.to(weight.device).double()
        return {**state_dict, "speech_projection.weight": scaled.to(weight), "speech_projection.bias": moved.to(bias)}

    def unfolded(self, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights over raw features -> weights over normalised ones: ``folded`` undone."""
        weight, bias = state_dict["speech_projection.weight"].double(), state_dict["speech_projection.bias"].double()
        moved = (bias + weight @ self.mean.double()).float()
        scaled = (weight * self.deviation.double()).float()
        return {**state_dict, "speech_projection.weight": scaled, "speech_projection.bias": moved}


@torch.no_grad()
def begin_aligned(network: SMGA, poses: Tensor) -> None:
    """Write such weights into an untrained network, in place. poses: windows [N, L, 402] of the training set.

    The initial pose travels in the first half of the width, as principal components of motion, then of what differs
    between people, each in units of its own deviation (a pixel at least): a mouth that opens is as large there as an
    arm that swings. The larger motions of the noisy poses enter the second half, which the output does not read. Both
    projections stay as they are (frozen); what every block adds begins at zero.
    """
    width, num_channels, num_layers = network.config.width, network.config.num_channels, network.config.num_layers
    mean, basis, units = pose_components(poses, width // 2)
    deviations = ((poses.flatten(0, 1) - mean) @ basis.T).std(dim=0)  # of motion and people together
    num_components = len(basis)
    units = units.clamp(min=POSE_ERROR)
    read = components_of_shown(basis, deviations) / units[:, None]  # [K, 402]
    # the body's stream is added anew by every layer, the face's runs through all of them
    num_bodies = num_layers if network.config.two_branches else 0
    share = torch.where(is_face(), 1.0, 1 / max(num_bodies, 1))
    into, bias, out = torch.zeros(width, 2 * num_channels), torch.zeros(width), torch.zeros(num_channels, width)
    into[:num_components, num_channels:] = read * share
    bias[:num_components] = -(read @ mean) / (1 + num_bodies)
    moving = (units > READ_PX * PX).nonzero()[:, 0]
    noisy = basis[moving] / units[moving].clamp(min=READ_UNIT_PX * PX)[:, None]
    into[width // 2 + moving, :num_channels] = noisy * share
    bias[width // 2 + moving] = -(noisy @ mean) / (1 + num_bodies)
    out[:, :num_components] = basis.T * units
    for projection, weight, shift in (
        (network.pose_projection, into, bias),
        (network.output_projection, out, mean),
    ):
        projection.weight.copy_(weight)
        projection.bias.copy_(shift)
        projection.requires_grad_(False)
    network.memory_norm.bias.fill_(POSITION_BIAS)
    for layer in network.layers:
        for branch in layer.branches:
            branch.norm_2.bias.fill_(POSITION_BIAS)
            for projection in (branch.cross_attention.query, branch.cross_attention.key):
                nn.init.eye_(projection.weight)
                nn.init.zeros_(projection.bias)
            _zero(branch.self_attention.output, branch.cross_attention.output, branch.film_1, branch.film_2)
        _zero(layer.feed_forward.contract, layer.film)


def pose_components(windows: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [402], orthonormal directions [K, 402] and their deviations [K] of windows [N, L, 402]; K <= ``most``.

    First those of motion (against each window's first frame), then those in which first frames differ besides.
    """
    windows = windows.double()
    mean = windows.mean(dim=(0, 1))
    motion = (windows - windows[:, :1]).flatten(0, 1)
    moving, moves = _components(motion, most)
    people = windows[:, 0] - mean
    people = people - people @ moving.T @ moving
    standing, differs = _components(people, most - len(moving))
    return mean.float(), torch.cat([moving, standing]).float(), torch.cat([moves, differs]).float()


def components_of_shown(basis: Tensor, deviations: Tensor) -> Tensor:
    """[K, 402], [K] -> [K, 402]: the likeliest components of a pose of which SMGA is shown all but the legs.

    Each shown number is off by POSE_ERROR (a ridge estimate), so that components below it are not made up of rounding:
    a window that goes on from a sampled pose would be misled by them.
    """
    is_shown = mask_legs(torch.ones(basis.shape[1])) > 0
    shown = basis.double()[:, is_shown]
    precision = shown @ shown.T / POSE_ERROR**2 + torch.diag(deviations.double() ** -2)
    read = torch.zeros_like(basis)
    read[:, is_shown] = torch.linalg.solve(precision, shown / POSE_ERROR**2).float()
    return read


def _components(rows: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Directions with a deviation of more than 1 / 10,000 of the largest, at most ``most`` of them."""
    _, sizes, directions = torch.linalg.svd(rows, full_matrices=False)
    kept = min(most, int((sizes > 1e-4 * sizes[:1]).sum()))
    return directions[:kept], sizes[:kept] / len(rows) ** 0.5


def _zero(*layers: nn.Module | None) -> None:
    for layer in layers:
        for parameter in () if layer is None else layer.parameters():
            parameter.zero_()

"""Several processes that train together, on one machine or more: ``accelerate launch -m mmgt train ...``.

Each takes its share of every batch; gradients are averaged; rank 0 writes. Draws are those of the whole batch, so n
processes with a batch of b give the gradients of one process with n b.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import InputError

CPU = torch.device("cpu")
BUCKET_NUMBERS = 2**25  # that are averaged at once


@dataclass(frozen=True)
class Team:
    """One of ``size`` processes; a single one is alone and needs no accelerate."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @classmethod
    def gathered(cls, device: torch.device, force_cpu: bool = False) -> Team:
        """The processes that ``accelerate launch`` (or torchrun) began; alone on ``device`` without it."""
        if int(os.environ.get("WORLD_SIZE", "1")) < 2:
            return cls(device=device)
        try:
            from accelerate import PartialState
        except ImportError as error:
            raise InputError(
                "several processes train together through accelerate, which is not installed; run "
                "`pip install 'mmgt[train]'`."
            ) from error
        state = PartialState(cpu=force_cpu or device.type == "cpu")
        return cls(state.process_index, state.num_processes, state.device)

    @property
    def writes(self) -> bool:
        return self.rank == 0

    def share(self, size: int) -> range:
        """Which samples of a batch of ``size * self.size`` this process takes."""
        return range(self.rank * size, (self.rank + 1) * size)

    def mean(self, numbers: Sequence[float]) -> list[float]:
        """The mean of each number over the processes."""
        if self.size == 1:
            return list(numbers)
        total = torch.tensor(list(numbers), dtype=torch.float64, device=self.device)
        if self.device.type == "mps":  # no float64 there
            total = total.float()
        torch.distributed.all_reduce(total)
        return (total / self.size).tolist()

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Every process gets the mean of all gradients. The same parameters must have one everywhere."""
        if self.size == 1:
            return
        for gradients in _buckets([parameter.grad for parameter in parameters if parameter.grad is not None]):
            together = torch.cat([gradient.flatten() for gradient in gradients])
            torch.distributed.all_reduce(together)
            parts = (together / self.size).split([gradient.numel() for gradient in gradients])
            for gradient, part in zip(gradients, parts, strict=True):
                gradient.copy_(part.view(gradient.shape))

    def wait(self) -> None:
        if self.size > 1:
            torch.distributed.barrier()


ALONE = Team()


def _buckets(gradients: list[Tensor]) -> Iterator[list[Tensor]]:
    """Gradients of one dtype, some at a time."""
    bucket: list[Tensor] = []
    for gradient in gradients:
        full = sum(tensor.numel() for tensor in bucket) + gradient.numel() > BUCKET_NUMBERS
        if bucket and (full or gradient.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(gradient)
    if bucket:
        yield bucket

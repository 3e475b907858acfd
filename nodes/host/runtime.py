"""ComfyUI's memory management, layers, progress and interrupt."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

import comfy.model_management
import comfy.ops
import comfy.utils
import torch
from comfy.ldm.modules.attention import optimized_attention
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ...mmgt import memory

Frame = TypeVar("Frame")


def _casting_where_needed(layer: Any) -> Any:
    """A layer of core's that casts its weights only where the input has another dtype, or core says so."""

    class Layer(layer):
        comfy_cast_weights = False

        def forward(self, x: Tensor) -> Tensor:
            if self.comfy_cast_weights or x.dtype == self.weight.dtype:
                return super().forward(x)
            if not torch.compiler.is_compiling():
                check_interrupt()
            return self.forward_comfy_cast_weights(x)

    return Layer


class OPERATIONS:
    """Layers that ComfyUI may load partially, cast and patch, and the attention that its flags chose.

    transformer_options: of the step that runs now; other nodes put their override of the attention there.
    """

    transformer_options: ClassVar[Mapping[str, Any]] = {}

    Conv2d = _casting_where_needed(comfy.ops.disable_weight_init.Conv2d)
    GroupNorm = _casting_where_needed(comfy.ops.disable_weight_init.GroupNorm)
    LayerNorm = _casting_where_needed(comfy.ops.disable_weight_init.LayerNorm)

    class Linear(_casting_where_needed(comfy.ops.disable_weight_init.Linear)):  # type: ignore[misc]
        """Core's layer with weights from the start, as torch's.

        With dynamic VRAM core's own has none until it is loaded, and a file could not be compared with the network.
        """

        __init__ = torch.nn.Linear.__init__
        _load_from_state_dict = torch.nn.Module._load_from_state_dict

    @staticmethod
    def weight_and_bias(layer: Any, like: Tensor) -> tuple[Tensor, Tensor | None]:
        """A layer's weight and bias as it computes with them on ``like``: with its patches, moved and cast."""
        return comfy.ops.cast_bias_weight(layer, like)

    @staticmethod
    def attend(queries: Tensor, keys: Tensor, values: Tensor, num_heads: int) -> Tensor:
        """Core's attention over [N, L, C]."""
        run = _attend_unseen if torch.compiler.is_compiling() else _attend
        return run(queries, keys, values, num_heads)

    @classmethod
    @contextmanager
    def within(cls, transformer_options: Mapping[str, Any]) -> Iterator[None]:
        """A step of core's sampling with these options."""
        cls.transformer_options = transformer_options
        try:
            yield
        finally:
            cls.transformer_options = {}


def _attend(queries: Tensor, keys: Tensor, values: Tensor, num_heads: int) -> Tensor:
    options = OPERATIONS.transformer_options
    return optimized_attention(queries, keys, values, num_heads, transformer_options=options)


@torch.library.custom_op("mmgt::attend", mutates_args=())
def _attend_unseen(queries: Tensor, keys: Tensor, values: Tensor, num_heads: int) -> Tensor:
    """One operation to a compiler, which must not look inside: some of core's attentions ask for the free memory.

    That would cut the network at every attention, into parts that are compiled anew for each layer, up to a limit.
    """
    return _attend(queries, keys, values, num_heads)


@_attend_unseen.register_fake
def _(queries: Tensor, keys: Tensor, values: Tensor, num_heads: int) -> Tensor:
    return torch.empty_like(queries)


def progress() -> Callable[[int, int], None]:
    """A callback(step, total) that moves the node's progress bar and raises when the user cancels."""
    bar: comfy.utils.ProgressBar | None = None

    def show(step: int, total: int) -> None:
        nonlocal bar
        bar = bar or comfy.utils.ProgressBar(total)
        check_interrupt()
        bar.update_absolute(step, total)

    return show


def counted(frames: Iterable[Frame], num_frames: int) -> Iterator[Frame]:
    """The frames as they come: they move the progress bar. Raises when the user cancels.

    No live pictures: the page would go on showing the last of them in the place of the node's result.
    """
    show = progress()
    for t, frame in enumerate(frames):
        show(t + 1, num_frames)
        yield frame


def check_interrupt() -> None:
    """Raise if the user has cancelled."""
    comfy.model_management.throw_exception_if_processing_interrupted()


def check_batch(what: str, num_frames: int, height_px: int, width_px: int, channels: int, instead: str) -> None:
    """Raise InputError before the work if a float32 batch does not fit into memory (``mmgt.memory``)."""
    free_bytes = comfy.model_management.get_free_memory(torch.device("cpu"))
    memory.check_batch(what, num_frames, height_px, width_px, channels, free_bytes, instead)


def managed(model: torch.nn.Module) -> ModelPatcher:
    """Hand a model to ComfyUI's memory management."""
    return ModelPatcher(
        model,
        load_device=comfy.model_management.get_torch_device(),
        offload_device=comfy.model_management.unet_offload_device(),
    )


def on_device(patcher: ModelPatcher, memory_required_bytes: int) -> tuple[Any, torch.device]:
    """Load a managed model for use now; returns the model and the device to compute on."""
    return on_device_together([patcher], memory_required_bytes)[0], patcher.load_device


def on_device_together(patchers: Sequence[ModelPatcher | None], memory_required_bytes: int) -> list[Any]:
    """Load several managed models for use now; returns their modules, None for None.

    Networks of other layers than core's (the speech encoders) are loaded whole: core would leave some of their layers
    behind, which cannot fetch their weights when they run.
    """
    present = [patcher for patcher in patchers if patcher is not None]
    whole = any(_needs_all_weights(patcher.model) for patcher in present)
    comfy.model_management.load_models_gpu(present, memory_required=memory_required_bytes, force_full_load=whole)
    return [None if patcher is None else patcher.model for patcher in patchers]


def _needs_all_weights(model: torch.nn.Module) -> bool:
    return not any(hasattr(module, "comfy_cast_weights") for module in model.modules())

"""Opening DWPose's ONNX files with whichever flavour of onnxruntime is installed, and knowing which is which."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..weights.catalog import DWPOSE, YOLOX
from .boxes import STRIDES_PX
from .coco import NUM_COCO_KEYPOINTS
from .keypoints import SIMCC_BINS_PER_PX

logger = logging.getLogger("mmgt")

DETECTOR_FILE, POSE_FILE = YOLOX.name, DWPOSE.name
OTHER_WAYS = YOLOX.instead
DWPOSE_ADVICE = f"download DWPose's {DETECTOR_FILE} and {POSE_FILE} again, or {OTHER_WAYS}"


def best_providers(available: Sequence[str]) -> list[str]:
    """CUDA, then the other accelerators in onnxruntime's order, then the CPU.

    Left out: TensorRT (builds engines for minutes) and Azure (sends the picture to a server).
    """
    last, first = "CPUExecutionProvider", "CUDAExecutionProvider"
    usable = [name for name in available if not name.startswith(("Tensorrt", "NvTensorRT", "Azure"))]
    return sorted(usable, key=lambda name: (name == last, name != first))


def import_onnxruntime() -> Any:
    """The module. Raises InputError where it is missing or broken."""
    try:
        import onnxruntime
    except ModuleNotFoundError as error:
        reason = str(error)
    except ImportError as error:  # it is installed: installing it again would end here again
        reason = str(error).partition("\n")[0] or "no reason given"
        raise InputError(
            f"onnxruntime is installed, but cannot be imported ({reason}); a GPU flavour lacks its system libraries "
            f"then: take the CPU's (`pip uninstall onnxruntime-gpu`, `pip install onnxruntime`), or {OTHER_WAYS}."
        ) from error
    else:
        if hasattr(onnxruntime, "InferenceSession"):
            return onnxruntime
        reason = "its folder is empty, as after uninstalling one of two flavours"
    raise InputError(
        f"DWPose needs onnxruntime ({reason}); run `pip install onnxruntime` (or onnxruntime-gpu, "
        f"onnxruntime-directml: one of them), or {OTHER_WAYS}."
    )


def open_session(onnxruntime: Any, path: Path, providers: Sequence[str], wanted: str = DWPOSE_ADVICE) -> Any:
    """An onnxruntime.InferenceSession of a file; on the CPU where an accelerator cannot take the model.

    wanted: what to do about a file that is no ONNX model, in the InputError that it raises.
    """
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: its warnings are about graph optimisation
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=list(providers))
    except Exception as error:  # onnxruntime's exceptions have no base class of their own
        reason = str(error).partition("\n")[0][:200]
        if list(providers) != ["CPUExecutionProvider"]:
            session = open_session(onnxruntime, path, ["CPUExecutionProvider"], wanted)
            logger.warning("%s cannot run %s (%s): the CPU does", providers[0], path.name, reason)
            return session
        raise InputError(
            f"{path} cannot be read as an ONNX model ({reason}): it may be truncated or of another format; {wanted}."
        ) from error


def check_model(session: Any, path: Path, wanted: str) -> None:
    """Raises InputError unless the inputs and outputs are those of ``wanted``: DETECTOR_FILE or POSE_FILE."""
    looks_like = recognise_model(session)
    if looks_like == wanted:
        return
    shapes = "; ".join(
        f"{kind} {', '.join(f'{value.name} {list(value.shape)}' for value in values)}"
        for kind, values in (("input", session.get_inputs()), ("output", session.get_outputs()))
    )
    expected = {
        DETECTOR_FILE: "a YOLOX person detector: input [1, 3, H, W], output [1, H W (1/64 + 1/256 + 1/1024), 85]",
        POSE_FILE: "a 133-point SimCC pose network: input [1, 3, H, W], outputs [1, 133, 2 W] and [1, 133, 2 H]",
    }
    what = f"looks like {looks_like} (are the two files swapped?)" if looks_like else "is another model"
    raise InputError(f"{path} ({shapes}) {what}; expected here is {expected[wanted]}. Give DWPose's {wanted}.")


def recognise_model(session: Any) -> str | None:
    """DETECTOR_FILE or POSE_FILE if the inputs and outputs are those of its kind. A symbolic size fits any."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not _fits(inputs[0].shape, (1, 3, None, None)):
        return None
    height, width = inputs[0].shape[2:]
    if not isinstance(height, int) or not isinstance(width, int):
        return None
    shapes = [output.shape for output in outputs]
    if len(shapes) == 2 and all(
        _fits(shape, (1, NUM_COCO_KEYPOINTS, SIMCC_BINS_PER_PX * side))
        for shape, side in zip(shapes, (width, height), strict=True)
    ):
        return POSE_FILE
    num_anchors = sum((height // stride) * (width // stride) for stride in STRIDES_PX)
    if len(shapes) == 1 and _fits(shapes[0], (1, num_anchors, None)):
        num_columns = shapes[0][2]
        return DETECTOR_FILE if not isinstance(num_columns, int) or num_columns > 5 else None
    return None


def _fits(shape: Sequence[int | str | None], expected: Sequence[int | None]) -> bool:
    return len(shape) == len(expected) and all(
        want is None or not isinstance(size, int) or size == want for size, want in zip(shape, expected, strict=True)
    )

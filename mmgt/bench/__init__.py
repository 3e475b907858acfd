"""Measurements behind ``mmgt bench``: speed, memory, error rates; never part of a test."""

from collections.abc import Callable
from typing import Any

from .batch import bench_batch
from .contextual import bench_contextual
from .encoders import bench_encoders
from .evaluate import bench_evaluate
from .gpu import bench_gpu, gpu_table
from .preview import bench_preview
from .provenance import bench_provenance
from .reuse import bench_reuse
from .smga import bench_smga
from .train import bench_train
from .unet import bench_unet
from .video import bench_video

BENCHES: dict[str, Callable[..., dict[str, Any]]] = {
    "smga": bench_smga,
    "contextual": bench_contextual,
    "preview": bench_preview,
    "unet": bench_unet,
    "video": bench_video,
    "reuse": bench_reuse,
    "encoders": bench_encoders,
    "provenance": bench_provenance,
    "train": bench_train,
    "evaluate": bench_evaluate,
    "batch": bench_batch,
    "gpu": bench_gpu,
}
TABLES: dict[str, Callable[[dict[str, Any]], list[str]]] = {"gpu": gpu_table}  # of results that are long

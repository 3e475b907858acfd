"""How the benches measure: seconds of CPU time, wall seconds, memory, and on which machine."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from typing import Any

import torch

from ..memory import peak_bytes


def machine() -> dict[str, Any]:
    """Processor, threads and versions."""
    return {
        "machine": _cpu_name(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def peak_rss_mib() -> float | None:
    """Largest resident memory of this process so far, in MiB; None on Windows."""
    peak = peak_bytes(torch.device("cpu"))
    return None if peak is None else round(peak / 2**20, 1)


def cpu_seconds(run: Callable[[], object]) -> float:
    """CPU seconds of this process in one run."""
    start = time.process_time()
    run()
    return time.process_time() - start


def interleaved(first: Callable[[], object], second: Callable[[], object], num_runs: int) -> tuple[float, float]:
    """Least CPU seconds of each over ``num_runs`` runs in turn, after one warm-up of each."""
    first(), second()
    pairs = [(cpu_seconds(first), cpu_seconds(second)) for _ in range(num_runs)]
    return min(a for a, _ in pairs), min(b for _, b in pairs)


def least_seconds(run: Callable[[], object], num_runs: int, device: torch.device) -> float:
    """Least wall seconds of ``num_runs`` runs after a warm-up."""
    seconds = []
    for _ in range(num_runs + 1):
        start = time.perf_counter()
        run()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds[1:])

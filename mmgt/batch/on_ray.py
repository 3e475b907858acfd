"""Clips made by a Ray cluster: actors of Ray Data, one for each GPU, each with its own networks."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import InputError
from .animate_clip import AnimateClip
from .clip import Clip, Status

HOW = "`pip install 'mmgt[batch]'` installs it here and on the cluster's machines"


def make_on_ray(
    clips: Sequence[Clip], arguments: Mapping[str, Any], address: str, num_workers: int | None = None
) -> Iterator[Status]:
    """What became of each clip, in the order in which they end.

    arguments: of ``AnimateClip``. address: of a running cluster, "auto" for the one of this machine, "local" for a new
    one. num_workers: None: one for each GPU of the cluster, or one for each machine without any. An actor that dies is
    started anew, and a machine's clips are begun again by others; what is finished by then is not made again.
    Raises InputError where Ray is missing or no cluster answers.
    """
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise InputError(f"a batch on a cluster needs Ray, which cannot be imported ({error}); {HOW}.") from error
    began = not ray.is_initialized()
    if began:
        try:
            ray.init(address=address, logging_level=logging.WARNING, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(
                f"no Ray cluster answers at {address} ({str(error).splitlines()[0][:200]}); give the address that `ray "
                "start` has printed, auto, or local."
            ) from error
    try:
        num_gpus = int(ray.cluster_resources().get("GPU", 0))
        num_machines = sum(node["Alive"] for node in ray.nodes())
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = ray.data.from_items([{"clip": clip.row()} for clip in clips], override_num_blocks=len(clips))
        made = rows.map(
            _ClipOfRow,
            fn_constructor_kwargs=dict(arguments),
            compute=ray.data.ActorPoolStrategy(size=min(num_workers or num_gpus or num_machines, len(clips))),
            num_gpus=1 if num_gpus else 0,
            num_cpus=0 if num_gpus else 1,
        )
        for row in made.iter_rows():
            yield Status.from_row(row)
    finally:
        if began:
            ray.shutdown()


class _ClipOfRow(AnimateClip):
    """One column for the whole clip: as columns, settings of different clips would be made one type."""

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        return self.status_of(row["clip"]).row()

"""What today's node schema knows and ComfyUI 0.3.64's does not: both are given where they exist."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from comfy_api.latest import io

_KNOWN = {field.name for field in fields(io.Schema)}


def schema(*, search_aliases: Iterable[str] = (), **given: Any) -> io.Schema:
    """A node's schema; the node is also found by search_aliases where ComfyUI's search knows them.

    Newer cores send what a cached node shows, to a page that was opened anew, only where the schema asks for it.
    """
    newer = {"search_aliases": list(search_aliases), "has_intermediate_output": True}
    return io.Schema(**given, **{name: value for name, value in newer.items() if name in _KNOWN})


def advanced(*inputs: io.Input) -> list[io.Input]:
    """Inputs that a page folds away where it can (ComfyUI 0.11 on)."""
    for given in inputs:
        if hasattr(given, "advanced"):
            given.advanced = True
    return list(inputs)

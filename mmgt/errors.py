"""The one exception that is meant for the person at the keyboard."""

from collections.abc import Collection


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one sentence that names the value, what is allowed and the next step. The command line prints it
    without a traceback; ComfyUI shows it on the node.
    """

    # A pack's modules are named by their path in ComfyUI, which prints this before the message.
    __module__ = "mmgt.errors"


def check_choice(what: str, value: object, allowed: Collection[str]) -> None:
    """Raise InputError unless a value is one of those that are allowed. what: "the codec", "SMGA's solver"."""
    if value not in allowed:
        raise InputError(f"{what} is {value!r}; it must be one of {', '.join(allowed)}.")

"""The one exception that is meant for the person at the keyboard, and the others in a sentence."""

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


OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")  # torch's RuntimeErrors say so
LESS_MEMORY = "take a smaller size, fewer frames, or shorter speech"


def sentence_of(error: Exception) -> str | None:
    """A sentence with what to do; None for what nobody foresaw."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, OSError) and (error.strerror or error.filename):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{error.strerror}; check that the place exists, is yours to use and has room."
    if isinstance(error, RecursionError):
        return "an input is nested too deeply to be read; give another file."
    if isinstance(error, MemoryError):
        return f"there is not enough memory; {LESS_MEMORY}."
    if isinstance(error, RuntimeError) and any(words in str(error) for words in OUT_OF_MEMORY):
        return f"there is not enough memory ({first_line(error)}); {LESS_MEMORY}."
    if isinstance(error, ImportError) and not (error.name or "").startswith("mmgt"):
        return _of_library(error)
    return None


def unforeseen(error: Exception) -> str:
    """A sentence of what is a fault of ours."""
    return f"this should not have happened ({type(error).__name__}: {first_line(error)})."


def first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["without a word"])[0][:200]


def _of_library(error: ImportError) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"a library is missing ({error}); run `pip install -c constraints.txt '.[standalone]'` in mmgt's folder."
    return (
        f"{error.name or 'a library'} is installed, but cannot be imported ({first_line(error)}); install it anew, "
        f"with `pip install --force-reinstall --no-deps {error.name or 'NAME'}`."
    )

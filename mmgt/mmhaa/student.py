"""What the file of a student says of itself: a network that was distilled to few steps, with guidance folded in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError

MAX_STEPS = 8


@dataclass(frozen=True)
class Student:
    """num_steps: it is sampled in, by DDIM at trailing timesteps, without guidance. shared_noise: see ``share_noise``.

    Raises InputError.
    """

    num_steps: int = 4
    shared_noise: float = 0.0

    def __post_init__(self) -> None:
        if not isinstance(self.num_steps, int) or not 1 <= self.num_steps <= MAX_STEPS:
            raise InputError(f"a student's steps are {self.num_steps}; they must be 1 to {MAX_STEPS}.")
        if not 0 <= self.shared_noise <= 1:
            raise InputError(f"the noise that a student's frames share is {self.shared_noise}; it must be 0 to 1.")

    @property
    def config(self) -> dict[str, Any]:
        """For a file's metadata."""
        return {"student_steps": self.num_steps, "shared_noise": self.shared_noise}

    @property
    def instead(self) -> str:
        """A sentence for where it takes the place of the authors' steps and guidance, unasked."""
        return (
            f"this network is a student: {self.num_steps} steps without guidance take the place of the authors' "
            "30 with it; set other numbers to have them."
        )

    def misuse(self, num_steps: int, is_guided: bool) -> str:
        """A sentence for a use that it was not distilled for; "" where there is nothing to say."""
        wrong = [f"with {num_steps} steps"] * (num_steps != self.num_steps) + ["with guidance"] * is_guided
        if not wrong:
            return ""
        return (
            f"this network is a student that was distilled to {self.num_steps} steps without guidance, but it is "
            f"sampled {' and '.join(wrong)}; take {self.num_steps} steps and cfg 1."
        )


def read_student(config: Mapping[str, Any], source: str) -> Student | None:
    """What a checkpoint's config says of it; None where it is no student. Raises InputError."""
    if "student_steps" not in config:
        return None
    try:
        return Student(config["student_steps"], config.get("shared_noise", 0.0))
    except (InputError, TypeError) as error:
        raise InputError(f"in the config of {source}'s metadata {error}") from error

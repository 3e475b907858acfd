"""One clip of a batch as it is ordered, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from ..errors import InputError, check_choice
from ..output_files import check_name
from ..seeds import check_seed
from ..standalone.options import check_options

MAX_ID = 100  # letters


@dataclass(frozen=True)
class Clip:
    """A line of a manifest. id: letters of ASCII, digits, ``._-``; names the output. seed: of all draws.

    image: the portrait. audio: the speech, and the video's sound. poses: a pose file or a video of drawn poses that
    moves the person; without it they are made of the speech. initial_pose: of the person in the portrait, which is
    detected otherwise. vocals: the voice alone. Each is a path or an address that fsspec opens. settings: names of
    ``standalone.options``. Raises InputError for what cannot be.
    """

    id: str
    image: str
    audio: str | None = None
    poses: str | None = None
    initial_pose: str | None = None
    vocals: str | None = None
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_id(self.id)
        for name in ("image", "audio", "poses", "initial_pose", "vocals"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, str) and value and "\0" not in value):
                raise InputError(f"{name} of the clip {self.id} is {str(value)[:60]!r}; give the path of a file.")
        if self.image is None:
            raise InputError(f"the clip {self.id} has no image; give the portrait's path.")
        if self.audio is None and self.poses is None:
            raise InputError(f"the clip {self.id} has neither audio nor poses; give one, or both.")
        if self.poses is not None and self.initial_pose is not None:
            raise InputError(f"the clip {self.id} has poses, which need no initial_pose; leave one of them out.")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool):
            raise InputError(f"the seed of the clip {self.id} is {str(self.seed)[:60]!r}; it must be a whole number.")
        check_seed(self.seed)
        if not isinstance(self.settings, Mapping):
            raise InputError(f"the settings of the clip {self.id} must be an object of names and values.")
        check_options(self.settings)

    @classmethod
    def from_row(cls, row: object) -> Clip:
        """Of a JSON object or a row of a table; None stands for what is not given. Raises InputError."""
        if not isinstance(row, Mapping):
            raise InputError(f"a clip must be an object with {', '.join(NAMES)}, not {str(row)[:60]!r}.")
        given = {name: value for name, value in row.items() if value is not None}
        for name in given:
            check_choice("a name in a clip", name, NAMES)
        for name in ("id", "image"):
            if name not in given:
                raise InputError(f"a clip has no {name}; it needs id, image, and audio or poses.")
        return cls(**given)

    def row(self) -> dict[str, Any]:
        return asdict(self)


NAMES = tuple(one.name for one in fields(Clip))


def check_id(value: object) -> None:
    """Raise InputError unless a clip's id can name its output on every system and in every store."""
    if not isinstance(value, str):
        raise InputError(f'the id {str(value)[:60]!r} is no text; give each clip one of its own, like "clip-001".')
    check_name(value, f"the id {value[:60]!r}", MAX_ID)


@dataclass(frozen=True)
class Status:
    """What became of a clip. seconds: of work. output: where the video is, "" for none. error: a sentence."""

    id: str
    ok: bool
    seconds: float = 0.0
    num_frames: int = 0
    output: str = ""
    error: str = ""

    def row(self) -> dict[str, Any]:
        """As JSON and Ray have it."""
        seconds = round(self.seconds, 3)
        rate = round(self.num_frames / seconds, 3) if self.ok and seconds else 0.0
        return {**asdict(self), "seconds": seconds, "frames_per_s": rate}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Status:
        return cls(**{one.name: row[one.name] for one in fields(cls)})

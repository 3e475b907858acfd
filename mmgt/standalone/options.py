"""Settings by the names of ``mmgt generate``'s options: of its command line, and of a manifest's lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..contextual_gesture.sample import GestureSettings
from ..errors import InputError, check_choice
from ..media import FrameMarks
from ..mmhaa.drive import STRENGTHS
from ..mmhaa.masks import AUTHORS_INFERENCE, AUTHORS_TRAINING, PAPER, MaskOptions, mask_set
from ..mmhaa.presets import PRESETS, STUDENT_PRESET, Preset, preset_of_student
from ..mmhaa.student import Student
from ..smga.sample import SamplerSettings
from .animate import AnimateSettings
from .speech_to_poses import PoseSettings
from .video import VideoSettings

MASK_SETS = {"inference": AUTHORS_INFERENCE, "paper": PAPER, "training": AUTHORS_TRAINING}


@dataclass(frozen=True)
class Kind:
    """What a value may be, in words; fits(value)."""

    words: str
    fits: Callable[[Any], bool]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300  # NaN is not


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _numbers(count: int) -> Kind:
    return Kind(
        f"a list of {count} numbers",
        lambda value: isinstance(value, (list, tuple)) and len(value) == count and all(map(_is_number, value)),
    )


TEXT = Kind("a text", lambda value: isinstance(value, str))
YES_NO = Kind("true or false", lambda value: isinstance(value, bool))
WHOLE, NUMBER = Kind("a whole number", _is_whole), Kind("a number", _is_number)

STAGE_ONE = {
    "rhythm": YES_NO,
    "candidates": WHOLE,
    "smga_steps": WHOLE,
    "smga_guidance": NUMBER,
    "smga_solver": TEXT,
    "smga_spacing": TEXT,
    "smga_eta": NUMBER,
    "smga_overlap": WHOLE,
    "close_lips": YES_NO,
    "gesture_steps": WHOLE,
    "gesture_temperature": NUMBER,
    "gesture_overlap": WHOLE,
    "gesture_pace": NUMBER,
    "speaker": TEXT,
}
STAGE_TWO = {
    "size": TEXT,
    "preset": TEXT,
    "scheduler": TEXT,
    "steps": WHOLE,
    "cfg": NUMBER,
    "window": WHOLE,
    "overlap": WHOLE,
    "looped": YES_NO,
    "guidance_interval": _numbers(2),
    "reuse_every": WHOLE,
    "windows_at_once": WHOLE,
    "shared_noise": NUMBER,
    "strengths": _numbers(3),
    "third_mask": TEXT,
    "hands_branch": TEXT,
    "mask_set": TEXT,
    "masks": TEXT,
    "dtype": TEXT,
    "device": TEXT,
    "label": TEXT,
    "invisible_mark": YES_NO,
}
OPTIONS = {**STAGE_ONE, **STAGE_TWO}


def check_options(given: Mapping[str, Any]) -> None:
    """Raise InputError for a name that is no option's, and for a value that is not of its kind. None: not given."""
    for name, value in given.items():
        check_choice("a setting", name, OPTIONS)
        if value is not None and not OPTIONS[name].fits(value):
            raise InputError(f"the setting {name} is {str(value)[:60]!r}; it must be {OPTIONS[name].words}.")


def animate_settings(given: Mapping[str, Any], student: Student | None = None) -> AnimateSettings:
    """Of options by name; what is not there, or None, has its default. Raises InputError.

    student: see ``preset_of``.
    """
    return AnimateSettings(pose_settings(given, bool(given.get("rhythm"))), video_settings(given, student))


def pose_settings(given: Mapping[str, Any], by_rules: bool) -> PoseSettings:
    """Raises InputError."""
    sampler = _given(
        num_steps=given.get("smga_steps"),
        guidance=given.get("smga_guidance"),
        eta=given.get("smga_eta"),
        overlap=given.get("smga_overlap"),
        solver=given.get("smga_solver"),
        spacing=given.get("smga_spacing"),
    )
    gestures = _given(
        num_steps=given.get("gesture_steps"),
        temperature=given.get("gesture_temperature"),
        overlap=given.get("gesture_overlap"),
        pace_strength=given.get("gesture_pace"),
    )
    others = _given(
        num_candidates=given.get("candidates"), close_lips=given.get("close_lips"), speaker=given.get("speaker")
    )
    return PoseSettings(by_rules, SamplerSettings(**sampler), gestures=GestureSettings(**gestures), **others)


def preset_of(given: Mapping[str, Any], student: Student | None = None) -> Preset:
    """The preset with the options that were given in its place. Raises InputError.

    student: of the network that will run; then "student", which is the default there, is what its file says.
    """
    name = given.get("preset") or ("authors" if student is None else STUDENT_PRESET)
    check_choice("the preset", name, PRESETS)
    start, end = given.get("guidance_interval") or (None, None)
    options = _given(
        **{name: given.get(name) for name in ("window", "overlap", "looped", "reuse_every", "windows_at_once")},
        guidance_start=start,
        guidance_end=end,
    )
    sampling = _given(
        scheduler=given.get("scheduler"),
        num_steps=given.get("steps"),
        guidance=given.get("cfg"),
        shared_noise=given.get("shared_noise"),
    )
    preset = preset_of_student(student) if student is not None and name == STUDENT_PRESET else PRESETS[name]
    return replace(preset, **sampling, options=replace(preset.options, **options))


def video_settings(given: Mapping[str, Any], student: Student | None = None) -> VideoSettings:
    """student: see ``preset_of``. Raises InputError."""
    width, height = size_of(given.get("size"))
    masks = given.get("mask_set") or "inference"
    check_choice("the mask set", masks, MASK_SETS)
    options = _given(
        third_mask=given.get("third_mask"), hands_branch=given.get("hands_branch"), motion=given.get("masks")
    )
    return VideoSettings(
        width,
        height,
        preset_of(given, student),
        tuple(given.get("strengths") or STRENGTHS),  # type: ignore[arg-type]
        mask_set(MASK_SETS[masks], MaskOptions(**options)),
        **_given(device=given.get("device"), dtype=given.get("dtype")),
        frame_marks=FrameMarks(given.get("label") or "", bool(given.get("invisible_mark"))),
    )


def size_of(given: str | None) -> tuple[int, int]:
    """Width and height in px of "512x512"; 0 is by the photo. Raises InputError."""
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", given or "0x0")
    if match is None:
        raise InputError(f"the size is {given}; give width x height in px, like 512x512 (0 for one: by the photo).")
    return int(match[1]), int(match[2])


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}

"""THE SEAM: the sole importer of comfy.* and folder_paths.

File lookup, memory management, layers, progress, interrupt and sampling come from ComfyUI through these functions.
"""

from .files import (
    fingerprint,
    input_files,
    input_path,
    model_files,
    model_path,
    models_named,
    new_output_path,
    output_place,
    output_subfolder,
    problem_with,
    problem_with_input,
    register_model_folders,
    state_of_input,
)
from .made import HIDDEN, how_marked, how_poses_were_made, how_video_was_made
from .marked import MarkedVideo, digest_of_video, marks_of, save_marked
from .photo import check_model, load_photo_and_video_model, read_photo
from .runtime import OPERATIONS, check_batch, check_interrupt, counted, managed, on_device, on_device_together, progress
from .sampling import (
    SAMPLERS,
    SCHEDULERS,
    TRAILING,
    WEIGHT_DTYPES,
    conditioning,
    sample,
    schedule,
    student_of,
    trailing_sigmas,
)
from .schema import advanced, schema
from .shown import result, size_shown, words

__all__ = [
    "HIDDEN",
    "OPERATIONS",
    "SAMPLERS",
    "SCHEDULERS",
    "TRAILING",
    "WEIGHT_DTYPES",
    "MarkedVideo",
    "advanced",
    "check_batch",
    "check_interrupt",
    "check_model",
    "conditioning",
    "counted",
    "digest_of_video",
    "fingerprint",
    "how_marked",
    "how_poses_were_made",
    "how_video_was_made",
    "input_files",
    "input_path",
    "load_photo_and_video_model",
    "managed",
    "marks_of",
    "model_files",
    "model_path",
    "models_named",
    "new_output_path",
    "on_device",
    "on_device_together",
    "output_place",
    "output_subfolder",
    "problem_with",
    "problem_with_input",
    "progress",
    "read_photo",
    "register_model_folders",
    "result",
    "sample",
    "save_marked",
    "schedule",
    "schema",
    "size_shown",
    "state_of_input",
    "student_of",
    "trailing_sigmas",
    "words",
]

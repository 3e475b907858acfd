"""The MMGT socket types. Core's own types are used wherever one exists."""

from comfy_api.latest import io

from ..mmgt.media import FrameMarks
from ..mmgt.media.frame_marks import LABEL
from ..mmgt.poses import MAX_SIDE_PX
from ..mmgt.seeds import NUM_SEEDS

Poses = io.Custom("MMGT_POSES")  # mmgt.poses.PoseSequence: keypoints [T, 134, 2], score [T, 134], fps, picture size
Speech = io.Custom("MMGT_SPEECH")  # SpeechFeatures: gesture features [T, 35 or 1059], video features
AudioEncoder = io.Custom("MMGT_AUDIO_ENCODER")  # ModelPatchers around WavLM and wav2vec2
PoseDetector = io.Custom("MMGT_POSE_DETECTOR")  # DWPose sessions, or MediaPipe
Smga = io.Custom("MMGT_SMGA")  # ComfyUI ModelPatcher around mmgt.smga.model.SMGA
ContextualGesture = io.Custom("MMGT_CONTEXTUAL_GESTURE")  # ModelPatcher around ContextualGesture
PoseKeypoint = io.Custom("POSE_KEYPOINT")  # OpenPose list of frames, as comfyui_controlnet_aux and SDPose emit it


MAX_SIZE_PX = 8192


def seed_input(
    tooltip: str = "Other seeds, other gestures. Same inputs and seed give the same poses.",
) -> io.Int.Input:
    return io.Int.Input("seed", default=0, min=0, max=NUM_SEEDS - 1, control_after_generate=True, tooltip=tooltip)


def size_inputs(what: str) -> list[io.Input]:
    """Width and height of what is drawn of poses. Read them with ``tensors.size``."""
    zero = "0 = the picture's, or what goes with the other side."
    return [
        io.Int.Input("width", default=0, min=0, max=MAX_SIZE_PX, tooltip=f"{what} width in px. {zero}"),
        io.Int.Input("height", default=0, min=0, max=MAX_SIZE_PX, tooltip=f"{what} height in px. {zero}"),
    ]


def canvas_inputs() -> list[io.Input]:
    """Size of the picture that poses are of, where OpenPose's data lacks it. Read them with ``tensors.canvas``."""
    what = "of the picture that the poses are of, in px, where the data does not say it. 0 = as it says."
    return [
        io.Int.Input("canvas_width", default=0, min=0, max=MAX_SIDE_PX, tooltip=f"Width {what}"),
        io.Int.Input("canvas_height", default=0, min=0, max=MAX_SIDE_PX, tooltip=f"Height {what}"),
    ]


def poses_input(name: str, tooltip: str, optional: bool = False) -> io.MultiType.Input:
    """An input for poses of ours or of any other pack. Read it with ``tensors.poses``."""
    tooltip += " Takes MMGT_POSES, or POSE_KEYPOINT of any other pose detector."
    return io.MultiType.Input(name, types=[Poses, PoseKeypoint], tooltip=tooltip, optional=optional)


def frame_mark_inputs() -> list[io.Input]:
    """Marks in the pictures themselves."""
    return [
        io.Boolean.Input(
            "visible_label",
            default=False,
            optional=True,
            tooltip="On: the first 2 s show 'AI-generated', in letters of 5 % of the short side. Off: no label.",
        ),
        io.Boolean.Input(
            "invisible_mark",
            default=False,
            optional=True,
            tooltip="On: a faint pattern in every frame that 'mmgt provenance read --frames' finds after encoding and "
            "scaling; cropping and turning kill it. Off: frames as they are.",
        ),
    ]


def frame_marks(visible_label: bool, invisible_mark: bool) -> FrameMarks:
    """What ``frame_mark_inputs`` were set to."""
    return FrameMarks(LABEL if visible_label else "", invisible_mark)

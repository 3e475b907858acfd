"""Contextual Gesture's nodes: load it, sample and re-sample poses from speech, find gestures for speech."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..mmgt.contextual_gesture.load import load_contextual_gesture
from ..mmgt.contextual_gesture.retrieval import find_gestures, style_of
from ..mmgt.contextual_gesture.sample import (
    MAX_OVERLAP,
    MAX_PACE_STRENGTH,
    MAX_STEPS,
    GestureSettings,
    check_features,
    sample_gestures,
)
from ..mmgt.errors import InputError
from ..mmgt.motion_edit.keep import KeptTrack
from ..mmgt.pose_files import load_poses
from ..mmgt.poses import PoseSequence
from ..mmgt.speech.features import SpeechFeatures
from ..mmgt.weights.catalog import CONTEXTUAL_GESTURE
from . import host, kept_parts, sockets, tensors

MEMORY_BYTES = 128 * 2**20  # activations of one window
POSE_FILES = ".json"


def draw_inputs() -> list[io.Input]:
    """What is turned first, after the seed."""
    return [
        io.Int.Input(
            "steps",
            default=GestureSettings.num_steps,
            min=1,
            max=MAX_STEPS,
            tooltip="Passes in which masked tokens are filled. The paper takes 5; more were worse there.",
        ),
        io.Float.Input(
            "temperature",
            default=GestureSettings.temperature,
            min=0.0,
            max=10.0,
            step=0.05,
            tooltip="1: tokens are drawn as they were learned. Less: likelier, calmer ones. 0: always the likeliest.",
        ),
        io.String.Input(
            "speaker",
            default="",
            tooltip="In whose style: a speaker of the training set, as Load Contextual Gesture lists them. Empty: the "
            "mean of all.",
        ),
    ]


def example_inputs() -> list[io.Input]:
    return [
        sockets.poses_input(
            "example_poses",
            "A clip whose style is taken instead of a speaker's: speakers are mixed by how well each explains "
            "it. Wants example_speech too.",
            optional=True,
        ),
        sockets.Speech.Input(
            "example_speech", optional=True, tooltip="The speech of example_poses, from Encode Speech."
        ),
    ]


def expert_inputs() -> list[io.Input]:
    return host.advanced(
        io.Int.Input(
            "window_overlap",
            default=GestureSettings.overlap,
            min=1,
            max=MAX_OVERLAP,
            tooltip="Frames (40 ms) of the window before, from which a window goes on, in speech longer than 3.2 s.",
        ),
        io.Boolean.Input(
            "close_lips",
            default=True,
            tooltip="On: lips close while the speech is silent. Off: as they were sampled, e.g. for breath.",
        ),
        io.Float.Input(
            "pace_strength",
            default=GestureSettings.pace_strength,
            min=0.0,
            max=MAX_PACE_STRENGTH,
            step=0.1,
            tooltip="For a network that learned a pace: how strongly gestures are fast and rest where the speech tells "
            "so. 0: not at all. 1: as much as the network is sure of.",
        ),
    )


class LoadContextualGesture(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["gesture", "audio to pose", "speech to gesture"],
            node_id="MMGT_LoadContextualGesture",
            display_name="Load Contextual Gesture",
            category="MMGT/pose",
            description="Speech to poses by tokens, in five passes (arXiv 2502.07239). A small network is "
            "shipped, which knows drawn presenters; train your own for others.",
            inputs=[
                io.Combo.Input(
                    "contextual_gesture",
                    options=host.model_files(CONTEXTUAL_GESTURE),
                    tooltip="In models/mmgt: the contextual_gesture.safetensors that training wrote. "
                    "contextual_gesture_tiny is the small one that is shipped.",
                )
            ],
            outputs=[
                sockets.ContextualGesture.Output(
                    display_name="contextual_gesture", tooltip="For the Contextual Gesture nodes."
                ),
                io.String.Output(display_name="speakers", tooltip="Whose styles it learned, a line each."),
            ],
        )

    @classmethod
    def validate_inputs(cls, contextual_gesture=None) -> bool | str:
        name = contextual_gesture or CONTEXTUAL_GESTURE.name
        return host.problem_with(name, CONTEXTUAL_GESTURE) or True

    @classmethod
    def fingerprint_inputs(cls, contextual_gesture=None):
        return host.fingerprint((contextual_gesture, CONTEXTUAL_GESTURE))

    @classmethod
    def execute(cls, contextual_gesture) -> io.NodeOutput:
        host.check_interrupt()
        path = host.model_path(contextual_gesture, CONTEXTUAL_GESTURE)
        network = load_contextual_gesture(path, ops=host.OPERATIONS, dtype=None)
        speakers = "\n".join(network.speakers)
        return io.NodeOutput(host.managed(network), speakers, ui=host.words(speakers))


class ContextualGestureSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=[
                "gesture",
                "speech to gesture",
                "audio to pose",
                "talking",
                "lip sync",
                "motion generation",
            ],
            node_id="MMGT_ContextualGestureSampler",
            display_name="Contextual Gesture Sampler",
            category="MMGT/pose",
            description="Speech to gesture by masked tokens: an alternative to SMGA Audio2Pose Sampler, in 5 passes "
            "instead of 50 steps. Any length; frame 0 is the initial pose.",
            inputs=[
                sockets.ContextualGesture.Input("contextual_gesture", tooltip="From Load Contextual Gesture."),
                sockets.Speech.Input("speech", tooltip="From Encode Speech."),
                sockets.poses_input(
                    "initial_pose", "The person's pose in the photo: the first frame; decides which points are visible."
                ),
                *example_inputs(),
                sockets.seed_input(),
                *draw_inputs(),
                *expert_inputs(),
            ],
            outputs=[sockets.Poses.Output(display_name="poses", tooltip="25 fps, as long as the speech.")],
        )

    @classmethod
    def execute(
        cls,
        contextual_gesture,
        speech,
        initial_pose,
        seed,
        steps,
        temperature,
        speaker,
        window_overlap,
        close_lips,
        pace_strength=GestureSettings.pace_strength,
        example_poses=None,
        example_speech=None,
    ) -> io.NodeOutput:
        settings = GestureSettings(steps, temperature, window_overlap, pace_strength)
        initial_pose = tensors.poses(initial_pose).frames(0, 1)
        style = speaker, example_poses, example_speech
        return io.NodeOutput(_sampled(contextual_gesture, speech, initial_pose, seed, settings, style, close_lips))


class ContextualGestureResample(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["gesture", "inpaint motion", "regenerate poses", "speech to gesture"],
            node_id="MMGT_ContextualGestureResample",
            display_name="Contextual Gesture Re-sample",
            category="MMGT/pose",
            description="Keep some regions or seconds of a pose track and fill the rest anew to the speech by masked "
            "tokens; start or end at a given pose.",
            inputs=[
                sockets.ContextualGesture.Input("contextual_gesture", tooltip="From Load Contextual Gesture."),
                sockets.Speech.Input("speech", tooltip="From Encode Speech. It decides the length."),
                *kept_parts.pose_inputs(),
                *example_inputs(),
                sockets.seed_input(),
                *draw_inputs(),
                *kept_parts.keep_inputs(),
                *expert_inputs(),
            ],
            outputs=[sockets.Poses.Output(display_name="poses", tooltip="25 fps, as long as the speech.")],
        )

    @classmethod
    def validate_inputs(cls, keep_seconds=None) -> bool | str:
        return kept_parts.problem_with(keep_seconds) or True

    @classmethod
    def execute(
        cls,
        contextual_gesture,
        speech,
        initial_pose,
        seed,
        steps,
        temperature,
        speaker,
        keep_body,
        keep_hands,
        keep_face,
        keep_lips,
        keep_seconds,
        window_overlap,
        close_lips,
        pace_strength=GestureSettings.pace_strength,
        poses=None,
        start_pose=None,
        end_pose=None,
        example_poses=None,
        example_speech=None,
    ) -> io.NodeOutput:
        check_features(contextual_gesture.model, speech.gesture)
        settings = GestureSettings(steps, temperature, window_overlap, pace_strength)
        initial_pose = tensors.poses(initial_pose).frames(0, 1)
        keep = {"body": keep_body, "hands": keep_hands, "face": keep_face, "lips": keep_lips}
        kept = kept_parts.kept_of(len(speech.gesture), initial_pose, keep, keep_seconds, poses, start_pose, end_pose)
        style = speaker, example_poses, example_speech
        return io.NodeOutput(
            _sampled(contextual_gesture, speech, initial_pose, seed, settings, style, close_lips, kept)
        )


class FindGesturesForSpeech(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["gesture", "retrieval", "motion matching", "speech to gesture"],
            node_id="MMGT_FindGesturesForSpeech",
            display_name="Find Gestures for Speech",
            category="MMGT/pose",
            description="Rank the pose files of a folder for a recording, and take one: what fits best in the space in "
            "which Contextual Gesture aligned speech and gestures.",
            inputs=[
                sockets.ContextualGesture.Input("contextual_gesture", tooltip="From Load Contextual Gesture."),
                sockets.Speech.Input("speech", tooltip="From Encode Speech."),
                io.String.Input(
                    "folder",
                    default="poses",
                    tooltip="Below ComfyUI's input and output folders: whose pose files (.json) are ranked, with "
                    "those of folders in it. Empty: all.",
                ),
                io.Int.Input(
                    "place", default=1, min=1, max=1000, tooltip="Which one is taken: 1 = the best, 2 = the next, ..."
                ),
            ],
            outputs=[
                sockets.Poses.Output(
                    display_name="poses",
                    tooltip="The clip as its file has it. Edit Poses with an initial pose fits it to another person.",
                ),
                io.String.Output(display_name="ranking", tooltip="A line per clip, the best first: cosine and name."),
            ],
        )

    @classmethod
    def validate_inputs(cls, folder=None) -> bool | str:
        return True if _clips_in(folder or "") else _no_clips(folder or "")

    @classmethod
    def fingerprint_inputs(cls, folder=None, **others):
        return "; ".join(f"{name} {host.state_of_input(name)}" for name in _clips_in(folder or ""))

    @classmethod
    def execute(cls, contextual_gesture, speech, folder, place) -> io.NodeOutput:
        check_features(contextual_gesture.model, speech.gesture)
        clips, left_out = {}, []
        for name in _clips_in(folder):
            host.check_interrupt()
            try:
                clips[name] = load_poses(host.input_path(name))
            except InputError as error:  # another .json: said in the ranking
                left_out.append(f"left out: {error}")
        if not clips:
            raise InputError(_no_clips(folder))
        if place > len(clips):
            raise InputError(f"place {place} is beyond the {len(clips)} clips of '{folder}'; choose 1 to {len(clips)}.")
        model, device = host.on_device(contextual_gesture, MEMORY_BYTES)
        found = find_gestures(model, speech.gesture, clips, host.progress(), device)
        ranking = "\n".join([*(f"{each.similarity:.3f} {each.name}" for each in found), *left_out])
        return io.NodeOutput(clips[found[place - 1].name], ranking, ui=host.words(ranking))


def _clips_in(folder: str) -> list[str]:
    """Names of pose files as ``host.input_path`` takes them."""
    inside = folder.strip("/")
    return [name for name in host.input_files(POSE_FILES) if not inside or name.startswith(f"{inside}/")]


def _no_clips(folder: str) -> str:
    return (
        f"there is no pose file in '{folder}' of ComfyUI's input and output folders; save poses there (Save Poses), or "
        "name another folder."
    )


def _sampled(
    contextual_gesture: Any,
    speech: SpeechFeatures,
    initial_pose: PoseSequence,
    seed: int,
    settings: GestureSettings,
    style_inputs: tuple[str, Any, Any],
    close_lips: bool,
    kept: KeptTrack | None = None,
) -> PoseSequence:
    """What both samplers do. style_inputs: speaker, example poses and their speech."""
    check_features(contextual_gesture.model, speech.gesture)
    speaker, example_poses, example_speech = style_inputs
    if (example_poses is None) != (example_speech is None):
        given, missing = ("poses", "speech") if example_speech is None else ("speech", "poses")
        raise InputError(f"an example's {given} are connected without its {missing}; connect example_{missing} too.")
    if example_poses is not None and speaker:
        raise InputError(f"the speaker is '{speaker}', but an example's style is connected; leave the speaker empty.")
    contextual_gesture.model.style(speaker)  # says who there is, before anything is loaded
    model, device = host.on_device(contextual_gesture, MEMORY_BYTES)
    if example_poses is None:
        style = model.style(speaker)
    else:
        style, _ = style_of(model, example_speech.gesture, tensors.poses(example_poses), device=device)
    return sample_gestures(
        model,
        speech.gesture,
        initial_pose,
        seed=seed,
        speaking=speech.speaking if close_lips else None,
        settings=settings,
        style=style,
        kept=kept,
        progress=host.progress(),
        device=device,
    )


NODES = [LoadContextualGesture, ContextualGestureSampler, ContextualGestureResample, FindGesturesForSpeech]

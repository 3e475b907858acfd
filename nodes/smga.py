"""SMGA's nodes: load it, sample poses from speech, and make parts of a pose track anew."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..mmgt.diffusion import SPACINGS
from ..mmgt.motion_edit.keep import KeptTrack
from ..mmgt.poses import PoseSequence
from ..mmgt.smga.candidates import MAX_CANDIDATES, sample_candidates, score_table
from ..mmgt.smga.load import load_smga
from ..mmgt.smga.sample import MAX_OVERLAP, SOLVERS, SamplerSettings, check_features
from ..mmgt.speech.features import SpeechFeatures
from ..mmgt.weights.catalog import SMGA
from . import host, kept_parts, sockets, tensors

SMGA_MEMORY_BYTES = 512 * 2**20  # activations, keys and values of eight windows in float32


def strength_inputs() -> list[io.Input]:
    """What is turned first, after the seed."""
    return [
        io.Int.Input(
            "steps",
            default=SamplerSettings.num_steps,
            min=1,
            max=1000,
            tooltip="Denoising steps. The paper takes 50.",
        ),
        io.Float.Input(
            "guidance",
            default=SamplerSettings.guidance,
            min=0.0,
            max=10.0,
            step=0.1,
            tooltip="Classifier-free guidance: how strongly the poses follow the speech. The authors' code takes 2.",
        ),
    ]


def candidates_input() -> io.Int.Input:
    tooltip = (
        "How many seeds are tried, from this one up. The best is returned: head and arms meet the beats, lips open "
        "with the voice. Each costs the same time."
    )
    return io.Int.Input("candidates", default=1, min=1, max=MAX_CANDIDATES, tooltip=tooltip)


def expert_inputs() -> list[io.Input]:
    return host.advanced(
        io.Int.Input(
            "window_overlap",
            default=SamplerSettings.overlap,
            min=1,
            max=MAX_OVERLAP,
            tooltip="Frames (40 ms) that neighbouring windows share in speech longer than 3.2 s.",
        ),
        io.Float.Input(
            "eta",
            default=SamplerSettings.eta,
            min=0.0,
            max=1.0,
            step=0.05,
            tooltip="Noise added back in each step: 1 as the authors sample, 0 for a deterministic path. ddim only.",
        ),
        io.Combo.Input(
            "solver",
            options=list(SOLVERS),
            default=SamplerSettings.solver,
            tooltip="ddim: as the authors sample. dpmpp_2m: second order, deterministic, for fewer steps.",
        ),
        io.Combo.Input(
            "spacing",
            options=list(SPACINGS),
            default=SamplerSettings.spacing,
            tooltip="Which timesteps the steps visit. linspace: the authors'. trailing: the same where steps divide "
            "1000. leading: begins below pure noise, ends nearer to the clean poses.",
        ),
        io.Boolean.Input(
            "close_lips",
            default=True,
            tooltip="On: lips close while the speech is silent, where the network lets them move on. Off: as they were "
            "sampled, e.g. for breath or laughter.",
        ),
    )


class LoadSMGAModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["gesture", "audio to pose", "speech to gesture"],
            node_id="MMGT_LoadSMGAModel",
            display_name="Load SMGA Model",
            category="MMGT/pose",
            description="Stage I of MMGT: the network that turns speech into poses and gestures.",
            inputs=[
                io.Combo.Input(
                    "smga",
                    options=host.model_files(SMGA),
                    tooltip="In models/mmgt: the authors' audio2pose_best_model.pt, or the same as .safetensors.",
                )
            ],
            outputs=[sockets.Smga.Output(display_name="smga", tooltip="For the SMGA samplers.")],
        )

    @classmethod
    def validate_inputs(cls, smga=None) -> bool | str:
        return host.problem_with(smga or SMGA.name, SMGA) or True

    @classmethod
    def fingerprint_inputs(cls, smga=None):
        return host.fingerprint((smga, SMGA))

    @classmethod
    def execute(cls, smga) -> io.NodeOutput:
        host.check_interrupt()
        return io.NodeOutput(host.managed(load_smga(host.model_path(smga, SMGA), ops=host.OPERATIONS, dtype=None)))


class SMGAAudio2PoseSampler(io.ComfyNode):
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
            node_id="MMGT_SMGAAudio2PoseSampler",
            display_name="SMGA Audio2Pose Sampler",
            category="MMGT/pose",
            description="Speech to gesture: diffuse a talking pose sequence (paper stage I). "
            "Any length: windows of 80 frames are "
            "sampled together and agree where they overlap.",
            inputs=[
                sockets.Smga.Input("smga", tooltip="From Load SMGA Model."),
                sockets.Speech.Input("speech", tooltip="From Encode Speech."),
                sockets.poses_input(
                    "initial_pose", "The person's pose in the photo; decides which points are visible."
                ),
                sockets.seed_input(),
                *strength_inputs(),
                candidates_input(),
                *expert_inputs(),
            ],
            outputs=[
                sockets.Poses.Output(
                    display_name="poses", tooltip="The best candidate: 25 fps, as long as the speech."
                ),
                io.String.Output(display_name="scores", tooltip="A line per candidate: seed, total, beats, lips."),
            ],
        )

    @classmethod
    def execute(cls, smga, speech, initial_pose, seed, candidates, close_lips, **settings) -> io.NodeOutput:
        check_features(smga.model, speech.gesture)
        initial_pose = tensors.poses(initial_pose).frames(0, 1)
        return _sampled(smga, speech, initial_pose, seed, candidates, close_lips, _settings(**settings))


class SMGAResample(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["gesture", "inpaint motion", "regenerate poses", "speech to gesture"],
            node_id="MMGT_SMGAResample",
            display_name="SMGA Re-sample",
            category="MMGT/pose",
            description="Keep some regions or seconds of a pose track and diffuse the rest anew to the speech; start "
            "or end at a given pose.",
            inputs=[
                sockets.Smga.Input("smga", tooltip="From Load SMGA Model."),
                sockets.Speech.Input("speech", tooltip="From Encode Speech. It decides the length."),
                *kept_parts.pose_inputs(),
                sockets.seed_input(),
                *strength_inputs(),
                *kept_parts.keep_inputs(),
                candidates_input(),
                *expert_inputs(),
            ],
            outputs=[
                sockets.Poses.Output(
                    display_name="poses", tooltip="The best candidate: 25 fps, as long as the speech."
                ),
                io.String.Output(display_name="scores", tooltip="A line per candidate: seed, total, beats, lips."),
            ],
        )

    @classmethod
    def validate_inputs(cls, keep_seconds=None) -> bool | str:
        return kept_parts.problem_with(keep_seconds) or True

    @classmethod
    def execute(
        cls,
        smga,
        speech,
        initial_pose,
        seed,
        keep_seconds,
        candidates,
        keep_body,
        keep_hands,
        keep_face,
        keep_lips,
        close_lips,
        poses=None,
        start_pose=None,
        end_pose=None,
        **settings,
    ) -> io.NodeOutput:
        check_features(smga.model, speech.gesture)
        initial_pose = tensors.poses(initial_pose).frames(0, 1)
        keep = {"body": keep_body, "hands": keep_hands, "face": keep_face, "lips": keep_lips}
        kept = kept_parts.kept_of(len(speech.gesture), initial_pose, keep, keep_seconds, poses, start_pose, end_pose)
        return _sampled(smga, speech, initial_pose, seed, candidates, close_lips, _settings(**settings), kept)


def _settings(steps, guidance, window_overlap, eta, solver, spacing) -> SamplerSettings:
    return SamplerSettings(steps, guidance, eta, window_overlap, solver, spacing)


def _sampled(
    smga: Any,
    speech: SpeechFeatures,
    initial_pose: PoseSequence,
    seed: int,
    num_candidates: int,
    close_lips: bool,
    settings: SamplerSettings,
    kept: KeptTrack | None = None,
) -> io.NodeOutput:
    """What both samplers return: the best poses, and the scores of all candidates, which the node also shows."""
    model, device = host.on_device(smga, SMGA_MEMORY_BYTES)
    poses, scores = sample_candidates(
        model,
        speech,
        initial_pose,
        seed=seed,
        num_candidates=num_candidates,
        settings=settings,
        kept=kept,
        close_lips=close_lips,
        progress=host.progress(),
        device=device,
    )
    table = score_table(scores)
    return io.NodeOutput(poses, table, ui=host.words(table))


NODES = [LoadSMGAModel, SMGAAudio2PoseSampler, SMGAResample]

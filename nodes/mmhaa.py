"""Stage II nodes: load the video network, say what a video is of, sample it."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import Any, get_args

from comfy_api.latest import io

from ..mmgt.errors import InputError
from ..mmgt.mmhaa.drive import STRENGTHS, drive_video
from ..mmgt.mmhaa.masks import AUTHORS_INFERENCE, MASK_SETS, HandsBranch, MaskOptions, ThirdMask, mask_set
from ..mmgt.mmhaa.motion import MAX_FRAMES
from ..mmgt.mmhaa.network import check_speech
from ..mmgt.mmhaa.pictures import MAX_PX, TRAINED_PX, PictureSize
from ..mmgt.mmhaa.presets import PRESETS, STUDENT_PRESET, preset_of_student
from ..mmgt.mmhaa.sample import Video, VideoOptions
from ..mmgt.weights.catalog import MMHAA
from . import host, sockets, tensors

logger = logging.getLogger("mmgt")

AS_SET = "as set here"
AUTHORS = PRESETS["authors"]  # the nodes' defaults


class LoadMMHAAModel(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["talking photo", "audio to video", "avatar", "lip sync"],
            node_id="MMGT_LoadMMHAAModel",
            display_name="Load MM-HAA Model",
            category="MMGT/video",
            description="Stage II of MMGT: the network that makes a portrait talk. Its MODEL runs in every sampler "
            "node.",
            inputs=[
                io.Combo.Input(
                    "mmhaa",
                    options=host.model_files(MMHAA),
                    tooltip=f"In models/mmgt: the authors' {MMHAA.name}, which holds all four networks of stage II, or "
                    "the same as .safetensors.",
                ),
                io.Combo.Input(
                    "weight_dtype",
                    options=list(host.WEIGHT_DTYPES),
                    default="auto",
                    tooltip="How the weights are kept in memory. 'auto' is what ComfyUI chooses for this machine; fp8 "
                    "halves the memory of fp16 and costs some quality.",
                ),
            ],
            outputs=[io.Model.Output(display_name="model", tooltip="Like any other MODEL: LoRA, KSampler, previews.")],
        )

    @classmethod
    def validate_inputs(cls, mmhaa=None) -> bool | str:
        return host.problem_with(mmhaa or MMHAA.name, MMHAA) or True

    @classmethod
    def fingerprint_inputs(cls, mmhaa=None, **others):
        return host.fingerprint((mmhaa, MMHAA))

    @classmethod
    def execute(cls, mmhaa, weight_dtype) -> io.NodeOutput:
        host.check_interrupt()
        return io.NodeOutput(host.load_photo_and_video_model(host.model_path(mmhaa, MMHAA), weight_dtype))


def picture_inputs() -> list[io.Input]:
    """What a video is of and what moves it: the sockets that MM-HAA Conditioning and MM-HAA Video Sampler share."""
    return [
        io.Model.Input("model", tooltip="From Load MM-HAA Model; LoRA and other model patches may sit between."),
        io.Vae.Input("vae", tooltip="sd-vae-ft-mse, or any VAE of Stable Diffusion 1.5."),
        io.Image.Input("image", tooltip="The photo of the person; the first picture of a batch is used."),
        io.ClipVision.Input(
            "clip_vision",
            optional=True,
            tooltip="The image encoder of sd-image-variations (CLIP ViT-L/14 with its projection). A small network "
            "that was trained without CLIP needs none.",
        ),
        sockets.poses_input(
            "poses", "How the person moves: drawn as pose pictures, and masked by face and lips.", optional=True
        ),
        sockets.Speech.Input(
            "speech",
            optional=True,
            tooltip="From Encode Speech, for the authors' network with a wav2vec2 encoder. Not connected: only the "
            "poses move the person.",
        ),
        io.Mask.Input(
            "face",
            optional=True,
            tooltip="Where the face moves, one MASK a frame or one for all, instead of the poses' face boxes.",
        ),
        io.Mask.Input("lips", optional=True, tooltip="Where the lips move, instead of the poses' lip boxes."),
        io.Mask.Input(
            "hands",
            optional=True,
            tooltip="Where the hands move, instead of the poses' hand boxes; needs a hands_branch, or the third_mask "
            "'hands', or masks other than the authors' inference.",
        ),
        io.Image.Input(
            "pose_pictures",
            optional=True,
            tooltip="Pose pictures that are drawn already (black background, one a frame at 25 fps); shown to the "
            "network instead of drawing the poses.",
        ),
    ]


def video_settings() -> list[io.Input]:
    """How a video is made: size and strengths first, what only experts change last."""

    def strength(name: str, default: float, what: str) -> io.Float.Input:
        tooltip = f"How strongly the speech moves {what}. The authors' code takes {default:g}."
        return io.Float.Input(f"{name}_strength", default=default, min=0.0, max=10.0, step=0.05, tooltip=tooltip)

    def size(name: str) -> io.Int.Input:
        tooltip = f"{name.capitalize()} of the video in px. 0 = from the photo's aspect. Both 0 = about 512 x 512 px."
        return io.Int.Input(name, default=0, min=0, max=MAX_PX, tooltip=tooltip)

    return [
        size("width"),
        size("height"),
        strength("full", STRENGTHS[0], "the whole picture"),
        strength("face", STRENGTHS[1], "the face"),
        strength("lips", STRENGTHS[2], "the lips"),
        *host.advanced(
            io.Int.Input(
                "window",
                default=VideoOptions.window,
                min=1,
                max=MAX_FRAMES,
                tooltip=f"Frames (40 ms) that the network denoises at once. It was trained on 12, as the paper says; "
                f"more may move more steadily, and take more memory. It knows {MAX_FRAMES} places, hence the limit.",
            ),
            io.Int.Input(
                "overlap",
                default=VideoOptions.overlap,
                min=0,
                max=MAX_FRAMES - 1,
                tooltip="Frames that neighbouring windows share; there their predictions are averaged. The authors' "
                "code takes 4.",
            ),
            io.Boolean.Input(
                "looped",
                default=VideoOptions.looped,
                tooltip="The last window wraps around to the first frames, as the authors' do: for loops.",
            ),
            io.Float.Input(
                "guidance_start",
                default=VideoOptions.guidance_start,
                min=0.0,
                max=1.0,
                step=0.01,
                tooltip="Part of the noise schedule (0 = noise, 1 = clean) before which cfg does not act: such steps "
                "cost half. 0 = the authors.",
            ),
            io.Float.Input(
                "guidance_end",
                default=VideoOptions.guidance_end,
                min=0.0,
                max=1.0,
                step=0.01,
                tooltip="Part of the noise schedule after which cfg does not act. 1 = the authors.",
            ),
            io.Int.Input(
                "reuse_every",
                default=VideoOptions.reuse_every,
                min=1,
                max=10,
                tooltip="The whole network runs at every n-th step only; in between its lower levels are reused "
                "(DeepCache). 1 = always the whole network, as the authors do.",
            ),
            io.Combo.Input(
                "third_mask",
                options=list(get_args(ThirdMask)),
                default=MaskOptions.third_mask,
                tooltip="Where the full branch acts. '1 + lips': everywhere, twice at the lips (the authors' "
                "inference). 'hands' or '1 - face + lips': as they trained. Which of them made the published network "
                "is not known. 'background': 1 - (face or hands), as the paper says.",
            ),
            io.Combo.Input(
                "hands_branch",
                options=list(get_args(HandsBranch)),
                default=MaskOptions.hands_branch,
                tooltip="Which branch also acts at the hands, with its strength. 'none': the authors' inference. "
                "'face': their training, and the paper.",
            ),
        ),
    ]


def mask_inputs() -> list[io.Input]:
    """Which masks the three branches take, and one more of the user's own; optional, as saved prompts lack them."""
    return [
        *host.advanced(
            io.Combo.Input(
                "masks",
                options=list(MASK_SETS),
                default=AUTHORS_INFERENCE,
                optional=True,
                tooltip="The three branches' masks. 'authors' inference': as third_mask and hands_branch say, by "
                "default 1 + lips, face, lips. 'paper': background, face and hands, lips. 'authors' training': hands "
                "(or the third_mask '1 - face + lips'), face and hands, lips. The last two take the place of both.",
            )
        ),
        io.Mask.Input(
            "background",
            optional=True,
            tooltip="Where neither face nor hands are, one MASK a frame or one for all, instead of 1 - (face or "
            "hands); needs masks 'paper', or the third_mask 'background'. Motion Mask Builder gives one.",
        ),
    ]


def settings_problem(
    width=0,
    height=0,
    window=VideoOptions.window,
    overlap=VideoOptions.overlap,
    guidance_start=VideoOptions.guidance_start,
    guidance_end=VideoOptions.guidance_end,
) -> bool | str:
    """True, or the sentence that says what is wrong with the values of ``video_settings``, before anything runs."""
    try:
        PictureSize(width or TRAINED_PX, height or TRAINED_PX)
        VideoOptions(window, overlap, guidance_start=guidance_start, guidance_end=guidance_end)
    except InputError as error:
        return str(error)
    return True


@dataclass(frozen=True)
class _Given:
    """A video of nodes' values, and its empty LATENT."""

    video: Video
    latent: dict[str, Any]


def _video(
    model,
    vae,
    image,
    poses=None,
    pose_pictures=None,
    face=None,
    lips=None,
    speech=None,
    hands=None,
    third_mask=MaskOptions.third_mask,
    hands_branch=MaskOptions.hands_branch,
    latent=None,
    masks=AUTHORS_INFERENCE,
    background=None,
    clip_vision=None,
    mask_motion=MaskOptions.motion,
    *,
    width,
    height,
    full_strength,
    face_strength,
    lips_strength,
    **options,
) -> _Given:
    """Check everything, then read the photo. Raises InputError."""
    import torch

    host.check_model(model)
    picture = tensors.picture(image)
    photo_height, photo_width = picture.shape[:2]
    size = PictureSize.of_photo(photo_height, photo_width, height, width, model.model.trained_px)
    drive = drive_video(
        size,
        poses=None if poses is None else tensors.poses(poses),
        pose_pictures=pose_pictures,
        face_mask=face,
        lip_mask=lips,
        hands_mask=hands,
        background_mask=background,
        mask_options=mask_set(masks, MaskOptions(third_mask, hands_branch, motion=mask_motion)),
        speech=speech,
        hears=model.model.network.hears,
        strengths=(full_strength, face_strength, lips_strength),
    )
    if drive.speech is not None:
        check_speech(model.model.network, *drive.speech.shape[1:])
    if latent is not None:
        drive.check_latents(latent["samples"].shape)
    checked = VideoOptions(**options)
    photo = host.read_photo(model, picture, size, vae, clip_vision)
    empty = torch.zeros(drive.num_frames, 4, *size.latent_shape)
    return _Given(Video(photo, drive, checked), tensors.latent(empty, size))


class MMHAAConditioning(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=[
                "talking photo",
                "lip sync",
                "audio to video",
                "portrait animation",
                "speech to video",
                "avatar",
            ],
            node_id="MMGT_MMHAAConditioning",
            display_name="MM-HAA Conditioning",
            category="MMGT/video",
            description="A talking video of a photo, for any sampler: photo, poses, masks and speech for KSampler, "
            "KSampler (Advanced), SamplerCustomAdvanced. The LATENT has one frame a picture of the batch.",
            inputs=[*picture_inputs(), *video_settings(), *mask_inputs()],
            outputs=[
                io.Model.Output(display_name="model", tooltip="The model as it came; for the sampler."),
                io.Conditioning.Output(display_name="positive", tooltip="Photo, poses, masks and speech."),
                io.Conditioning.Output(display_name="negative", tooltip="The poses only: what cfg leads away from."),
                io.Latent.Output(display_name="latent", tooltip="Empty, one frame a picture of the batch."),
            ],
        )

    @classmethod
    def validate_inputs(cls, width=0, height=0, window=12, overlap=4, guidance_start=0.0, guidance_end=1.0):
        return settings_problem(width, height, window, overlap, guidance_start, guidance_end)

    @classmethod
    def execute(cls, model, **given) -> io.NodeOutput:
        made = _video(model, **given)
        positive, negative = (host.conditioning(made.video, with_photo) for with_photo in (True, False))
        return io.NodeOutput(model, positive, negative, made.latent)


class MMHAAVideoSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=[
                "talking photo",
                "talking head",
                "lip sync",
                "audio to video",
                "speech to video",
                "portrait animation",
                "avatar",
            ],
            node_id="MMGT_MMHAAVideoSampler",
            display_name="MM-HAA Video Sampler",
            category="MMGT/video",
            description="Audio to video, paper stage II in one node: a photo talks and gestures, its lips in "
            "sync with the speech. From photo, poses, masks and speech to the latents of the video. "
            "The same as MM-HAA Conditioning with a KSampler.",
            inputs=[
                *picture_inputs(),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip="A video to refine, of the same length and size; needs denoise below 1 (or own sigmas).",
                ),
                io.Sampler.Input("sampler", optional=True, tooltip="Takes the place of sampler_name."),
                io.Sigmas.Input("sigmas", optional=True, tooltip="Takes the place of steps, scheduler and denoise."),
                sockets.seed_input(
                    "Of the noise that the video is made from. Same inputs and seed give the same video."
                ),
                io.Int.Input(
                    "steps", default=30, min=1, max=1000, tooltip="Denoising steps. The authors' code takes 30."
                ),
                io.Float.Input(
                    "cfg",
                    default=3.5,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip="Classifier-free guidance: how strongly photo and speech are followed. The authors' code "
                    "takes 3.5; 1 runs one row only, at half the cost.",
                ),
                io.Combo.Input(
                    "sampler_name",
                    options=list(host.SAMPLERS),
                    default="ddim",
                    tooltip="The authors' code takes ddim.",
                ),
                io.Combo.Input(
                    "scheduler",
                    options=list(host.SCHEDULERS),
                    default=host.TRAILING,
                    tooltip="Which noise levels the steps visit. The authors' code takes the trailing timesteps.",
                ),
                io.Combo.Input(
                    "preset",
                    options=[AS_SET, *(name for name in PRESETS if name != "authors")],
                    default=AS_SET,
                    tooltip="'fast' takes the place of sampler, steps, cfg, windows, guidance and reuse: a quarter of "
                    "the authors' work; what it costs in quality is not measured yet. 'small' is for the small "
                    "networks that are shipped, 'student' for one that was distilled: few steps, no guidance. 'as set "
                    "here' does the latter too, while steps and cfg have their defaults.",
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Below 1 the connected latent is refined instead of starting from noise.",
                ),
                *video_settings(),
                *mask_inputs(),
            ],
            outputs=[
                io.Latent.Output(display_name="latent", tooltip="One frame a picture of the batch; for Decode Video.")
            ],
        )

    @classmethod
    def validate_inputs(cls, width=0, height=0, window=12, overlap=4, guidance_start=0.0, guidance_end=1.0):
        return settings_problem(width, height, window, overlap, guidance_start, guidance_end)

    @classmethod
    def execute(cls, model, **given) -> io.NodeOutput:
        return io.NodeOutput(sampled(model, **given))


def sampled(
    model,
    seed,
    steps,
    cfg,
    sampler_name="ddim",
    scheduler=host.TRAILING,
    denoise=1.0,
    preset=AS_SET,
    sampler=None,
    sigmas=None,
    latent=None,
    **given,
) -> dict[str, Any]:
    """The LATENT of MM-HAA Video Sampler's inputs. Raises InputError."""
    shared_noise, student = 0.0, host.student_of(model)
    if preset == AS_SET and student is not None and (steps, cfg) == (AUTHORS.num_steps, AUTHORS.guidance):
        logger.info("%s", student.instead)
        steps, cfg, shared_noise = student.num_steps, 1.0, student.shared_noise
    if preset != AS_SET:
        chosen = preset_of_student(student) if student and preset == STUDENT_PRESET else PRESETS[preset]
        sampler_name, scheduler, steps, cfg = chosen.scheduler, host.TRAILING, chosen.num_steps, chosen.guidance
        shared_noise, given = chosen.shared_noise, {**given, **asdict(chosen.options)}
    if sigmas is None and latent is None and denoise < 1:
        raise InputError(f"denoise is {denoise:g}, but there is no latent to refine; connect one, or set denoise to 1.")
    made = _video(model, latent=latent, **given)
    positive, negative = (host.conditioning(made.video, with_photo) for with_photo in (True, False))
    if sigmas is None:
        sigmas = host.schedule(model, sampler_name, scheduler, steps, denoise)
    start = made.latent if latent is None else {**made.latent, **latent}
    solver = sampler or sampler_name
    return host.sample(model, positive, negative, start, seed, cfg, solver, sigmas, shared_noise)


class TrailingSigmas(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["scheduler", "sigmas", "trailing timesteps"],
            node_id="MMGT_TrailingSigmas",
            display_name="MMGT Trailing Sigmas",
            category="MMGT/video",
            description="The timesteps of the authors' code, evenly spaced from pure noise, as SIGMAS.",
            inputs=[
                io.Model.Input(
                    "model", tooltip="Any discrete model; from Load MM-HAA Model for the authors' schedule."
                ),
                io.Int.Input(
                    "steps", default=30, min=1, max=1000, tooltip="Denoising steps. The authors' code takes 30."
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Below 1 only the last part of the schedule is visited, to refine a latent.",
                ),
            ],
            outputs=[io.Sigmas.Output(display_name="sigmas", tooltip="For SamplerCustomAdvanced and its relatives.")],
        )

    @classmethod
    def execute(cls, model, steps, denoise) -> io.NodeOutput:
        student = host.student_of(model)
        if student is not None and steps == AUTHORS.num_steps:
            logger.info("%s", student.instead)
            steps = student.num_steps
        return io.NodeOutput(host.trailing_sigmas(model, steps, denoise))


NODES = [LoadMMHAAModel, MMHAAConditioning, MMHAAVideoSampler, TrailingSigmas]

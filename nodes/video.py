"""Video nodes: preview without diffusion, decode latents, write them to a file."""

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np
from comfy_api.latest import InputImpl, io, ui
from torch import Tensor

from ..mmgt.errors import InputError
from ..mmgt.media import CODECS, check_video_output
from ..mmgt.poses import POSE_FPS, PoseSequence
from ..mmgt.provenance import digest
from ..mmgt.unfinished_run import remove_finished, unfinished_run, write_kept_video
from ..mmgt.weights.catalog import REFINEMENT
from . import host, sockets, tensors

PREVIEW_SIDE_PX = 1024  # a 12 Mpx photo would take 20 GB for 7 s
NO_REFINEMENT = "none"
REFINEMENT_MEMORY_BYTES = 256 * 2**20  # activations of a frame at 256 px, with room for wide ones
DECODE_FRAMES = 4  # at once: with progress and cancel in between; the VAE splits further where memory is short


class PreviewMotion(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["talking photo", "portrait animation", "warp", "animate photo", "lip sync", "avatar"],
            node_id="MMGT_PreviewMotion",
            display_name="Preview Motion",
            category="MMGT/video",
            hidden=host.HIDDEN,
            description="Portrait animation without diffusion: warp the photo along the poses, see lips, head "
            "and hands before paying for diffusion. CPU, no "
            "weights.",
            inputs=[
                io.Image.Input("image", tooltip="The photo; the first picture of a batch is used."),
                sockets.poses_input("poses", "The pose sequence to show."),
                sockets.poses_input("initial_pose", "The person's pose in this photo."),
                io.Mask.Input(
                    "person_mask",
                    optional=True,
                    tooltip="1 on the person, same size as the photo. Without it the person is cut out by GrabCut.",
                ),
                io.Audio.Input("audio", optional=True, tooltip="Sound of the VIDEO output; passed through untouched."),
                io.Int.Input(
                    "long_side",
                    default=PREVIEW_SIDE_PX,
                    min=0,
                    max=sockets.MAX_SIZE_PX,
                    tooltip="Long side of the preview in px; a smaller photo keeps its size. 0 = the photo's own, "
                    "which may take long and much memory.",
                ),
                io.Combo.Input(
                    "refinement",
                    options=[NO_REFINEMENT, *host.model_files(REFINEMENT)],
                    default=NO_REFINEMENT,
                    optional=True,
                    tooltip="In models/mmgt: the refinement.safetensors that training wrote; it mends the frames. "
                    "none: as they are warped.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="image", tooltip="All frames as one batch."),
                io.Video.Output(display_name="video", tooltip="The frames with their sound, for Save Video."),
            ],
        )

    @classmethod
    def validate_inputs(cls, refinement=NO_REFINEMENT) -> bool | str:
        return refinement == NO_REFINEMENT or host.problem_with(refinement, REFINEMENT) or True

    @classmethod
    def fingerprint_inputs(cls, refinement=NO_REFINEMENT, **others):
        return refinement if refinement == NO_REFINEMENT else host.fingerprint((refinement, REFINEMENT))

    @classmethod
    def execute(
        cls, image, poses, initial_pose, long_side, person_mask=None, audio=None, refinement=NO_REFINEMENT
    ) -> io.NodeOutput:
        from ..mmgt.preview import preview_motion, within  # here: a sixth of the pack's import

        poses = tensors.poses(poses)
        sound = None if audio is None else tensors.recording(audio)
        if sound is not None and poses.num_frames == 1 < sound.seconds * poses.fps:
            raise InputError(
                f"there is one frame of poses, but {sound.seconds:.1f} s of sound; connect a pose sequence (Rhythm "
                "Audio2Pose, SMGA Audio2Pose Sampler, DWPose Pose Video), not the initial pose."
            )
        mask = None if person_mask is None else tensors.person_mask(person_mask)
        picture, mask = within(tensors.picture(image), mask, long_side)
        initial_pose = tensors.initial_pose(initial_pose, image)
        height, width, channels = picture.shape
        host.check_interrupt()
        host.check_batch("the preview", poses.num_frames, height, width, channels, "choose a smaller long_side")
        refine = None if refinement == NO_REFINEMENT else _refiner(refinement, picture, initial_pose, poses)
        frames = preview_motion(picture, initial_pose, poses, mask, lambda *_: host.check_interrupt(), refine)
        images = tensors.image_batch(host.counted(frames, poses.num_frames), poses.num_frames)
        content = digest(picture, initial_pose, poses, mask, audio)
        made = host.how_video_was_made(cls, content, is_decoded=refine is not None)
        shown = host.result(tensors.pictures(images), poses.num_frames, poses.fps, sound, made)
        return io.NodeOutput(images, tensors.video(images, poses.fps, audio, made), ui=shown)


def _refiner(
    name: str, picture: np.ndarray, initial_pose: PoseSequence, poses: PoseSequence
) -> Callable[[np.ndarray, int], np.ndarray]:
    """What mends the preview's frames, its network loaded. name: of the combo. Raises InputError for another file."""
    from ..mmgt.preview.refinement import Refiner, load_refinement

    network = load_refinement(host.model_path(name, REFINEMENT), ops=host.OPERATIONS, dtype=None)
    model, device = host.on_device(host.managed(network), REFINEMENT_MEMORY_BYTES)
    return Refiner.of(model, picture, initial_pose, poses, device)


def decode_inputs() -> list[io.Input]:
    return [
        io.Latent.Input(
            "latent", tooltip="From MM-HAA Video Sampler or any sampler; one frame a picture of the batch."
        ),
        io.Vae.Input("vae", tooltip="The VAE that the photo was encoded with."),
        io.Audio.Input("audio", optional=True, tooltip="Sound of the video; taken as it is."),
        io.Float.Input(
            "fps",
            default=POSE_FPS,
            min=1.0,
            max=240.0,
            step=0.001,
            tooltip="Frames per second. The video network makes 25; another number makes the video faster or slower.",
        ),
    ]


def decoded(vae, latent, first: int = 0, last: int | None = None) -> Iterator[Tensor]:
    """Frames [F, H, W, 3] in 0..1 chunk by chunk, cropped to the video's own size; moves the progress bar.

    first, last: only these frames, up to the one before the last.
    """
    samples = latent["samples"]
    channels = getattr(vae, "latent_channels", 4)
    if samples.ndim != 4 or samples.shape[1] != channels:
        raise InputError(
            f"the latents are {list(samples.shape)}, but this VAE decodes [frames, {channels}, height, width]; take "
            "the VAE that the photo was encoded with."
        )
    progress = host.progress()
    last = len(samples) if last is None else last
    for start in range(first, last, DECODE_FRAMES):
        progress(start, len(samples))
        yield tensors.cropped(vae.decode(samples[start : min(start + DECODE_FRAMES, last)]), latent)
    progress(last, len(samples))


class DecodeVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["vae decode", "talking video", "audio to video", "mux audio"],
            node_id="MMGT_DecodeVideo",
            display_name="Decode Video",
            category="MMGT/video",
            hidden=host.HIDDEN,
            description="Latents to pictures, a few at a time, and to a VIDEO with its sound.",
            inputs=decode_inputs(),
            outputs=[
                io.Image.Output(display_name="image", tooltip="All frames as one batch."),
                io.Video.Output(display_name="video", tooltip="The frames with their sound, for Save Video."),
            ],
        )

    @classmethod
    def execute(cls, latent, vae, fps, audio=None) -> io.NodeOutput:
        if audio is not None:
            tensors.recording(audio)  # what is no sound is said before the pictures are made
        images = tensors.joined(decoded(vae, latent), len(latent["samples"]))
        made = host.how_video_was_made(cls, digest(latent["samples"], audio))
        return io.NodeOutput(images, tensors.video(images, fps, audio, made))


class DecodeVideoToFile(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["vae decode", "save video", "talking video", "audio to video", "mux audio"],
            node_id="MMGT_DecodeVideoToFile",
            display_name="Decode Video to File",
            category="MMGT/video",
            hidden=host.HIDDEN,
            description="Latents to a numbered .mp4 of the output folder, decoded and written a few frames at a time: "
            "memory does not grow with the length. Nothing is overwritten. Queued again after the "
            "server was killed, it goes on where it was. The file says that it is generated.",
            is_output_node=True,
            inputs=[
                *decode_inputs(),
                io.Combo.Input(
                    "codec",
                    options=list(CODECS),
                    default="h264",
                    tooltip="h264 plays everywhere; h265 and av1 make smaller files and take longer.",
                ),
                io.String.Input("filename_prefix", default="video/mmgt", tooltip="Folder and name below output/."),
                *sockets.frame_mark_inputs(),
            ],
            outputs=[io.Video.Output(display_name="video", tooltip="The file that was written.")],
        )

    @classmethod
    def validate_inputs(cls, codec=None, filename_prefix=None) -> bool | str:
        try:
            check_video_output(host.output_place(filename_prefix or "mmgt", ".mp4"), codec or "h264")
        except InputError as error:
            return str(error)
        return True

    @classmethod
    def execute(
        cls, latent, vae, fps, codec, filename_prefix, visible_label=False, invisible_mark=False, audio=None
    ) -> io.NodeOutput:
        path = host.new_output_path(filename_prefix, ".mp4")
        check_video_output(path, codec)
        sound = None if audio is None else tensors.recording(audio)
        made = host.how_video_was_made(cls, digest(latent["samples"], audio))
        marks = sockets.frame_marks(visible_label, invisible_mark)
        beginning = next(decoded(vae, latent))  # tells one VAE from another

        def frames(first: int, last: int) -> Iterator[np.ndarray]:
            ready = [] if first else [beginning]
            for chunk in chain(ready, decoded(vae, latent, first or len(beginning), last)):
                yield from map(tensors.picture, chunk[:, None])

        remove_finished(path.parent)
        with unfinished_run(path, digest(latent["samples"], beginning), keep=False) as kept:
            num_frames = len(latent["samples"])
            write_kept_video(
                kept, path, frames, num_frames, fps, sound, codec, provenance=made, frame_marks=marks
            )  # fmt: skip
        saved = ui.SavedResult(path.name, host.output_subfolder(path), io.FolderType.output)
        return io.NodeOutput(InputImpl.VideoFromFile(str(path)), ui=ui.PreviewVideo([saved]))


NODES = [PreviewMotion, DecodeVideo, DecodeVideoToFile]

"""Nodes that mark what others encoded anew, and that read what a file says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from comfy_api.latest import InputImpl, io, ui

from ..mmgt.errors import InputError
from ..mmgt.media import FrameMarks, Marks, mark_file, read_marks
from ..mmgt.media.marking import PICTURE_SUFFIXES, VIDEO_SUFFIXES
from ..mmgt.provenance import SOURCE_TYPES, Provenance
from ..mmgt.weights.files import sha256_of
from . import host, sockets, tensors

NO_FILE = "none: the connected video"
MARKED_SUFFIXES = (*VIDEO_SUFFIXES, *PICTURE_SUFFIXES, ".json")


def video_or_file(suffixes: tuple[str, ...], what: str) -> list[io.Input]:
    return [
        io.Combo.Input(
            "file",
            options=[NO_FILE, *host.input_files(*suffixes)],
            default=NO_FILE,
            tooltip=f"{what} of the input folder, or of the output folder where it ends in [output]; press R for new "
            "ones. Default: the connected video.",
        ),
        io.Video.Input("video", optional=True, tooltip="Any VIDEO. Only one of video and file."),
    ]


def chosen(file: str | None, has_video: bool) -> Path | None:
    """The chosen file; None for the connected video. Raises InputError for both, and for neither."""
    name = None if file == NO_FILE else file
    if (name is None) != has_video:
        both = "a video is connected and a file is chosen" if has_video else "no video is connected and no file chosen"
        raise InputError(f"{both}; give one of the two: connect a VIDEO, or choose a file.")
    return None if name is None else host.input_path(name)


class MarkVideo(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["provenance", "content credentials", "AI label", "watermark", "metadata", "AIGC", "XMP"],
            node_id="MMGT_MarkVideo",
            display_name="Mark Video",
            category="MMGT/video",
            description="Makes a VIDEO say, when it is saved, that it is generated: behind upscaling, "
            "interpolation and whatever else encodes anew. Or marks a finished file, as a copy; nothing is encoded.",
            hidden=host.HIDDEN,
            is_output_node=True,
            inputs=[
                *video_or_file(VIDEO_SUFFIXES, "A finished video"),
                io.Combo.Input(
                    "source_type",
                    options=list(SOURCE_TYPES),
                    default=SOURCE_TYPES[0],
                    tooltip="IPTC's word for how it was made. Default: a photo that a network animated. What a file "
                    "says already stays.",
                ),
                io.String.Input(
                    "filename_prefix",
                    default="video/marked",
                    tooltip="Folder and name of a file's marked copy below output/. Not used for a connected video.",
                ),
                *sockets.frame_mark_inputs(),
            ],
            outputs=[io.Video.Output(display_name="video", tooltip="For Save Video, which writes the marks, too.")],
        )

    @classmethod
    def validate_inputs(cls, file=None, filename_prefix=None) -> bool | str:
        try:
            host.output_place(filename_prefix or "marked", ".mp4")
            return True if file in (None, NO_FILE) else host.problem_with_input(file) or True
        except InputError as error:
            return str(error)

    @classmethod
    def fingerprint_inputs(cls, file=None, **others):
        return host.state_of_input(file)

    @classmethod
    def execute(
        cls, file, source_type, filename_prefix, visible_label=False, invisible_mark=False, video=None
    ) -> io.NodeOutput:
        path = chosen(file, video is not None)
        frame_marks = sockets.frame_marks(visible_label, invisible_mark)
        if path is None:
            made = host.how_marked(cls, source_type, host.digest_of_video(video))
            return io.NodeOutput(host.MarkedVideo(_with_marked_frames(video, frame_marks, made), made))
        if visible_label or invisible_mark:
            raise InputError(
                "a file is copied without encoding it, so its frames cannot be marked; connect it as a VIDEO (Load "
                "Video), or switch visible_label and invisible_mark off."
            )
        made = host.how_marked(cls, source_type, sha256_of(path, host.progress()))
        out = host.new_output_path(filename_prefix, path.suffix)
        mark_file(path, out, made)
        saved = ui.SavedResult(out.name, host.output_subfolder(out), io.FolderType.output)
        return io.NodeOutput(InputImpl.VideoFromFile(str(out)), ui=ui.PreviewVideo([saved]))


def _with_marked_frames(video: Any, marks: FrameMarks, made: Provenance) -> Any:
    """A VIDEO whose pictures are marked; the same where none are to be."""
    if not marks.label and not marks.invisible:
        return video
    components = video.get_components()
    num_frames, height, width, channels = components.images.shape
    host.check_batch("the marked video", num_frames, height, width, channels, "mark a file in parts")
    fps = float(components.frame_rate)
    frames = host.counted(marks.on(tensors.pictures(components.images), fps), num_frames)
    return tensors.video(tensors.image_batch(frames, num_frames), fps, components.audio, made)


class ReadProvenance(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["content credentials", "AI label", "metadata", "AIGC", "XMP", "C2PA"],
            node_id="MMGT_ReadProvenance",
            display_name="Read Provenance",
            category="MMGT/video",
            description="What a video, a picture or a pose file says of how it was made.",
            is_output_node=True,
            inputs=video_or_file(MARKED_SUFFIXES, "A video, a picture or a pose file"),
            outputs=[
                io.String.Output(display_name="text", tooltip="The marks, a line for each; the node shows it, too."),
                io.String.Output(display_name="json", tooltip="The same for programs."),
                io.Boolean.Output(
                    display_name="says_generated", tooltip="Whether a machine learns from it that it is generated."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, file=None) -> bool | str:
        return True if file in (None, NO_FILE) else host.problem_with_input(file) or True

    @classmethod
    def fingerprint_inputs(cls, file=None, **others):
        return host.state_of_input(file)

    @classmethod
    def execute(cls, file, video=None) -> io.NodeOutput:
        path = chosen(file, video is not None)
        marks: Marks = host.marks_of(video) if path is None else read_marks(path)
        text = "\n".join(marks.lines())
        as_json = json.dumps(marks.as_json(), ensure_ascii=False)
        return io.NodeOutput(text, as_json, marks.says_generated, ui=host.words(text))


NODES = [MarkVideo, ReadProvenance]

"""The bundled inputs: a first run needs no file of one's own."""

from __future__ import annotations

from pathlib import Path

from comfy_api.latest import io

from ..mmgt.assets import ASTRONAUT, PRESENTER, SPEECH
from . import host, tensors


class ExamplePortraitAndSpeech(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            node_id="MMGT_ExamplePortraitAndSpeech",
            display_name="Example Portrait and Speech",
            category="MMGT",
            description="A portrait (Eileen Collins, NASA, public domain) and 7.4 s of speech to begin with. Load Pose "
            "Detector's 'auto' knows the portrait's pose without any file. For your own put Load Image and Load Audio "
            "in its place.",
            search_aliases=["talking", "lip sync", "portrait", "avatar", "speech to video", "example", "demo"],
            inputs=[],
            outputs=[
                io.Image.Output(display_name="portrait", tooltip="The photo: 512 x 512 px."),
                io.Audio.Output(display_name="speech", tooltip="The recording: 16 kHz, one channel, 7.4 s."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return _example(ASTRONAUT)


class ExamplePresenterAndSpeech(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            node_id="MMGT_ExamplePresenterAndSpeech",
            display_name="Example Presenter and Speech",
            category="MMGT",
            description="A drawn presenter, whom the small networks that are shipped can move, and 7.4 s of speech. "
            "Load Pose Detector's 'auto' knows the presenter's pose without any file.",
            search_aliases=["talking", "lip sync", "portrait", "avatar", "speech to video", "example", "demo"],
            inputs=[],
            outputs=[
                io.Image.Output(display_name="portrait", tooltip="The presenter: 512 x 512 px."),
                io.Audio.Output(display_name="speech", tooltip="The recording: 16 kHz, one channel, 7.4 s."),
            ],
        )

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return _example(PRESENTER)


def _example(portrait: Path) -> io.NodeOutput:
    """A picture and the recording, for core's sockets."""
    from ..mmgt.media import read_picture, read_recording  # here, as other imports in execute: the pack starts quickly

    return io.NodeOutput(tensors.image(read_picture(portrait)[None]), tensors.audio(read_recording(SPEECH)))


NODES = [ExamplePortraitAndSpeech, ExamplePresenterAndSpeech]

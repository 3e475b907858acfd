"""The bundled inputs: a first run needs no file of one's own."""

from __future__ import annotations

from comfy_api.latest import io

from ..mmgt.assets import ASTRONAUT, PRESENTER, SPEECH
from . import host, tensors

DRAWN, PHOTO = "drawn presenter", "astronaut (photo)"
PICTURES = {DRAWN: PRESENTER, PHOTO: ASTRONAUT}


class ExamplePortraitAndSpeech(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            node_id="MMGT_ExamplePortraitAndSpeech",
            display_name="Example Portrait and Speech",
            category="MMGT",
            description="A portrait and 7.4 s of speech to begin with. Load Pose Detector's 'auto' knows the portraits'"
            " poses without any file. For your own put Load Image and Load Audio in its place.",
            search_aliases=["talking", "lip sync", "portrait", "avatar", "speech to video", "example", "demo"],
            inputs=[
                io.Combo.Input(
                    "portrait",
                    options=list(PICTURES),
                    default=DRAWN,
                    optional=True,
                    tooltip="A drawn presenter, which the small networks that are shipped know to move; or a photo "
                    "(Eileen Collins, NASA, public domain), for Preview Motion and the authors' networks.",
                )
            ],
            outputs=[
                io.Image.Output(display_name="portrait", tooltip="The picture: 512 x 512 px."),
                io.Audio.Output(display_name="speech", tooltip="The recording: 16 kHz, one channel, 7.4 s."),
            ],
        )

    @classmethod
    def execute(cls, portrait=PHOTO) -> io.NodeOutput:
        from ..mmgt.media import (  # here, as other imports in execute: the pack starts quickly
            read_picture,
            read_recording,
        )

        return io.NodeOutput(
            tensors.image(read_picture(PICTURES[portrait])[None]), tensors.audio(read_recording(SPEECH))
        )


NODES = [ExamplePortraitAndSpeech]

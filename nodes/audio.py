"""Speech nodes."""

from comfy_api.latest import io

from ..mmgt.features import encode_speech
from . import host, sockets, tensors


class EncodeSpeech(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MMGT_EncodeSpeech",
            display_name="Encode Speech",
            category="MMGT/audio",
            description="Speech features for SMGA, one row per video frame at 25 fps: onsets, timbre, pitch and beats "
            "(35 hand-crafted columns).",
            inputs=[io.Audio.Input("audio", tooltip="The speech recording; any rate, any number of channels.")],
            outputs=[sockets.Speech.Output(display_name="speech")],
        )

    @classmethod
    def execute(cls, audio) -> io.NodeOutput:
        return io.NodeOutput(encode_speech(tensors.recording(audio), host.progress()))


NODES = [EncodeSpeech]

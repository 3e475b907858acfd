"""Speech nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from comfy_api.latest import io

from ..mmgt.speech.encode import encode_speech
from ..mmgt.weights.catalog import WAV2VEC2, WAVLM
from . import host, sockets, tensors

NO_WAVLM = "none: hand-crafted features only"
NO_WAV2VEC2 = "none: hand-crafted features only"
DTYPES = ("fp32", "fp16", "bf16")
ENCODER_MEMORY_BYTES = 768 * 2**20  # activations of one chunk (30 s) in float32


@dataclass(frozen=True)
class AudioEncoder:
    """Both neural encoders as ComfyUI's ModelPatchers, or None where one is not wanted."""

    wavlm: Any
    wav2vec2: Any


class LoadAudioEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["wavlm", "wav2vec2", "audio encoder", "lip sync", "talking"],
            node_id="MMGT_LoadAudioEncoder",
            display_name="Load Audio Encoder",
            category="MMGT/audio",
            description="The networks that listen to the speech: WavLM for SMGA, wav2vec2 for the video network.",
            inputs=[
                io.Combo.Input(
                    "wavlm",
                    options=[NO_WAVLM, *host.model_files(WAVLM)],
                    default=NO_WAVLM,
                    tooltip="In models/audio_encoders: WavLM-Large, from Hugging Face or the original WavLM-Large.pt. "
                    "The authors' SMGA was trained with it.",
                ),
                io.Combo.Input(
                    "wav2vec2",
                    options=[NO_WAV2VEC2, *host.model_files(WAV2VEC2)],
                    default=NO_WAV2VEC2,
                    tooltip="In models/audio_encoders: wav2vec2-base-960h. The authors' video network reads its "
                    "features; a small one that was trained without it needs none.",
                ),
                io.Combo.Input(
                    "weight_dtype",
                    options=list(DTYPES),
                    default="fp32",
                    tooltip="How both networks compute. fp16 and bf16 take half the memory.",
                ),
            ],
            outputs=[sockets.AudioEncoder.Output(display_name="encoder", tooltip="For Encode Speech.")],
        )

    @classmethod
    def validate_inputs(cls, wavlm=None, wav2vec2=None) -> bool | str:
        problems = [  # ComfyUI writes what is returned beside every input: each problem says whose it is
            f"{file.key}: {problem}"
            for name, none, file in ((wavlm, NO_WAVLM, WAVLM), (wav2vec2, NO_WAV2VEC2, WAV2VEC2))
            if name != none and (problem := host.problem_with(name or file.name, file)) is not None
        ]
        return " ".join(problems) or True

    @classmethod
    def fingerprint_inputs(cls, wavlm=None, wav2vec2=None, weight_dtype=None):
        return host.fingerprint((wavlm, WAVLM), (wav2vec2, WAV2VEC2))

    @classmethod
    def execute(cls, wavlm, wav2vec2, weight_dtype) -> io.NodeOutput:
        from ..mmgt.speech.encoders import load_wav2vec2, load_wavlm  # here: a tenth of the pack's import

        host.check_interrupt()
        dtype, encoders = host.WEIGHT_DTYPES[weight_dtype], AudioEncoder(None, None)
        if wavlm != NO_WAVLM:
            encoders = replace(encoders, wavlm=host.managed(load_wavlm(host.model_path(wavlm, WAVLM), dtype)))
        if wav2vec2 != NO_WAV2VEC2:
            path = host.model_path(wav2vec2, WAV2VEC2)
            encoders = replace(encoders, wav2vec2=host.managed(load_wav2vec2(path, dtype)))
        return io.NodeOutput(encoders)


class EncodeSpeech(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return host.schema(
            search_aliases=["audio features", "lip sync", "talking", "speech to video", "wav2vec2", "wavlm"],
            node_id="MMGT_EncodeSpeech",
            display_name="Encode Speech",
            category="MMGT/audio",
            description="What the networks hear, one row per video frame at 25 fps: onsets, timbre, pitch and beats "
            "(35 hand-crafted columns); WavLM for SMGA and wav2vec2 for the video network, where they are loaded.",
            inputs=[
                io.Audio.Input("audio", tooltip="The speech recording; any rate, any number of channels."),
                sockets.AudioEncoder.Input(
                    "encoder",
                    optional=True,
                    tooltip="From Load Audio Encoder. Without it: hand-crafted features only.",
                ),
                io.Audio.Input(
                    "vocals",
                    optional=True,
                    tooltip="The voice alone, as long as audio, from a node that separates it from music or noise: the "
                    "networks then listen to this.",
                ),
            ],
            outputs=[sockets.Speech.Output(display_name="speech", tooltip="One row of features a video frame.")],
        )

    @classmethod
    def execute(cls, audio, encoder=None, vocals=None) -> io.NodeOutput:
        encoder = encoder or AudioEncoder(None, None)
        wavlm, wav2vec2 = host.on_device_together((encoder.wavlm, encoder.wav2vec2), ENCODER_MEMORY_BYTES)
        speech = encode_speech(
            tensors.recording(audio),
            host.progress(),
            wavlm=wavlm,
            wav2vec2=wav2vec2,
            vocals=None if vocals is None else tensors.recording(vocals),
        )
        return io.NodeOutput(speech)


NODES = [LoadAudioEncoder, EncodeSpeech]

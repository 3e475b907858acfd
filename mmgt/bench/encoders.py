"""``mmgt bench encoders``: the speech encoders beside transformers' own."""

from __future__ import annotations

from typing import Any

import torch

from ..speech.encoders import Speech, Wav2Vec2, WavLM
from ..speech.recording import SPEECH_RATE_HZ, Recording
from .measure import interleaved, machine, peak_rss_mib


def bench_encoders(num_runs: int = 3, seconds: float = 3.2) -> dict[str, Any]:
    """WavLM-Large and wav2vec2-base, random weights, float32: encoding speech against transformers' own forwards.

    cpu_s: from the recording to the rows of both. plain_cpu_s: one forward of each on the normalised samples.
    ratio: the first over the second.
    """
    import transformers

    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(round(seconds * SPEECH_RATE_HZ), generator=generator) / 10
    recording = Recording(samples[None].numpy(), SPEECH_RATE_HZ)
    large = transformers.WavLMConfig(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        max_bucket_distance=800,
    )
    networks = [transformers.WavLMModel(large), transformers.Wav2Vec2Model(transformers.Wav2Vec2Config())]
    for network in networks:
        network.eval().requires_grad_(False)
    encoders = [WavLM(networks[0]), Wav2Vec2(networks[1])]
    normalised = ((samples - samples.mean()) / samples.std())[None]

    @torch.inference_mode()
    def plain() -> None:
        for network in networks:
            network(normalised)

    def encode() -> None:
        speech = Speech.of(recording)
        for encoder in encoders:
            encoder.encode(speech, recording.num_frames())

    cpu_s, plain_cpu_s = interleaved(encode, plain, num_runs)
    return {
        "bench": "encoders",
        "seconds": seconds,
        "num_frames": recording.num_frames(),
        "ratio": round(cpu_s / plain_cpu_s, 4),
        "cpu_s": round(cpu_s, 3),
        "plain_cpu_s": round(plain_cpu_s, 3),
        "transformers": transformers.__version__,
        "peak_rss_mib": peak_rss_mib(),
        **machine(),
    }

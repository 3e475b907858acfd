"""The files that the networks need: what they are called, where they are published, and where they go.

``docs/weights.md`` shows this table; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..assets import TINY_GESTURES
from . import signatures

HUB = "https://huggingface.co"
OUR_FOLDER = "mmgt"  # of the models folder: where files lie that no other pack reads
EVALUATION_FOLDER = "mmgt_eval"  # likewise: where users place what numbers are measured through
AUTHORS_HUB = "addtime/MMGT_pretrained"  # named by the authors' page; its layout is taken from their config, not seen


@dataclass(frozen=True)
class WeightFile:
    """One file.

    key: its short name on the command line. name: what it is called in its folder. folder: of ComfyUI's models folder.
    purpose, licence: in words. repository, published: its place on Hugging Face. size_bytes: None where it is not
    stated. other_names: under which it is used too ("*" is anything); a published name that says nothing counts in its
    own folder only. kinds: what ``recognise`` calls it. instead: what serves without it, "" if nothing does. shipped:
    the small network of our own that comes with this pack and takes its place, in ``assets.MODELS``; "" if none does.
    made_by: the command that makes it, where nobody publishes it.
    """

    key: str
    name: str
    folder: str
    purpose: str
    licence: str
    published: str
    repository: str
    other_names: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    size_bytes: int | None = None
    instead: str = ""
    shipped: str = ""
    made_by: str = ""

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders of the models folder that may hold it, in the order in which they are looked into."""
        return tuple(dict.fromkeys((self.folder, OUR_FOLDER)))

    @property
    def page(self) -> str:
        return f"{HUB}/{self.repository}"

    @property
    def is_checked(self) -> bool:
        """Whether it is known to lie where ``published`` says."""
        return self.repository != AUTHORS_HUB


SMGA = WeightFile(
    key="smga",
    name="audio2pose_best_model.pt",
    folder=OUR_FOLDER,
    purpose="SMGA (stage I): speech -> poses",
    licence="none stated",
    published="stage_1/audio2pose_best_model.pt",
    repository=AUTHORS_HUB,
    other_names=("audio2pose_best_model*.safetensors",),
    kinds=(signatures.SMGA,),
    instead="use Rhythm Audio2Pose, which needs no weights",
    shipped="smga_tiny.safetensors",
)
MMHAA = WeightFile(
    key="mmhaa",
    name="net-32500.pth",
    folder=OUR_FOLDER,
    purpose="MM-HAA (stage II): photo, poses, masks and speech -> video; all four of its modules",
    licence="none stated",
    published="stage_2/process_2/net-32500.pth",
    repository=AUTHORS_HUB,
    other_names=("net-32500*.safetensors",),
    kinds=(signatures.MMHAA,),
    instead="use Preview Motion, which needs no weights",
    shipped="mmhaa_tiny.safetensors",
)
VAE = WeightFile(
    key="vae",
    name="sd-vae-ft-mse.safetensors",
    folder="vae",
    purpose="stage II: picture <-> latents",
    licence="MIT",
    published="diffusion_pytorch_model.safetensors",
    other_names=(
        "vae-ft-mse-840000-ema-pruned.safetensors",
        "sd-vae-ft-mse/diffusion_pytorch_model.safetensors",
        "sd-vae-ft-mse/diffusion_pytorch_model.bin",
    ),
    kinds=(signatures.VAE, signatures.TINY_VAE),
    repository="stabilityai/sd-vae-ft-mse",
    size_bytes=334_643_276,
    shipped="taesd_tiny.safetensors",
)
CLIP = WeightFile(
    key="clip",
    name="sd-image-variations-image-encoder.bin",
    folder="clip_vision",
    purpose="stage II: the photo as one CLIP token (ViT-L/14)",
    licence="creativeml-openrail-m",
    published="image_encoder/pytorch_model.bin",
    other_names=("sd-image-variations-image-encoder.safetensors", "image_encoder/pytorch_model.bin"),
    kinds=(signatures.CLIP,),
    repository="lambdalabs/sd-image-variations-diffusers",
    size_bytes=1_215_993_967,
)
WAV2VEC2 = WeightFile(
    key="wav2vec2",
    name="wav2vec2-base-960h.safetensors",
    folder="audio_encoders",
    purpose="stage II: features of the speech",
    licence="Apache-2.0",
    published="model.safetensors",
    other_names=(
        "wav2vec2-base-960h/model.safetensors",
        "wav2vec2-base-960h.bin",
        "wav2vec2-base-960h/pytorch_model.bin",
    ),
    kinds=(signatures.WAV2VEC2,),
    repository="facebook/wav2vec2-base-960h",
    size_bytes=377_607_901,
)
WAVLM = WeightFile(
    key="wavlm",
    name="wavlm-large.bin",
    folder="audio_encoders",
    purpose="the authors' SMGA: features of the speech",
    licence="CC BY-SA 3.0 (the licence that the model card links)",
    published="pytorch_model.bin",
    other_names=(
        "wavlm-large.safetensors",
        "WavLM-Large.safetensors",
        "WavLM-Large.pt",
        "wavlm-large/model.safetensors",
        "wavlm-large/pytorch_model.bin",
    ),
    kinds=(signatures.WAVLM, signatures.WAVLM_ORIGINAL),
    repository="microsoft/wavlm-large",
    size_bytes=1_261_990_257,
    instead="use an SMGA that was trained without it",
)
_OTHER_POSES = (
    "use MediaPipe, or give a pose file ('Load Poses', or --poses on the command line) "
    "or a POSE_KEYPOINT of another detector"
)
YOLOX = WeightFile(
    key="yolox",
    name="yolox_l.onnx",
    folder=OUR_FOLDER,
    purpose="DWPose: finds the people in the photo",
    licence="Apache-2.0",
    published="yolox_l.onnx",
    repository="yzd-v/DWPose",
    size_bytes=216_746_733,
    instead=_OTHER_POSES,
)
DWPOSE = WeightFile(
    key="dwpose",
    name="dw-ll_ucoco_384.onnx",
    folder=OUR_FOLDER,
    purpose="DWPose: 133 keypoints of a person",
    licence="Apache-2.0",
    published="dw-ll_ucoco_384.onnx",
    repository="yzd-v/DWPose",
    size_bytes=134_399_116,
    instead=_OTHER_POSES,
)
MEDIAPIPE = WeightFile(
    key="mediapipe",
    name="holistic_landmarker.task",
    folder=OUR_FOLDER,
    purpose="MediaPipe newer than 0.10.21, instead of DWPose: keypoints of a person",
    licence="Apache-2.0",
    published="holistic_landmarker.task",
    repository="litert-community/MediaPipe-HolisticLandmarker",
    size_bytes=13_683_609,
    instead="use DWPose, or MediaPipe 0.10.21, which has its models inside",
)
CATALOG = (SMGA, MMHAA, VAE, CLIP, WAV2VEC2, WAVLM, YOLOX, DWPOSE, MEDIAPIPE)
BY_KEY = {file.key: file for file in CATALOG}


def _of_our_training(key: str, purpose: str, kind: str, instead: str, command: str, shipped: str = "") -> WeightFile:
    """Not of the catalogue: nobody publishes it."""
    return WeightFile(
        key=key,
        name=f"{key}.safetensors",
        folder=OUR_FOLDER,
        purpose=purpose,
        licence="",
        published="",
        repository="",
        kinds=(kind,),
        instead=instead,
        shipped=shipped,
        made_by=f"`{command}` (docs/training.md)",
    )


CONTEXTUAL_GESTURE = _of_our_training(
    "contextual_gesture",
    "Contextual Gesture (stage I): speech -> poses",
    signatures.CONTEXTUAL_GESTURE,
    "use SMGA or Rhythm Audio2Pose",
    "mmgt train gestures",
    shipped=TINY_GESTURES.name,
)
REFINEMENT = _of_our_training(
    "refinement",
    "mends Preview Motion's frames",
    signatures.REFINEMENT,
    "preview without it",
    "mmgt train refine",
)
OF_OUR_TRAINING = (CONTEXTUAL_GESTURE, REFINEMENT)
SHIPPED = tuple(file for file in (*CATALOG, *OF_OUR_TRAINING) if file.shipped)


def advice(file: WeightFile) -> str:
    """What to do for the file, as the end of a sentence."""
    other = f", or {file.instead}" if file.instead else ""
    if file.made_by:
        return f"make one by {file.made_by} and put it into models/{file.folder}{other}"
    return f"put {file.published}, from {file.page}, into models/{file.folder} (`mmgt weights get {file.key}`){other}"


def missing_sentence(file: WeightFile, folders: Sequence[Path] = ()) -> str:
    """Name, folder and page of a file that is not there. folders: where it was looked for."""
    places = " or ".join(map(str, folders)) or f"models/{file.folder}"
    return f"there is no {file.name} ({file.purpose}) in {places}; {advice(file)}."

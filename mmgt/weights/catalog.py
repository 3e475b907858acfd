"""The files that the networks need: what they are called, where they are published, and where they go.

``docs/weights.md`` shows this table; a test holds the two equal.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from . import signatures

HUB = "https://huggingface.co"
AUTHORS_HUB = "addtime/MMGT_pretrained"  # named by the authors' page; its layout is taken from their config, not seen


@dataclass(frozen=True)
class WeightFile:
    """One file.

    key: its short name on the command line. name: what it is called in its folder. folder: of ComfyUI's models folder.
    purpose, licence: in words. repository, published: its place on Hugging Face. size_bytes: None where it is not
    stated. other_names: under which it is used too ("*" is anything); a published name that says nothing counts in its
    own folder only. kinds: what ``recognise`` calls it. instead: what serves without it, "" if nothing does.
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
    folder="mmgt",
    purpose="SMGA (stage I): speech -> poses",
    licence="none stated",
    published="stage_1/audio2pose_best_model.pt",
    repository=AUTHORS_HUB,
    other_names=("audio2pose_best_model*.safetensors",),
    kinds=(signatures.SMGA,),
    instead="use Rhythm Audio2Pose, which needs no weights",
)
MMHAA = WeightFile(
    key="mmhaa",
    name="net-32500.pth",
    folder="mmgt",
    purpose="MM-HAA (stage II): photo, poses, masks and speech -> video; all four of its modules",
    licence="none stated",
    published="stage_2/process_2/net-32500.pth",
    repository=AUTHORS_HUB,
    other_names=("net-32500*.safetensors",),
    kinds=(signatures.MMHAA,),
    instead="use Preview Motion, which needs no weights",
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
    kinds=(signatures.VAE,),
    repository="stabilityai/sd-vae-ft-mse",
    size_bytes=334_643_276,
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
    purpose="stage II hears the speech with it",
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
    purpose="the authors' SMGA hears the speech with it",
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
    folder="mmgt",
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
    folder="mmgt",
    purpose="DWPose: 133 keypoints of a person",
    licence="Apache-2.0",
    published="dw-ll_ucoco_384.onnx",
    repository="yzd-v/DWPose",
    size_bytes=134_399_116,
    instead=_OTHER_POSES,
)
CATALOG = (SMGA, MMHAA, VAE, CLIP, WAV2VEC2, WAVLM, YOLOX, DWPOSE)


def find(file: WeightFile, folders: Mapping[str, Sequence[Path]]) -> Path | None:
    """Where the file is, under one of its names and at any depth; a converted one comes first.

    folders: by name of ComfyUI's folder, where its files may lie (``folder_paths.get_folder_paths(name)``).
    """
    names = sorted((file.name, *file.other_names), key=lambda name: not name.endswith(".safetensors"))
    candidates = (
        path for name in names for place in folders.get(file.folder, ()) for path in sorted(Path(place).rglob(name))
    )
    return next((path for path in candidates if path.is_file()), None)


def find_all(folder: Path) -> dict[str, Path]:
    """All files of the catalogue that lie in a folder or below it, by their keys. Raises InputError for no folder."""
    if not folder.is_dir():
        raise InputError(
            f"there is no folder {folder} of weights; give the one that holds {MMHAA.name} and the others "
            "(docs/weights.md)."
        )
    found = {file.key: find(file, {file.folder: [folder]}) for file in CATALOG}
    return {key: path for key, path in found.items() if path is not None}


def check_found(folder: Path, found: Container[str], needed: Iterable[str], instead: str = "") -> None:
    """Raise InputError that names all files that are needed and were not found. instead: how to do without them."""
    files = {file.key: file for file in CATALOG}
    missing = [f"{files[key].name} ({files[key].page})" for key in needed if key not in found]
    if missing:
        raise InputError(
            f"{folder} lacks {', '.join(missing)}; put them there under these names (docs/weights.md){instead}."
        )


def check_kinds(found: Mapping[str, Path], needed: Iterable[str]) -> None:
    """Open the files that will be needed and recognise them, before any network runs.

    found: as of ``find_all``. Raises InputError for the first that cannot be read, or is another network.
    """
    from .files import open_checkpoint

    files = {file.key: file for file in CATALOG}
    for key in needed:
        file, path = files[key], found[key]
        kind = signatures.recognise(open_checkpoint(path, advice(file)).tensors)
        if kind not in file.kinds:
            raise InputError(f"{path} is {kind}, not {' or '.join(file.kinds)} ({file.purpose}); {advice(file)}.")


def advice(file: WeightFile) -> str:
    """What to do for the file, as the end of a sentence."""
    other = f", or {file.instead}" if file.instead else ""
    return f"put {file.published}, from {file.page}, into models/{file.folder} (`mmgt weights get {file.key}`){other}"


def missing_sentence(file: WeightFile, folders: Sequence[Path] = ()) -> str:
    """Name, folder and page of a file that is not there. folders: where it was looked for."""
    places = " or ".join(map(str, folders)) or f"models/{file.folder}"
    return f"there is no {file.name} ({file.purpose}) in {places}; {advice(file)}."

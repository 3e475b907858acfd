"""``mmgt weights``: which files are there, what one is, safetensors from it, and fetching what is missing."""

from __future__ import annotations

import argparse
import sys
import zipfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import InputError
from .terminal import Commands, add_models_option, show_progress

if TYPE_CHECKING:
    from ..weights import Checkpoint, WeightFile


def add_parser(commands: Commands) -> None:
    weights = commands.add_parser("weights", help="list, fetch, inspect and convert the networks' files")
    actions = weights.add_subparsers(required=True, metavar="ACTION")
    models = argparse.ArgumentParser(add_help=False)
    add_models_option(models)

    shown = actions.add_parser("list", parents=[models], help="what is there, what is missing, what was recognised")
    shown.set_defaults(run=run_list)

    convert = actions.add_parser("convert", help="a torch checkpoint as safetensors; overwrites nothing")
    convert.add_argument("file", type=Path, metavar="FILE", help="the checkpoint; it stays as it is")
    convert.add_argument("--out", type=Path, metavar="OUT.safetensors", help="the new file (default: beside FILE)")
    convert.add_argument("--dtype", choices=["fp16", "bf16"], help="of all tensors (default: each keeps its own)")
    convert.add_argument("--num-heads", type=int, metavar="N", help="SMGA and video network: if not 8, as published")
    convert.add_argument("--motion-heads", type=int, metavar="N", help="video network: if not 8, as published")
    convert.add_argument("--num-groups", type=int, metavar="N", help="video network: if not 32, as published")
    convert.add_argument(
        "--note", action="append", default=[], metavar="NAME=TEXT", help="for the file's metadata: licence, training"
    )
    convert.set_defaults(run=run_convert)

    inspect = actions.add_parser("inspect", help="what any checkpoint is")
    inspect.add_argument("file", type=Path, metavar="FILE")
    inspect.set_defaults(run=run_inspect)

    get = actions.add_parser("get", parents=[models], help="download from Hugging Face; resumes and checks")
    get.add_argument(
        "names", nargs="*", metavar="NAME", help="short or file names of `mmgt weights list` (default: all)"
    )
    get.add_argument("--from", dest="address", metavar="ADDRESS", help="where the one file NAME is, if not known here")
    get.set_defaults(run=run_get)


def run_list(args: argparse.Namespace) -> None:
    """One paragraph a file of the catalog, then the other checkpoints of models/mmgt."""
    from ..weights import CATALOG, SMGA, find, in_models, missing_sentence, places
    from ..weights.files import CHECKPOINT_SUFFIXES, human_size

    models = in_models(args.models)
    known = set()
    for file in CATALOG:
        path = find(file, places(file, models))
        if path is None:
            print(f"missing  {file.key}: {missing_sentence(file, places(file, models))}")
            continue
        known.add(path)
        state, recognised = _check(path, file)
        print(f"{state:8} {file.key}: {path}, {human_size(path.stat().st_size)}: {recognised}")
    for place in places(SMGA, models):
        for path in sorted(place.glob("*")):
            if path.suffix in CHECKPOINT_SUFFIXES and path not in known:
                print(f"other    {path}, {human_size(path.stat().st_size)}: {_check(path)[1]}")


def _check(path: Path, file: WeightFile | None = None) -> tuple[str, str]:
    """Whether a file is what its name says, and what it is."""
    from ..weights import open_checkpoint, recognise
    from ..weights.catalog import advice
    from ..weights.files import check_file

    wanted = "take it from where it came from" if file is None else advice(file)
    try:
        if path.suffix == ".onnx":
            check_file(path, wanted)
            return _check_onnx(path, file, wanted)
        if path.suffix == ".task":
            check_file(path, wanted)
            return ("there", "MediaPipe's models") if zipfile.is_zipfile(path) else ("wrong", "no MediaPipe file")
        kind = recognise(open_checkpoint(path, wanted).tensors)
    except InputError as error:
        return "broken", str(error)
    return ("there" if file is None or kind in file.kinds else "wrong"), kind


def _check_onnx(path: Path, file: WeightFile | None, wanted: str) -> tuple[str, str]:
    from ..detect.sessions import import_onnxruntime, open_session, recognise_model

    try:
        onnxruntime = import_onnxruntime()
    except InputError:
        return "there", "an ONNX file (not opened: there is no onnxruntime)"
    looks_like = recognise_model(open_session(onnxruntime, path, ["CPUExecutionProvider"], wanted))
    if looks_like is None:
        return "wrong", "an unknown ONNX model"
    return ("there" if file is None or looks_like == file.name else "wrong"), f"DWPose's {looks_like}"


def run_convert(args: argparse.Namespace) -> None:
    import torch

    from ..standalone.convert import convert_file
    from ..weights.files import human_size
    from ..weights.strict import PUBLISHED_NUMBERS

    dtype = {None: None, "fp16": torch.float16, "bf16": torch.bfloat16}[args.dtype]
    heads = {name: getattr(args, name) for name in PUBLISHED_NUMBERS if getattr(args, name) is not None}
    notes = dict(note.partition("=")[::2] for note in args.note)
    out = convert_file(args.file, args.out, dtype, heads, show_progress("checksum of the source"), notes)
    print(f"done: {out}, {human_size(out.stat().st_size)}")


def run_inspect(args: argparse.Namespace) -> None:
    """Kind, part, numbers and sizes of the tensors, metadata, and what the file is used for."""
    from ..weights import CATALOG, open_checkpoint, recognise
    from ..weights.catalog import OF_OUR_TRAINING
    from ..weights.files import human_size
    from ..weights.signatures import IMAGE_NETWORKS

    checkpoint = open_checkpoint(args.file, "give a checkpoint")
    tensors, kind = checkpoint.tensors, recognise(checkpoint.tensors)
    print(f"{args.file}: {kind}")
    if checkpoint.part:
        print(f"a training checkpoint; taken from it: {checkpoint.part}")
    counts = Counter({key: tensor.numel() for key, tensor in tensors.items()})
    num_bytes = sum(tensor.nbytes for tensor in tensors.values())
    print(f"{len(tensors)} tensors, {counts.total():,} numbers, {human_size(num_bytes)}")
    for dtype, number in Counter(str(t.dtype).removeprefix("torch.") for t in tensors.values()).most_common():
        print(f"  {dtype}: {number} tensors")
    for key, _ in counts.most_common(3):
        print(f"  largest: {key} {list(tensors[key].shape)}")
    for name, value in sorted(checkpoint.metadata.items()):
        print(f"  {name}: {value[:200]}")
    print(_as_network(checkpoint, kind))
    if kind == IMAGE_NETWORKS:
        print("used for: the beginning of process 2, `mmgt train video --from-networks FILE`")
        return
    used = next((file for file in (*CATALOG, *OF_OUR_TRAINING) if kind in file.kinds), None)
    print("not used here" if used is None else f"used for: {used.purpose}; belongs into models/{used.folder}")


def _as_network(checkpoint: Checkpoint, kind: str) -> str:
    """The sizes that are read from the tensors, or why they make no network."""
    from ..mmhaa.load import build_mmhaa, numbers_of
    from ..smga.load import build_smga
    from ..weights import signatures
    from ..weights.strict import read_config

    if kind not in (signatures.SMGA, signatures.MMHAA):
        return "sizes are not read from this kind"
    shapes = {key: tensor.to("meta") for key, tensor in checkpoint.tensors.items()}
    try:
        heads = read_config(checkpoint)
        if kind == signatures.SMGA:
            return f"complete: {build_smga(shapes, heads['num_heads'], str(checkpoint.path)).config}"
        networks = build_mmhaa(shapes, **numbers_of(heads), source=str(checkpoint.path))
        return f"complete: {networks.video_network.config}, reads the photo with {networks.reference_unet.config}"
    except InputError as error:
        return str(error)


def run_get(args: argparse.Namespace) -> None:
    """Fetch files that are missing. One that cannot be had does not stop the others."""
    from ..weights import find, in_models, places
    from ..weights.download import download, hub_address, mirrored

    files = chosen_files(args.names)
    if args.address is not None and len(files) != 1:
        raise InputError(f"--from {args.address} is the address of one file; give one NAME with it.")
    models, failed = in_models(args.models), {}
    for file in files:
        folders = places(file, models)
        found = find(file, folders)
        if found is not None:
            print(f"{file.key}: there already, {found}")
            continue
        target = folders[0] / file.name
        try:
            address = hub_address(file.repository, file.published)
            if args.address is not None:
                address = mirrored(args.address)
                target = target.with_suffix(Path(urlsplit(address).path).suffix or target.suffix)
            print(f"{file.key}: {address} -> {target}", flush=True)
            print(f"{file.key}: {target} ({download(address, target, show_progress(file.key, 'B'))})", flush=True)
        except InputError as error:
            failed[file.key] = error
            print(f"{file.key}: {error}", file=sys.stderr)
            if args.address is None and not file.is_checked:
                print(
                    f"{file.key}: that place is what the authors' settings imply, it was not seen; look for "
                    f"{file.name} on {file.page} and give its address: `mmgt weights get {file.key} --from ADDRESS`.",
                    file=sys.stderr,
                )
    if failed:
        raise InputError(f"not fetched: {', '.join(failed)}; the reasons are above.")


def chosen_files(names: Sequence[str]) -> list[WeightFile]:
    """Files of the catalog by their short or file names, all for none. Raises InputError for an unknown one."""
    from ..weights import CATALOG

    by_name = {name: file for file in CATALOG for name in (file.key, file.name, *file.other_names)}
    for name in names:
        if name not in by_name:
            keys = ", ".join(file.key for file in CATALOG)
            raise InputError(f"there is no file '{name}' to fetch; choose from {keys}.")
    return list(dict.fromkeys(by_name[name] for name in names)) or list(CATALOG)

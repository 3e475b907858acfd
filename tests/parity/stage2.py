"""The golden networks of stage II, and the authors' tensor layout [R, C, F, h, w] <-> ours [(R F), C, h, w]."""

import json

import numpy as np
import torch
from golden import golden_folder
from recipe import digest, state_dict
from safetensors.torch import save_file

from mmgt.mmhaa.load import build_mmhaa
from mmgt.weights import load_strictly


def tensor(array):
    return array if isinstance(array, torch.Tensor) else torch.from_numpy(np.array(array))


def load(module, weights):
    load_strictly(module, {key: tensor(value) for key, value in weights.items()}, "golden weights")
    return module.eval().requires_grad_(False)


def as_frames(video):
    """[R, C, F, h, w] -> [(R F), C, h, w]."""
    return tensor(video).transpose(1, 2).flatten(0, 1)


def as_video(frames, num_rows):
    """[(R F), C, h, w] -> [R, C, F, h, w]."""
    return frames.unflatten(0, (num_rows, -1)).transpose(1, 2)


def tiny_weights():
    """The golden set's weights in the authors' keys, from the recipe, and their numbers of heads."""
    meta = json.loads((golden_folder("stage2") / "net_tiny.json").read_text())
    weights = state_dict(meta["shapes"], meta["seed"])
    assert digest(weights) == meta["sha256"]
    heads = meta["unet_config"]["attention_head_dim"]
    motion_heads = meta["unet_additional_kwargs"]["motion_module_kwargs"]["num_attention_heads"]
    return {key: tensor(value) for key, value in weights.items()}, heads, motion_heads


def tiny_net():
    """The golden set's networks."""
    return build_mmhaa(*tiny_weights())


def tiny_file(folder, name):
    """The golden VAE or CLIP as a file, with what tensors do not show in its metadata."""
    stage = golden_folder("stage2")
    meta = json.loads((stage / "vae_clip_tiny.json").read_text())
    seed = json.loads((stage / "net_tiny.json").read_text())["seed"]
    weights = {key: tensor(value) for key, value in state_dict(meta[name], seed, prefix=meta[f"{name}_prefix"]).items()}
    ids = "vision_model.embeddings.position_ids"
    if ids in weights:
        weights[ids] = torch.arange(weights[ids].shape[1])[None]
    path = folder / f"{name}.safetensors"
    save_file(weights, path, {"config": json.dumps(meta[f"{name}_config"])})
    return path

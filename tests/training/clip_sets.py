"""Small training sets: poses that sway with their features, without any voice."""

import json

import torch

from mmgt.training.clips import ClipEntry, ClipSet, write_clip
from mmgt.world.presenter import presenter


def swaying_set(folder, num_clips=3, num_frames=100, source=None):
    """Clips whose poses sway as the first of their 35 features does; the last clip is held out.

    source: what their metadata says of it; else a drawn presenter.
    """
    folder.mkdir()
    entries = []
    for i in range(num_clips):
        generator = torch.Generator().manual_seed(i)
        sway = torch.sin(torch.arange(num_frames) / 5 + i)
        features = torch.randn(num_frames, 35, generator=generator)
        features[:, 0] = sway
        poses = presenter(i).at([0] * num_frames)
        poses.keypoints[:, :, 0] += 0.02 * sway[:, None]
        name = f"clip{i}.safetensors"
        write_clip(
            folder / name, poses, features, {"speaker": "nobody", "source": source or json.dumps({"seeds": [i]})}
        )
        entries.append(ClipEntry(name, num_frames, 35, "nobody", "test" if i == num_clips - 1 else "train"))
    return ClipSet.write_index(folder, entries)

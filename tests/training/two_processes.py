"""`python tests/training/two_processes.py FOLDER`: one step by two processes (gloo), and by one with the doubled batch.

``test_team.py`` calls it. Prints, for each training, how far the optimiser's first moments, which are a part of the
gradients, are from each other, relative to their norm; and of one that has learned from half the batch.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import torch
from clip_sets import swaying_set
from safetensors.torch import load_file
from video_sets import NARROW, moving_square

from mmgt.training.clips import ClipSet
from mmgt.training.mmhaa import MMHAARun, MMHAATraining, train_mmhaa
from mmgt.training.run import STATE, Run
from mmgt.training.smga import SMGATraining, train_smga
from mmgt.training.team import ALONE, CPU, Team
from mmgt.training.video_set import VideoSet

SIDE_PX = 128  # at 64 px two numbers are normalised at a time, and rounding grows
SMGA = SMGATraining(num_steps=2, dropout=0.0, batch=1, width=16, feed_forward_width=32, num_layers=1, num_heads=2)
IMAGE = MMHAATraining(num_steps=1, batch=1, side_px=SIDE_PX, speech_kind="handcrafted", everything=True, sizes=NARROW)
TRAININGS = {"smga": SMGA, "image": IMAGE, "video": replace(IMAGE, process="video", num_frames=2)}


def train(name, folder, out, batch, team):
    settings = replace(TRAININGS[name], batch=batch)
    if name == "smga":
        train_smga(folder / "set", folder / out, settings, team=team)
    else:
        train_mmhaa(VideoSet(ClipSet(folder / "set"), SIDE_PX, filmed=moving_square), folder / out, settings, team=team)


def moments(path):
    tensors = load_file(path / STATE)
    return torch.cat(
        [t.flatten() for k, t in sorted(tensors.items()) if k.startswith(("optimiser.exp_avg.", "optimiser.m."))]
    )


def main(folder):
    torch.set_num_threads(1)
    MMHAARun.validate = lambda _: 1.0
    Run.draw_losses = lambda *_: None
    swaying_set(folder / "set", num_frames=90)
    child = os.fork()
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder / 'meeting'}", rank=int(child == 0), world_size=2
    )
    for name in TRAININGS:
        train(name, folder, f"{name}-two", 1, Team(int(child == 0), 2, CPU))
    torch.distributed.destroy_process_group()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    apart = {}
    for run, batch in (*((name, 2) for name in TRAININGS), ("smga", 1)):
        train(run, folder, f"{run}-{batch}", batch, ALONE)
        two, alone = moments(folder / f"{run}-two"), moments(folder / f"{run}-{batch}")
        apart[f"{run} {batch}"] = float((alone - two).norm() / two.norm())
    print(json.dumps(apart))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

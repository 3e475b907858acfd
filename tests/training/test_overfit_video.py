import shutil
from dataclasses import replace

import numpy as np
import pytest
from clip_sets import swaying_set

from mmgt.training import overfit_video as module
from mmgt.training.overfit_video import SETTINGS, overfit_video, psnr_db


def test_the_proof_runs_and_measures(tmp_path, monkeypatch):
    """Two steps of it, at a quarter of the size: the loss falls on the same draws, and a sample is drawn."""

    def sways(path, _seed, _clip_idx, frames):
        (entry,) = swaying_set(tmp_path / "swaying", num_clips=1, num_frames=len(frames)).entries
        shutil.copy(tmp_path / "swaying" / entry.file, path)

    monkeypatch.setattr(module, "draw_clip", sways)  # needs no voice
    monkeypatch.setattr(module, "NUM_DRAWS", 3)
    monkeypatch.setattr(module, "SAMPLE_STEPS", 2)
    monkeypatch.setattr("mmgt.training.run.Run.draw_losses", lambda *_: None)
    settings = replace(SETTINGS, num_steps=2, average_decay=0.1, side_px=64)
    learned = overfit_video(tmp_path, settings)
    assert 0 < learned.loss_after < learned.loss_before
    assert learned.psnr_db < learned.still_db
    assert (tmp_path / "sample.png").is_file()


def test_psnr():
    grey = np.full((2, 4, 4, 3), 100, np.uint8)
    assert psnr_db(grey, grey + np.uint8(1)) == pytest.approx(48.13, abs=0.01)
    assert psnr_db(grey, grey) == float("inf")

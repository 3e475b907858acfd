import shutil
from dataclasses import replace

from clip_sets import swaying_set

from mmgt.training import overfit_smga as module
from mmgt.training.overfit_smga import SETTINGS, overfit_smga


def test_the_proof_runs_and_measures(tmp_path, monkeypatch):
    """Some steps of it, on two clips: sampled poses come nearer to the truth than the first pose held."""
    clips = swaying_set(tmp_path / "swaying", num_clips=2, num_frames=80)

    def sways(path, _seed, clip_idx, _frames):
        shutil.copy(clips.folder / clips.entries[clip_idx].file, path)

    monkeypatch.setattr(module, "draw_clip", sways)  # needs no voice
    monkeypatch.setattr(module, "NUM_CLIPS", 2)
    monkeypatch.setattr("mmgt.training.run.Run.draw_losses", lambda *_: None)
    sizes = {"width": 32, "feed_forward_width": 32, "num_layers": 1}
    learned = overfit_smga(tmp_path, replace(SETTINGS, num_steps=40, learning_rate=5e-3, average_decay=0.9, **sizes))
    assert learned.error_px < 0.5 * learned.still_px

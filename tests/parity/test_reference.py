"""The authors' assembly, smoothing and selection, and stage I end to end."""

import numpy as np
import pytest
import torch
from authors_smga import assemble, candidate_scores, sample_slices, select_candidate, smooth
from golden import config, golden_files, part, read

from mmgt.smga.load import build_smga


def tensor(array):
    return torch.from_numpy(array)


@pytest.mark.parametrize("path", golden_files("stage1", "postprocess_smoothing"))
def test_assemble_and_smooth(path):
    tensors, _ = read(path)
    initial = tensor(tensors["init_feature"])[0]
    num_slices = sorted(int(key[1 : -len(".smoothed")]) for key in tensors if key.endswith(".smoothed"))
    assert num_slices
    for n in num_slices:
        origin = assemble([tensor(tensors[f"slice{i}"]) for i in range(n)], initial)
        if f"n{n}.origin" in tensors:
            np.testing.assert_array_equal(origin.numpy(), tensors[f"n{n}.origin"])
        smoothed = smooth(origin)
        np.testing.assert_allclose(smoothed.numpy(), tensors[f"n{n}.smoothed"], rtol=0, atol=1e-6)
        # knots are reproduced to the last bits only: a frame counts as changed beyond float32 rounding
        changed = np.flatnonzero((smoothed - origin).abs().amax(dim=1) > 1e-6)
        np.testing.assert_array_equal(changed, tensors[f"n{n}.changed_frames"])


@pytest.mark.parametrize("path", golden_files("stage1", "postprocess_selection"))
def test_selection(path):
    tensors, _ = read(path)
    last = tensor(tensors["last"])
    candidates = [tensor(tensors[key]) for key in sorted(k for k in tensors if k.startswith("cand"))]
    np.testing.assert_allclose(candidate_scores(last, candidates), tensors["scores_pos_angle"], rtol=0, atol=1e-3)
    assert select_candidate(last, candidates) == tensors["best_index"].item()
    static = last[-1].expand_as(last)
    assert select_candidate(last, [static, candidates[0]]) == tensors["static_then_c0_best_index"].item()


@pytest.mark.parametrize("path", golden_files("stage1", "e2e_stage1"))
def test_end_to_end(path):
    tensors, metadata = read(path)
    model = build_smga(
        {k: tensor(v) for k, v in part(tensors, "dec").items()},
        num_heads=config(metadata, "decoder_config")["num_heads"],
    )
    features = np.concatenate([tensors["wavlm_features"], tensors["baseline_features"]], axis=1)
    np.testing.assert_array_equal(features, tensors["cond"])
    initial, base = tensor(tensors["init_feature"])[0], tensor(tensors["noise_base"])
    (x0,) = sample_slices(
        model,
        [tensor(features)],
        initial.float(),
        lambda _slice: lambda i: torch.roll(base, shifts=(i, 13 * i), dims=(1, 2))[0],
    )
    np.testing.assert_allclose(x0[None], tensors["x0"], rtol=0, atol=1e-4)
    np.testing.assert_allclose(smooth(assemble([x0], initial)), tensors["smoothed"], rtol=0, atol=1e-4)

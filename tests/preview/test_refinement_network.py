"""The refinement's parts against plain restatements, and what it must never change."""

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from tiny_refinement import TINY, tiny_refinement

from mmgt import ops
from mmgt.errors import InputError
from mmgt.poses.edge_maps import edge_maps
from mmgt.preview.refinement import edge_pyramid
from mmgt.preview.refinement_network import NUM_SIZES, REACH_PX, SPADE, Refinement, RefinementConfig, near_change
from mmgt.world.presenter import presenter


def random(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def convolved(x, layer):
    """[C, h, w] float64, by scipy."""
    weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    return np.stack(
        [
            sum(correlate2d(plane, kernel, mode="valid") for plane, kernel in zip(padded, kernels, strict=True)) + b
            for kernels, b in zip(weight, bias, strict=True)
        ]
    )


def test_spade_restated():
    """A pixel's channels to mean 0 and deviation 1, times 1 + scale, plus shift, both read in the edge map."""
    torch.manual_seed(0)
    spade, x, edges = SPADE(5, 3, ops), 3 * random(2, 5, 6, 7), random(2, 1, 6, 7, seed=1).abs()
    made = spade(x, edges).detach().numpy()
    for b in range(2):
        read = convolved(np.maximum(convolved(edges[b].double().numpy(), spade.edges), 0), spade.scale_and_shift)
        for row in range(6):
            for column in range(7):
                values = x[b, :, row, column].double().numpy()
                normal = (values - values.mean()) / np.sqrt(values.var() + 1e-5)
                expected = normal * (1 + read[:5, row, column]) + read[5:, row, column]
                np.testing.assert_allclose(made[b, :, row, column], expected, atol=1e-5, rtol=0)


def test_sharpness_is_the_papers_thickness():
    """A map to the power of k is the one that is drawn with sigma / sqrt(k)."""
    person = presenter(0, 128)
    drawn, thinner = (edge_maps(person, 128, 128, sigma) for sigma in (0.04, 0.02))
    torch.testing.assert_close(drawn**4, thinner, atol=1e-6, rtol=0)


def test_maps_of_four_sizes_halve():
    maps = edge_pyramid(presenter(0, 256).at([0, 0]), 256, 256)
    assert [tuple(m.shape) for m in maps] == [(2, side, side) for side in (256, 128, 64, 32)]
    assert all(m.min() >= 0 and 0.8 < m.max() <= 1 for m in maps)


def pictures(seed=0, side=32, batch=1):
    frame, photo = random(batch, 3, side, side, seed=seed), random(batch, 3, side, side, seed=seed + 1)
    edges = [random(batch, 1, side >> level, side >> level, seed=9 + level).abs() for level in range(NUM_SIZES)]
    return frame, photo, edges


def test_untrained_it_adds_nothing():
    assert not tiny_refinement(trained=False)(*pictures()).any()
    assert tiny_refinement()(*pictures()).abs().mean() > 0.01


def test_every_edge_map_and_the_photo_are_seen():
    network, (frame, photo, edges) = tiny_refinement(), pictures()
    before = network(frame, photo, edges)
    for level in range(NUM_SIZES):
        others = [1 - m if i == level else m for i, m in enumerate(edges)]
        assert not torch.allclose(network(frame, photo, others), before, atol=1e-4)
    assert not torch.allclose(network(frame, -photo, edges), before, atol=1e-4)


def test_nothing_is_added_far_from_what_the_warp_changed():
    frame, _, edges = pictures(side=64)
    photo = frame.clone()
    assert not tiny_refinement()(frame, photo, edges).any()
    photo[:, :, 10:12, 20:30] += 0.5
    added = tiny_refinement()(frame, photo, edges).abs().amax(dim=1)[0] > 0
    reach = torch.zeros_like(added)
    reach[10 - REACH_PX : 12 + REACH_PX, 20 - REACH_PX : 30 + REACH_PX] = True
    assert torch.equal(added, reach)
    assert near_change(frame, frame + 0.5 / 255).max() == 0  # a quarter of a level


def test_a_batch_is_its_pictures_one_by_one():
    network, (frame, photo, edges) = tiny_refinement(), pictures(batch=3)
    together = network(frame, photo, edges)
    for idx in range(3):
        one = slice(idx, idx + 1)
        torch.testing.assert_close(network(frame[one], photo[one], [m[one] for m in edges]), together[one])


def test_its_sizes():
    assert sum(parameter.numel() for parameter in Refinement().parameters()) < 400_000
    assert RefinementConfig([4, 6, 8, 8], 4, 64) == TINY  # as JSON has them
    for wrong in ({"widths": (4, 6, 8)}, {"widths": (4, 6, 8, 0)}, {"side_px": 60}, {"edge_width": 1.5}):
        with pytest.raises(InputError):
            RefinementConfig(**wrong)

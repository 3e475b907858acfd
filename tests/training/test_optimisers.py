import pytest
import torch

from mmgt.training.optimisers import Adan, ExponentialAverage, rate_share


def test_adan_finds_the_bottom_of_a_bowl():
    x = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    optimiser = Adan([x], lr=0.02, weight_decay=0)
    for _ in range(1500):
        optimiser.zero_grad()
        ((x - torch.tensor([1.0, 2.0])) ** 2).sum().backward()
        optimiser.step()
    torch.testing.assert_close(x.detach(), torch.tensor([1.0, 2.0]), atol=3e-2, rtol=0)


def test_the_average_moves_by_its_share():
    network = torch.nn.Linear(2, 1)
    average = ExponentialAverage(network, 0.75)
    before = network.weight.detach().clone()
    with torch.no_grad():
        network.weight += 4
    average.update(network)
    torch.testing.assert_close(average.average["weight"], before + 1)


def test_the_rate_rises_and_falls():
    shares = [rate_share(step, 20, warm_up=4, cool_down=5) for step in range(20)]
    assert shares[:5] == [0.25, 0.5, 0.75, 1, 1]
    assert shares[14] == 1
    assert shares[15:] == pytest.approx([5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6])
    assert {rate_share(step, 20) for step in range(20)} == {1.0}

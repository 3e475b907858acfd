import torch

from mmgt.training.optimisers import Adan, ExponentialAverage


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

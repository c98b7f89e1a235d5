"""BatchNorm measured anew on whole slices."""

import torch
from torch import nn

from napari_transmedseg.engine.calibration import calibrate


def normalising_network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3)).eval()


def test_running_statistics_become_those_of_the_slices() -> None:
    network = normalising_network()
    images = torch.randn(32, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 3 + 5

    calibrate(network, [images])

    with torch.no_grad():
        features = network[0](images)
    assert torch.allclose(network[1].running_mean, features.mean((0, 2, 3)), atol=1e-5)
    assert torch.allclose(network[1].running_var, features.var((0, 2, 3)), rtol=1e-4)


def test_several_batches_are_averaged() -> None:
    network = normalising_network()
    images = torch.randn(96, 1, 8, 8, generator=torch.Generator().manual_seed(1)) + 2

    calibrate(network, images.split(32))

    with torch.no_grad():
        mean = network[0](images).mean((0, 2, 3))
    assert torch.allclose(network[1].running_mean, mean, atol=1e-5)


def test_weights_mode_and_momentum_stay() -> None:
    network = normalising_network()
    weight = network[0].weight.clone()

    calibrate(network, [torch.ones(4, 1, 8, 8)])

    assert torch.equal(network[0].weight, weight)
    assert not any(module.training for module in network.modules())
    assert network[1].momentum == 0.1


def test_no_slices_leave_everything_as_it_was() -> None:
    network = normalising_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}

    calibrate(network, [])

    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())

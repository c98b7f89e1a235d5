"""V-Net: 1-2-3-3-3 convolutions, strided steps, skips that are added."""

import pytest
import torch
from small_networks import build_small
from torch import nn

PAPER = (16, 32, 64, 128, 256)


def test_the_papers_size_has_the_papers_layers():
    network = build_small("vnet", 3, channels=PAPER, num_classes=2)
    assert network.downsampling == 16
    kernels = [layer.kernel_size for layer in network.modules() if isinstance(layer, nn.Conv3d)]
    assert kernels.count((3, 3, 3)) == (1 + 2 + 3 + 3 + 3) + (1 + 2 + 3 + 3)
    assert kernels.count((2, 2, 2)) == 4 and kernels.count((1, 1, 1)) == 1
    rising = [layer for layer in network.modules() if isinstance(layer, nn.ConvTranspose3d)]
    assert [layer.out_channels for layer in rising] == [16, 32, 64, 128]
    assert network.classifier_weight().shape == (2, 16)


def test_skips_are_added():
    network = build_small("vnet", 2, channels=(4, 8)).eval()
    output = network(torch.randn(1, 1, 8, 8))
    fine, coarse = output.encoder
    assert torch.equal(output.features, network.decoder[0](network.enlarge[0](coarse) + fine))


@pytest.mark.parametrize(
    ("dims", "space"),
    [pytest.param(2, (16, 24), id="2-D"), pytest.param(3, (8, 12, 16), id="3-D")],
)
def test_every_weight_learns(dims, space):
    network = build_small("vnet", dims)
    network(torch.randn(2, 1, *space)).logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_dropout_follows_the_levels_that_have_a_rate():
    network = build_small("vnet", 3, dropout=(0.0, 0.25))
    rates = [
        [layer.p for layer in stage.modules() if isinstance(layer, nn.Dropout3d)]
        for stage in network.encoder
    ]
    assert rates == [[], [0.25], []]

"""Networks small enough to be built and trained in a test."""

import torch

from napari_transmedseg.networks import TappedNetwork, build_network

CHANNELS = (6, 9, 12)


def build_small(name, dims, **more):
    torch.manual_seed(0)
    arguments = {"in_channels": 1, "num_classes": 3, "dims": dims, "channels": CHANNELS} | more
    return build_network(name, **arguments)


def image_for(network, dims, *, batch=1, channels=1):
    """The smallest image; twice as large where BatchNorm needs two positions."""
    side = network.downsampling * (1 if isinstance(network, TappedNetwork) else 2)
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, channels, *(side,) * dims, generator=generator)

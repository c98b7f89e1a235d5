"""BatchNorm statistics measured on whole, unmixed slices.

The student normalises mixtures of two slices, but whole slices are what the teacher is asked
about; running averages of the student's statistics fit neither those nor the averaged weights.
Measuring them anew with the teacher's own weights ("precise BatchNorm", Wu and Johnson,
arXiv:2105.07576) was worth about one Dice point after copy-paste training.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

_BATCH = 32


@torch.no_grad()
def calibrate(network: nn.Module, images_N1HW: Tensor, count: int, device: str) -> None:
    """Set the running statistics of every BatchNorm layer to those of some slices.

    Parameters
    ----------
    network
        Left in evaluation mode.
    images_N1HW
        Slices in network space, on any device.
    count
        How many of them to look at, evenly spread over all.
    device
        Where the network is.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    if not layers or count < 1:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over the batches
    network.eval()
    for layer in layers:
        layer.train()
    last = len(images_N1HW) - 1
    rows = torch.linspace(0, last, min(count, last + 1)).round().long()
    for part in rows.split(_BATCH):
        network(images_N1HW[part.to(images_N1HW.device)].to(device))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    network.eval()

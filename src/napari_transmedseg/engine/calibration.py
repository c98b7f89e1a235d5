"""BatchNorm statistics measured on whole, unmixed images.

The student normalises mixtures of two images, but whole ones are what the teacher is asked about;
running averages of the student's statistics fit neither those nor the averaged weights. Measuring
them anew with the teacher's own weights ("precise BatchNorm", Wu and Johnson, arXiv:2105.07576)
was worth about one Dice point after copy-paste training.
"""

import copy
import math
from collections.abc import Iterable, Iterator
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from napari_transmedseg.engine.images import ImageStore
from napari_transmedseg.engine.patches import cut_images, middle_starts
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.networks import SegmentationNetwork

_BATCH_VOXELS = 32 * 64 * 64


@torch.no_grad()
def calibrate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Set the running statistics of every BatchNorm layer to those of some images.

    Parameters
    ----------
    network
        Left in evaluation mode.
    batches
        Images where the network is; without any, or where one fails, nothing changes.
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    images = iter(batches)
    first = next(images, None)
    if not layers or first is None:
        return
    before = [(layer.momentum, copy.deepcopy(layer.state_dict())) for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain mean over the batches
    network.eval()
    for layer in layers:
        layer.train()
    try:
        for batch in chain([first], images):
            network(batch)
    except BaseException:
        for layer, (_, statistics) in zip(layers, before, strict=True):
            layer.load_state_dict(statistics)
        raise
    finally:
        for layer, (momentum, _) in zip(layers, before, strict=True):
            layer.momentum = momentum
        network.eval()


def calibrated_copy(
    network: SegmentationNetwork, store: ImageStore, plan: TrainingPlan
) -> SegmentationNetwork:
    """A copy to keep, measured on eight times as many images as a look at the teacher takes."""
    model = copy.deepcopy(network)
    calibrate(model, spread_batches(store, 8 * plan.recipe.calibration_images, plan.device))
    return model


def spread_batches(store: ImageStore, count: int, device: str) -> Iterator[Tensor]:
    """At most `count` images, evenly spread over all; of 3-D windows the patch in the middle."""
    last = store.num_images - 1
    images = torch.linspace(0, last, min(count, last + 1)).round().long()
    for part in images.split(max(1, _BATCH_VOXELS // math.prod(store.patch))):
        if len(part):
            yield cut_images(store, part, middle_starts(store, len(part)), device)

"""One forward pass in the memory layout and precision that are fastest on the device."""

import torch
from torch import Tensor

from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.precision import autocast
from napari_transmedseg.engine.state import MEMORY_FORMAT
from napari_transmedseg.networks import NetworkOutput


def run_network(network: torch.nn.Module, image_B1HW: Tensor, plan: TrainingPlan) -> NetworkOutput:
    """Forward pass in the fastest memory layout and the plan's precision."""
    alone = _is_slow_alone(image_B1HW)
    if alone:
        image_B1HW = image_B1HW.expand(2, *image_B1HW.shape[1:])
    with autocast(plan.device, plan.precision):
        output: NetworkOutput = network(
            image_B1HW.contiguous(memory_format=MEMORY_FORMAT[plan.dims])
        )
    if alone:
        encoder = tuple(level[:1] for level in output.encoder)
        return NetworkOutput(output.logits[:1], output.features[:1], encoder)
    return output


def _is_slow_alone(image_B1HW: Tensor) -> bool:
    """Whether two volumes take less time than one.

    With one thread PyTorch leaves a single volume to a convolution ten times slower than oneDNN's.
    """
    return (
        image_B1HW.ndim == 5
        and len(image_B1HW) == 1
        and image_B1HW.device.type == "cpu"
        and torch.get_num_threads() == 1
        and not torch.is_grad_enabled()
    )

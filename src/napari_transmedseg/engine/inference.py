"""A trained teacher applied to whole volumes, and to the one slice on screen.

Shape suffixes: S slices, C classes, Y and X the image's own rows and columns, H and W network
space.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_transmedseg.engine.checkpoint import load_checkpoint, plan_of
from napari_transmedseg.engine.plan import TrainingPlan, resolve_device
from napari_transmedseg.engine.preprocess import (
    NetworkSpace,
    image_to_network,
    inside_mask,
    probabilities_to_image,
    slices_to_display,
    window_of,
)
from napari_transmedseg.engine.pseudo_labels import (
    largest_components,
    normalized_entropy,
    predict_labels,
)
from napari_transmedseg.engine.state import MEMORY_FORMAT, build_plan_network
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap, Volume
from napari_transmedseg.networks import SegmentationNetwork

_BATCH = 16


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prediction:
    """A volume's predicted classes on its own grid."""

    labels: LabelMap
    uncertainty_IPL: npt.NDArray[np.float32]
    """Entropy over log C, in [0, 1]."""
    probabilities_CIPL: npt.NDArray[np.float32] | None
    """Kept only when asked for."""


class Predictor:
    """A network in evaluation mode with the space that it works in."""

    def __init__(self, network: SegmentationNetwork, plan: TrainingPlan) -> None:
        self.network = network.eval()
        self.plan = plan

    @torch.no_grad()
    def predict_volume(self, volume: Volume, *, keep_probabilities: bool = False) -> Prediction:
        """Segment a volume slice by slice, on the grid that it came with.

        The window of the training is looked at first; where the structure reaches its border,
        whole slices are.
        """
        space = self.plan.space
        probabilities = self._run(image_to_network(volume, space))
        if self._leaves_window(probabilities, volume.geometry):
            window = window_of(volume.geometry, space)
            space = replace(space, size=self._padded(window.resampled), centre=(0.5, 0.5))
            probabilities = self._run(image_to_network(volume, space))
        labels, uncertainty, kept = [], [], []
        for part in probabilities.split(_BATCH):
            on_image = probabilities_to_image(part, volume.geometry, space)
            labels.append(predict_labels(on_image).to(torch.uint8))
            uncertainty.append(normalized_entropy(on_image))
            if keep_probabilities:
                kept.append(on_image)
        label_SYX = torch.cat(labels)
        if self.plan.largest_component:
            label_SYX = largest_components(label_SYX[None], self.plan.num_classes)[0]
        axis = self.plan.space.slice_axis
        return Prediction(
            labels=LabelMap(
                array=_to_display(label_SYX, axis),
                geometry=volume.geometry,
                names=dict(enumerate(self.plan.class_names, 1)),
            ),
            uncertainty_IPL=_to_display(torch.cat(uncertainty), axis),
            probabilities_CIPL=_stack_classes(kept, axis) if kept else None,
        )

    @torch.no_grad()
    def predict_slice(
        self, image_1HW: Tensor, geometry: Geometry
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Pseudo-label and uncertainty (Y, X) of one slice that is in network space already."""
        probabilities = self._run(image_1HW[None])
        on_image = probabilities_to_image(probabilities, geometry, self.plan.space)
        label = predict_labels(on_image)
        if self.plan.largest_component:
            label = largest_components(label, self.plan.num_classes)
        return label[0].to(torch.uint8).numpy(), normalized_entropy(on_image)[0].numpy()

    def _run(self, image_S1HW: Tensor) -> Tensor:
        """Probabilities (S, C, H, W) on the CPU."""
        mode = self.network.training
        self.network.eval()
        parts = []
        for part in image_S1HW.split(_BATCH):
            batch = part.to(self.plan.device).contiguous(
                memory_format=MEMORY_FORMAT[self.plan.dims]
            )
            parts.append(self.network(batch).logits.float().softmax(1).contiguous().cpu())
        self.network.train(mode)
        return torch.cat(parts)

    def _leaves_window(self, probabilities_SCHW: Tensor, geometry: Geometry) -> bool:
        """Whether foreground touches a border of the window behind which the slice goes on."""
        space: NetworkSpace = self.plan.space
        window = window_of(geometry, space)
        foreground = (probabilities_SCHW[:, 1:].sum(1) > 0.5) & inside_mask(geometry, space)
        edges = (
            (window.top > 0, foreground[:, 0]),
            (window.left > 0, foreground[:, :, 0]),
            (window.top + space.size[0] < window.resampled[0], foreground[:, -1]),
            (window.left + space.size[1] < window.resampled[1], foreground[:, :, -1]),
        )
        return any(goes_on and bool(edge.any()) for goes_on, edge in edges)

    def _padded(self, size: tuple[int, int]) -> tuple[int, int]:
        multiple = self.network.downsampling
        rows, columns = (-(-length // multiple) * multiple for length in size)
        return rows, columns


def load_predictor(checkpoint: Path, device: str = "auto", threads: int = 0) -> Predictor:
    """Load the teacher of a checkpoint.

    Parameters
    ----------
    checkpoint
        File written by a run.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    threads
        CPU threads; 0 leaves PyTorch's setting.
    """
    if threads:
        torch.set_num_threads(threads)
    resolved = resolve_device(device)
    content: dict[str, Any] = load_checkpoint(checkpoint, resolved)
    plan = replace(plan_of(content), device=resolved)
    network = build_plan_network(plan).to(resolved)
    network.load_state_dict(content["model"])
    return Predictor(network, plan)


def _to_display(values_SYX: Tensor, slice_axis: int) -> npt.NDArray[Any]:
    return np.ascontiguousarray(slices_to_display(values_SYX.numpy(), slice_axis))


def _stack_classes(parts: list[Tensor], slice_axis: int) -> npt.NDArray[np.float32]:
    probabilities_CSYX = torch.cat(parts).transpose(0, 1)
    return np.stack([_to_display(values, slice_axis) for values in probabilities_CSYX])

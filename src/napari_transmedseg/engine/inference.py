"""A trained teacher applied to whole volumes, and to the one slice on screen.

Shape suffixes: N images (2-D: slices; 3-D: the one volume), S slices, 1 the channels of
an image (several where cases have several), C classes, Y and X the image's own rows and columns,
HW space axes in network space.
"""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from napari_transmedseg.engine.channels import require_channels
from napari_transmedseg.engine.checkpoint import load_checkpoint, load_model, plan_of
from napari_transmedseg.engine.control import StoppedError, TrainingControl
from napari_transmedseg.engine.forward import run_network
from napari_transmedseg.engine.machine import resolve_device
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.preprocess import (
    NetworkSpace,
    image_to_network,
    inside_mask,
    probabilities_by_slice,
    probabilities_to_image,
    slices_to_display,
    window_of,
    window_on_image,
    window_slice,
)
from napari_transmedseg.engine.pseudo_labels import (
    largest_components,
    normalized_entropy,
    predict_labels,
    without_islands,
)
from napari_transmedseg.engine.state import build_plan_network
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap, Volume
from napari_transmedseg.networks import SegmentationNetwork

_BATCH = 16
_OVERLAP = 0.5
"""Of neighbouring patches in a sliding window."""
_PATCHES_AT_ONCE = 4
"""Volumes of up to so many patches' voxels go through the network whole: faster than a window
that slides over them, and every voxel has all its context."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prediction:
    """A volume's predicted classes on its own grid."""

    labels: LabelMap
    uncertainty_IPL: npt.NDArray[np.float32]
    """Entropy over log C, in [0, 1]."""
    probabilities_CIPL: npt.NDArray[np.float32] | None
    """Kept only when asked for."""


class Predictor:
    """A network in evaluation mode with the space that it works in.

    Parameters
    ----------
    network, plan
        What was trained, and how.
    flips
        Average over the image and its mirror images along every axis (test-time augmentation).
    control
        Its stop request is honoured between two batches of slices, or two patches.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        plan: TrainingPlan,
        *,
        flips: bool = False,
        control: TrainingControl | None = None,
    ) -> None:
        self.network = network.eval()
        self.plan = plan
        self.flips = flips
        self.control = control

    @torch.no_grad()
    def predict_volume(self, volume: Volume, *, keep_probabilities: bool = False) -> Prediction:
        """Segment a volume on the grid that it came with, slice by slice or patch by patch.

        The window of the training is looked at first; where the structure reaches its border, the
        whole image is. What that shows beyond the window the network has hardly seen in training:
        of a class that is one piece, only what goes on from inside counts there.

        Raises
        ------
        TrainingError
            If the volume's channels are not those of the training.
        StoppedError
            If the control's stop was asked for meanwhile.
        """
        what = volume.name or "an image"
        require_channels(volume, self.plan.image_channels, what)
        space = self.plan.space
        geometry = volume.geometry
        probabilities, window = self._run(image_to_network(volume, space)), space
        if self._leaves_window(probabilities, geometry):
            space = self._whole(geometry)
            probabilities = self._run(image_to_network(volume, space))
        by_slice = probabilities_by_slice(probabilities, geometry, space)
        labels, uncertainty, kept = [], [], []
        for part in by_slice.split(_BATCH):
            on_image = probabilities_to_image(part, geometry, space)
            labels.append(predict_labels(on_image).to(torch.uint8))
            uncertainty.append(normalized_entropy(on_image))
            if keep_probabilities:
                kept.append(on_image)
        label_SYX = torch.cat(labels)
        if space is not window:
            inside_SYX = window_on_image(geometry, window)
            label_SYX = without_islands(label_SYX, inside_SYX, self.plan.largest_component)
        if self.plan.largest_component:
            label_SYX = largest_components(
                label_SYX[None], self.plan.num_classes, self.plan.largest_component
            )[0]
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
        self, image_1HW: Tensor, geometry: Geometry, index: int
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
        """Pseudo-label and uncertainty (Y, X) of one slice.

        Parameters
        ----------
        image_1HW
            That slice, or in 3-D the window of its volume, in network space already.
        geometry
            Of the image.
        index
            Which of the image's slices.
        """
        probabilities = self._slice(image_1HW, geometry, index)
        on_image = probabilities_to_image(probabilities, geometry, self.plan.space)
        label = predict_labels(on_image)
        if self.plan.largest_component:
            label = largest_components(label, self.plan.num_classes, self.plan.largest_component)
        return label[0].to(torch.uint8).numpy(), normalized_entropy(on_image)[0].numpy()

    def _slice(self, image_1HW: Tensor, geometry: Geometry, index: int) -> Tensor:
        """Probabilities (1, C, H, W) of one slice, in-plane in network space."""
        space = self.plan.space
        if space.dims == 2:
            return self._run(image_1HW[None])
        place = window_slice(geometry, space, index)
        if place is None:  # outside the window all is background
            background = torch.zeros(1, self.plan.num_classes, *space.size[1:])
            background[:, 0] = 1.0
            return background
        depth = space.patch_size[0]
        low = min(max(0, place - depth // 2), space.size[0] - depth)
        slab = self._run(image_1HW[None, :, low : low + depth])
        return slab[:, :, place - low]

    def _run(self, image_N1HW: Tensor) -> Tensor:
        """Probabilities (N, C, HW) on the CPU."""
        mode = self.network.training
        self.network.eval()
        parts = []
        for part in image_N1HW.split(_BATCH):
            image = part.to(self.plan.device)
            probabilities = self._look(image)
            if self.flips:
                mirrored = [self._look(image.flip(a)).flip(a) for a in range(2, image.ndim)]
                probabilities = torch.stack([probabilities, *mirrored]).mean(0)
            parts.append(probabilities.contiguous().cpu())
        self.network.train(mode)
        return torch.cat(parts)

    def _look(self, image_N1HW: Tensor) -> Tensor:
        """Probabilities of images; much larger ones than the patch by a sliding window."""
        patch, size = self.plan.space.patch_size, tuple(image_N1HW.shape[2:])
        fits = math.prod(size) <= _PATCHES_AT_ONCE * math.prod(patch)
        divides = all(side % self.network.downsampling == 0 for side in size)
        if self.plan.dims == 2 or (fits and divides):
            return self._probabilities(image_N1HW)
        from monai.inferers.utils import sliding_window_inference

        seen = sliding_window_inference(
            image_N1HW, patch, 1, self._probabilities, overlap=_OVERLAP, mode="gaussian"
        )
        return cast(Tensor, seen)

    def _probabilities(self, image_N1HW: Tensor) -> Tensor:
        if self.control is not None and self.control.stop_requested:
            raise StoppedError
        return run_network(self.network, image_N1HW, self.plan).logits.float().softmax(1)

    def _leaves_window(self, probabilities_NCHW: Tensor, geometry: Geometry) -> bool:
        """Whether foreground touches a border of the window behind which the image goes on."""
        space: NetworkSpace = self.plan.space
        window = window_of(geometry, space)
        foreground = (probabilities_NCHW[:, 1:].sum(1) > 0.5) & inside_mask(geometry, space)
        for axis, (start, size, length) in enumerate(
            zip(window.start, space.size, window.resampled, strict=True), start=1
        ):
            if start > 0 and bool(foreground.select(axis, 0).any()):
                return True
            if start + size < length and bool(foreground.select(axis, size - 1).any()):
                return True
        return False

    def _whole(self, geometry: Geometry) -> NetworkSpace:
        """The plan's space with a window that holds all of an image."""
        space = self.plan.space
        return replace(
            space, size=self._padded(window_of(geometry, space).resampled),
            centre=(0.5,) * space.dims, patch=space.patch_size if space.dims == 3 else (),
        )  # fmt: skip

    def _padded(self, size: tuple[int, ...]) -> tuple[int, ...]:
        multiple = self.network.downsampling
        sides = (-(-length // multiple) * multiple for length in size)
        if self.plan.dims == 2:
            return tuple(sides)
        return tuple(map(max, zip(sides, self.plan.space.patch_size, strict=True)))


def load_predictor(
    checkpoint: Path,
    device: str = "auto",
    threads: int = 0,
    *,
    flips: bool = False,
    weights: Literal["model", "student"] = "model",
    control: TrainingControl | None = None,
) -> Predictor:
    """Load the kept model of a checkpoint, or its student.

    Parameters
    ----------
    checkpoint
        File written by a run.
    device
        `auto`, `cpu`, `cuda` or `mps`.
    threads
        CPU threads; 0 leaves PyTorch's setting.
    flips
        Average over mirror images as well; slower.
    weights
        `model` is what predicts; `student` only shows where the two disagree.
    control
        Its stop request is honoured within a volume.
    """
    if threads:
        torch.set_num_threads(threads)
    resolved = resolve_device(device)
    content: dict[str, Any] = load_checkpoint(checkpoint, resolved)
    plan = replace(plan_of(content), device=resolved)
    if resolved != "cuda":
        plan = replace(plan, precision="float32")
    network = build_plan_network(plan).to(resolved)
    load_model(network, content[weights])
    return Predictor(network, plan, flips=flips, control=control)


def _to_display(values_SYX: Tensor, slice_axis: int) -> npt.NDArray[Any]:
    return np.ascontiguousarray(slices_to_display(values_SYX.numpy(), slice_axis))


def _stack_classes(parts: list[Tensor], slice_axis: int) -> npt.NDArray[np.float32]:
    probabilities_CSYX = torch.cat(parts).transpose(0, 1)
    return np.stack([_to_display(values, slice_axis) for values in probabilities_CSYX])

"""Two-stream batches of augmented images: annotated ones, and ones with unknown voxels.

Shape suffixes: B batch, N all images, U images to draw from, 1 the channels of an image
(several where cases have several), HW space axes of what the network sees (3-D: slices, rows,
columns).
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from napari_transmedseg.engine.augment import (
    AugmentationRanges,
    apply_geometry,
    apply_intensity,
    sample_geometry,
    sample_intensity,
)
from napari_transmedseg.engine.images import ImageStore
from napari_transmedseg.engine.patches import (
    cut_images,
    cut_inside,
    cut_labels,
    labeled_starts,
    slice_ids,
    unlabeled_starts,
)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Stream:
    """Augmented images. Geometry is shared by teacher and student, intensity is not."""

    plain_B1HW: Tensor
    """After geometry: what the teacher sees."""
    strong_B1HW: Tensor
    """After geometry and intensity: what the student sees."""
    label_BHW: Tensor
    """Classes, int64; 0 where unknown."""
    known_BHW: Tensor
    """Bool: voxels that a person vouches for and that lie on the image."""
    inside_BHW: Tensor
    """Bool: voxels that lie on the image."""
    slice_B: Tensor
    """Place of the (in 3-D: first) slice among all slices of the cohort."""
    domain_B: Tensor
    """Place of the image's domain among the plan's."""


class Sampler:
    """Draws augmented batches; everything random comes from one generator on the CPU."""

    def __init__(
        self,
        store: ImageStore,
        ranges: AugmentationRanges,
        generator: torch.Generator,
        device: torch.device,
    ) -> None:
        self.store = store
        self._ranges = ranges
        self._generator = generator
        self._device = device
        self.fills_gaps = store.is_sparse
        """Whether annotated images have unknown voxels that the teacher is to label (3-D)."""

    def labeled(self, batch: int) -> Stream:
        """Draw annotated images; in 3-D, patches with known voxels."""
        store = self.store
        rows = store.training_rows[self._choose(len(store.training_rows), batch)]
        starts = labeled_starts(store, rows, self._generator)
        return self._augment(store.labeled_L[rows], starts, *cut_labels(store, rows, starts))

    def unlabeled(self, batch: int) -> Stream:
        """Draw images with unknown voxels; nothing of them counts as known here."""
        store = self.store
        images = store.unlabeled_U[self._choose(len(store.unlabeled_U), batch)]
        starts = unlabeled_starts(store, batch, self._generator)
        nothing = torch.zeros(batch, *store.patch, device=self._device)
        return self._augment(images, starts, nothing, nothing)

    def pseudo_labeled(
        self, batch: int, images_U: Tensor, label_NHW: Tensor, weight_NHW: Tensor
    ) -> Stream:
        """Draw from slices with pseudo-labels: `label` is theirs, `known` where they count."""
        images = images_U[self._choose(len(images_U), batch)]
        where = images.to(self._device)
        starts = torch.zeros(batch, len(self.store.patch), dtype=torch.long)
        return self._augment(images, starts, label_NHW[where], weight_NHW[where])

    def _choose(self, count: int, batch: int) -> Tensor:
        return torch.randint(count, (batch,), generator=self._generator)

    def _augment(self, images: Tensor, starts: Tensor, label: Tensor, known: Tensor) -> Stream:
        store = self.store
        image = cut_images(store, images, starts, str(self._device))
        inside = cut_inside(store, images, starts)
        batch, shape = len(image), tuple(image.shape[2:])
        geometry = sample_geometry(self._ranges, batch, shape, self._generator, self._device)
        plain = apply_geometry(image, geometry)
        maps = torch.stack((label, known, inside), dim=1).to(image.dtype)
        maps = apply_geometry(maps, geometry, nearest=True)
        strong = plain
        if self._ranges.intensity:
            strong = self._vary(plain)
        return Stream(
            plain_B1HW=plain,
            strong_B1HW=strong,
            label_BHW=maps[:, 0].long(),
            known_BHW=maps[:, 1] > 0.5,
            inside_BHW=maps[:, 2] > 0.5,
            slice_B=slice_ids(store, images, starts).to(self._device),
            domain_B=store.domain_K[store.case_N[images]].to(self._device),
        )

    def _vary(self, image: Tensor) -> Tensor:
        """Intensities changed for each channel of each image by itself."""
        channels = image.flatten(0, 1)[:, None]
        drawn = sample_intensity(self._ranges, len(channels), self._generator)
        return apply_intensity(channels, drawn).reshape(image.shape)

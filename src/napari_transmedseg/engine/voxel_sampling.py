"""Which voxels of each class the memory module looks at.

Shapes: B images of V voxels, N = B·V, A feature channels, C classes (0 = background), K sampled
voxels of a class.
"""

from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Indices: TypeAlias = npt.NDArray[np.int64]
_Index = TypeVar("_Index", Tensor, Indices)


@dataclass(frozen=True, slots=True)
class Layout:
    """How voxels 0…N-1 of a batch lie in images, and images in slices."""

    voxels_per_image: int
    voxels_per_slice: int

    def slice_of(self, slices_B: _Index, index: _Index) -> _Index:
        """Slice of each voxel; `slices_B` names each image's first."""
        first = slices_B[index // self.voxels_per_image]
        if self.voxels_per_slice == self.voxels_per_image:
            return first
        return first + index % self.voxels_per_image // self.voxels_per_slice


def sample_per_class(
    labels_N: Tensor, num_classes: int, max_per_class: int, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Choose at most `max_per_class` voxels of every class, without waiting for the device.

    A class with fewer voxels gives them all; a larger one gives `max_per_class` of them,
    at equal distances from a random start (every voxel equally likely).

    Returns
    -------
    index_CK, valid_CK : Tensor
        Positions in `labels_N`, and which of them count; K = min(max_per_class, N).
    """
    num_sampled = min(max_per_class, labels_N.numel())
    classes_C1 = torch.arange(num_classes, device=labels_N.device)[:, None]
    rank_CN = (labels_N == classes_C1).cumsum(1, dtype=torch.int32)
    count_C1 = rank_CN[:, -1:].long()
    start = _uniform(generator, labels_N.device)
    start_C1 = (start * count_C1).long().clamp(max=count_C1 - 1)
    slot_K = torch.arange(num_sampled, device=labels_N.device)
    spread_CK = (slot_K * count_C1 + start_C1) // num_sampled
    wanted_CK = torch.where(count_C1 > num_sampled, spread_CK, slot_K)
    index_CK = torch.searchsorted(rank_CN, (wanted_CK + 1).int())
    return index_CK.clamp(max=labels_N.numel() - 1), wanted_CK < count_C1


def sample_lists(
    labels_N: Tensor, num_classes: int, max_per_class: int, generator: torch.Generator | None = None
) -> list[Indices]:
    """The same voxels as `sample_per_class`, a list per class and no filling; on the CPU.

    Several times faster there, where it costs nothing to know how many there are.
    """
    labels = labels_N.numpy()
    num_sampled = min(max_per_class, len(labels))
    start = _uniform(generator, labels_N.device)
    slot_K = np.arange(num_sampled)
    chosen = []
    for value in range(num_classes):
        found = np.flatnonzero(labels == value)
        count = len(found)
        if count > num_sampled:
            first = min(int(start * count), count - 1)
            found = found[(slot_K * count + first) // num_sampled]
        chosen.append(found)
    return chosen


def take_voxels(features_BAV: Tensor, index: Tensor, layout: Layout) -> Tensor:
    """Features of some voxels, (…, A), a copy."""
    features_BVA = features_BAV.mT
    num_voxels = layout.voxels_per_image
    if num_voxels == 1 or features_BVA.stride(0) == num_voxels * features_BVA.stride(1):
        # Channels last: a voxel's features lie side by side, which is four times faster.
        rows_NA = features_BVA.flatten(0, 1)
        return rows_NA.index_select(0, index.flatten()).view(*index.shape, rows_NA.shape[1])
    return features_BVA[index // num_voxels, index % num_voxels]


def _uniform(generator: torch.Generator | None, device: torch.device) -> Tensor:
    origin = device if generator is None else generator.device
    return torch.rand((), generator=generator, device=origin).to(device, non_blocking=True)

"""The memory module: mean, covariance and count of each class's features.

METHOD: TransMedSeg (arXiv:2505.14753), memory module; the running estimate follows TSA
(Li et al., CVPR 2021) and ISDA (Wang et al., NeurIPS 2019), merged count-weighted.

Shapes: N voxels, C classes (0 = background), A feature channels, B images, S slices,
K sampled voxels of a class, YX any number of spatial axes (2-D and 3-D alike).
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

NthVoxel: TypeAlias = Callable[[Tensor], Tensor]

MAX_COUNT = 50_000
MAX_BATCH_COUNT = 4_096
MIN_DISTINCT_SLICES = 3
VOXELS_PER_FEATURE = 10


class ClassStatistics:
    """Running Gaussian of each class's features; it keeps nothing per image.

    Below `max_count` voxels the moments equal the pooled mean and `np.cov(bias=True)` of
    all sampled voxels, whatever the batches; above it they forget like a moving average.
    Nothing here waits for the device, and no intermediate is larger than N·A numbers
    (or N·C for the labels).

    Parameters
    ----------
    num_classes, num_features : int
        C and A.
    num_slices : int
        Slices that `update` may name; 0 keeps no account of slices, and readiness then
        rests on the counts alone.
    max_count : int
        Voxels of a class after which old ones are forgotten (ours: 50,000).
    max_batch_count : int
        Most voxels of a class that one update takes, evenly spread over its voxels
        from a random start.
    """

    def __init__(
        self,
        num_classes: int,
        num_features: int,
        *,
        num_slices: int = 0,
        max_count: int = MAX_COUNT,
        max_batch_count: int = MAX_BATCH_COUNT,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.num_classes = num_classes
        self.num_features = num_features
        self.num_slices = num_slices
        self.max_count = max_count
        self.max_batch_count = max_batch_count
        self.mean_CA = torch.zeros(num_classes, num_features, device=device, dtype=dtype)
        self.covariance_CAA = torch.zeros(
            num_classes, num_features, num_features, device=device, dtype=dtype
        )
        self.count_C = torch.zeros(num_classes, device=device, dtype=dtype)
        # The last column collects what belongs to no slice.
        self._seen_CS = torch.zeros(num_classes, num_slices + 1, device=device, dtype=torch.bool)
        self._carried_C = torch.zeros(num_classes, device=device, dtype=torch.int64)

    @property
    def distinct_slices_C(self) -> Tensor:  # noqa: N802
        """Slices of which voxels of the class were sampled, int64."""
        return torch.maximum(self._seen_CS[:, : self.num_slices].sum(1), self._carried_C)

    def update(
        self,
        features_NA: Tensor,
        labels_N: Tensor,
        slices_N: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Merge the voxels of one batch.

        Parameters
        ----------
        features_NA : Tensor
            Features of any floating type; taken without gradient.
        labels_N : Tensor
            Class of each voxel; values outside 0…C-1 (unknown, padding) are left out.
        slices_N : Tensor, optional
            Slice index of each voxel, 0…num_slices-1; values outside count for none.
        generator : torch.Generator, optional
            Chooses the voxels where a class has more than `max_batch_count`.
        """
        self._update(features_NA.unsqueeze(-1), labels_N, slices_N, 1, generator)

    def update_maps(
        self,
        features_BAYX: Tensor,
        labels_BYX: Tensor,
        slices_B: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        """Merge whole feature maps, sampling voxels before any copy is made.

        As `update`, for a batch as the network makes it; `slices_B` names each image's
        slice.
        """
        voxels_per_image = labels_BYX[0].numel()
        self._update(
            features_BAYX.flatten(2), labels_BYX.flatten(), slices_B, voxels_per_image, generator
        )

    @torch.no_grad()
    def _update(
        self,
        features_BAV: Tensor,
        labels_N: Tensor,
        slices_B: Tensor | None,
        voxels_per_image: int,
        generator: torch.Generator | None,
    ) -> None:
        if labels_N.numel() == 0:
            return
        index_CK, valid_CK = sample_per_class(
            labels_N, self.num_classes, self.max_batch_count, generator
        )
        image_CK = index_CK // voxels_per_image
        voxel_CK = index_CK % voxels_per_image
        if slices_B is not None:
            self._note_slices(slices_B[image_CK], valid_CK)
        # As many classes at a time as the input has room for: never N·C·A numbers.
        group = max(1, labels_N.numel() // index_CK.shape[1])
        for start in range(0, self.num_classes, group):
            part = slice(start, start + group)
            features_CKA = _take(features_BAV, image_CK[part], voxel_CK[part])
            self._merge(part, features_CKA.to(self.mean_CA.dtype), valid_CK[part])

    def _merge(self, part: slice, features_CKA: Tensor, valid_CK: Tensor) -> None:
        weight_CK1 = valid_CK.unsqueeze(-1).to(features_CKA.dtype)
        batch_count_C = weight_CK1.sum((1, 2))
        per_voxel_C11 = (1 / batch_count_C.clamp(min=1)).view(-1, 1, 1)
        features_CKA = features_CKA.masked_fill_(~valid_CK.unsqueeze(-1), 0)
        batch_mean_C1A = features_CKA.sum(1, keepdim=True) * per_voxel_C11
        centered_CKA = (features_CKA - batch_mean_C1A).mul_(weight_CK1)
        batch_covariance_CAA = centered_CKA.mT @ centered_CKA * per_voxel_C11

        mean_CA, covariance_CAA = self.mean_CA[part], self.covariance_CAA[part]
        count_C = self.count_C[part]
        share_C = batch_count_C / (batch_count_C + count_C).clamp(min=1)
        share_C11 = share_C.view(-1, 1, 1)
        step_CA = batch_mean_C1A.squeeze(1) - mean_CA
        between_CAA = step_CA.unsqueeze(2) * step_CA.unsqueeze(1) * (share_C11 * (1 - share_C11))
        covariance_CAA.mul_(1 - share_C11).add_(batch_covariance_CAA * share_C11).add_(between_CAA)
        mean_CA.add_(step_CA * share_C.unsqueeze(1))
        count_C.add_(batch_count_C).clamp_(max=self.max_count)

    def _note_slices(self, slices_CK: Tensor, valid_CK: Tensor) -> None:
        named_CK = valid_CK & (slices_CK >= 0) & (slices_CK < self.num_slices)
        column_CK = torch.where(named_CK, slices_CK, self.num_slices)
        self._seen_CS.scatter_(1, column_CK, True)

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors for the checkpoint."""
        return {
            "mean_CA": self.mean_CA,
            "covariance_CAA": self.covariance_CAA,
            "count_C": self.count_C,
            "seen_CS": self._seen_CS,
            "carried_C": self._carried_C,
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a checkpoint.

        Where the slices were numbered otherwise (other `num_slices`), only their number
        per class is taken over.

        Raises
        ------
        ValueError
            If classes or feature channels differ.
        """
        if state["mean_CA"].shape != self.mean_CA.shape:
            raise ValueError(
                f"Expected statistics of shape {tuple(self.mean_CA.shape)}, "
                f"found {tuple(state['mean_CA'].shape)}."
            )
        for name in ("mean_CA", "covariance_CAA", "count_C"):
            getattr(self, name).copy_(state[name])
        self._carried_C.copy_(state["carried_C"])
        if state["seen_CS"].shape == self._seen_CS.shape:
            self._seen_CS.copy_(state["seen_CS"])
        else:
            counted_C = state["seen_CS"][:, :-1].sum(1).to(self._carried_C.device)
            self._carried_C.copy_(torch.maximum(self._carried_C, counted_C))


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
    find = _find_on_cpu if labels_N.device.type == "cpu" else _find_without_waiting
    count_C1, nth = find(labels_N, num_classes)
    start_C1 = (_uniform(generator, labels_N.device) * count_C1).long().clamp(max=count_C1 - 1)
    slot_K = torch.arange(num_sampled, device=labels_N.device)
    spread_CK = (slot_K * count_C1 + start_C1) // num_sampled
    wanted_CK = torch.where(count_C1 > num_sampled, spread_CK, slot_K)
    return nth(wanted_CK), wanted_CK < count_C1


def ready_classes(source: ClassStatistics, target: ClassStatistics) -> Tensor:
    """Classes with enough voxels and slices for an augmentation, bool (C,).

    METHOD section 4: n ≥ 10·A and at least 3 distinct slices, source and target each.
    """
    return _is_ready(source) & _is_ready(target)


def shrink_covariance(covariance_CAA: Tensor, rho: float = 0.05) -> Tensor:
    """Shrink towards a sphere of the same trace: (1-ρ) Σ + ρ tr(Σ)/A I."""
    num_features = covariance_CAA.shape[-1]
    scale_C11 = covariance_CAA.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    identity_AA = torch.eye(num_features, device=covariance_CAA.device, dtype=covariance_CAA.dtype)
    return (1 - rho) * covariance_CAA + rho * scale_C11 * identity_AA


def mean_shift(source: ClassStatistics, target: ClassStatistics) -> Tensor:
    """Δμ = μ_t - μ_s (C, A): from the labeled features to the unlabeled ones."""
    return target.mean_CA - source.mean_CA


def _is_ready(statistics: ClassStatistics) -> Tensor:
    enough_C = statistics.count_C >= VOXELS_PER_FEATURE * statistics.num_features
    if statistics.num_slices == 0:
        return enough_C
    return enough_C & (statistics.distinct_slices_C >= MIN_DISTINCT_SLICES)


def _take(features_BAV: Tensor, image_CK: Tensor, voxel_CK: Tensor) -> Tensor:
    """Features of some voxels, (C, K, A), a copy."""
    features_BVA = features_BAV.mT
    num_voxels = features_BVA.shape[1]
    if num_voxels == 1 or features_BVA.stride(0) == num_voxels * features_BVA.stride(1):
        # Channels last: a voxel's features lie side by side, which is four times faster.
        rows_NA = features_BVA.flatten(0, 1)
        row_N = (image_CK * num_voxels + voxel_CK).flatten()
        return rows_NA.index_select(0, row_N).view(*image_CK.shape, -1)
    return features_BVA[image_CK, voxel_CK]


def _find_on_cpu(labels_N: Tensor, num_classes: int) -> tuple[Tensor, NthVoxel]:
    """Count each class's voxels, (C, 1), and find the n-th of each (any index past the last)."""
    labels = labels_N.numpy()
    found = [torch.from_numpy(np.flatnonzero(labels == value)) for value in range(num_classes)]
    count_C1 = torch.tensor([[len(index_N)] for index_N in found])

    def nth(wanted_CK: Tensor) -> Tensor:
        index_CK = torch.zeros_like(wanted_CK)
        for row_K, index_N, wanted_K in zip(index_CK, found, wanted_CK, strict=True):
            if len(index_N):
                torch.take(index_N, wanted_K.clamp(max=len(index_N) - 1), out=row_K)
        return index_CK

    return count_C1, nth


def _find_without_waiting(labels_N: Tensor, num_classes: int) -> tuple[Tensor, NthVoxel]:
    """As `_find_on_cpu`, with shapes that do not depend on the data."""
    classes_C1 = torch.arange(num_classes, device=labels_N.device)[:, None]
    rank_CN = (labels_N == classes_C1).cumsum(1, dtype=torch.int32)

    def nth(wanted_CK: Tensor) -> Tensor:
        index_CK = torch.searchsorted(rank_CN, (wanted_CK + 1).int())
        return index_CK.clamp(max=labels_N.numel() - 1)

    return rank_CN[:, -1:].long(), nth


def _uniform(generator: torch.Generator | None, device: torch.device) -> Tensor:
    origin = device if generator is None else generator.device
    return torch.rand((), generator=generator, device=origin).to(device, non_blocking=True)

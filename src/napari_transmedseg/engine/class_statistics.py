"""The memory module: mean, covariance and count of each class's features.

METHOD: TransMedSeg (arXiv:2505.14753), memory module; the running estimate follows TSA
(Li et al., CVPR 2021) and ISDA (Wang et al., NeurIPS 2019), merged count-weighted.

Shapes: N voxels, C classes (0 = background), A feature channels, B images, S slices,
K sampled voxels of a class, M those of all classes, YX any number of spatial axes (2-D and
3-D alike).
"""

import numpy as np
import torch
from torch import Tensor

from napari_transmedseg.engine.voxel_sampling import (
    Indices,
    Layout,
    sample_lists,
    sample_per_class,
    take_voxels,
)

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
        self._update(features_NA.unsqueeze(-1), labels_N, slices_N, Layout(1, 1), generator)

    def update_maps(
        self,
        features_BAYX: Tensor,
        labels_BYX: Tensor,
        slices_B: Tensor | None = None,
        generator: torch.Generator | None = None,
        voxels_per_slice: int | None = None,
    ) -> None:
        """Merge whole feature maps, sampling voxels before any copy is made.

        As `update`, for a batch as the network makes it.

        Parameters
        ----------
        slices_B : Tensor, optional
            Slice of each image, or the first one of each patch.
        voxels_per_slice : int, optional
            Voxels of one slice of a 3-D patch (Y·X where the axes are Z, Y, X): voxel v
            of a patch lies on slice `slices_B + v // voxels_per_slice`. Without it every
            image is one slice. Slices outside 0…num_slices-1 count for none.
        """
        size = labels_BYX[0].numel()
        layout = Layout(size, voxels_per_slice or size)
        self._update(features_BAYX.flatten(2), labels_BYX.flatten(), slices_B, layout, generator)

    @torch.no_grad()
    def _update(
        self,
        features_BAV: Tensor,
        labels_N: Tensor,
        slices_B: Tensor | None,
        layout: Layout,
        generator: torch.Generator | None,
    ) -> None:
        if labels_N.numel() == 0:
            return
        update = self._update_on_cpu if labels_N.device.type == "cpu" else self._update_on_device
        update(features_BAV, labels_N, slices_B, layout, generator)

    def _update_on_cpu(
        self,
        features_BAV: Tensor,
        labels_N: Tensor,
        slices_B: Tensor | None,
        layout: Layout,
        generator: torch.Generator | None,
    ) -> None:
        chosen = sample_lists(labels_N, self.num_classes, self.max_batch_count, generator)
        if slices_B is not None:
            self._note_slices(chosen, slices_B.numpy(), layout)
        index_M = torch.from_numpy(np.concatenate(chosen))
        features_MA = take_voxels(features_BAV, index_M, layout).to(self.mean_CA.dtype)
        self._merge(slice(None), *_moments_of_lists(features_MA, [len(index) for index in chosen]))

    def _note_slices(self, chosen: list[Indices], slices_B: Indices, layout: Layout) -> None:
        seen_CS = self._seen_CS.numpy()
        for seen_S, index_K in zip(seen_CS, chosen, strict=True):
            # Sorted, so that a slice's voxels follow each other and the first will do.
            part_K = index_K // layout.voxels_per_slice
            firsts = index_K[1:][part_K[1:] != part_K[:-1]]
            slices = layout.slice_of(slices_B, np.concatenate((index_K[:1], firsts)))
            seen_S[slices[(slices >= 0) & (slices < self.num_slices)]] = True

    def _update_on_device(
        self,
        features_BAV: Tensor,
        labels_N: Tensor,
        slices_B: Tensor | None,
        layout: Layout,
        generator: torch.Generator | None,
    ) -> None:
        """With shapes that do not depend on the data."""
        index_CK, valid_CK = sample_per_class(
            labels_N, self.num_classes, self.max_batch_count, generator
        )
        if slices_B is not None:
            slices_CK = layout.slice_of(slices_B, index_CK)
            named_CK = valid_CK & (slices_CK >= 0) & (slices_CK < self.num_slices)
            self._seen_CS.scatter_(1, slices_CK.where(named_CK, self.num_slices), True)
        # As many classes at a time as the input has room for: never N·C·A numbers.
        group = max(1, labels_N.numel() // index_CK.shape[1])
        for start in range(0, self.num_classes, group):
            part = slice(start, start + group)
            features_CKA = take_voxels(features_BAV, index_CK[part], layout).to(self.mean_CA.dtype)
            self._merge(part, *_moments_of_filled(features_CKA, valid_CK[part]))

    def _merge(
        self,
        part: slice,
        batch_count_C: Tensor,
        batch_mean_CA: Tensor,
        batch_covariance_CAA: Tensor,
    ) -> None:
        mean_CA, covariance_CAA = self.mean_CA[part], self.covariance_CAA[part]
        count_C = self.count_C[part]
        share_C1 = (batch_count_C / (batch_count_C + count_C).clamp(min=1)).unsqueeze(1)
        step_CA = batch_mean_CA - mean_CA
        between_CA = step_CA * (share_C1 * (1 - share_C1))
        covariance_CAA.lerp_(batch_covariance_CAA, share_C1.unsqueeze(2))
        covariance_CAA.baddbmm_(between_CA.unsqueeze(2), step_CA.unsqueeze(1))
        mean_CA.lerp_(batch_mean_CA, share_C1)
        count_C.add_(batch_count_C).clamp_(max=self.max_count)

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


def ready_classes(source: ClassStatistics, target: ClassStatistics) -> Tensor:
    """Classes with enough voxels and slices for an augmentation, bool (C,).

    METHOD section 4: n ≥ 10·A and at least 3 distinct slices, source and target each.
    """
    return _is_ready(source) & _is_ready(target)


def shrink_covariance(covariance_CAA: Tensor, rho: float = 0.05) -> Tensor:
    """Shrink towards a sphere of the same trace: (1-ρ) Σ + ρ tr(Σ)/A I."""
    diagonal_CA = covariance_CAA.diagonal(dim1=-2, dim2=-1)
    shrunk_CAA = (1 - rho) * covariance_CAA
    shrunk_CAA.diagonal(dim1=-2, dim2=-1).add_(rho * diagonal_CA.mean(-1, keepdim=True))
    return shrunk_CAA


def mean_shift(source: ClassStatistics, target: ClassStatistics) -> Tensor:
    """Δμ = μ_t - μ_s (C, A): from the labeled features to the unlabeled ones."""
    return target.mean_CA - source.mean_CA


def _is_ready(statistics: ClassStatistics) -> Tensor:
    enough_C = statistics.count_C >= VOXELS_PER_FEATURE * statistics.num_features
    if statistics.num_slices == 0:
        return enough_C
    return enough_C & (statistics.distinct_slices_C >= MIN_DISTINCT_SLICES)


def _moments_of_lists(features_MA: Tensor, counts: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Count, mean and covariance of each class, whose voxels follow each other; overwrites."""
    num_features = features_MA.shape[1]
    mean_CA = features_MA.new_zeros(len(counts), num_features)
    covariance_CAA = features_MA.new_zeros(len(counts), num_features, num_features)
    for value, features_KA in enumerate(features_MA.split(counts)):
        if len(features_KA) > 0:
            features_KA.sub_(torch.mean(features_KA, 0, out=mean_CA[value]))
            torch.mm(features_KA.mT, features_KA, out=covariance_CAA[value])
    count_C = features_MA.new_tensor(counts)
    return count_C, mean_CA, covariance_CAA.div_(count_C.clamp(min=1).view(-1, 1, 1))


def _moments_of_filled(features_CKA: Tensor, valid_CK: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """As `_moments_of_lists`, of K places per class of which some are filling."""
    valid_CK1 = valid_CK.unsqueeze(-1)
    count_C = valid_CK.sum(1).to(features_CKA.dtype)
    per_voxel_C11 = (1 / count_C.clamp(min=1)).view(-1, 1, 1)
    features_CKA = features_CKA.masked_fill_(~valid_CK1, 0)
    mean_C1A = features_CKA.sum(1, keepdim=True) * per_voxel_C11
    centered_CKA = (features_CKA - mean_C1A).mul_(valid_CK1)
    return count_C, mean_C1A.squeeze(1), centered_CKA.mT @ centered_CKA * per_voxel_C11

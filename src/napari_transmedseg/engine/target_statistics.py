"""What the teacher's proposals add to the run's state: shares of classes, target statistics.

Shape suffixes: B images, C classes, HW space axes of what the network sees.
"""

import torch
from torch import Tensor

from napari_transmedseg.engine.state import TrainingState

_SHARE_DECAY = 0.95


def voxels_per_slice(label_BHW: Tensor) -> int | None:
    """Voxels of a slice in a batch of volumes; None for slices."""
    return None if label_BHW.ndim == 3 else label_BHW.shape[-2] * label_BHW.shape[-1]


def note_shares(state: TrainingState, label_BHW: Tensor, inside_BHW: Tensor) -> None:
    """Add one look at unlabeled voxels to the running share of each class."""
    num_classes = len(state.predicted_share)
    bins = torch.where(inside_BHW, label_BHW, num_classes).flatten()
    counts = torch.zeros(num_classes + 1, device=bins.device)
    counts.scatter_add_(0, bins, torch.ones_like(bins, dtype=counts.dtype))
    new = counts[:-1] / counts[:-1].sum().clamp(min=1)
    old = state.predicted_share
    state.predicted_share = torch.where(
        old.isnan(), new, _SHARE_DECAY * old + (1 - _SHARE_DECAY) * new
    )


def count_features(
    state: TrainingState, features: Tensor, label_BHW: Tensor, slice_B: Tensor, domain_B: Tensor
) -> None:
    """Add teacher features to the statistics of their image's domain.

    Parameters
    ----------
    features
        (B, A, HW) of the teacher.
    label_BHW
        Pseudo-labels; -1 where they do not count.
    slice_B
        Place of the (in 3-D: first) slice among all.
    domain_B
        Place of the image's domain among the plan's.
    """
    for domain, target in enumerate(state.targets):
        counted = label_BHW
        if len(state.targets) > 1:
            here = (domain_B == domain).view(-1, *[1] * (label_BHW.ndim - 1))
            counted = torch.where(here, label_BHW, -1)
        target.update_maps(
            features,
            counted,
            slice_B,
            state.sampling_generator,
            voxels_per_slice=voxels_per_slice(label_BHW),
        )

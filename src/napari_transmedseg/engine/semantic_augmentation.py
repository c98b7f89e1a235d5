"""Transferable semantic augmentation: the table T and the loss L_tsa.

TransMedSeg (Wang et al., arXiv:2505.14753), after TSA (Li et al., CVPR 2021) and ISDA
(Wang et al., NeurIPS 2019). A labeled voxel's feature f of class y is augmented towards
the unlabeled domain, f' ~ N(f + α Δμ_y, α Σ_y). Jensen's inequality and the Gaussian
moment generating function bound the expected cross-entropy over infinitely many such
draws by

    L_tsa = 1/n Σ_i log Σ_c exp(Δw_c·f_i + Δb_c + α Δw_c·Δμ_y + α/2 Δw_cᵀ Σ_y Δw_c),

with y = y_i, Δw_c = w_c - w_y. The two added terms depend on (y, c) alone, so that one
C by C table carries the whole augmentation: L_tsa = cross-entropy of logits + T[y].

Shapes: N voxels, C classes (0 = background), A feature channels.
"""

from typing import Literal

import torch
from torch import Tensor

from napari_transmedseg.engine.class_statistics import (
    ClassStatistics,
    mean_shift,
    ready_classes,
    shrink_covariance,
)
from napari_transmedseg.engine.one_hot import one_hot_rows

Direction = Literal["to-target", "to-source"]


def augmentation_moments(
    source: ClassStatistics,
    target: ClassStatistics,
    *,
    direction: Direction = "to-target",
    rho: float = 0.05,
) -> tuple[Tensor, Tensor, Tensor]:
    """Where and how far a class's features are moved.

    Parameters
    ----------
    source, target : ClassStatistics
        Student features on labeled voxels; teacher features on unlabeled ones.
    direction : {"to-target", "to-source"}
        The paper's equations move labeled features to the target (Δμ = μ_t - μ_s, Σ_t).
        The other direction is there for the ablation (Δμ = μ_s - μ_t, Σ_s).
    rho : float
        Shrinkage of the covariance towards a sphere, in [0, 1].

    Returns
    -------
    mean_shift_CA, covariance_CAA, ready_C : Tensor
        Copies, free of gradient; `ready_C` says which classes have enough data.
    """
    start, end = (source, target) if direction == "to-target" else (target, source)
    return (
        mean_shift(start, end),
        shrink_covariance(end.covariance_CAA, rho),
        ready_classes(source, target),
    )


def augmentation_table(
    weight_CA: Tensor,
    mean_shift_CA: Tensor,
    covariance_CAA: Tensor,
    strength: float | Tensor,
    ready_C: Tensor | None = None,
) -> Tensor:
    """T[y, c] = α Δw_c·Δμ_y + α/2 Δw_cᵀ Σ_y Δw_c with Δw_c = w_c - w_y; (C, C).

    Parameters
    ----------
    weight_CA : Tensor
        Weight of the network's last 1x1 convolution; gradient flows through it.
    mean_shift_CA, covariance_CAA : Tensor
        Δμ and Σ per class; taken without gradient.
    strength : float or 0-d Tensor
        α ≥ 0.
    ready_C : Tensor, optional
        Classes whose row is used; the other rows are 0.

    Returns
    -------
    Tensor
        table_CC with an exactly zero diagonal.
    """
    mean_shift_CA, covariance_CAA = mean_shift_CA.detach(), covariance_CAA.detach()
    with torch.autocast(weight_CA.device.type, enabled=False):
        weight_CA = weight_CA.to(covariance_CAA.dtype)
        difference_CCA = weight_CA.unsqueeze(0) - weight_CA.unsqueeze(1)
        # Δμ_y + Σ_y Δw_c / 2, whose product with Δw_c is both terms at once.
        moved_CCA = torch.baddbmm(
            mean_shift_CA.unsqueeze(1), difference_CCA, covariance_CAA, alpha=0.5
        )
        table_CC = strength * (moved_CCA * difference_CCA).sum(-1)
    if ready_C is None:
        return table_CC
    return torch.where(ready_C.unsqueeze(1), table_CC, torch.zeros_like(table_CC))


def transferable_cross_entropy(logits_NC: Tensor, labels_N: Tensor, table_CC: Tensor) -> Tensor:
    """L_tsa: the mean over labeled voxels of cross_entropy(logits + T[y], y).

    Parameters
    ----------
    logits_NC : Tensor
        Student logits, (N, C) or, as the network makes them, (B, C, …space).
    labels_N : Tensor
        Annotated classes, (N,) or (B, …space); voxels outside 0…C-1 are left out.
    table_CC : Tensor
        From `augmentation_table`; zeros give the plain cross-entropy.

    Returns
    -------
    Tensor
        Scalar; exactly 0 with zero gradients where no voxel is labeled.
    """
    with torch.autocast(logits_NC.device.type, enabled=False):
        one_hot_CN = one_hot_rows(labels_N, len(table_CC), table_CC.dtype)
        logits_CN = logits_NC.transpose(0, 1).flatten(1).to(table_CC.dtype)
        moved_CN = torch.addmm(logits_CN, table_CC.t(), one_hot_CN)
        log_probability_CN = moved_CN.log_softmax(0)
        total = torch.dot(log_probability_CN.flatten(), one_hot_CN.flatten())
        return -total / one_hot_CN.sum().clamp(min=1)

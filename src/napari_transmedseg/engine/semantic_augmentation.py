"""Transferable semantic augmentation: the table T and the loss L_tsa.

TransMedSeg (Wang et al., arXiv:2505.14753), after TSA (Li et al., CVPR 2021) and ISDA
(Wang et al., NeurIPS 2019). A labeled voxel's feature f of class y is augmented towards
the unlabeled domain, f' ~ N(f + α Δμ_y, α Σ_y). Jensen's inequality and the Gaussian
moment generating function bound the expected cross-entropy over infinitely many such
draws by

    L_tsa = 1/n Σ_i log Σ_c exp(Δw_c·f_i + Δb_c + α Δw_c·Δμ_y + α/2 Δw_cᵀ Σ_y Δw_c),

with y = y_i, Δw_c = w_c - w_y. The two added terms depend on (y, c) alone, so that one
C by C table carries the whole augmentation: L_tsa = cross-entropy of logits + T[y].

`sampled_cross_entropy` is what the bound replaces: M drawn features a voxel. It is there for
the ablation, to show what drawing costs.

Shapes: N voxels, C classes (0 = background), A feature channels, K voxels of one class in a
chunk, M draws a voxel, R = K·M.
"""

from typing import Any, Literal

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

_MOST_DRAWS = 65_536


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


def sampled_cross_entropy(
    features: Tensor,
    weight_CA: Tensor,
    bias_C: Tensor | None,
    labels: Tensor,
    mean_shift_CA: Tensor,
    covariance_CAA: Tensor,
    strength: float | Tensor,
    num_samples: int,
    ready_C: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mean cross-entropy of M features drawn for each labeled voxel, f' ~ N(f + α Δμ_y, α Σ_y).

    Explicit sampling for the ablation: its expectation is what L_tsa bounds from above.
    Draws and gradients are made chunk by chunk, so that memory does not grow with M beyond
    a chunk's 65,536 draws; time does. It waits for the device.

    Parameters
    ----------
    features : Tensor
        The classifier's input, (N, A) or, as the network makes it, (B, A, …space).
    weight_CA, bias_C : Tensor
        The network's last 1x1 convolution; gradient flows to both and to the features.
    labels : Tensor
        Annotated classes, (N,) or (B, …space); voxels outside 0…C-1 are left out.
    mean_shift_CA, covariance_CAA, strength, ready_C
        As for `augmentation_table`; features of a class that is not ready stay where they are.
    num_samples : int
        M ≥ 1.
    generator : torch.Generator, optional
        Of any device; the same generator gives the same loss.

    Returns
    -------
    Tensor
        Scalar; exactly 0 with zero gradients where no voxel is labeled.
    """
    num_classes, num_features = weight_CA.shape
    with torch.autocast(weight_CA.device.type, enabled=False):
        shift_CA = strength * mean_shift_CA.detach()
        covariance_CAA = strength * covariance_CAA.detach()
        if ready_C is not None:
            shift_CA = shift_CA.where(ready_C[:, None], 0)
            covariance_CAA = covariance_CAA.where(ready_C[:, None, None], 0)
        dtype = covariance_CAA.dtype
        loss: Tensor = _SampledCrossEntropy.apply(  # type: ignore[no-untyped-call]
            features.movedim(1, -1).reshape(-1, num_features).to(dtype),
            weight_CA.to(dtype),
            weight_CA.new_zeros(num_classes, dtype=dtype) if bias_C is None else bias_C.to(dtype),
            labels.flatten(),
            shift_CA,
            _square_root(covariance_CAA),
            num_samples,
            generator,
        )
    return loss


class _SampledCrossEntropy(torch.autograd.Function):
    """Loss and gradients in one pass over the draws, none of which is kept."""

    @staticmethod
    def forward(
        ctx: Any,
        features_NA: Tensor,
        weight_CA: Tensor,
        bias_C: Tensor,
        labels_N: Tensor,
        shift_CA: Tensor,
        root_CAA: Tensor,
        num_samples: int,
        generator: torch.Generator | None,
    ) -> Tensor:
        gradients = [torch.zeros_like(value) for value in (features_NA, weight_CA, bias_C)]
        loss, count = features_NA.new_zeros(()), 0
        for value, (shift_A, root_AA) in enumerate(zip(shift_CA, root_CAA, strict=True)):
            of_class = (labels_N == value).nonzero().squeeze(1)
            count += len(of_class)
            for index_K in of_class.split(max(1, _MOST_DRAWS // num_samples)):
                mean_KA = features_NA[index_K] + shift_A
                drawn_RA = _draw(mean_KA, root_AA, num_samples, generator)
                log_probability_RC = torch.addmm(bias_C, drawn_RA, weight_CA.t()).log_softmax(1)
                loss -= log_probability_RC[:, value].sum()
                error_RC = log_probability_RC.exp_()
                error_RC[:, value] -= 1
                error_KC = error_RC.view(-1, num_samples, len(bias_C)).sum(1)
                gradients[0][index_K] = error_KC @ weight_CA
                gradients[1].addmm_(error_RC.t(), drawn_RA)
                gradients[2].add_(error_KC.sum(0))
        scale = 1 / max(1, count * num_samples)
        ctx.save_for_backward(*(gradient.mul_(scale) for gradient in gradients))
        return loss * scale

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:
        return *(outer[0] * gradient for gradient in ctx.saved_tensors), *[None] * 5


def _draw(
    mean_KA: Tensor, root_AA: Tensor, num_samples: int, generator: torch.Generator | None
) -> Tensor:
    shape = (len(mean_KA) * num_samples, len(root_AA))
    origin = mean_KA.device if generator is None else generator.device
    noise_RA = torch.randn(shape, generator=generator, device=origin, dtype=mean_KA.dtype)
    mean_RA = mean_KA.repeat_interleave(num_samples, 0)
    return mean_RA.addmm_(noise_RA.to(mean_KA.device), root_AA)


def _square_root(covariance_CAA: Tensor) -> Tensor:
    """Symmetric R with R R = Σ; a covariance without full rank will do."""
    value_CA, vector_CAA = torch.linalg.eigh(covariance_CAA)
    root_CA = value_CA.clamp(min=0).sqrt()
    root_CAA: Tensor = (vector_CAA * root_CA.unsqueeze(1)) @ vector_CAA.mT
    return root_CAA

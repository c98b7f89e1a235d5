"""Is the training healthy? Values, limits, and plain sentences for a clinician.

The failure modes are the known weak points of TransMedSeg (arXiv:2505.14753): few voxels
of a class, ill-conditioned covariance, wrong pseudo-labels, class features of several
modes. Each `*_report` is a pure function from a value to a `MonitorReport`.

Shapes: N voxels, C classes (0 = background), A feature channels, BYX images and space.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from napari_transmedseg.engine.class_statistics import (
    MIN_DISTINCT_SLICES,
    VOXELS_PER_FEATURE,
    shrink_covariance,
)
from napari_transmedseg.engine.events import Light, MonitorReport

ENTROPY_LIMIT = 0.5
CONDITION_LIMIT = 1e6
TEACHER_DICE_LIMIT = 0.5
PSEUDO_SHARE_LIMIT = 0.1
MULTI_MODAL_LIMIT = 0.75
MEAN_SHIFT_LIMIT = 1.0

Side = Literal["source", "target"]


def teacher_is_trusted(teacher_dice: float, predicted_share: float, annotated_share: float) -> bool:
    """Whether a class's pseudo-labels may be used.

    Parameters
    ----------
    teacher_dice : float
        Teacher's Dice of the class on annotated slices; NaN where it was not measured.
    predicted_share, annotated_share : float
        Share of unlabeled voxels predicted as the class; share of annotated voxels that
        are of the class. Both in [0, 1].

    Returns
    -------
    bool
        False sets u = 0 and T = 0 until it is True again (METHOD section 4).
    """
    if teacher_dice < TEACHER_DICE_LIMIT:
        return False
    return not predicted_share < PSEUDO_SHARE_LIMIT * annotated_share


def condition_numbers(covariance_CAA: Tensor) -> Tensor:
    """Largest over smallest eigenvalue per class, (C,) float64 on the CPU.

    Infinity for a singular covariance, NaN for one that is all zero (no voxel seen).
    """
    eigenvalues_CA: Tensor = torch.linalg.eigvalsh(covariance_CAA.detach().cpu().double())
    largest_C = eigenvalues_CA[:, -1]
    smallest_C = eigenvalues_CA[:, 0].clamp(min=0)
    return largest_C / smallest_C


def relative_mean_shifts(
    mean_shift_CA: Tensor, covariance_CAA: Tensor, rho: float = 0.05
) -> Tensor:
    """Mean shift over the spread of the class's features, (C,) float64 on the CPU.

    sqrt(Δμᵀ Σ⁻¹ Δμ / A) with the shrunken Σ, Mahalanobis' distance per channel: 1 is one
    standard deviation in every channel. Unlike the plain length of Δμ it does not depend
    on the scale of the features. NaN for a covariance that is all zero (no voxel seen).
    """
    covariance_CAA = shrink_covariance(covariance_CAA.detach().cpu().double(), rho)
    shift_CA1 = mean_shift_CA.detach().cpu().double().unsqueeze(-1)
    solved_CA1 = torch.linalg.pinv(covariance_CAA, hermitian=True) @ shift_CA1
    mean_square_C: Tensor = (shift_CA1 * solved_CA1).mean((1, 2)).clamp(min=0)
    return mean_square_C.sqrt().where(covariance_CAA.any(-1).any(-1), torch.nan)


def class_means(values_BYX: Tensor, labels_BYX: Tensor, num_classes: int) -> Tensor:
    """Mean of a map (the entropy) over the voxels of each class, (C,); NaN where none."""
    labels_N = labels_BYX.flatten()
    values_N = values_BYX.flatten().to(torch.float32)
    known_N = (labels_N >= 0) & (labels_N < num_classes)
    bin_N = torch.where(known_N, labels_N, num_classes).long()
    sums_C = torch.zeros(num_classes + 1, device=values_N.device).index_add_(0, bin_N, values_N)
    counts_C = torch.zeros_like(sums_C).index_add_(0, bin_N, torch.ones_like(values_N))
    return (sums_C / counts_C)[:num_classes]


def two_means_share(features_NA: Tensor, iterations: int = 10) -> float:
    """Share of the variance that lies between two means (k = 2), in [0, 1].

    One Gaussian stays below 2/π ≈ 0.64 in any number of channels; two well separated
    groups come near 1. Starts from a cut through the mean along the principal axis, so
    the result is deterministic.
    """
    centered_NA = features_NA.detach().cpu().double()
    centered_NA = centered_NA - centered_NA.mean(0)
    total = float(centered_NA.square().sum())
    if total == 0 or len(centered_NA) < 3:
        return 0.0
    axis_A = torch.linalg.eigh(centered_NA.mT @ centered_NA).eigenvectors[:, -1]
    upper_N = centered_NA @ axis_A > 0
    for _ in range(iterations):
        if upper_N.all() or not upper_N.any():
            return 0.0
        high_A, low_A = centered_NA[upper_N].mean(0), centered_NA[~upper_N].mean(0)
        middle = (high_A + low_A) @ (high_A - low_A) / 2
        upper_N = centered_NA @ (high_A - low_A) > middle
    groups = [centered_NA[upper_N], centered_NA[~upper_N]]
    between = sum(
        len(group) * float(group.mean(0).square().sum()) for group in groups if len(group)
    )
    return between / total


def entropy_report(step: int, entropy: float, class_name: str = "") -> MonitorReport:
    """Mean entropy of the pseudo-labels over log C; of one class if it is named."""
    what = f"what it takes for {class_name}" if class_name else "its own proposals"
    sentence = (
        f"The model is unsure about {what}; annotate 2 more slices"
        f"{f' that show {class_name}' if class_name else ' where the proposals look wrong'}."
    )
    return _report(step, "entropy", class_name, entropy, entropy > ENTROPY_LIMIT, sentence)


def condition_number_report(step: int, condition_number: float, class_name: str) -> MonitorReport:
    """Condition number of a class's raw target covariance."""
    sentence = (
        f"{class_name} looks nearly the same wherever it was seen, so its variation is smoothed; "
        f"cases on which {class_name} looks different would teach more."
    )
    flagged = condition_number > CONDITION_LIMIT
    return _report(
        step, "condition_number", class_name, condition_number, flagged, sentence, "advice"
    )


def teacher_dice_report(step: int, dice: float, class_name: str) -> MonitorReport:
    """Teacher's Dice of a class on the annotated slices."""
    sentence = (
        f"The model does not yet reproduce your own {class_name} (Dice {dice:.2f}), so its "
        f"proposals are not used for training; let it train on, or check the annotation of "
        f"{class_name}."
    )
    return _report(step, "teacher_dice", class_name, dice, dice < TEACHER_DICE_LIMIT, sentence)


def pseudo_share_report(
    step: int, predicted_share: float, annotated_share: float, class_name: str
) -> MonitorReport:
    """Share of unlabeled voxels that are predicted as a class, against the annotated share."""
    sentence = (
        f"The model hardly finds {class_name} on slices without annotation, so its proposals "
        f"are not used for training; annotate 2 more slices that show {class_name}."
    )
    flagged = predicted_share < PSEUDO_SHARE_LIMIT * annotated_share
    return _report(step, "pseudo_share", class_name, predicted_share, flagged, sentence)


def count_report(
    step: int,
    count: float,
    distinct_slices: int,
    num_features: int,
    class_name: str,
    side: Side | None = None,
) -> MonitorReport:
    """Voxels and slices that a class's statistics rest on, named `count`.

    With a `side` it is `source_count` (annotated voxels) or `target_count` (voxels that
    the teacher took for the class), each with an advice of its own.
    """
    missing = MIN_DISTINCT_SLICES - distinct_slices
    slices = f"{max(missing, 2)} more slices"
    if side == "target":
        sentence = (
            f"The model has found too little {class_name} on slices without annotation to learn "
            f"how it looks there; add cases that show {class_name}, or annotate 2 more slices that "
            "do."
        )
    else:
        what = f"annotated {class_name}" if side == "source" else f"of {class_name}"
        sentence = (
            f"Too little {what} has been seen to augment it; annotate {slices} that show "
            f"{class_name}."
        )
    flagged = missing > 0 or count < VOXELS_PER_FEATURE * num_features
    name = "count" if side is None else f"{side}_count"
    return _report(step, name, class_name, count, flagged, sentence, "advice")


def mean_shift_report(step: int, relative_shift: float, class_name: str) -> MonitorReport:
    """How far a class lies from its annotated look; see `relative_mean_shifts`.

    The limit of one standard deviation per channel is ours: beyond it, the features of
    annotated and unannotated voxels hardly overlap.
    """
    sentence = (
        f"{class_name} looks different on slices without annotation than on the annotated ones; "
        f"annotate 2 more slices that show {class_name}, of cases unlike those you annotated "
        "(another scanner, another patient group)."
    )
    flagged = relative_shift > MEAN_SHIFT_LIMIT
    return _report(step, "mean_shift", class_name, relative_shift, flagged, sentence, "advice")


def multi_modal_report(step: int, share: float, class_name: str) -> MonitorReport:
    """Share of a class's feature variance between its two means; see `two_means_share`."""
    sentence = (
        f"{class_name} looks like two different things to the model; if it covers two "
        "structures or two kinds of image, separate classes or a project for each may do better."
    )
    return _report(
        step, "multi_modal", class_name, share, share > MULTI_MODAL_LIMIT, sentence, "advice"
    )


def _report(
    step: int,
    name: str,
    class_name: str,
    value: float,
    flagged: bool,
    sentence: str,
    light: Light = "warning",
) -> MonitorReport:
    value = float(value)
    flagged = flagged and not math.isnan(value)
    return MonitorReport(
        step=step,
        name=name,
        class_name=class_name,
        value=value,
        light=light if flagged else "ok",
        sentence=sentence if flagged else "",
    )

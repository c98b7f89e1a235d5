"""How well two label maps agree: Dice, Jaccard, 95 % Hausdorff and surface distance.

Every function returns one value per class, background (index 0) included, float64 of shape
(num_classes,). Surface distances follow the definitions behind the papers' tables (medpy's
`hd95` and `asd`): surfaces are the voxels of a mask with a face neighbour outside it.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from torch import Tensor

Labels: TypeAlias = npt.NDArray[np.integer] | Tensor
Mask: TypeAlias = npt.NDArray[np.bool_] | Tensor
PerClass: TypeAlias = npt.NDArray[np.float64]


class DiceCounter:
    """Dice and Jaccard over voxels pooled from any number of slices or volumes."""

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.confusion = np.zeros((num_classes, num_classes), np.int64)
        """Voxel counts, [reference, prediction]."""

    def update(self, prediction: Labels, reference: Labels, mask: Mask | None = None) -> None:
        """Count the voxels of two label maps of one shape, where `mask` is True.

        Raises
        ------
        ValueError
            If the shapes differ or a counted value is outside 0…num_classes-1.
        """
        pred, ref = _array(prediction), _array(reference)
        if pred.shape != ref.shape:
            raise ValueError(f"Expected label maps of one shape, found {pred.shape}, {ref.shape}.")
        if mask is not None:
            counted = _array(mask).astype(bool)
            pred, ref = pred[counted], ref[counted]
        for values in (pred, ref):
            if values.size and not 0 <= values.min() <= values.max() < self.num_classes:
                raise ValueError(
                    f"Expected classes 0 to {self.num_classes - 1}, "
                    f"found {values.min()} to {values.max()}."
                )
        pair = ref.astype(np.int64).ravel() * self.num_classes + pred.ravel()
        pairs = np.bincount(pair, minlength=self.num_classes**2)
        self.confusion += pairs.reshape(self.num_classes, self.num_classes)

    def dice(self) -> PerClass:
        """2|P∩R| / (|P|+|R|); NaN where both are empty, 0 where one is."""
        overlap, sizes = self._overlap_and_sizes()
        return _divide(2 * overlap, sizes)

    def jaccard(self) -> PerClass:
        """|P∩R| / |P∪R|; NaN where both are empty, 0 where one is."""
        overlap, sizes = self._overlap_and_sizes()
        return _divide(overlap, sizes - overlap)

    def _overlap_and_sizes(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        return self.confusion.diagonal(), self.confusion.sum(0) + self.confusion.sum(1)


def dice(
    prediction: Labels, reference: Labels, num_classes: int, mask: Mask | None = None
) -> PerClass:
    """Dice per class over the voxels where `mask` is True; see `DiceCounter.dice`."""
    counter = DiceCounter(num_classes)
    counter.update(prediction, reference, mask)
    return counter.dice()


def jaccard(
    prediction: Labels, reference: Labels, num_classes: int, mask: Mask | None = None
) -> PerClass:
    """Jaccard per class over the voxels where `mask` is True; see `DiceCounter.jaccard`."""
    counter = DiceCounter(num_classes)
    counter.update(prediction, reference, mask)
    return counter.jaccard()


def hd95(
    prediction: Labels,
    reference: Labels,
    num_classes: int,
    spacing: Sequence[float] | None = None,
    mask: Mask | None = None,
) -> PerClass:
    """95th percentile of the distances between two surfaces, both ways pooled.

    Parameters
    ----------
    prediction, reference : array or Tensor
        Label maps of one shape, 2-D or 3-D.
    num_classes : int
        Background included.
    spacing : sequence of float, optional
        mm per axis; without it distances are in voxels.
    mask : array or Tensor, optional
        Surfaces are those of the whole maps; distances are taken from their voxels inside.

    Returns
    -------
    PerClass
        NaN where a class is empty in either map (its Dice tells of the miss), or where the mask
        leaves no surface to measure from.
    """
    return _per_class(prediction, reference, num_classes, spacing, mask, _pooled_percentile)


def asd(
    prediction: Labels,
    reference: Labels,
    num_classes: int,
    spacing: Sequence[float] | None = None,
    mask: Mask | None = None,
) -> PerClass:
    """Mean distance from the predicted surface to the reference's (one way, as the papers').

    Parameters and result as of `hd95`.
    """
    return _per_class(prediction, reference, num_classes, spacing, mask, _mean_to_reference)


def _pooled_percentile(to_reference: PerClass, to_prediction: PerClass) -> float:
    pooled = np.concatenate([to_reference, to_prediction])
    return float(np.percentile(pooled, 95)) if pooled.size else np.nan


def _mean_to_reference(to_reference: PerClass, _to_prediction: PerClass) -> float:
    return float(to_reference.mean()) if to_reference.size else np.nan


def _per_class(
    prediction: Labels,
    reference: Labels,
    num_classes: int,
    spacing: Sequence[float] | None,
    mask: Mask | None,
    summary: Callable[[PerClass, PerClass], float],
) -> PerClass:
    pred, ref = _array(prediction), _array(reference)
    counted = None if mask is None else _array(mask).astype(bool)
    scores = np.full(num_classes, np.nan)
    for value in range(num_classes):
        is_pred, is_ref = pred == value, ref == value
        if is_pred.any() and is_ref.any():
            scores[value] = summary(*_surface_distances(is_pred, is_ref, spacing, counted))
    return scores


def _surface_distances(
    is_pred: npt.NDArray[np.bool_],
    is_ref: npt.NDArray[np.bool_],
    spacing: Sequence[float] | None,
    counted: npt.NDArray[np.bool_] | None,
) -> tuple[PerClass, PerClass]:
    """Distances of each counted predicted surface voxel to the reference's surface, and back."""
    from scipy.ndimage import distance_transform_edt

    box = _bounding_box(is_pred | is_ref)
    pred_surface, ref_surface = _surface(is_pred[box]), _surface(is_ref[box])
    to_ref = distance_transform_edt(~ref_surface, sampling=spacing)
    to_pred = distance_transform_edt(~pred_surface, sampling=spacing)
    if counted is None:
        return to_ref[pred_surface], to_pred[ref_surface]
    return to_ref[pred_surface & counted[box]], to_pred[ref_surface & counted[box]]


def _surface(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Voxels with a face neighbour outside the mask; outside the box counts as outside."""
    from scipy.ndimage import binary_erosion

    return np.asarray(mask & ~binary_erosion(mask))


def _bounding_box(mask: npt.NDArray[np.bool_]) -> tuple[slice, ...]:
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        (where,) = np.nonzero(mask.any(axis=others))
        box.append(slice(int(where[0]), int(where[-1]) + 1))
    return tuple(box)


def _divide(numerator: npt.NDArray[np.int64], denominator: npt.NDArray[np.int64]) -> PerClass:
    with np.errstate(invalid="ignore"):
        return np.asarray(numerator / denominator)


def _array(values: Labels | Mask) -> npt.NDArray[np.integer]:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)

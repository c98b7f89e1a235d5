"""Shapes between two slices, from the shapes on both.

Signed distances are interpolated instead of voxels (Raya and Udupa, IEEE Trans. Med. Imaging 9,
1990; Herman, Zheng and Bucholtz, IEEE Comput. Graph. Appl. 12, 1992). Several classes are
taken as regions inside one another: all classes, all but the outermost, and so on. Thus they
neither overlap nor leave gaps, and a thin wall around a chamber moves along with it, which the
distance to the wall alone would not do.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.uint8]
_HOLE = 256
"""Stands for background that classes enclose: the innermost region."""


def interpolate_between(
    before_YX: Labels,
    after_YX: Labels,
    fractions: Sequence[float],
    spacing_YX: tuple[float, float] = (1.0, 1.0),
) -> Labels:
    """Classes on the way from one slice to another.

    A class that one of the slices lacks shrinks towards it like a paraboloid and is gone there.

    Parameters
    ----------
    before_YX, after_YX
        Classes of two slices that are known as a whole; 0 is background.
    fractions
        Where the wanted slices lie: 0 at `before`, 1 at `after`.
    spacing_YX
        Pixel size in mm.

    Returns
    -------
    array of uint8
        (len(fractions), Y, X); at 0 and 1 exactly the given slices.
    """
    result = np.zeros((len(fractions), *before_YX.shape), np.uint8)
    box = _box(before_YX, after_YX)
    if box is None:
        return result
    before, after = _with_holes(before_YX[box]), _with_holes(after_YX[box])
    order = _outermost_first(before, after)
    rank_of = np.zeros(_HOLE + 1, np.int16)
    rank_of[order] = np.arange(1, len(order) + 1)
    ranks = np.zeros((len(fractions), *before.shape), np.int16)
    inside = np.ones(ranks.shape, np.bool_)
    for rank in range(1, len(order) + 1):
        first, last = rank_of[before] >= rank, rank_of[after] >= rank
        for index, level in enumerate(_levels(first, last, fractions, spacing_YX)):
            inside[index] &= level > 0
        ranks += inside
    value_of = np.array([0, *(0 if value == _HOLE else value for value in order)], np.uint8)
    result[(slice(None), *box)] = value_of[ranks]
    return result


def _box(before: Labels, after: Labels) -> tuple[slice, slice] | None:
    """Part of the plane that holds every class with a margin; None where there is none."""
    rows, columns = np.nonzero((before > 0) | (after > 0))
    if not rows.size:
        return None
    return (
        slice(max(0, int(rows.min()) - 1), int(rows.max()) + 2),
        slice(max(0, int(columns.min()) - 1), int(columns.max()) + 2),
    )


def _with_holes(labels: Labels) -> npt.NDArray[np.int16]:
    from scipy.ndimage import binary_fill_holes

    marked = labels.astype(np.int16)
    marked[binary_fill_holes(labels > 0) & (labels == 0)] = _HOLE
    return marked


def _outermost_first(*slices: npt.NDArray[np.int16]) -> list[int]:
    """Values in the order of how much of their border is background's."""
    shares = {}
    for value in np.unique(np.concatenate([one.ravel() for one in slices])):
        if value:
            counts = np.sum([_contacts(one, int(value)) for one in slices], axis=0)
            shares[int(value)] = counts[0] / max(1, counts[1])
    return sorted(shares, key=lambda value: (value == _HOLE, -shares[value], value))


def _contacts(labels: npt.NDArray[np.int16], value: int) -> tuple[int, int]:
    """Pairs of pixels of which one is of a class: those with background, and all."""
    background = every = 0
    for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        pairs = (a == value) != (b == value)
        every += int(np.count_nonzero(pairs))
        background += int(np.count_nonzero(pairs & ((a == 0) | (b == 0))))
    return background, every


def _levels(
    first: npt.NDArray[np.bool_],
    last: npt.NDArray[np.bool_],
    fractions: Sequence[float],
    spacing: tuple[float, float],
) -> list[npt.NDArray[np.float64]]:
    """Signed distances (mm, positive inside) on the way from one region to another."""
    if not first.any():
        return _levels(last, first, [1.0 - t for t in fractions], spacing)
    start = _signed_distance(first, spacing)
    if not last.any():
        deepest = float(start.max())
        return [start - deepest * (1.0 - np.sqrt(1.0 - t)) if t else start for t in fractions]
    end = _signed_distance(last, spacing)
    return [(1.0 - t) * start + t * end for t in fractions]


def _signed_distance(
    inside: npt.NDArray[np.bool_], spacing: tuple[float, float]
) -> npt.NDArray[np.float64]:
    from scipy.ndimage import distance_transform_edt

    if inside.all():
        return np.full(inside.shape, float(np.hypot(*np.multiply(inside.shape, spacing))))
    distance: npt.NDArray[np.float64] = distance_transform_edt(inside, sampling=spacing)
    distance -= distance_transform_edt(~inside, sampling=spacing)
    return distance

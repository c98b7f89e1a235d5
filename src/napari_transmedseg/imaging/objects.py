"""Connected objects on a slice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def connected_object(
    labels_YX: npt.NDArray[np.uint8], point: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """Pixels of the object that a point lies on, corners touching too.

    Parameters
    ----------
    labels_YX
        Classes of a slice; 0 is background.
    point
        Row and column.

    Returns
    -------
    array of bool
        (Y, X); all False where the point lies on background or outside.
    """
    from scipy.ndimage import label

    nothing = np.zeros(labels_YX.shape, np.bool_)
    if not all(0 <= place < size for place, size in zip(point, labels_YX.shape, strict=True)):
        return nothing
    value = labels_YX[point]
    if value == 0:
        return nothing
    numbered, _ = label(labels_YX == value, structure=np.ones((3, 3)))
    found: npt.NDArray[np.bool_] = numbered == numbered[point]
    return found

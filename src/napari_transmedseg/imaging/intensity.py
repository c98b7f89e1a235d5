"""Intensities to a common scale, one volume at a time."""

import numpy as np
import numpy.typing as npt

CLIP_PERCENTILES = (0.5, 99.5)


def z_score(array: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Clip to the 0.5th and 99.5th percentile, then to mean 0 and standard deviation 1.

    Parameters
    ----------
    array
        Intensities of one volume, any shape and real dtype, finite and not constant.
    """
    values, low, high = _clipped(array)
    del low, high
    std = float(values.std()) or 1.0
    return np.asarray((values - float(values.mean())) / std, dtype=np.float32)


def unit_range(array: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    """Clip to the 0.5th and 99.5th percentile, then to [0, 1] (the papers' scale for ACDC)."""
    values, low, high = _clipped(array)
    return np.asarray((values - low) / ((high - low) or 1.0), dtype=np.float32)


def _clipped(array: npt.NDArray[np.generic]) -> tuple[npt.NDArray[np.float32], float, float]:
    values = np.asarray(array, dtype=np.float32)
    low, high = (float(bound) for bound in np.percentile(values, CLIP_PERCENTILES))
    if not low < high:
        low, high = float(values.min()), float(values.max())
    return np.clip(values, low, high), low, high

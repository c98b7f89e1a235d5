"""Whether two images have the same voxels, and intensities brought onto the voxels of another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.ndimage import map_coordinates

from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import Volume

_SAME_VOXEL = 0.05
_MOST_SAMPLES = 4
_PROBES = 16


def grid_difference(expected: Geometry, found: Geometry) -> str:
    """How the voxels of one image differ from another's, in words; empty where they are the same.

    The order in which the files store them does not matter.
    """
    if expected.display_shape != found.display_shape:
        return f"{_times(found.display_shape)} voxels instead of {_times(expected.display_shape)}"
    pairs = zip(expected.display_spacing, found.display_spacing, strict=True)
    if any(abs(a - b) > _SAME_VOXEL * min(a, b) for a, b in pairs):
        sizes = (_times(one.display_spacing) for one in (found, expected))
        return f"voxels of {' mm instead of '.join(sizes)} mm"
    distance = np.linalg.norm(_corners(expected) - _corners(found), axis=1).max()
    if distance > max(1e-3, _SAME_VOXEL * min(expected.spacing)):
        return f"voxels up to {distance:.3g} mm away"
    return ""


def share_covered(source: Geometry, target: Geometry) -> float:
    """Share of the target's voxels, in [0, 1], that lie within the source; from a few of them."""
    axes = [np.linspace(0, n - 1, min(n, _PROBES)) for n in target.display_shape]
    index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    between = np.linalg.inv(source.display_affine) @ target.display_affine
    return float(_inside(index @ between[:3, :3].T + between[:3, 3], source.display_shape).mean())


def resample_intensities(volume: Volume, geometry: Geometry) -> npt.NDArray[np.float32]:
    """Intensities of a single image on another grid of the same space, (I, P, L).

    Linear interpolation; where the grid is coarser, the mean of several points within each voxel.
    Beyond the image stands its lowest intensity.
    """
    array = np.asarray(volume.array, dtype=np.float32)
    lowest = array.min()
    to_source = np.linalg.inv(volume.geometry.display_affine) @ geometry.display_affine
    points = _points_within(np.linalg.norm(to_source[:3, :3], axis=0))
    shape = geometry.display_shape
    rows_YX3 = np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij"), -1)
    result = np.zeros(shape, dtype=np.float32)
    for plane in range(shape[0]):  # one at a time, to spare memory
        for point in points:
            start = to_source[:3, :3] @ (np.array([plane, 0.0, 0.0]) + point) + to_source[:3, 3]
            index_YX3 = rows_YX3 @ to_source[:3, 1:3].T + start
            values = map_coordinates(array, np.moveaxis(index_YX3, -1, 0), order=1, mode="nearest")
            result[plane] += np.where(_inside(index_YX3, array.shape), values, lowest)
    return result / np.float32(len(points))


def _points_within(steps: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Places (P, 3) within a voxel, relative to its centre, for steps of so many source voxels."""
    counts = np.clip(np.ceil(steps - 0.25), 1, _MOST_SAMPLES).astype(int)
    offsets = [(2 * np.arange(n) + 1) / (2 * n) - 0.5 for n in counts]
    return np.stack(np.meshgrid(*offsets, indexing="ij"), axis=-1).reshape(-1, 3)


def _inside(index: npt.NDArray[np.float64], shape: Sequence[int]) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = np.all((index >= -0.5) & (index <= np.array(shape) - 0.5), -1)
    return inside


def _corners(geometry: Geometry) -> npt.NDArray[np.float64]:
    """World positions (8, 3), I, P, L in mm, of the corner voxels in display order."""
    index = np.array(list(np.ndindex(2, 2, 2))) * (np.array(geometry.display_shape) - 1)
    affine = geometry.display_affine
    corners: npt.NDArray[np.float64] = index @ affine[:3, :3].T + affine[:3, 3]
    return corners


def _times(values: Sequence[float]) -> str:
    return "×".join(f"{value:.3g}" if isinstance(value, float) else str(value) for value in values)

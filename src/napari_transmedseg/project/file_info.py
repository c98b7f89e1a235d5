"""What one image file holds, as plain facts."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.imaging.geometry import PLANE_AXES, Geometry, acquisition_axis
from napari_transmedseg.imaging.io import read_labels, read_volume
from napari_transmedseg.imaging.volume import Volume

MAX_CLASSES = 64
"""More different whole numbers than this are taken for intensities, not for classes."""


def file_info(path: Path) -> dict[str, Any]:
    """Facts about a file, in plain values; ``error`` holds the sentence where it is unreadable.

    Sizes are voxels and mm in the file's own axis order.
    """
    try:
        volume = read_volume(path)
    except TransMedSegError as error:
        return {"file": str(path), "error": str(error)} | _maybe_empty_label_map(path)
    return {"file": str(path)} | _place(volume.geometry) | _values(volume)


def _maybe_empty_label_map(path: Path) -> dict[str, Any]:
    """Label maps may hold one class only; images may not hold one value only."""
    try:
        labels = read_labels(path)
    except TransMedSegError:
        return {}
    return {"classes": np.unique(labels.array).tolist()}


def _place(geometry: Geometry) -> dict[str, Any]:
    planes = {axis: plane for plane, axis in PLANE_AXES.items()}
    return {
        "size": list(geometry.shape),
        "spacing_mm": list(geometry.spacing),
        "orientation": geometry.orientation,
        "oblique": geometry.is_oblique,
        "slices": planes[acquisition_axis(geometry)],
        "place_known": geometry.known,
        "origin_mm": geometry.affine[:3, 3].tolist(),
        "qform_code": geometry.qform_code,
        "sform_code": geometry.sform_code,
    }


def _values(volume: Volume) -> dict[str, Any]:
    array = volume.array
    facts: dict[str, Any] = {
        "data_type": str(array.dtype),
        "minimum": array.min().item(),
        "median": float(np.median(array)),
        "maximum": array.max().item(),
    }
    if classes := _classes(array):
        voxel_ml = float(np.prod(volume.geometry.spacing)) / 1000
        facts["classes"] = list(classes)
        facts["volumes_ml"] = [round(count * voxel_ml, 4) for count in classes.values()]
    return facts


def _classes(array: npt.NDArray[Any]) -> dict[int, int]:
    """Voxels by class value where the array looks like a label map, else nothing."""
    if array.min() < 0 or array.max() > np.iinfo(np.uint16).max:
        return {}
    values, counts = np.unique(array, return_counts=True)
    if len(values) > MAX_CLASSES or not np.array_equal(values, np.rint(values)):
        return {}
    return {int(value): int(count) for value, count in zip(values, counts, strict=True)}

"""What one image file, or a folder of DICOM series, holds, as plain facts."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.imaging.dicom import DicomSeries, find_series
from napari_transmedseg.imaging.geometry import PLANE_AXES, Geometry, acquisition_axis
from napari_transmedseg.imaging.io import open_image, read_labels, read_volume
from napari_transmedseg.imaging.volume import Volume

MAX_CLASSES = 64
"""More different whole numbers than this are taken for intensities, not for classes."""


def file_info(path: Path) -> dict[str, Any]:
    """Facts about a file or folder, in plain values; ``error`` says why it is unreadable.

    Sizes are voxels and mm in the file's own axis order. Of 4-D images the values are those of
    the first frame; of a folder its DICOM series are listed.
    """
    if path.is_dir():
        return _folder(path)
    try:
        image = open_image(path)
        frame = 0 if image.num_frames > 1 else None
        volume = read_volume(path, frame=frame)
    except TransMedSegError as error:
        return {"file": str(path), "error": str(error)} | _maybe_empty_label_map(path)
    facts = {"file": str(path)} | _place(volume.geometry) | _values(volume)
    extra: dict[str, Any] = {
        "frames": image.num_frames if image.num_frames > 1 else None,
        "notes": list(image.notes),
        "modality": image.modality,
        "description": image.description,
    }
    return facts | {key: value for key, value in extra.items() if value}


def _folder(path: Path) -> dict[str, Any]:
    found = find_series(path)
    if not found:
        sentence = f"Expected DICOM series in {path}, found none; name files or another folder."
        return {"file": str(path), "error": sentence}
    return {"file": str(path), "series": [_series(series) for series in found]}


def _series(series: DicomSeries) -> dict[str, Any]:
    return {
        "key": series.key,
        "folder": str(series.folder),
        "modality": series.modality,
        "description": series.description,
        "files": len(series.files),
        "size": None if series.shape is None else list(series.shape),
        "spacing_mm": None if series.spacing is None else list(series.spacing),
        "phases": series.num_phases,
        "segmentation": series.is_segmentation,
        "notes": list(series.notes),
        "problem": series.problem,
    }


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

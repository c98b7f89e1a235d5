"""Reading images and label maps, writing masks: the format is told by the suffix or content."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import GeometryError, ImageReadError
from napari_transmedseg.imaging import dicom, dicom_seg, metaimage, nifti, nrrd, segments
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.imaging.formats import (
    COMMON_SUFFIXES,
    META_SUFFIXES,
    NRRD_SUFFIXES,
    SUFFIXES,
    case_id_of,
    find_images,
    is_supported,
)
from napari_transmedseg.imaging.geometry import Geometry, require_same_space
from napari_transmedseg.imaging.opened import OpenedImage, pick_frame
from napari_transmedseg.imaging.overlap import OverlapRule
from napari_transmedseg.imaging.volume import LabelArray, LabelMap, Volume

__all__ = [
    "SUFFIXES", "case_id_of", "find_images", "is_supported", "open_image", "read_fractions",
    "read_geometry", "read_labels", "read_volume", "write_fractions", "write_labels",
    "write_probabilities",
]  # fmt: skip

MASK_SUFFIXES = (".nii.gz", ".nii", ".seg.nrrd", ".nrrd")
"""What masks can be written as."""
FRACTION_STEPS = 255
"""Value that stands for 1 where fractions are held as uint8."""


def open_image(
    path: str | os.PathLike[str], *, series: str = "", confirm_spacing: bool = False
) -> OpenedImage:
    """Read the header of an image.

    Parameters
    ----------
    path
        NIfTI, Analyze, MGH, NRRD, MetaImage or DICOM file, or a folder with DICOM series.
    series
        Key of one series of a folder, as `dicom.find_series` gives it.
    confirm_spacing
        Whether somebody vouches for the voxel size of an image that does not say where it lies.

    Raises
    ------
    ImageReadError
        If there is no image of one real number per voxel.
    """
    image = _open(Path(path), series)
    return image.confirmed() if confirm_spacing else image


def read_volume(
    path: str | os.PathLike[str],
    *,
    frame: int | None = None,
    series: str = "",
    confirm_spacing: bool = False,
) -> Volume:
    """Read the intensities of a 3-D image.

    Parameters
    ----------
    path, series, confirm_spacing
        As for `open_image`.
    frame
        Which frame or channel of 4-D data to take, from 0.

    Returns
    -------
    Volume
        Array in display order (I, P, L) as a view; the data type is the file's.

    Raises
    ------
    ImageReadError
        If the file is no image, is truncated, holds NaN, infinite or only equal voxels, colours,
        complex numbers, or more than one volume.
    """
    path = Path(path)
    image = open_image(path, series=series, confirm_spacing=confirm_spacing)
    data = image.load(pick_frame(image, frame, path))
    _check_intensities(data, path)
    return Volume(
        array=image.geometry.to_display(data),
        geometry=image.geometry,
        name=case_id_of(path),
        notes=image.notes,
    )


def read_labels(
    path: str | os.PathLike[str], *, frame: int | None = None, overlap: OverlapRule | None = None
) -> LabelMap:
    """Read a label map: whole numbers from 0 to 65,535, stored as any real type.

    Names and colours come along where the file has them (3D Slicer's segments).

    Parameters
    ----------
    path, frame
        As for `read_volume`.
    overlap
        Which segment wins where several of 3D Slicer's or DICOM's claim a voxel; the label
        map's notes then tell how many voxels that were. Without, such files are refused.

    Returns
    -------
    LabelMap
        Classes in display order (I, P, L), uint8 where they fit, else uint16; all known.

    Raises
    ------
    ImageReadError
        As `read_volume`, or if a voxel is no whole number in that range.
    """
    path = Path(path)
    if dicom.is_segmentation(path):
        return dicom_seg.read_segmentation(path, overlap)
    image = open_image(path)
    if segments.has_segments(image.header) and frame is None:
        return segments.label_map_of(image, path, overlap)
    array = _as_classes(image.load(pick_frame(image, frame, path)), path)
    return LabelMap(
        array=image.geometry.to_display(array),
        geometry=image.geometry,
        names=dict(image.label_names),
        colors=dict(image.label_colors),
    )


def write_labels(path: str | os.PathLike[str], label_map: LabelMap) -> None:
    """Write the classes of a label map on exactly its geometry.

    The file appears whole or not at all. The known mask is not part of it.

    Parameters
    ----------
    path
        Ends in .nii.gz, .nii, .nrrd or .seg.nrrd (with names and colours); an existing file is
        replaced.
    label_map
        Classes in display order; the data type (uint8 or uint16) is kept.

    Raises
    ------
    GeometryError
        If the geometry is unknown.
    ProjectError
        If the folder does not exist or cannot be written.
    ImageReadError
        If the name ends otherwise.
    """
    path = Path(path)
    name = path.name.lower()
    if not name.endswith(MASK_SUFFIXES):
        raise ImageReadError(
            f"Expected a mask name that ends in .nii.gz, .nii or .seg.nrrd, found {path.name}; "
            "masks are written as NIfTI or NRRD."
        )
    try:
        content = _encode(name, label_map)
    except GeometryError as error:
        raise GeometryError(f"{path.name} cannot be written: {error}") from error
    write_bytes(path, content)


def write_probabilities(
    path: str | os.PathLike[str], array_IPL: npt.NDArray[np.float32], geometry: Geometry
) -> None:
    """Write the probability of one class, in [0, 1], as float32 NIfTI on exactly its geometry.

    Raises
    ------
    GeometryError, ProjectError, ImageReadError
        As `write_labels`.
    """
    path = Path(path)
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise ImageReadError(
            f"Expected a name that ends in .nii.gz or .nii, found {path.name}; probabilities are "
            "written as NIfTI."
        )
    array = geometry.to_source(np.asarray(array_IPL, dtype=np.float32))
    compress = path.name.lower().endswith(".gz")
    write_bytes(path, nifti.encode_labels(array, geometry, compress=compress))


def write_fractions(
    path: Path, fractions_IPL: npt.NDArray[np.floating], geometry: Geometry
) -> None:
    """Write fractions, in [0, 1], as compressed NIfTI of one byte per voxel, on that geometry.

    Its scaling says what the bytes mean: every program reads numbers from 0 to 1 in steps of
    1/255, and none takes them for classes.

    Raises
    ------
    GeometryError, ProjectError
        As `write_labels`.
    """
    array = geometry.to_source(_as_steps(fractions_IPL))
    content = nifti.encode_labels(array, geometry, compress=True, slope=1 / FRACTION_STEPS)
    write_bytes(path, content)


def read_fractions(path: Path, geometry: Geometry) -> npt.NDArray[np.uint8]:
    """Read fractions that lie on a geometry: (I, P, L), where 255 stands for 1.

    Raises
    ------
    ImageReadError
        If the file is missing or damaged, or holds anything but numbers from 0 to 1.
    GeometryError
        If it lies elsewhere.
    """
    image = open_image(path)
    require_same_space(geometry, image.geometry, str(path), "its image")
    data = image.load(pick_frame(image, None, path))
    low, high = float(data.min()), float(data.max())
    if not (low >= 0 and high <= 1 + 1e-6):  # nor NaN
        raise ImageReadError(
            f"Expected numbers from 0 to 1 in {path}, found {low:g} to {high:g}; make it anew."
        )
    return _as_steps(image.geometry.to_display(data))


def read_geometry(path: str | os.PathLike[str], *, series: str = "") -> Geometry:
    """Read the grid of an image without its voxels; errors as in `read_volume`."""
    path = Path(path)
    image = open_image(path, series=series)
    pick_frame(image, None, path)
    return image.geometry


def _as_steps(fractions_IPL: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """Round to uint8; one plane in memory order at a time, so that nothing is held twice."""
    steps = np.empty_like(fractions_IPL, dtype=np.uint8)
    axis = int(np.argmax(np.abs(steps.strides)))
    planes = zip(np.moveaxis(steps, axis, 0), np.moveaxis(fractions_IPL, axis, 0), strict=True)
    for rounded, plane in planes:
        np.rint(FRACTION_STEPS * plane, out=rounded, casting="unsafe")
    return steps


def _encode(name: str, label_map: LabelMap) -> bytes:
    geometry = label_map.geometry
    array = geometry.to_source(label_map.array)
    if name.endswith(".nrrd"):
        return segments.encode(array, label_map, with_segments=name.endswith(".seg.nrrd"))
    return nifti.encode_labels(array, geometry, compress=name.endswith(".gz"))


def _open(path: Path, series: str) -> OpenedImage:
    if path.is_dir():
        return dicom.open_series(path, series)
    if not path.exists():
        raise ImageReadError(
            f"Expected an image at {path}, found that it is missing; check the path."
        )
    name = path.name.lower()
    if name.endswith(NRRD_SUFFIXES):
        return nrrd.open_image(path)
    if name.endswith(META_SUFFIXES):
        return metaimage.open_image(path)
    if is_supported(path):
        return nifti.open_image(path)
    if dicom.is_dicom(path):
        return dicom.open_series(path, series)
    raise ImageReadError(
        f"Expected an image ({COMMON_SUFFIXES}, DICOM), found {path}; convert it to one of these."
    )


def _check_intensities(data: npt.NDArray[Any], path: Path) -> None:
    if data.dtype.kind in "iub" and _varies(data):
        return  # whole numbers are finite, and two different ones are contrast
    low, high = data.min(), data.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(data.size - np.count_nonzero(np.isfinite(data)))
        raise ImageReadError(
            f"Expected finite intensities in {path}, found {bad} NaN or infinite voxels of "
            f"{data.size}; repair the image or leave it out."
        )
    if low == high:
        raise ImageReadError(
            f"Expected an image with contrast in {path}, found the same value ({low:g}) in every "
            "voxel; leave it out."
        )


def _varies(data: npt.NDArray[Any]) -> bool:
    """Whether two values differ; looks at the middle planes before the others."""
    middle = data[..., data.shape[-1] // 2]
    return bool((middle != middle.flat[0]).any()) or bool(data.min() != data.max())


def _as_classes(data: npt.NDArray[Any], path: Path) -> LabelArray:
    low, high = data.min(), data.max()
    whole = data.dtype.kind in "bui" or bool(
        np.isfinite(low) and np.isfinite(high) and np.array_equal(data, np.rint(data))
    )
    if not whole or low < 0 or high > np.iinfo(np.uint16).max:
        found = f"values from {low:g} to {high:g}" if whole else "values that are not whole numbers"
        raise ImageReadError(
            f"Expected classes (whole numbers from 0 to 65535) in {path}, found {found}; "
            "choose a label map, not an image or a probability map."
        )
    fits = high <= np.iinfo(np.uint8).max
    return data.astype(np.uint8) if fits else data.astype(np.uint16)

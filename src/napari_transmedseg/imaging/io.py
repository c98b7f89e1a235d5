"""Reading images and label maps, writing masks: the format is chosen by the suffix."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import GeometryError, ImageReadError
from napari_transmedseg.imaging import itk, nifti
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelArray, LabelMap, Volume

NIFTI_SUFFIXES = (".nii.gz", ".nii", ".hdr", ".img", ".hdr.gz", ".img.gz")
ITK_SUFFIXES = (".nrrd", ".nhdr", ".mha", ".mhd")
SUFFIXES = NIFTI_SUFFIXES + ITK_SUFFIXES
"""What can be read, lower case."""


def read_volume(path: str | os.PathLike[str], *, frame: int | None = None) -> Volume:
    """Read the intensities of a 3-D image.

    Parameters
    ----------
    path
        NIfTI, NRRD or MetaImage file.
    frame
        Which frame of a 4-D NIfTI file to take, from 0.

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
    data, geometry = _read(path, frame)
    _check_intensities(data, path)
    return Volume(array=geometry.to_display(data), geometry=geometry, name=case_id_of(path))


def read_labels(path: str | os.PathLike[str]) -> LabelMap:
    """Read a label map: whole numbers from 0 to 65,535, stored as any real type.

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
    data, geometry = _read(path, None)
    array = _as_classes(data, path)
    return LabelMap(array=geometry.to_display(array), geometry=geometry)


def write_labels(path: str | os.PathLike[str], label_map: LabelMap) -> None:
    """Write the classes of a label map as NIfTI on exactly its geometry.

    The file appears whole or not at all. The known mask is not part of it.

    Parameters
    ----------
    path
        Ends in .nii.gz or .nii; an existing file is replaced.
    label_map
        Classes in display order; the data type (uint8 or uint16) is kept.

    Raises
    ------
    GeometryError
        If the geometry is unknown.
    ProjectError
        If the folder does not exist or cannot be written.
    ImageReadError
        If the name does not end in .nii or .nii.gz.
    """
    path = Path(path)
    name = path.name.lower()
    if not name.endswith((".nii", ".nii.gz")):
        raise ImageReadError(
            f"Expected a mask name that ends in .nii.gz or .nii, found {path.name}; "
            "masks are written as NIfTI."
        )
    array = label_map.geometry.to_source(label_map.array)
    try:
        content = nifti.encode_labels(array, label_map.geometry, compress=name.endswith(".gz"))
    except GeometryError as error:
        raise GeometryError(f"{path.name} cannot be written: {error}") from error
    write_bytes(path, content)


def read_geometry(path: str | os.PathLike[str]) -> Geometry:
    """Read the grid of an image without its voxels; errors as in `read_volume`."""
    path = Path(path)
    if _is_itk(path):
        return itk.read_geometry(path)
    return nifti.read_geometry(path)


def is_supported(path: str | os.PathLike[str]) -> bool:
    """Whether the suffix is one of a readable format; the file is not opened."""
    return Path(path).name.lower().endswith(SUFFIXES)


def case_id_of(path: str | os.PathLike[str]) -> str:
    """File name without its image suffix: `b/patient002_frame01.nii.gz` → `patient002_frame01`."""
    name = Path(path).name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return Path(name).stem


def find_images(paths: Iterable[str | os.PathLike[str]]) -> list[Path]:
    """List the images among files and, searched to the bottom, folders.

    Hidden files and folders are skipped, and a pair of .hdr and .img counts once.

    Returns
    -------
    list of Path
        Sorted, each once.

    Raises
    ------
    ImageReadError
        If a path does not exist, or a named file is of no readable format.
    """
    found: set[Path] = set()
    for given in paths:
        path = Path(given)
        if path.is_dir():
            found.update(_images_below(path))
        elif not path.exists():
            raise ImageReadError(
                f"Expected an image or a folder at {path}, found nothing; check the path."
            )
        elif not is_supported(path):
            raise ImageReadError(
                f"Expected an image ({', '.join(SUFFIXES[:2] + ITK_SUFFIXES)}), found {path}; "
                "convert it to one of these."
            )
        else:
            found.add(path)
    return sorted(found)


def _images_below(folder: Path) -> Iterable[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        names = {name.lower() for name in files}
        for name in files:
            lower = name.lower()
            second = lower.endswith((".img", ".img.gz")) and lower.replace(".img", ".hdr") in names
            if not name.startswith(".") and is_supported(name) and not second:
                yield Path(root) / name


def _read(path: Path, frame: int | None) -> tuple[npt.NDArray[Any], Geometry]:
    if _is_itk(path):
        return itk.read_array(path)
    return nifti.read_array(path, frame)


def _is_itk(path: Path) -> bool:
    if not path.exists():
        raise ImageReadError(
            f"Expected an image at {path}, found that it is missing; check the path."
        )
    if not is_supported(path):
        raise ImageReadError(
            f"Expected an image ({', '.join(SUFFIXES[:2] + ITK_SUFFIXES)}), found {path}; "
            "convert it to one of these."
        )
    return path.name.lower().endswith(ITK_SUFFIXES)


def _check_intensities(data: npt.NDArray[Any], path: Path) -> None:
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

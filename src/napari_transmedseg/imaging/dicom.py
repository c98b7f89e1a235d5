"""DICOM series: which a folder holds, and one of them as an image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging.dicom_headers import (
    SEGMENTATION_CLASSES,
    Plane,
    is_dicom,
    open_reader,
    plain_errors,
    read_planes,
)
from napari_transmedseg.imaging.dicom_stack import Stack, make_stack
from napari_transmedseg.imaging.formats import is_supported
from napari_transmedseg.imaging.opened import OpenedImage

__all__ = [
    "DicomSeries",
    "find_series",
    "is_dicom",
    "is_segmentation",
    "open_series",
    "series_of",
    "slice_files",
]

_LISTED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class DicomSeries:
    """One series of a folder; nothing of it names a patient."""

    key: str
    """Short name that chooses it: a digest of its UID."""
    folder: Path
    """Deepest folder that holds all of its files."""
    files: tuple[Path, ...]
    modality: str
    description: str
    shape: tuple[int, int, int] | None
    """Columns, rows, slices; None where the series cannot be opened."""
    spacing: tuple[float, float, float] | None
    """In mm."""
    num_phases: int
    notes: tuple[str, ...]
    """What is unusual but was read right."""
    problem: str
    """Why it cannot be opened; empty where it can."""
    is_segmentation: bool
    """Whether it is a DICOM SEG, which comes in as labels."""

    @property
    def title(self) -> str:
        """For lists: key, modality, description, size."""
        size = "" if self.shape is None else f" {'×'.join(str(n) for n in self.shape)}"
        phases = f" in {self.num_phases} phases" if self.num_phases > 1 else ""
        return f"{self.key} ({self.modality} {self.description or 'without description'}" + (
            f"{size}{phases})"
        )


def find_series(path: Path) -> list[DicomSeries]:
    """List the series in a folder and its subfolders, or of one file.

    Returns
    -------
    list of DicomSeries
        By folder and description; those that cannot be opened say why.
    """
    return [_describe(key, planes, path) for key, planes in _planes_by_series(path).items()]


def series_of(path: Path, key: str = "") -> DicomSeries:
    """One series of a folder.

    Raises
    ------
    ImageReadError
        If there is none, none of that key, or several and no key.
    """
    found = find_series(path)
    images = [one for one in found if not one.is_segmentation] or found
    if not images:
        raise ImageReadError(f"Expected DICOM images in {path}, found none; choose another folder.")
    if key:
        chosen = [one for one in found if one.key == key]
        if not chosen:
            raise ImageReadError(
                f"Expected one of the series {_listed(images)} in {path}, found '{key}'; choose "
                "one of these."
            )
        return chosen[0]
    if len(images) > 1:
        raise ImageReadError(
            f"Expected one series in {path}, found {len(images)}: {_listed(images)}; choose one "
            "by its key."
        )
    return images[0]


def is_segmentation(path: Path) -> bool:
    """Whether a file is a DICOM SEG."""
    if not path.is_file() or is_supported(path) or not is_dicom(path):
        return False
    try:
        return read_planes(path)[0].sop_class in SEGMENTATION_CLASSES
    except ImageReadError:
        return False


def open_series(path: Path, key: str = "") -> OpenedImage:
    """Headers of one series of a folder, or of one file.

    Raises
    ------
    ImageReadError
        As `series_of`, or if the series makes no even stack.
    """
    chosen = series_of(path, key)
    planes = _planes_by_series(path)[chosen.key]
    stack = make_stack(planes, _name(chosen.folder, planes))
    return OpenedImage(
        geometry=stack.geometry,
        load=partial(_load, stack),
        num_frames=len(stack.phases),
        notes=stack.notes,
        modality=chosen.modality,
        description=chosen.description,
    )


def slice_files(path: Path, key: str = "", frame: int | None = None) -> tuple[Path, ...]:
    """Files of one phase of a series in slice order; a multi-frame file once.

    Raises
    ------
    ImageReadError
        As `open_series`.
    """
    chosen = series_of(path, key)
    planes = _planes_by_series(path)[chosen.key]
    stack = make_stack(planes, _name(chosen.folder, planes))
    return tuple(dict.fromkeys(plane.path for plane in stack.phases[frame or 0]))


def _describe(key: str, planes: tuple[Plane, ...], path: Path) -> DicomSeries:
    files = tuple(dict.fromkeys(plane.path for plane in planes))
    folder = Path(os.path.commonpath([file.parent for file in files])) if path.is_dir() else path
    stack, problem = None, ""
    try:
        stack = make_stack(planes, _name(folder, planes))
    except ImageReadError as error:
        problem = str(error)
    return DicomSeries(
        key=key,
        folder=folder,
        files=files,
        modality=planes[0].modality,
        description=planes[0].description,
        shape=None if stack is None else stack.geometry.shape,
        spacing=None if stack is None else stack.geometry.spacing,
        num_phases=1 if stack is None else len(stack.phases),
        notes=() if stack is None else stack.notes,
        problem=problem,
        is_segmentation=planes[0].sop_class in SEGMENTATION_CLASSES,
    )


def _name(folder: Path, planes: tuple[Plane, ...]) -> str:
    description = planes[0].description
    return f"the series '{description}' of {folder}" if description else str(folder)


def _listed(series: list[DicomSeries]) -> str:
    more = ", …" if len(series) > _LISTED else ""
    return ", ".join(one.title for one in series[:_LISTED]) + more


def _planes_by_series(path: Path) -> dict[str, tuple[Plane, ...]]:
    if not path.is_dir():
        planes = read_planes(path)
        return {planes[0].series: tuple(planes)}
    facts = tuple(_dicom_files(path))
    return _read_all(facts)


def _dicom_files(folder: Path) -> Iterator[tuple[Path, int, int]]:
    """Files that may be DICOM, with what tells whether they have changed."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(root) / name
            if name.startswith(".") or is_supported(path) or not path.is_file():
                continue
            if is_dicom(path):
                facts = path.stat()
                yield path, facts.st_size, facts.st_mtime_ns


@lru_cache(maxsize=8)
def _read_all(facts: tuple[tuple[Path, int, int], ...]) -> dict[str, tuple[Plane, ...]]:
    """Planes by series key; files without an image (reports, plans, damaged ones) are no series."""
    found: dict[str, list[Plane]] = {}
    for path, _, _ in facts:
        try:
            planes = read_planes(path)
        except ImageReadError:
            continue
        found.setdefault(planes[0].series, []).extend(planes)
    return {key: tuple(planes) for key, planes in found.items()}


def _load(stack: Stack, frame: int) -> npt.NDArray[Any]:
    """Voxels (columns, rows, slices) of one phase; GDCM applies the rescale, once."""
    voxels: npt.NDArray[Any] | None = None
    for index, plane in enumerate(stack.phases[frame]):
        pixels = _narrow(_pixels(plane.path, plane.num_frames)[plane.frame].T)
        if voxels is None:
            voxels = np.empty(stack.geometry.shape, dtype=pixels.dtype, order="F")
        elif voxels.dtype != pixels.dtype:  # slices may be scaled to whole or broken numbers
            voxels = voxels.astype(np.promote_types(voxels.dtype, pixels.dtype))
        voxels[..., index] = pixels
    _pixels.cache_clear()
    assert voxels is not None
    return voxels


def _narrow(pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """GDCM widens 16 bits to 32 when it scales; most of the time 16 are enough."""
    limits = np.iinfo(np.int16)
    if pixels.dtype not in (np.int32, np.uint32) or pixels.size == 0:
        return pixels
    fits = pixels.min() >= limits.min and pixels.max() <= limits.max
    return pixels.astype(np.int16) if fits else pixels


@lru_cache(maxsize=1)
def _pixels(path: Path, num_frames: int) -> npt.NDArray[Any]:
    """Frames (frame, row, column) of one file."""
    import SimpleITK as sitk

    reader = open_reader(path)
    with plain_errors(path, "all pixels that the header promises"):
        array = sitk.GetArrayFromImage(reader.Execute())
    pixels: npt.NDArray[Any] = array.reshape(num_frames, *array.shape[-2:])
    return pixels

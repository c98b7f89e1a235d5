"""Slices as PNG pairs: images and masks of the same names below two folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets.case import DataSet, DataSetCase, own_group
from napari_transmedseg.imaging.data_sets.folder_pair import unpaired_notes
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap, Volume

NOMINAL_MM = (1.0, 1.0, 1.0)
"""Assumed slice distance, row and column size."""
_FOLDERS = (("Images", "Labels"), ("images", "labels"), ("Images", "Masks"), ("images", "masks"))
_SUFFIXES = (".dcm.png", ".png")


def sunnybrook_patient(name: str) -> str:
    """Patient of a slice such as `SC-HF-I-01-IM-0001-0048` (Radau et al., MIDAS 2009)."""
    found = re.match(r"SC-.+?-\d+(?=-IM-)", name)
    return found.group(0) if found else name


def is_png_pairs(folder: Path) -> bool:
    """Whether a folder, or one folder inside it, holds folders of PNG images and masks."""
    return _find_pair(folder) is not None


def read_png_pairs(
    folder: Path,
    *,
    group_of: Callable[[str], str] = own_group,
    stack: bool = False,
    spacing_mm: tuple[float, float, float] = NOMINAL_MM,
    orientation: str = "IPL",
) -> DataSet:
    """Read grey PNG slices and their masks; a mask of 0 and 255 is class 0 and 1.

    Parameters
    ----------
    group_of
        Person of a slice's name.
    stack
        One case per person, its slices in the order of their names; else one case per slice,
        of a single slice along I.
    spacing_mm
        Assumed slice distance, row and column size: PNG carries none.
    orientation
        Assumed directions of slices, rows and columns; "IPL" shows the files as they are.

    Raises
    ------
    DataSetError
        If there are no pairs. Damaged, coloured or unequal slices are said when they are read.
    """
    pair = _find_pair(folder)
    if pair is None:
        raise DataSetError(
            f"Expected folders Images/ and Labels/ of PNG files in {folder}, found none; give the "
            "folder that holds both."
        )
    images, labels = (_by_name(part) for part in pair)
    both = sorted(images.keys() & labels.keys())
    if not both:
        raise DataSetError(
            f"Expected PNG images and masks of the same names in {folder}, found none; "
            "name the masks as their images."
        )
    groups = (
        [
            (key, list(names))
            for key, names in groupby(sorted(both, key=lambda n: (group_of(n), n)), group_of)
        ]
        if stack
        else [(name, [name]) for name in both]
    )
    grid = partial(Geometry.from_spacing, spacing=spacing_mm, orientation=orientation)
    cases = tuple(
        DataSetCase(
            case_id=case_id,
            load_image=partial(_load_image, case_id, tuple(images[name] for name in names), grid),
            load_labels=partial(_load_labels, tuple(labels[name] for name in names), grid),
            group=group_of(names[0]),
        )
        for case_id, names in groups
    )
    size = "×".join(f"{mm:g}" for mm in spacing_mm)
    notes = unpaired_notes(sorted(images.keys() - labels.keys()), sorted(labels.keys() - images))
    return DataSet(
        cases=cases,
        spacing="nominal",
        notes=(*notes, f"PNG files carry no voxel size; {size} mm (I, P, L) is assumed, nominal."),
    )


def _find_pair(folder: Path) -> tuple[Path, Path] | None:
    for parent in (folder, *sorted(part for part in folder.glob("*") if part.is_dir())):
        for images, labels in _FOLDERS:
            pair = (parent / images, parent / labels)
            if all(part.is_dir() and any(part.rglob("*.png")) for part in pair):
                return pair
    return None


def _by_name(folder: Path) -> dict[str, Path]:
    return {_stem(path): path for path in sorted(folder.rglob("*.png"))}


def _stem(path: Path) -> str:
    suffix = next(suffix for suffix in _SUFFIXES if path.name.endswith(suffix))
    return path.name.removesuffix(suffix)


def _load_image(name: str, paths: Sequence[Path], grid: Callable[..., Geometry]) -> Volume:
    array = _stack(paths)
    geometry = grid(array.shape)
    return Volume(array=geometry.to_display(array), geometry=geometry, name=name)


def _load_labels(paths: Sequence[Path], grid: Callable[..., Geometry]) -> LabelMap:
    array = _stack(paths)
    values = {int(value) for value in np.unique(array)}
    if values <= {0, 255}:
        array = array // 255
    elif max(values) > np.iinfo(np.uint8).max:
        raise DataSetError(
            f"Expected masks with values up to 255, found {max(values)} in {paths[0].parent}; "
            "save them with 8 bits."
        )
    geometry = grid(array.shape)
    return LabelMap(array=geometry.to_display(array.astype(np.uint8)), geometry=geometry)


def _stack(paths: Sequence[Path]) -> npt.NDArray[Any]:
    slices = [_read(path) for path in paths]
    for path, pixels in zip(paths, slices, strict=True):
        if pixels.shape != slices[0].shape:
            raise DataSetError(
                f"Expected slices of {slices[0].shape} pixels as in {paths[0].name}, found "
                f"{pixels.shape} in {path}; read the slices one by one (stack=False)."
            )
    return np.stack(slices)


def _read(path: Path) -> npt.NDArray[Any]:
    import SimpleITK as sitk

    try:
        pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    except RuntimeError as error:
        raise DataSetError(
            f"Expected a PNG image at {path}, found that it cannot be read; save it anew."
        ) from error
    if pixels.ndim == 3 and (pixels == pixels[..., :1]).all():  # grey, saved as RGB
        pixels = pixels[..., 0]
    if pixels.ndim != 2:
        raise DataSetError(
            f"Expected a grey PNG image at {path}, found colours; convert it to grey."
        )
    return np.asarray(pixels)

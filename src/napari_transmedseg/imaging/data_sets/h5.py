"""HDF5 files of SSL4MIS and UA-MT: datasets `image` and `label`, as slices or volumes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.imaging.data_sets.case import DataSet, DataSetCase, own_group
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap, Volume

NOMINAL_MM = (1.0, 1.0, 1.0)
_GENERIC_NAMES = ("mri_norm2.h5", "image.h5")
"""UA-MT's layout: the case is the folder, the file always has the same name."""


def is_h5(folder: Path) -> bool:
    """Whether there are .h5 files in a folder or below it."""
    return next(folder.rglob("*.h5"), None) is not None


def read_h5(
    folder: Path,
    *,
    group_of: Callable[[str], str] = own_group,
    orientation: str = "IPL",
    spacing_mm: tuple[float, float, float] = NOMINAL_MM,
) -> DataSet:
    """Read every .h5 file below a folder as one case.

    Where a file is called as all others (`mri_norm2.h5`), its folder names the case. A folder
    that holds slices beside volumes of the same cases (SSL4MIS: `data/slices/`) gives the
    volumes; the slices only when there are no volumes.

    Parameters
    ----------
    group_of
        Person of a case id.
    orientation
        Directions in which the axes of the dataset run; SSL4MIS keeps slices first.
    spacing_mm
        Assumed voxel size along the axes: the files carry none.

    Raises
    ------
    DataSetError
        If h5py is not installed or there are no files; a file without `image` is said when read.
    """
    _h5py()
    paths = _choose(sorted(folder.rglob("*.h5")))
    if not paths:
        raise DataSetError(f"Expected .h5 files in {folder}, found none; give the folder of them.")
    cases = tuple(
        DataSetCase(
            case_id=case_id,
            load_image=partial(_load_image, path, case_id, orientation, spacing_mm),
            load_labels=partial(_load_labels, path, orientation, spacing_mm),
            group=group_of(case_id),
        )
        for case_id, path in sorted(paths.items())
    )
    size = "×".join(f"{mm:g}" for mm in spacing_mm)
    return DataSet(
        cases=cases,
        spacing="nominal",
        notes=(f"HDF5 files carry no voxel size; {size} mm is assumed, nominal.",),
    )


def _h5py() -> ModuleType:
    try:
        import h5py
    except ImportError as error:
        raise DataSetError(
            "Expected the package h5py to read .h5 files, found that it is missing; install it "
            "with: pip install 'napari-transmedseg[experiments]'."
        ) from error
    return h5py  # type: ignore[no-any-return]


def _choose(paths: list[Path]) -> dict[str, Path]:
    volumes = [path for path in paths if "slices" not in path.parts]
    return {_case_id(path): path for path in (volumes or paths)}


def _case_id(path: Path) -> str:
    return path.parent.name if path.name in _GENERIC_NAMES else path.stem


def _load_image(
    path: Path, name: str, orientation: str, spacing_mm: tuple[float, float, float]
) -> Volume:
    array = _read(path, "image")
    geometry = Geometry.from_spacing(array.shape, spacing_mm, orientation=orientation)
    return Volume(array=geometry.to_display(array), geometry=geometry, name=name)


def _load_labels(path: Path, orientation: str, spacing_mm: tuple[float, float, float]) -> LabelMap:
    array = _read(path, "label")
    if array.min() < 0 or array.max() > np.iinfo(np.uint8).max or (array != np.rint(array)).any():
        raise DataSetError(
            f"Expected classes from 0 to 255 in the dataset 'label' of {path}, found values from "
            f"{array.min():g} to {array.max():g}; repair the file."
        )
    geometry = Geometry.from_spacing(array.shape, spacing_mm, orientation=orientation)
    return LabelMap(array=geometry.to_display(array.astype(np.uint8)), geometry=geometry)


def _read(path: Path, name: str) -> npt.NDArray[Any]:
    try:
        with _h5py().File(path, "r") as file:
            if name not in file:
                raise DataSetError(
                    f"Expected a dataset '{name}' in {path}, found "
                    f"{', '.join(file) or 'none'}; convert the file as SSL4MIS does."
                )
            array: npt.NDArray[Any] = file[name][()]
    except OSError as error:
        raise DataSetError(
            f"Expected an HDF5 file at {path}, found that it cannot be read ({error}); "
            "copy it anew."
        ) from error
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3:
        raise DataSetError(
            f"Expected a slice or a volume in '{name}' of {path}, found {array.ndim} axes; "
            "convert it to one 3-D array per case."
        )
    return array

"""Arrays that another program has open, kept as images of a project."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import GeometryError, ImageReadError, ProjectError
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.imaging.geometry import Geometry, require_same_space
from napari_transmedseg.imaging.io import open_image
from napari_transmedseg.project.case_files import make_folder

FOLDER = "images"
_UNSAFE = '/\\:*?"<>|'
_DTYPES = (np.uint8, np.int16, np.uint16, np.int32, np.float32)
_NUM_AXES = 3


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OpenLabels:
    """A label map that is on screen, on the voxels of an image that is open too."""

    name: str
    array: Any
    """Of the shape of the image; read when it is taken over."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class OpenArray:
    """An array that is on screen, and what is known about its place."""

    name: str
    array: npt.NDArray[Any]
    """(I, P, L), or as a viewer shows it where nothing else is known."""
    geometry: Geometry | None = None
    """Where its voxels lie, exactly; None where nobody says."""
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Voxel size along the array's axes, as the viewer draws it."""
    translate: tuple[float, float, float] = (0.0, 0.0, 0.0)
    unit: str = ""
    """Unit of scale and translation; empty where there is none."""
    source: Path | None = None
    """File that it was read from."""
    labels: tuple[OpenLabels, ...] = ()
    """Label maps that are open and lie on its voxels."""

    @property
    def is_placed(self) -> bool:
        """Whether a mask of it would lie at the right place."""
        return self.geometry is not None and self.geometry.known

    def sentence(self) -> str:
        """What is known of size and place, for a person."""
        size = "×".join(map(str, self.array.shape))
        if self.is_placed and self.geometry is not None:
            mm = " × ".join(f"{one:.3g}" for one in self.geometry.display_spacing)
            return f"{size} voxels of {mm} mm; its place is known exactly."
        steps = " × ".join(f"{one:.3g}" for one in self.scale)
        origin = ", ".join(f"{one:.3g}" for one in self.translate)
        return (
            f"{size} voxels, drawn in steps of {steps} {self.unit or 'without unit'} "
            f"from ({origin}); which way up it lies is not known."
        )


def check_array(name: str, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Three axes of real numbers; a single slice gets a first axis of length 1.

    Raises
    ------
    ImageReadError
    """
    if array.ndim == _NUM_AXES - 1:
        array = array[np.newaxis]
    if array.ndim != _NUM_AXES or array.dtype.kind not in "biuf":
        raise ImageReadError(
            f"Expected a volume of real numbers in the layer '{name}', found {array.ndim}-D data "
            f"of {array.dtype}; open one frame or channel as its own layer."
        )
    return array


def adopt(
    opened: OpenArray, project_folder: Path, *, spacing: Sequence[float] | None = None
) -> Path:
    """File that stands for an array: its own where that is the same image, else a new one.

    Parameters
    ----------
    opened
        Array with what is known about it.
    project_folder
        New files go to `images/` below it.
    spacing
        Voxel size in mm along the array's axes that a person vouches for; needed where the place
        is not known. The file then says the size and no place, as that is all that is known.

    Raises
    ------
    GeometryError
        If neither place nor voxel size is known.
    ProjectError
        If the file cannot be written, or there is one of that name already.
    """
    if _is_its_file(opened):
        assert opened.source is not None
        return opened.source
    folder = project_folder / FOLDER
    name = "".join("_" if mark in _UNSAFE else mark for mark in opened.name).strip(". ")
    path = folder / f"{name or 'image'}.nii.gz"
    if path.exists():
        raise ProjectError(
            f"Expected no image at {path}, found one; rename the layer '{opened.name}'."
        )
    content = _encoded(opened, spacing)
    make_folder(folder)
    write_bytes(path, content)
    return path


def _is_its_file(opened: OpenArray) -> bool:
    """Whether the file that an array came from holds one volume of exactly its geometry."""
    if opened.source is None or opened.geometry is None or opened.source.is_dir():
        return False
    try:
        image = open_image(opened.source)
        require_same_space(image.geometry, opened.geometry, "the layer", "its file")
    except (ImageReadError, GeometryError, OSError):
        return False
    return image.num_frames == 1


def _encoded(opened: OpenArray, spacing: Sequence[float] | None) -> bytes:
    array = check_array(opened.name, opened.array)
    stored = np.ascontiguousarray(array).astype(_stored_dtype(array), copy=False)
    if opened.is_placed and opened.geometry is not None:
        geometry = opened.geometry
        source = geometry.to_source(stored)
        image = nib.Nifti1Image(source, geometry.affine)
        image.header.set_xyzt_units("mm")
        image.set_sform(geometry.affine, code=geometry.sform_code or 1)
        image.set_qform(geometry.affine, code=0)
    else:
        if spacing is None or min(spacing) <= 0:
            raise GeometryError(
                f"Expected the voxel size of the layer '{opened.name}', found none; give it in mm "
                "along each axis."
            )
        image = _unplaced(stored, spacing)
    return gzip.compress(image.to_bytes(), compresslevel=1, mtime=0)


def _unplaced(array: npt.NDArray[Any], spacing: Sequence[float]) -> nib.Nifti1Image:
    """Image of a voxel size and no place, which is displayed as the array was."""
    lengths = tuple(reversed(array.shape))
    header = nib.Nifti1Header()
    header.set_data_shape(lengths)
    header.set_zooms(tuple(float(mm) for mm in reversed(tuple(spacing))))
    header.set_xyzt_units("mm")
    guess = Geometry(shape=lengths, affine=header.get_best_affine(), known=False)
    header.set_data_dtype(array.dtype)
    return nib.Nifti1Image(guess.to_source(array), None, header)


def _stored_dtype(array: npt.NDArray[Any]) -> npt.DTypeLike:
    """Narrowest usual data type that holds every value; broken numbers are float32."""
    if array.dtype.kind == "f":
        return np.float32
    low, high = int(array.min()), int(array.max())
    for dtype in _DTYPES[:-1]:
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return dtype
    return np.float64

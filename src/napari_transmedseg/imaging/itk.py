"""NRRD and MetaImage by SimpleITK; its LPS world is turned to RAS+ here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import GeometryError, ImageReadError
from napari_transmedseg.imaging.geometry import Affine, Geometry

if TYPE_CHECKING:
    import SimpleITK as sitk

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
_HEADER_BYTES = 65536


def read_geometry(path: Path) -> Geometry:
    """Read the grid only.

    Raises
    ------
    ImageReadError
        If the file is no such image or holds no single 3-D volume of real numbers.
    """
    with _plain_errors(path, "an image that SimpleITK reads"):
        reader = _open(path)
    return _geometry_of(reader, path)


def read_array(path: Path) -> tuple[npt.NDArray[Any], Geometry]:
    """Read voxels (source order: x, y, z; a view of ITK's z, y, x) and grid.

    Raises
    ------
    ImageReadError
        As `read_geometry`, or if the file is truncated or damaged.
    """
    import SimpleITK as sitk

    with _plain_errors(path, "an image that SimpleITK reads"):
        reader = _open(path)
    geometry = _geometry_of(reader, path)
    with _plain_errors(path, "all voxels that the header promises"):
        data = sitk.GetArrayFromImage(reader.Execute())
    return data.T.reshape(geometry.shape, order="F"), geometry


def affine_of(
    spacing: tuple[float, ...], origin: tuple[float, ...], direction: tuple[float, ...]
) -> Affine:
    """Affine (voxel x, y, z to RAS+ mm) of ITK's spacing, origin and direction (LPS)."""
    affine = np.eye(4)
    affine[:3, :3] = np.array(direction).reshape(3, 3) * np.array(spacing)
    affine[:3, 3] = origin
    ras: Affine = _LPS_TO_RAS @ affine
    return ras


def _open(path: Path) -> sitk.ImageFileReader:
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return reader


def _geometry_of(reader: sitk.ImageFileReader, path: Path) -> Geometry:
    size = tuple(int(n) for n in reader.GetSize())
    if reader.GetNumberOfComponents() != 1:
        raise ImageReadError(
            f"Expected one real number per voxel in {path}, found "
            f"{reader.GetNumberOfComponents()} (colours, a vector or complex numbers); save one "
            "channel as its own image."
        )
    if len(size) < 3 or any(n != 1 for n in size[3:]):
        frames = f" with {size[3]} frames" if len(size) == 4 else ""
        raise ImageReadError(
            f"Expected one 3-D volume in {path}, found {len(size)}-D data{frames}; save the part "
            "that you need as its own 3-D file."
        )
    dim = len(size)
    direction = np.array(reader.GetDirection()).reshape(dim, dim)[:3, :3]
    try:
        return Geometry(
            shape=(size[0], size[1], size[2]),
            affine=affine_of(
                reader.GetSpacing()[:3], reader.GetOrigin()[:3], tuple(direction.ravel())
            ),
            known=_says_where(path),
        )
    except GeometryError as error:
        raise ImageReadError(f"{path}: {error}") from error


def _says_where(path: Path) -> bool:
    """Whether the text header gives voxel size and directions; ITK fills gaps with identity."""
    with path.open("rb") as file:
        text = file.read(_HEADER_BYTES)
    keys = {line.split(mark)[0].strip().lower() for mark, line in _header_lines(text)}
    if path.suffix.lower() in (".mha", ".mhd"):
        sized = keys & {"elementspacing", "elementsize"}
        return bool(sized and keys & {"transformmatrix", "rotation", "orientation"})
    return {"space", "space directions"} <= keys


def _header_lines(text: bytes) -> Iterator[tuple[str, str]]:
    for line in text.decode("latin-1").splitlines():
        if not line.strip():
            return
        if not line.startswith("#"):
            yield ("=" if "=" in line and ":=" not in line and ": " not in line else ":"), line
        if line.lower().startswith("elementdatafile"):
            return


@contextmanager
def _plain_errors(path: Path, expected: str) -> Iterator[None]:
    import SimpleITK as sitk

    if not path.is_file():
        raise ImageReadError(
            f"Expected an image at {path}, found that it is missing; check the path."
        )
    loud = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        reason = lines[-1].rstrip(".")[:160] if lines else "unreadable"
        raise ImageReadError(
            f"Expected {expected} in {path}, found another or a damaged file ({reason}); "
            "choose a medical image or copy the file again."
        ) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(loud)

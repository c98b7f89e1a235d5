"""NIfTI-1 and NIfTI-2 by nibabel: images in, masks out that carry the image's own header."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.analyze import AnalyzeImage
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError

from napari_transmedseg.errors import GeometryError, ImageReadError
from napari_transmedseg.imaging.geometry import Geometry

_MM_PER_UNIT = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}
_INTENT_LABEL = 1002
_NIFTI1_MAX = 32767
_GZIP_FORMAT = 31  # zlib's window bits for a gzip file
_READ_ERRORS = (OSError, EOFError, ValueError, OverflowError, KeyError, zlib.error)


def read_geometry(path: Path, frame: int | None = None) -> Geometry:
    """Read the grid only.

    Raises
    ------
    ImageReadError
        If the file is no NIfTI image or holds no single 3-D volume of real numbers.
    """
    return _geometry_of(_load(path), path, frame)


def read_array(path: Path, frame: int | None = None) -> tuple[npt.NDArray[Any], Geometry]:
    """Read voxels (source order, scaling applied) and grid.

    Unscaled, uncompressed images come memory-mapped; scaled ones as floats.

    Raises
    ------
    ImageReadError
        As `read_geometry`, or if the file is truncated or damaged.
    """
    image = _load(path)
    geometry = _geometry_of(image, path, frame)
    try:
        data = _voxels(image, frame)
    except FileNotFoundError as error:
        raise ImageReadError(
            f"Expected the voxels of {path} in {error.filename}, found no such file; "
            "put it back beside the header."
        ) from error
    except (*_READ_ERRORS, HeaderDataError) as error:
        raise ImageReadError(
            f"Expected all voxels that the header of {path} promises, found a truncated or "
            f"damaged file ({_first_line(error)}); copy or download it again."
        ) from error
    return data.reshape(geometry.shape, order="F"), geometry


def encode_labels(array: npt.NDArray[Any], geometry: Geometry, *, compress: bool) -> bytes:
    """Make the bytes of a mask file.

    Parameters
    ----------
    array
        Classes in source order, uint8 or uint16.
    geometry
        The image's; its header is kept except for data type, scaling and display range.
    compress
        Whether to gzip (the same labels always give the same bytes).

    Raises
    ------
    GeometryError
        If the geometry is unknown.
    """
    if not geometry.known:
        raise GeometryError(
            "Expected an image that says where its voxels lie, found one without position and "
            "orientation; convert the original again so that they are kept (NIfTI with sform or "
            "qform)."
        )
    header = _mask_header(array, geometry)
    stored = array.astype(header.get_data_dtype(), copy=False)
    head = header.binaryblock.ljust(int(header["vox_offset"]), b"\0")
    voxels = np.asfortranarray(stored).T.data.cast("B")
    if not compress:
        return b"".join((head, voxels))
    # Runs of one class are all there is to find: as small as the default, and twice as fast.
    gzip = zlib.compressobj(1, zlib.DEFLATED, _GZIP_FORMAT, 9, zlib.Z_RLE)
    return b"".join((gzip.compress(head), gzip.compress(voxels), gzip.flush()))


def _load(path: Path) -> AnalyzeImage:
    try:
        image = nib.load(path)
    except FileNotFoundError as error:
        raise ImageReadError(
            f"Expected an image at {path}, found that {error.filename or path} is missing; "
            "check the path."
        ) from error
    except (*_READ_ERRORS, nib.filebasedimages.ImageFileError, HeaderDataError) as error:
        raise ImageReadError(
            f"Expected a NIfTI image in {path}, found something else or a damaged header "
            f"({_first_line(error)}); choose a medical image or copy the file again."
        ) from error
    if not isinstance(image, AnalyzeImage):
        raise ImageReadError(
            f"Expected a NIfTI image in {path}, found {type(image).__name__}; convert it to NIfTI."
        )
    return image


def _geometry_of(image: AnalyzeImage, path: Path, frame: int | None) -> Geometry:
    _check_real(image, path)
    shape = _spatial_shape(image.shape, path, frame)
    header = image.header
    if not isinstance(header, Nifti1Header):
        return _guard(path, shape=shape, affine=image.affine, known=False)
    unit = str(header.get_xyzt_units()[0])
    affine = np.array(image.affine, dtype=np.float64)
    affine[:3] *= _MM_PER_UNIT.get(unit, 1.0)
    qform_code, sform_code = int(header["qform_code"]), int(header["sform_code"])
    return _guard(
        path,
        shape=shape,
        affine=affine,
        known=qform_code > 0 or sform_code > 0,
        qform_code=qform_code,
        sform_code=sform_code,
        units=unit,
        header=header.binaryblock,
    )


def _guard(path: Path, **facts: Any) -> Geometry:
    try:
        return Geometry(**facts)
    except GeometryError as error:
        raise ImageReadError(f"{path}: {error}") from error


def _check_real(image: AnalyzeImage, path: Path) -> None:
    dtype = image.get_data_dtype()
    kind = {"c": "complex numbers", "V": "colours (RGB)"}.get(dtype.kind)
    if kind is not None:
        raise ImageReadError(
            f"Expected one real number per voxel in {path}, found {kind}; "
            "save the magnitude or one channel as its own image."
        )


def _spatial_shape(shape: tuple[int, ...], path: Path, frame: int | None) -> tuple[int, int, int]:
    spatial = shape[:3]
    extra = [n for n in shape[3:] if n != 1]
    if len(spatial) < 2 or 0 in shape:
        raise ImageReadError(
            f"Expected a 3-D volume in {path}, found shape {shape}; choose another file."
        )
    if len(extra) > 1 or (extra and len(shape) != 4):
        raise ImageReadError(
            f"Expected one 3-D volume in {path}, found {len(shape)}-D data of shape {shape}; "
            "save the part that you need as its own 3-D file."
        )
    if extra and frame is None:
        raise ImageReadError(
            f"Expected one 3-D volume in {path}, found 4-D data with {extra[0]} frames; save the "
            f"frame that you need (0 to {extra[0] - 1}) as its own 3-D file."
        )
    if frame is not None and not 0 <= frame < (extra[0] if extra else 1):
        raise ImageReadError(
            f"Expected a frame from 0 to {(extra[0] if extra else 1) - 1} of {path}, "
            f"found {frame}; choose one of these."
        )
    return (spatial[0], spatial[1], spatial[2] if len(spatial) == 3 else 1)


def _voxels(image: AnalyzeImage, frame: int | None) -> npt.NDArray[Any]:
    proxy: Any = image.dataobj
    if frame is not None and image.ndim == 4:
        data = np.asarray(proxy[..., frame])
    elif (proxy.slope, proxy.inter) == (1, 0):
        data = np.asarray(proxy)
    else:
        data = np.asarray(image.get_fdata(caching="unchanged", dtype=np.float32))
    if not data.dtype.isnative:
        data = data.astype(data.dtype.newbyteorder("="))
    return data if data.dtype.itemsize <= 8 else data.astype(np.float64)


def _mask_header(array: npt.NDArray[Any], geometry: Geometry) -> Nifti1Header:
    header = _kept_header(geometry)
    if header is None:
        header = _new_header(geometry)
    header.set_data_dtype(array.dtype)
    shape = tuple(int(n) for n in header.get_data_shape())
    if shape[:3] + (1,) * (3 - len(shape)) != array.shape or np.prod(shape) != array.size:
        header.set_data_shape(array.shape)
    header["scl_slope"], header["scl_inter"] = 1.0, 0.0
    header["cal_min"], header["cal_max"] = 0.0, 0.0
    header["intent_code"] = _INTENT_LABEL
    for name in ("intent_p1", "intent_p2", "intent_p3"):
        header[name] = 0.0
    single = Nifti2Header if isinstance(header, Nifti2Header) else Nifti1Header
    header["magic"] = single.single_magic
    header["vox_offset"] = single.single_vox_offset
    return header


def _kept_header(geometry: Geometry) -> Nifti1Header | None:
    """Header of the source when it still describes this grid."""
    if geometry.header is None:
        return None
    kind = Nifti2Header if len(geometry.header) == Nifti2Header.sizeof_hdr else Nifti1Header
    header: Nifti1Header = kind(geometry.header, check=False)  # type: ignore[no-untyped-call]
    affine = header.get_best_affine()
    affine[:3] *= _MM_PER_UNIT.get(geometry.units, 1.0)
    return header if np.allclose(affine, geometry.affine, rtol=1e-6, atol=1e-6) else None


def _new_header(geometry: Geometry) -> Nifti1Header:
    header = Nifti2Header() if max(geometry.shape) > _NIFTI1_MAX else Nifti1Header()
    header.set_data_shape(geometry.shape)
    header.set_xyzt_units("mm")
    header.set_sform(geometry.affine, code=geometry.sform_code or 1)
    directions = geometry.affine[:3, :3] / np.array(geometry.spacing)
    rigid = np.allclose(directions.T @ directions, np.eye(3), atol=1e-4)
    header.set_qform(geometry.affine, code=1 if rigid else 0, strip_shears=True)
    return header


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")[:160]

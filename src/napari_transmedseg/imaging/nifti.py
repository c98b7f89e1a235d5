"""NIfTI, Analyze and MGH headers by nibabel; masks out that carry the image's own header."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import IO, Any

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.analyze import AnalyzeImage
from nibabel.freesurfer.mghformat import MGHError, MGHHeader, MGHImage
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError, SpatialImage

from napari_transmedseg.errors import GeometryError, ImageReadError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.opened import OpenedImage, make_geometry
from napari_transmedseg.imaging.raw import Encoding, RawVoxels

_MM_PER_UNIT = {"meter": 1000.0, "mm": 1.0, "micron": 0.001, "unknown": 1.0}
_INTENT_LABEL = 1002
_INTENT_ESTIMATE = 1001
_NIFTI1_MAX = 32767
_GZIP_FORMAT = 31  # zlib's window bits for a gzip file
_LABEL = re.compile(r'<Label Key="(\d{1,5})"([^>]*)><!\[CDATA\[([^\]]{1,99})\]\]>')
_COLOUR = re.compile(r'(?:Red|Green|Blue)="(\d(?:\.\d{1,20})?)"')
_READ_ERRORS = (
    OSError, EOFError, ValueError, OverflowError, KeyError, MemoryError, MGHError, zlib.error
)  # fmt: skip


def open_image(path: Path) -> OpenedImage:
    """Read the header.

    Raises
    ------
    ImageReadError
        If the file is no NIfTI, Analyze or MGH image of one real number per voxel.
    """
    image = _load(path)
    _check_real(image, path)
    spatial, num_frames = _spatial_shape(image.shape, path)
    geometry = _geometry_of(image, path, spatial)

    def load(frame: int) -> npt.NDArray[Any]:
        return _voxels(image, path, spatial, num_frames, frame)

    names, colors = _label_table(image)
    return OpenedImage(
        geometry=geometry,
        load=load,
        num_frames=num_frames,
        label_names=names,
        label_colors=colors,
    )


def encode_labels(
    array: npt.NDArray[Any], geometry: Geometry, *, compress: bool, slope: float = 1.0
) -> bytes:
    """Make the bytes of a mask file.

    Parameters
    ----------
    array
        Classes in source order, uint8 or uint16; or probabilities, float32.
    geometry
        The image's; its header is kept except for data type, scaling and display range.
    compress
        Whether to gzip (the same labels always give the same bytes).
    slope
        What a stored value is multiplied with when it is read; other than 1 for measurements,
        which are no classes.

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
    header = _mask_header(array, geometry, slope)
    stored = array.astype(header.get_data_dtype(), copy=False)
    head = header.binaryblock.ljust(int(header["vox_offset"]), b"\0")
    voxels = np.asfortranarray(stored).T.data.cast("B")
    if not compress:
        return b"".join((head, voxels))
    # Runs of one class are all there is to find: as small as the default, and twice as fast.
    gzip = zlib.compressobj(1, zlib.DEFLATED, _GZIP_FORMAT, 9, zlib.Z_RLE)
    return b"".join((gzip.compress(head), gzip.compress(voxels), gzip.flush()))


def _load(path: Path) -> SpatialImage:
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
    if not isinstance(image, AnalyzeImage | MGHImage):
        raise ImageReadError(
            f"Expected a NIfTI image in {path}, found {type(image).__name__}; convert it to NIfTI."
        )
    return image


def _label_table(image: SpatialImage) -> tuple[dict[int, str], dict[int, str]]:
    """Names and colours of labels, as TotalSegmentator writes them into a header extension."""
    names: dict[int, str] = {}
    colors: dict[int, str] = {}
    for extension in getattr(image.header, "extensions", []):
        content = getattr(extension, "content", b"")
        text = content.decode("utf-8", "replace") if isinstance(content, bytes) else ""
        for key, attributes, name in _LABEL.findall(text):
            names[int(key)] = name
            parts = [float(number) for number in _COLOUR.findall(attributes)]
            if len(parts) == 3 and max(parts) <= 1:
                colors[int(key)] = "#" + "".join(f"{round(255 * part):02x}" for part in parts)
    return names, colors


def _geometry_of(image: SpatialImage, path: Path, shape: tuple[int, int, int]) -> Geometry:
    header = image.header
    if isinstance(header, MGHHeader):
        known = bool(header["goodRASFlag"] > 0)
        return make_geometry(path, shape=shape, affine=image.affine, known=known)
    if not isinstance(header, Nifti1Header):
        return make_geometry(path, shape=shape, affine=image.affine, known=False)
    try:
        unit = str(header.get_xyzt_units()[0])
    except KeyError:
        unit = "unknown"
    affine = np.array(image.affine, dtype=np.float64)
    affine[:3] *= _MM_PER_UNIT.get(unit, 1.0)
    qform_code, sform_code = int(header["qform_code"]), int(header["sform_code"])
    return make_geometry(
        path,
        shape=shape,
        affine=affine,
        known=qform_code > 0 or sform_code > 0,
        qform_code=qform_code,
        sform_code=sform_code,
        units=unit,
        header=header.binaryblock,
    )


def _check_real(image: SpatialImage, path: Path) -> None:
    dtype = image.get_data_dtype()
    kind = {"c": "complex numbers", "V": "colours (RGB)"}.get(dtype.kind)
    if kind is not None:
        raise ImageReadError(
            f"Expected one real number per voxel in {path}, found {kind}; "
            "save the magnitude or one channel as its own image."
        )


def _spatial_shape(shape: tuple[int, ...], path: Path) -> tuple[tuple[int, int, int], int]:
    """Shape of one volume, and how many there are."""
    spatial = tuple(int(n) for n in shape[:3])
    extra = [int(n) for n in shape[3:] if n != 1]
    if len(spatial) < 2 or min(shape) < 1:
        raise ImageReadError(
            f"Expected a 3-D volume in {path}, found shape {shape}; choose another file."
        )
    if len(extra) > 1:
        raise ImageReadError(
            f"Expected one 3-D volume in {path}, found {len(shape)}-D data of shape {shape}; "
            "save the part that you need as its own 3-D file."
        )
    depth = spatial[2] if len(spatial) == 3 else 1
    return (spatial[0], spatial[1], depth), extra[0] if extra else 1


def _voxels(
    image: SpatialImage, path: Path, spatial: tuple[int, int, int], num_frames: int, frame: int
) -> npt.NDArray[Any]:
    proxy: Any = image.dataobj
    file = Path(str(image.file_map["image"].filename))
    raw = RawVoxels(
        path=file,
        header=path,
        shape=(*spatial, num_frames),
        dtype=proxy.dtype,
        encoding=_encoding(file, path),
        skip=int(proxy.offset),
    )
    data = raw.load()[..., frame]
    if num_frames > 1 and not isinstance(data, np.memmap):
        data = data.copy(order="F")  # the other frames need not stay
    if (proxy.slope, proxy.inter) != (1, 0):
        return _scaled(data, float(proxy.slope), float(proxy.inter))
    return data if data.dtype.itemsize <= 8 else data.astype(np.float64)


def _encoding(file: Path, header: Path) -> Encoding:
    with _opened(file, header) as stream:
        magic = stream.read(3)
    if magic[:2] == b"\x1f\x8b":
        return "gzip"
    return "bzip2" if magic == b"BZh" and file.suffix == ".bz2" else "raw"


def _opened(file: Path, header: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        raise ImageReadError(
            f"Expected the voxels of {header} in {file}, found no such file; put it back beside "
            "the header."
        ) from error


def _scaled(data: npt.NDArray[Any], slope: float, inter: float) -> npt.NDArray[np.float32]:
    """Intensities in the file's unit; one plane at a time, so that nothing is held twice."""
    scaled = np.empty(data.shape, dtype=np.float32, order="F")
    for plane in range(data.shape[2]):
        scaled[..., plane] = data[..., plane] * np.float64(slope) + np.float64(inter)
    return scaled


def _mask_header(array: npt.NDArray[Any], geometry: Geometry, slope: float) -> Nifti1Header:
    header = _kept_header(geometry)
    if header is None:
        header = _new_header(geometry)
    header.set_data_dtype(array.dtype)
    shape = tuple(int(n) for n in header.get_data_shape())
    if shape[:3] + (1,) * (3 - len(shape)) != array.shape or np.prod(shape) != array.size:
        header.set_data_shape(array.shape)
    header["scl_slope"], header["scl_inter"] = slope, 0.0
    header["cal_min"], header["cal_max"] = 0.0, 0.0
    are_classes = array.dtype.kind != "f" and slope == 1.0
    header["intent_code"] = _INTENT_LABEL if are_classes else _INTENT_ESTIMATE
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

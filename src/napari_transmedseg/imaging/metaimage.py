"""MetaImage (.mha, .mhd) in; LPS in the file, RAS+ here."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging.geometry import Affine
from napari_transmedseg.imaging.opened import OpenedImage, make_geometry
from napari_transmedseg.imaging.raw import RawVoxels
from napari_transmedseg.imaging.text_header import (
    beside,
    dtype_of,
    numbers,
    read_head,
    refuse,
    sizes,
)

_CODES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4",
    "MET_UINT": "u4", "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4", "MET_DOUBLE": "f8",
}  # fmt: skip
_MATRIX_KEYS = ("transformmatrix", "rotation", "orientation")
_ORIGIN_KEYS = ("offset", "position", "origin")


def open_image(path: Path) -> OpenedImage:
    """Read the header.

    Raises
    ------
    ImageReadError
        If the file is no MetaImage of one real number per voxel, or uses what is not read.
    """
    fields, length = _read_header(path)
    shape = sizes(fields.get("dimsize", ""), path)
    channels = sizes(fields.get("elementnumberofchannels", "1"), path)[0]
    _check_kind(fields, channels, path)
    extra = [n for n in shape[3:] if n > 1]
    if len(shape) < 2 or len(extra) + (channels > 1) > 1:
        raise ImageReadError(
            f"Expected one 3-D volume in {path}, found {len(shape)}-D data of shape {shape}; save "
            "the part that you need as its own 3-D file."
        )
    spatial = (shape[0], shape[1], shape[2] if len(shape) > 2 else 1)
    affine, known = _affine(fields, len(shape))
    frames = extra[0] if extra else channels
    return OpenedImage(
        geometry=make_geometry(path, shape=spatial, affine=affine, known=known),
        load=partial(_load, fields, length, spatial, frames, channels > 1, path),
        num_frames=frames,
        header=fields,
    )


def _read_header(path: Path) -> tuple[dict[str, str], int]:
    """Fields by lower-case key, and the header's length in bytes."""
    head = read_head(path)
    end = re.search(rb"^[ \t]*ElementDataFile[ \t]*=[^\n]*(?:\n|\Z)", head, re.MULTILINE | re.I)
    if end is None or not re.search(rb"^[ \t]*DimSize[ \t]*=", head[: end.end()], re.M | re.I):
        refuse(path, "a MetaImage", "another format or a damaged header")
    fields: dict[str, str] = {}
    for line in head[: end.end()].decode("utf-8", "replace").splitlines():
        if "=" in line:
            key, value = line.split("=", 1)
            fields[key.strip().lower()] = value.strip()
    return fields, end.end()


def _check_kind(fields: dict[str, str], channels: int, path: Path) -> None:
    element = fields.get("elementtype", "").upper()
    modality = element.removesuffix("_ARRAY")
    if channels in (3, 4) and modality == "MET_UCHAR":
        raise ImageReadError(
            f"Expected one real number per voxel in {path}, found colours (RGB); save one "
            "channel as its own image."
        )
    if modality not in _CODES:
        refuse(path, "a number type of MetaImage", f"'{element[:40]}'")


def _affine(fields: dict[str, str], dimension: int) -> tuple[Affine, bool]:
    """Affine to RAS+ mm, and whether the header says all of it."""
    affine = np.eye(4)
    found = [key for key in _MATRIX_KEYS if key in fields]
    matrix = numbers(fields[found[0]]) if found else []
    used = min(dimension, 3)
    directed = len(matrix) == dimension**2
    if directed:  # one row per axis of the file
        square = np.array(matrix).reshape(dimension, dimension)
        affine[:used, :used] = square[:used, :used].T
    spacing = numbers(fields.get("elementspacing", fields.get("elementsize", "")))
    sized = len(spacing) == dimension
    if sized:
        affine[:3, :used] *= np.array(spacing[:used])
    origin = numbers(next((fields[key] for key in _ORIGIN_KEYS if key in fields), ""))
    if len(origin) == dimension:
        affine[:used, 3] = origin[:used]
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine, directed and sized and dimension >= 3


def _load(
    fields: dict[str, str],
    length: int,
    spatial: tuple[int, int, int],
    frames: int,
    interleaved: bool,
    path: Path,
    frame: int,
) -> npt.NDArray[Any]:
    shape = (frames, *spatial) if interleaved else (*spatial, frames)
    data = _raw(fields, length, shape, path).load()
    cut: npt.NDArray[Any] = data[frame] if interleaved else data[..., frame]
    if frames > 1 and not isinstance(cut, np.memmap):
        return cut.copy(order="F")  # the other frames need not stay
    return cut


def _raw(fields: dict[str, str], length: int, shape: tuple[int, ...], path: Path) -> RawVoxels:
    name = fields["elementdatafile"]
    if name.upper().startswith("LIST") or "%" in name:
        refuse(path, "the voxels in one file", "a list of files")
    if fields.get("binarydata", "true").lower() == "false":
        refuse(path, "binary voxels", "text")
    local = name.upper() == "LOCAL"
    big = fields.get("binarydatabyteordermsb", fields.get("elementbyteordermsb", "false"))
    compressed = fields.get("compresseddata", "false").lower() == "true"
    header_size = int((numbers(fields.get("headersize", "0")) or [0.0])[0])
    if header_size < -1 or (header_size and compressed):
        refuse(path, "a header size from -1 on, of uncompressed voxels", str(header_size))
    return RawVoxels(
        path=path if local else beside(path, name),
        header=path,
        shape=shape,
        dtype=dtype_of(
            _CODES[fields["elementtype"].upper().removesuffix("_ARRAY")],
            big_endian=big.lower() == "true",
        ),
        encoding="zlib" if compressed else "raw",
        offset=length if local else 0,
        skip=header_size,
    )

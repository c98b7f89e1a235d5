"""NRRD in: attached or detached headers, whatever the order and kind of their axes.

The header's text is parsed here, because a mask must lie on the exact directions: readers that
split them into spacing and rotation lose shear. Format: teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging.geometry import Affine, Geometry
from napari_transmedseg.imaging.opened import OpenedImage, make_geometry
from napari_transmedseg.imaging.raw import Encoding, RawVoxels
from napari_transmedseg.imaging.text_header import (
    MAX_AXES,
    beside,
    dtype_of,
    numbers,
    read_head,
    refuse,
    sizes,
)

_TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
_CODES = {name: code for code, names in _TYPES.items() for name in names}
_ENCODINGS: dict[str, Encoding] = {
    "raw": "raw", "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2"
}  # fmt: skip
_TEXT_ENCODINGS = ("ascii", "text", "txt")
_TO_RAS = {
    "right-anterior-superior": (1.0, 1.0, 1.0), "ras": (1.0, 1.0, 1.0),
    "left-anterior-superior": (-1.0, 1.0, 1.0), "las": (-1.0, 1.0, 1.0),
    "left-posterior-superior": (-1.0, -1.0, 1.0), "lps": (-1.0, -1.0, 1.0),
}  # fmt: skip
_COLOUR_KINDS = ("rgb-color", "rgba-color", "hsv-color", "xyz-color", "3-color", "4-color")


def open_image(path: Path) -> OpenedImage:
    """Read the header.

    Raises
    ------
    ImageReadError
        If the file is no NRRD image of one real number per voxel, or uses what is not read.
    """
    fields, length = read_header(path)
    shape = sizes(fields.get("sizes", ""), path)
    spatial, frame_axis = _axes(fields, shape, path)
    geometry = _geometry_of(fields, shape, spatial, path)
    return OpenedImage(
        geometry=geometry,
        load=partial(_load, fields, length, shape, spatial, frame_axis, geometry, path),
        num_frames=1 if frame_axis is None else shape[frame_axis],
        header=fields,
    )


def read_header(path: Path) -> tuple[dict[str, str], int]:
    """Fields (lower case) and key/value pairs of a header, and the header's length in bytes.

    Raises
    ------
    ImageReadError
        If there is none.
    """
    head = read_head(path)
    if not re.match(rb"NRRD000\d\r?\n", head):
        refuse(path, "an NRRD image", "another format or a damaged header")
    end = re.search(rb"\r?\n\r?\n", head)
    length = end.end() if end else len(head)
    fields: dict[str, str] = {}
    for line in head[: end.start() if end else len(head)].decode("utf-8", "replace").splitlines():
        if line.startswith("#") or ":" not in line:
            continue
        key, value = line.split(":", 1)
        if value.startswith("="):
            fields[key.strip()] = value[1:].strip()
        else:
            fields[key.strip().lower()] = value.strip()
    return fields, length


def _axes(
    fields: dict[str, str], shape: tuple[int, ...], path: Path
) -> tuple[tuple[int, ...], int | None]:
    """Axes of the file that are x, y, z, and the one that counts frames or channels."""
    kinds = fields.get("kinds", "").lower().split()
    if any(kind in _COLOUR_KINDS for kind in kinds) or _looks_like_colours(fields, shape, kinds):
        raise ImageReadError(
            f"Expected one real number per voxel in {path}, found colours (RGB); save one "
            "channel as its own image."
        )
    if "complex" in kinds:
        raise ImageReadError(
            f"Expected one real number per voxel in {path}, found complex numbers; save the "
            "magnitude as its own image."
        )
    directions = _split_vectors(fields.get("space directions", ""))
    if len(directions) == len(shape):
        spatial = [axis for axis, vector in enumerate(directions) if vector is not None]
    elif len(kinds) == len(shape):
        spatial = [axis for axis, kind in enumerate(kinds) if kind in ("domain", "space", "???")]
    else:
        spatial = list(range(len(shape)))[:3]
    spatial = spatial[:3] if len(spatial) == len(shape) == 4 else spatial
    others = [axis for axis in range(len(shape)) if axis not in spatial and shape[axis] > 1]
    if not 2 <= len(spatial) <= 3 or len(others) > 1:
        raise ImageReadError(
            f"Expected one 3-D volume in {path}, found {len(shape)}-D data of shape {shape}; save "
            "the part that you need as its own 3-D file."
        )
    return tuple(spatial), others[0] if others else None


def _looks_like_colours(fields: dict[str, str], shape: tuple[int, ...], kinds: list[str]) -> bool:
    """A vector of three or four bytes first is how photographs are stored."""
    vector = bool(kinds) and kinds[0] == "vector" and shape[0] in (3, 4)
    return vector and _CODES.get(fields.get("type", "").lower()) == "u1"


def _geometry_of(
    fields: dict[str, str], shape: tuple[int, ...], spatial: tuple[int, ...], path: Path
) -> Geometry:
    affine, known = _affine(fields, len(shape), spatial)
    space = [shape[axis] for axis in spatial] + [1] * (3 - len(spatial))
    return make_geometry(path, shape=tuple(space), affine=affine, known=known)


def _affine(
    fields: dict[str, str], dimension: int, spatial: tuple[int, ...]
) -> tuple[Affine, bool]:
    """Affine to RAS+ mm, and whether the header says all of it."""
    affine = np.eye(4)
    to_ras = _TO_RAS.get(fields.get("space", "").lower())
    vectors = _split_vectors(fields.get("space directions", ""))
    columns = [vectors[axis] or [] for axis in spatial] if len(vectors) == dimension else []
    length = len(columns[0]) if columns else 0
    if 2 <= length <= 3 and all(len(column) == length for column in columns):
        for axis, column in enumerate(columns):
            affine[:length, axis] = column
        if len(columns) == 2:
            normal = np.cross(affine[:3, 0], affine[:3, 1])
            affine[:3, 2] = normal / (np.linalg.norm(normal) or 1.0)
    else:
        for axis, size in enumerate(_spacings(fields, dimension, spatial)):
            affine[axis, axis] = size
    origin = numbers(fields.get("space origin", ""))
    if len(origin) == 3:
        affine[:3, 3] = origin
    signs = np.diag([*(to_ras or _TO_RAS["lps"]), 1.0])
    return signs @ affine, bool(to_ras and len(columns) == length == 3)


def _spacings(fields: dict[str, str], dimension: int, spatial: tuple[int, ...]) -> list[float]:
    words = fields.get("spacings", "").split()
    if len(words) != dimension:
        return [1.0] * len(spatial)
    found = [numbers(words[axis]) for axis in spatial]
    return [abs(value[0]) if value and value[0] else 1.0 for value in found]


def _split_vectors(text: str) -> list[list[float] | None]:
    found = re.findall(r"none|\([^()]*\)", text.lower())[:MAX_AXES]
    return [None if item == "none" else numbers(item) for item in found]


def _load(
    fields: dict[str, str],
    length: int,
    shape: tuple[int, ...],
    spatial: tuple[int, ...],
    frame_axis: int | None,
    geometry: Geometry,
    path: Path,
    frame: int,
) -> npt.NDArray[Any]:
    data = _read(fields, length, shape, path)
    if frame_axis is not None:
        data = (
            data.take(frame, axis=frame_axis)
            if not _mapped(data)
            else _cut(data, frame_axis, frame)
        )
        spatial = tuple(axis - (axis > frame_axis) for axis in spatial)
    rest = [axis for axis in range(data.ndim) if axis not in spatial]
    return data.transpose((*spatial, *rest)).reshape(geometry.shape, order="F")


def _mapped(data: npt.NDArray[Any]) -> bool:
    return isinstance(data, np.memmap)


def _cut(data: npt.NDArray[Any], axis: int, index: int) -> npt.NDArray[Any]:
    view: npt.NDArray[Any] = np.moveaxis(data, axis, 0)[index]
    return view


def _read(
    fields: dict[str, str], length: int, shape: tuple[int, ...], path: Path
) -> npt.NDArray[Any]:
    code = _CODES.get(fields.get("type", "").lower())
    if code is None:
        refuse(path, "a number type of NRRD", f"'{fields.get('type', 'none')[:40]}'")
    encoding = fields.get("encoding", "").lower()
    name = fields.get("data file", fields.get("datafile"))
    file = path if name is None else beside(path, name)
    offset = length if name is None else 0
    if name is not None and (name.upper().startswith("LIST") or "%" in name):
        refuse(path, "the voxels in one file", "a list of files")
    line_skip, byte_skip = (
        _count(fields, "line skip", path), _count(fields, "byte skip", path)
    )  # fmt: skip
    dtype = dtype_of(code, big_endian=fields.get("endian", "little").lower() == "big")
    if encoding in _TEXT_ENCODINGS:
        return _read_text(file, offset, shape, dtype)
    if encoding not in _ENCODINGS:
        refuse(path, "raw, gzip, bzip2 or text voxels", f"'{encoding[:40]}'")
    raw = RawVoxels(
        path=file,
        header=path,
        shape=shape,
        dtype=dtype,
        encoding=_ENCODINGS[encoding],
        offset=offset + _skipped(file, offset, line_skip),
        skip=_to_the_end(byte_skip, path),
        exact=name is not None and byte_skip == 0 and line_skip == 0,
    )
    return raw.load()


def _count(fields: dict[str, str], key: str, path: Path) -> int:
    text = fields.get(key, fields.get(key.replace(" ", ""), "0"))
    try:
        return int(text)
    except ValueError:
        refuse(path, f"a whole number as {key}", f"'{text[:40]}'")


def _to_the_end(byte_skip: int, path: Path) -> int:
    if byte_skip < -1:
        refuse(path, "a byte skip from -1 on", str(byte_skip))
    return byte_skip


def _skipped(file: Path, offset: int, lines: int) -> int:
    """Length in bytes of the lines that are left out before the voxels."""
    if lines <= 0:
        return 0
    head = read_head(file)[offset:]
    parts = head.split(b"\n", lines)
    return len(head) - len(parts[-1]) if len(parts) > lines else len(head)


def _read_text(
    file: Path, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    count = int(np.prod(shape, dtype=np.float64))
    try:
        if count > file.stat().st_size:
            raise ValueError
        words = file.read_bytes()[offset:].split()
        values = np.array([float(word) for word in words[:count]])
        if len(values) != count or not np.isfinite(values).all():
            raise ValueError
        if dtype.kind in "iu" and not _fits(values, dtype):
            raise ValueError
    except (OSError, ValueError, MemoryError) as error:
        raise ImageReadError(
            f"Expected {count} numbers as text in {file}, found others or fewer; copy the file "
            "again."
        ) from error
    return values.astype(dtype.newbyteorder("=")).reshape(shape, order="F")


def _fits(values: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> bool:
    limits = np.iinfo(dtype)
    return bool(values.min() >= limits.min and values.max() <= limits.max)

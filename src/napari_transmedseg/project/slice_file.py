"""Slices of one case in one small file: autosaves, snapshots and rescued slices.

Layout: 4 bytes of magic, length and CRC-32 of the header (4 bytes each, little endian), the header
(JSON), and the slices one after the other, compressed by zlib. Their sizes and checksum stand in
the header, so that a damaged file is told from a whole one, and nothing is unpacked that is larger
than it says.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.json_file import parse_json
from napari_transmedseg.project.ledger import Ledger

_MAGIC = b"TMS1"
_PREFIX = struct.Struct("<4sII")
_MAX_HEADER = 16 * 2**20
_MAX_VOXELS = 2**33
_FAST = 1
_DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error)


@dataclass(frozen=True, slots=True, eq=False)
class StoredSlices:
    """Slices of a case with its ledger, as they were at one moment."""

    slices: dict[int, npt.NDArray[np.uint8]]
    """Classes (Y, X) by slice index."""
    ledger: Ledger
    is_whole: bool
    """Whether the slices that are not listed are blank; else they were left as they are."""
    when: str
    """ISO 8601 with time zone."""
    reason: str = ""
    """Why it was kept, for a person."""
    class_names: tuple[str, ...] = ()
    """Names of the values 1, 2, … then; empty where that does not matter."""
    num_removed: int | None = None
    """Classes that had been removed from the project by then; None where that is not known."""


@dataclass(frozen=True, slots=True)
class SlicesHeader:
    """What such a file says about itself, without its voxels."""

    ledger: Ledger
    indices: tuple[int, ...]
    shape_YX: tuple[int, int]
    is_whole: bool
    when: str
    reason: str
    class_names: tuple[str, ...]
    num_removed: int | None
    checksum: int
    """Of slices and ledger, whatever time and reason."""


def encode_slices(stored: StoredSlices) -> bytes:
    """Content of a file; fast rather than small."""
    indices = sorted(stored.slices)
    planes = [np.ascontiguousarray(stored.slices[index], dtype=np.uint8) for index in indices]
    packer = zlib.compressobj(_FAST)
    packed = b"".join([*(packer.compress(plane.data) for plane in planes), packer.flush()])
    ledger = stored.ledger.as_json()
    header = {
        "num_slices": len(stored.ledger),
        "slices": ledger,
        "indices": indices,
        "shape": list(planes[0].shape) if planes else [0, 0],
        "is_whole": stored.is_whole,
        "when": stored.when,
        "reason": stored.reason,
        "classes": list(stored.class_names),
        "num_removed": stored.num_removed,
        "checksum": _checksum(packed, ledger, indices),
    }
    text = json.dumps(header).encode()
    return _PREFIX.pack(_MAGIC, len(text), zlib.crc32(text)) + text + packed


def parse_header(content: bytes) -> SlicesHeader:
    """Header of the content of a file that is known to be whole."""
    stream = io.BytesIO(content)
    return _header_of(stream.read(_PREFIX.size), stream.read)


def read_header(path: Path) -> SlicesHeader:
    """Read what a file holds.

    Raises
    ------
    ProjectError
        If it is damaged or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _header_of(file.read(_PREFIX.size), file.read)
    except _DAMAGE as error:
        raise _damaged(path, error) from error


def read_slices(path: Path) -> StoredSlices:
    """Read a file whole; errors as in `read_header`."""
    try:
        with path.open("rb") as file:
            header = _header_of(file.read(_PREFIX.size), file.read)
            packed = file.read()
        planes = _unpack(header, packed)
    except (*_DAMAGE, zlib.error) as error:
        raise _damaged(path, error) from error
    return StoredSlices(
        slices=dict(zip(header.indices, planes, strict=True)),
        ledger=header.ledger,
        is_whole=header.is_whole,
        when=header.when,
        reason=header.reason,
        class_names=header.class_names,
        num_removed=header.num_removed,
    )


def _header_of(prefix: bytes, read: Any) -> SlicesHeader:
    magic, length, checksum = _PREFIX.unpack(prefix)
    if magic != _MAGIC or length > _MAX_HEADER:
        raise ValueError("no slices")
    text = read(length)
    if zlib.crc32(text) != checksum:
        raise ValueError("a wrong checksum")
    content = parse_json(text)
    num_slices = int(content["num_slices"])
    indices = tuple(int(index) for index in content["indices"])
    rows, columns = (int(n) for n in content["shape"])
    if not 0 < num_slices <= 2**16 or not 0 <= rows * columns * len(indices) <= _MAX_VOXELS:
        raise ValueError("absurd sizes")
    if list(indices) != sorted({index for index in indices if 0 <= index < num_slices}):
        raise ValueError("slices that do not exist")
    num_removed = content.get("num_removed")
    return SlicesHeader(
        ledger=Ledger.from_json(num_slices, content["slices"]),
        indices=indices,
        shape_YX=(rows, columns),
        is_whole=bool(content["is_whole"]),
        when=str(content["when"]),
        reason=str(content["reason"]),
        class_names=tuple(str(name) for name in content["classes"]),
        num_removed=None if num_removed is None else int(num_removed),
        checksum=int(content["checksum"]),
    )


def _unpack(header: SlicesHeader, packed: bytes) -> npt.NDArray[np.uint8]:
    if _checksum(packed, header.ledger.as_json(), list(header.indices)) != header.checksum:
        raise ValueError("a wrong checksum")
    rows, columns = header.shape_YX
    size = rows * columns * len(header.indices)
    content = zlib.decompressobj().decompress(packed, size + 1)
    if len(content) != size:
        raise ValueError("slices of another size")
    return np.frombuffer(content, np.uint8).reshape(len(header.indices), rows, columns)


def _checksum(packed: bytes, ledger: list[dict[str, Any]], indices: list[int]) -> int:
    return zlib.crc32(packed, zlib.crc32(json.dumps([ledger, indices]).encode()))


def _damaged(path: Path, error: Exception) -> ProjectError:
    return ProjectError(
        f"Expected slices that this program saved in {path}, found a damaged file "
        f"({_plain(error)}); delete it to go on without it, or restore a snapshot of the case."
    )


def _plain(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".;")[:120]

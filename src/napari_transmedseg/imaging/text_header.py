"""What the text headers of NRRD and MetaImage have in common: lines, numbers, other files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NoReturn

import numpy as np

from napari_transmedseg.errors import ImageReadError

MAX_HEADER_BYTES = 2**20
MAX_AXES = 16
_LARGEST = 1e12
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?)")


def read_head(path: Path) -> bytes:
    """First bytes of a file, enough for any header.

    Raises
    ------
    ImageReadError
        If the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_HEADER_BYTES)
    except OSError as error:
        raise ImageReadError(
            f"Expected an image at {path}, found that it cannot be read "
            f"({(error.strerror or 'no access').lower()}); check the path."
        ) from error


def refuse(path: Path, what: str, found: str) -> NoReturn:
    """Say that a header is no good."""
    raise ImageReadError(
        f"Expected {what} in {path}, found {found}; choose a medical image or copy the file again."
    )


def numbers(text: str) -> list[float]:
    """All numbers of a text, in order; none where one of them is beyond any measure."""
    found = [float(number) for number in _NUMBER.findall(text)]
    return found if all(abs(number) < _LARGEST for number in found) else []


def sizes(text: str, path: Path) -> tuple[int, ...]:
    """Voxels along each axis.

    Raises
    ------
    ImageReadError
        If they are no whole numbers from 1 on.
    """
    try:
        shape = tuple(int(word) for word in text.split())
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1 or len(shape) > MAX_AXES or max(shape) > 2**40:
        refuse(path, "the number of voxels along each axis", f"'{text[:60]}'")
    return shape


def beside(path: Path, name: str) -> Path:
    """File that a header names, which lies relative to the header.

    Raises
    ------
    ImageReadError
        If the name is empty or cannot be a file's.
    """
    if not name or "\0" in name or len(name) > 4096:
        refuse(path, "the name of the file with the voxels", "none")
    return path.parent / name


def dtype_of(code: str, *, big_endian: bool) -> np.dtype[np.generic]:
    """Data type of a numpy code without byte order."""
    return np.dtype(code).newbyteorder(">" if big_endian else "<")

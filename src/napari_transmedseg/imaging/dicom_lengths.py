"""A look at the lengths in a DICOM file before a reader takes memory for them.

GDCM believes every length and takes the memory at once: a kilobyte with a flipped bit asks for
gigabytes. Elements are walked as PS3.5 section 7 lays them out; values are not looked at.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from napari_transmedseg.errors import ImageReadError

_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_KINDS = _LONG | frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()
)
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_PIXELS = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_TOLERATED = 2**20
_MOST_ELEMENTS = 200_000
_DEPTH = 32
_SYNTAX = 0x00020010
_IMPLICIT = b"1.2.840.10008.1.2"
_BIG_ENDIAN = b"1.2.840.10008.1.2.2"
_DEFLATED = b"1.2.840.10008.1.2.1.99"


def require_plausible_lengths(path: Path) -> None:
    """Refuse a file whose elements promise much more than it holds.

    Raises
    ------
    ImageReadError
        If a length leads far beyond the end of the file, or elements are in disorder.
    """
    size = path.stat().st_size
    if size < 16:
        return  # readers refuse it themselves
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            _Walk(data).file()
        except OverflowError as error:
            raise ImageReadError(
                f"Expected a whole DICOM file in {path}, found a header that promises {error} "
                f"bytes where {size} are; copy the file again."
            ) from error
        except (struct.error, ValueError) as error:
            raise ImageReadError(
                f"Expected a DICOM file in {path}, found elements in disorder: the header is "
                "damaged; copy the file again."
            ) from error


class _Walk:
    """Steps from element to element.

    An `OverflowError` carries an impossible length; a `ValueError` says that the way is lost:
    tags no longer ascend, or nothing is where an element should begin.
    """

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._order = "<"
        self._explicit = True
        self._kind = b""
        self._left = _MOST_ELEMENTS

    def file(self) -> None:
        """Walk the meta information and the data set after it."""
        marked = self._data[128:132] == b"DICM"
        place, syntax = self._meta(132) if marked else (0, b"")
        if syntax == _DEFLATED:
            return
        self._order = ">" if syntax == _BIG_ENDIAN else "<"
        first = self._data[place + 4 : place + 6]
        self._explicit = syntax != _IMPLICIT if marked and syntax else first in _KINDS
        self._elements(place, len(self._data), 0)

    def _meta(self, place: int) -> tuple[int, bytes]:
        syntax = b""
        while place + 8 <= len(self._data) and self._data[place : place + 2] == b"\x02\x00":
            tag, length, start = self._element(place)
            self._require(start, length)
            if tag == _SYNTAX:
                syntax = self._data[start : start + length].rstrip(b"\0 ")
            place = start + length
        return place, syntax

    def _elements(self, place: int, end: int, depth: int) -> int:
        last = -1
        while place + 8 <= end:
            tag, length, start = self._element(place)
            if tag in (_ITEM_END, _SEQUENCE_END):
                return start
            if tag < last and tag != _ITEM:
                raise ValueError
            last = tag if tag != _ITEM else -1
            place = self._value(tag, length, start, end, depth)
        return place

    def _value(self, tag: int, length: int, start: int, end: int, depth: int) -> int:
        """End of a value; sequences and items are walked, whatever their length says."""
        if depth > _DEPTH:
            raise ValueError
        if tag in _PIXELS:
            return (
                self._fragments(start, end) if length == _UNDEFINED else self._over(start, length)
            )
        if self._kind == b"UN":  # unknown sequences are in implicit form (PS3.5 section 6.2.2)
            return self._unknown(length, start, end, depth)
        if length == _UNDEFINED:
            return self._elements(start, end, depth + 1)
        self._require(start, length)
        if tag == _ITEM or self._begins_with_item(start, length):
            self._elements(start, min(end, start + length), depth + 1)
        return start + length

    def _unknown(self, length: int, start: int, end: int, depth: int) -> int:
        if length != _UNDEFINED:
            return self._over(start, length)
        explicit, self._explicit = self._explicit, False
        try:
            return self._elements(start, end, depth + 1)
        finally:
            self._explicit = explicit

    def _fragments(self, place: int, end: int) -> int:
        """Compressed pixels: items of bytes, not of elements."""
        while place + 8 <= end:
            tag, length, start = self._element(place)
            if tag == _SEQUENCE_END:
                return start
            place = self._over(start, length)
        return place

    def _over(self, start: int, length: int) -> int:
        self._require(start, length)
        return start + length

    def _begins_with_item(self, start: int, length: int) -> bool:
        if length < 8 or start + 8 > len(self._data):
            return False
        return self._tag(start) == _ITEM

    def _element(self, place: int) -> tuple[int, int, int]:
        """Tag, length, and where the value begins."""
        self._left -= 1
        if self._left < 0:
            raise ValueError
        tag = self._tag(place)
        kind = self._data[place + 4 : place + 6]
        self._kind = b""
        if tag >> 16 == 0xFFFE or not self._explicit:
            return tag, self._number("I", place + 4), place + 8
        if kind not in _KINDS:
            raise ValueError
        self._kind = kind
        if kind in _LONG:
            return tag, self._number("I", place + 8), place + 12
        return tag, self._number("H", place + 6), place + 8

    def _tag(self, place: int) -> int:
        return self._number("H", place) << 16 | self._number("H", place + 2)

    def _number(self, kind: str, place: int) -> int:
        (number,) = struct.unpack_from(self._order + kind, self._data, place)
        return int(number)

    def _require(self, start: int, length: int) -> None:
        if length != _UNDEFINED and start + length > len(self._data) + _TOLERATED:
            raise OverflowError(length)

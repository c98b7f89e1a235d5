"""The voxels of a file behind its header: memory-mapped, or decompressed without a second copy."""

from __future__ import annotations

import bz2
import gzip
import math
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging import cache

Encoding = Literal["raw", "gzip", "bzip2", "zlib"]

CACHE_FROM = 256 * 2**20
"""Compressed voxels of at least so many bytes are decompressed into the cache on disk."""
_CHUNK = 2**22
_MOST_PER_BYTE = {"gzip": 1040, "zlib": 1040, "bzip2": 50_000}
_STREAM_ERRORS = (OSError, EOFError, ValueError, zlib.error)


@dataclass(frozen=True, kw_only=True, slots=True)
class RawVoxels:
    """Where the voxels of an image are and how they are stored."""

    path: Path
    """File that holds them."""
    header: Path
    """File whose header describes them; often the same."""
    shape: tuple[int, ...]
    """Fastest axis first."""
    dtype: np.dtype[Any]
    encoding: Encoding = "raw"
    offset: int = 0
    """Bytes of the file before the voxels, or before their compressed stream."""
    skip: int = 0
    """Bytes before the voxels, counted after decompression; -1: the voxels end the data."""
    exact: bool = False
    """Whether more data than the header promises is an error."""

    @property
    def num_bytes(self) -> int:
        """Bytes of the voxels, decompressed."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def _place(self) -> str:
        detached = self.header != self.path
        return f"{self.path} (of {self.header.name})" if detached else str(self.path)

    def load(self) -> npt.NDArray[Any]:
        """Read the voxels, first axis fastest, in native byte order.

        Uncompressed ones come memory-mapped (copy on write); large compressed ones are
        decompressed once into the cache and mapped from there.

        Raises
        ------
        ImageReadError
            If the file is missing, truncated or damaged.
        """
        try:
            size = self.path.stat().st_size
        except OSError as error:
            raise ImageReadError(
                f"Expected the voxels of {self.header} in {self.path}, found no such file; put "
                "it back beside the header."
            ) from error
        if self.encoding == "raw":
            return _native(self._map(self.path, self._raw_offset(size)))
        if self.num_bytes > (size + 64) * _MOST_PER_BYTE[self.encoding]:
            raise self._too_short(f"{size} compressed ones")
        return _native(self._decompressed(size))

    def _raw_offset(self, size: int) -> int:
        start = size - self.num_bytes if self.skip == -1 else self.offset + self.skip
        if start < self.offset or start + self.num_bytes > size:
            raise self._too_short(str(max(0, size - max(0, start))))
        self._refuse_surplus(size - start - self.num_bytes)
        return start

    def _map(self, path: Path, offset: int) -> npt.NDArray[Any]:
        return np.memmap(
            path, dtype=self.dtype, mode="c", offset=offset, shape=self.shape, order="F"
        )

    def _decompressed(self, size: int) -> npt.NDArray[Any]:
        if self.num_bytes >= CACHE_FROM and self.skip >= 0:
            key = f"{self.offset}-{self.skip}-{self.num_bytes}"
            kept = cache.keep(self.path, key, self.num_bytes, self._write_to)
            if kept is not None:
                return self._map(kept, 0)
        try:
            flat = np.empty(self.num_bytes, dtype=np.uint8)
        except (MemoryError, ValueError) as error:
            raise ImageReadError(
                f"Expected voxels that fit into memory in {self._place}, found "
                f"{self.num_bytes / 2**30:.3g} GiB; choose a part of the image."
            ) from error
        with self._stream() as stream:
            self._fill(stream, flat.data)
        return flat.view(self.dtype).reshape(self.shape, order="F")

    def _write_to(self, target: IO[bytes]) -> None:
        with self._stream() as stream:
            self._pass_over(stream)
            left = self.num_bytes
            while left:
                chunk = self._read(stream, min(_CHUNK, left))
                if not chunk:
                    raise self._too_short(str(self.num_bytes - left))
                target.write(chunk)
                left -= len(chunk)
            self._read(stream, 1)  # its end holds a checksum

    def _fill(self, stream: IO[bytes], buffer: memoryview) -> None:
        if self.skip == -1:
            self._fill_with_tail(stream, buffer)
            return
        self._pass_over(stream)
        done = 0
        while done < len(buffer):
            chunk = self._read(stream, min(_CHUNK, len(buffer) - done))
            if not chunk:
                raise self._too_short(str(done))
            buffer[done : done + len(chunk)] = chunk
            done += len(chunk)
        self._refuse_surplus(len(self._read(stream, _CHUNK)))  # its end holds a checksum

    def _fill_with_tail(self, stream: IO[bytes], buffer: memoryview) -> None:
        kept = b""
        while chunk := self._read(stream, _CHUNK):
            kept = (kept + chunk)[-len(buffer) :]
        if len(kept) < len(buffer):
            raise self._too_short(str(len(kept)))
        buffer[:] = kept

    def _pass_over(self, stream: IO[bytes]) -> None:
        left = self.skip
        while left > 0:
            chunk = self._read(stream, min(_CHUNK, left))
            if not chunk:
                raise self._too_short("0")
            left -= len(chunk)

    def _read(self, stream: IO[bytes], count: int) -> bytes:
        try:
            return stream.read(count)
        except _STREAM_ERRORS as error:
            raise ImageReadError(
                f"Expected all voxels that the header promises in {self._place}, found a truncated "
                f"or damaged file ({_reason(error)}); copy or download it again."
            ) from error

    def _stream(self) -> AbstractContextManager[IO[bytes]]:
        file = self.path.open("rb")
        file.seek(self.offset)
        return _Opened(file, _OPENERS[self.encoding](file))

    def _refuse_surplus(self, surplus: int) -> None:
        if self.exact and surplus:
            raise ImageReadError(
                f"Expected {self.num_bytes} bytes of voxels in {self._place}, found at least "
                f"{surplus} more, so that they may begin elsewhere; correct the header."
            )

    def _too_short(self, found: str) -> ImageReadError:
        return ImageReadError(
            f"Expected {self.num_bytes} bytes of voxels in {self._place}, found {found}: the file "
            "is truncated or its header is damaged; copy or download it again."
        )


class _Opened(AbstractContextManager[IO[bytes]]):
    """A stream over a file, both closed at the end."""

    def __init__(self, file: IO[bytes], stream: IO[bytes]) -> None:
        self._file, self._stream = file, stream

    def __enter__(self) -> IO[bytes]:
        return self._stream

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self._file.close()


class _ZlibReader:
    """Reads a zlib stream in pieces."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._inflate = zlib.decompressobj()

    def read(self, count: int) -> bytes:
        while not self._inflate.eof:
            source = self._inflate.unconsumed_tail or self._file.read(_CHUNK)
            if not source:
                return self._inflate.decompress(b"", count)
            if piece := self._inflate.decompress(source, count):
                return piece
        return b""

    def close(self) -> None:
        self._inflate = zlib.decompressobj()


_OPENERS: dict[str, Callable[[IO[bytes]], Any]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file, mode="rb"),
    "bzip2": lambda file: bz2.BZ2File(file, "rb"),
    "zlib": _ZlibReader,
}


def _native(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _reason(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")[:160]

"""Files of JSON objects, one per line: read, from anybody, with limits; appended to at once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, Self

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.json_file import parse_json

_MOST_ROW_BYTES = 2**20
_MOST_ROWS = 2_000_000


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Objects of a file with one per line; lines that are none, or over 1 MiB, are left out.

    Raises
    ------
    OSError
        When it cannot be read.
    """
    with path.open("rb") as file:
        for line in read_lines(file):
            try:
                row = parse_json(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                yield row


def read_lines(file: BinaryIO) -> Iterator[bytes]:
    """Lines from the file's place on, at most two million; of one over 1 MiB only its begin."""
    for _ in range(_MOST_ROWS):
        line = file.readline(_MOST_ROW_BYTES)
        if not line:
            return
        if len(line) == _MOST_ROW_BYTES and not line.endswith(b"\n"):
            _skip_line(file)
        yield line


class Rows:
    """Appends lines of JSON to a file, each at once.

    What the disk refuses waits for the next row. A line that a crash cut short stays alone.

    Raises
    ------
    ProjectError
        If the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("ab+", buffering=0)
        except OSError as error:
            raise _unwritable(path, error) from error
        self._waiting = b"" if _ends_with_a_line(self._file) else b"\n"

    def add(self, row: dict[str, Any] | str) -> None:
        """Write an object, or a line of JSON, as soon as that is possible."""
        line = row if isinstance(row, str) else json.dumps(row)
        self._waiting += line.encode() + b"\n"
        with suppress(OSError):
            self._write()

    def sync(self) -> None:
        """Make sure that all rows are on the disk, whatever happens to the computer.

        Raises
        ------
        ProjectError
            If that is not possible.
        """
        try:
            self._write()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _unwritable(self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _write(self) -> None:
        while self._waiting:
            written = self._file.write(self._waiting)
            self._waiting = self._waiting[written or 0 :]


def _ends_with_a_line(file: FileIO) -> bool:
    if file.tell() == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _skip_line(file: BinaryIO) -> None:
    while (part := file.readline(_MOST_ROW_BYTES)) and not part.endswith(b"\n"):
        pass


def _unwritable(path: Path, error: OSError) -> ProjectError:
    reason = (error.strerror or "no access").lower()
    return ProjectError(
        f"Expected to write {path}, found that it is not possible ({reason}); free some space or "
        "make the folder writable."
    )

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
        for _ in range(_MOST_ROWS):
            line = file.readline(_MOST_ROW_BYTES)
            if not line:
                return
            if not line.endswith(b"\n") and len(line) == _MOST_ROW_BYTES:
                _skip_line(file)
                continue
            try:
                row = parse_json(line)
            except ValueError:
                continue
            if isinstance(row, dict):
                yield row


class Rows:
    """Appends objects to a file, one per line, each at once.

    What the disk refuses waits for the next row. A line that a crash cut short stays alone.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("ab+", buffering=0)
        except OSError as error:
            raise ProjectError(
                f"Expected to write {path}, found that it is not possible "
                f"({(error.strerror or 'no access').lower()}); free some space or make the folder "
                "writable."
            ) from error
        self._waiting = b"" if _ends_with_a_line(self._file) else b"\n"

    def add(self, row: dict[str, Any]) -> None:
        """Write a row as soon as that is possible."""
        self._waiting += json.dumps(row).encode() + b"\n"
        with suppress(OSError):
            while self._waiting:
                written = self._file.write(self._waiting)
                self._waiting = self._waiting[written or 0 :]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _ends_with_a_line(file: FileIO) -> bool:
    if file.tell() == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _skip_line(file: BinaryIO) -> None:
    while (part := file.readline(_MOST_ROW_BYTES)) and not part.endswith(b"\n"):
        pass

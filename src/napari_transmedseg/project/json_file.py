"""JSON files that may come from others: bounded in size and depth, and nothing but JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

MAX_BYTES = 64 * 2**20
MAX_DEPTH = 24


def read_json(path: Path, *, max_bytes: int = MAX_BYTES) -> Any:
    """Read a JSON file.

    Raises
    ------
    OSError
        If it cannot be read.
    ValueError
        If it is no JSON, larger than `max_bytes`, or nested more than `MAX_DEPTH` deep.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > max_bytes:
            raise ValueError(f"{size / 2**20:.0f} MB where at most {max_bytes / 2**20:.0f} fit")
        return parse_json(file.read(max_bytes + 1))


def parse_json(text: bytes | str) -> Any:
    """Parse JSON of bounded depth; errors as in `read_json`."""
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if _depth_exceeds(content, MAX_DEPTH):
        raise ValueError("nested too deeply")
    return content


def _depth_exceeds(content: Any, limit: int) -> bool:
    level = [content]
    for _ in range(limit):
        level = [item for value in level for item in _items(value)]
        if not level:
            return False
    return True


def _items(value: Any) -> list[Any]:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, (dict, list))]

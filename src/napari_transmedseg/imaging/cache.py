"""Large images, decompressed once: files in a folder of bounded size that may vanish any time."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

FOLDER_VARIABLE = "TRANSMEDSEG_CACHE"
SIZE_VARIABLE = "TRANSMEDSEG_CACHE_GB"
_DEFAULT_GB = 20.0
_FREE_SHARE = 0.5


def folder() -> Path:
    """Where decompressed images lie: `TRANSMEDSEG_CACHE`, else the person's cache folder."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "napari-transmedseg"


def keep(
    source: Path, part: str, num_bytes: int, write: Callable[[IO[bytes]], None]
) -> Path | None:
    """Give a file with the decompressed content of another, made at the first call.

    Parameters
    ----------
    source
        Compressed file; its path, size and time of change identify the content.
    part
        Which part of the file is kept.
    num_bytes
        Size of the decompressed content.
    write
        Writes it; what it raises leaves no file behind.

    Returns
    -------
    Path or None
        None where the cache is off, has no room, or cannot be written.
    """
    place = folder()
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = place / f"{_key(source, part)}.raw"
        if kept.exists() and kept.stat().st_size == num_bytes:
            os.utime(kept)
            return kept
        if not _make_room(place, num_bytes):
            return None
        return _fill(kept, write)
    except OSError:
        return None


def limit() -> int:
    """Bytes that the cache may take; 0 switches it off."""
    try:
        gigabytes = float(os.environ.get(SIZE_VARIABLE, _DEFAULT_GB))
    except ValueError:
        gigabytes = _DEFAULT_GB
    return int(max(0.0, gigabytes) * 2**30)


def _key(source: Path, part: str) -> str:
    facts = source.stat()
    text = f"{source.resolve()}|{facts.st_size}|{facts.st_mtime_ns}|{part}"
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]


def _make_room(place: Path, num_bytes: int) -> bool:
    if num_bytes > limit() or num_bytes > _FREE_SHARE * shutil.disk_usage(place).free:
        return False
    files = sorted(place.glob("*.raw"), key=lambda file: file.stat().st_mtime)
    used = sum(file.stat().st_size for file in files)
    for file in files:
        if used + num_bytes <= limit():
            break
        used -= file.stat().st_size
        with contextlib.suppress(OSError):  # mapped by another program, on Windows
            file.unlink()
    return True


def _fill(kept: Path, write: Callable[[IO[bytes]], None]) -> Path:
    handle, name = tempfile.mkstemp(suffix=".tmp", dir=kept.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
        os.replace(name, kept)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
    return kept

"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from napari_transmedseg.errors import ProjectError

_STAGE = ".export-"


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file in one step: temporary file beside it, fsync, `os.replace`.

    A crash or a full disk leaves the old file as it was.

    Raises
    ------
    ProjectError
        If the folder is missing, is read-only, or the disk is full.
    """
    try:
        _replace(path, content)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ProjectError(
            f"Expected to write {path}, found that the folder does not allow it ({reason}); "
            "choose a folder that you may write to, or free some space."
        ) from error


def left_stages(folder: Path) -> list[Path]:
    """Hidden folders of `staged` that a crash left in a folder."""
    return [path for path in folder.glob(f"{_STAGE}*") if path.is_dir()]


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give a hidden folder whose files move into `folder` together at the end.

    Whatever goes wrong before leaves `folder` as it was. If the moving itself breaks off, the
    hidden folder stays, as after a crash: `left_stages` finds it.

    Raises
    ------
    ProjectError
        If the folder is read-only or goes.
    """
    try:
        stage = Path(tempfile.mkdtemp(prefix=_STAGE, dir=folder))
    except OSError as error:
        raise _not_allowed(folder, error) from error
    try:
        yield stage
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    try:
        for file in sorted(stage.iterdir()):
            os.replace(file, folder / file.name)
    except OSError as error:
        raise _not_allowed(folder, error) from error
    shutil.rmtree(stage, ignore_errors=True)


def _not_allowed(folder: Path, error: OSError) -> ProjectError:
    reason = (error.strerror or type(error).__name__).lower()
    return ProjectError(
        f"Expected to write into {folder}, found that it is not possible ({reason}); choose a "
        "folder that you may write to, or free some space."
    )


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:80]}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, _mode_of(path))
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def _mode_of(path: Path) -> int:
    """Permissions of the file that is replaced, else what the umask gives a new file."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_mode & 0o777
    return 0o666 & ~_UMASK


def _read_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


_UMASK = _read_umask()

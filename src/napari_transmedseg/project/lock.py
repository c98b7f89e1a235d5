"""One program at a time writes a project: the `.lock` file in its folder."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from napari_transmedseg.errors import ProjectError

LOCK_NAME = ".lock"


class ProjectLock:
    """Holds a project folder until released or until the process ends, however it ends.

    The file names the owner (process, host, time). While the owner lives, the operating system
    holds a lock on it, so that a file that a crash left behind is taken over.

    Raises
    ------
    ProjectError
        If another program holds the project, or the folder is read-only.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_NAME
        self._handle: int | None = _acquire(self._path)

    def release(self) -> None:
        """Let others write; harmless when repeated."""
        if self._handle is None:
            return
        handle, self._handle = self._handle, None
        if sys.platform != "win32":  # while held, so that nobody loses a newer file
            _forget(self._path)
        os.close(handle)
        if sys.platform == "win32":
            _forget(self._path)


def _acquire(path: Path) -> int:
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ProjectError(
                f"Expected to write in the project folder {path.parent}, found that it is "
                f"read-only or missing ({(error.strerror or 'no access').lower()}); open it "
                "read-only, or copy the project to a folder that you may write to."
            ) from error
        try:
            if not _lock(handle):
                raise _held(path, _owner(handle))
            _refuse_foreign(path, _owner(handle))
            if _is_same_file(handle, path):
                _sign(handle)
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # its owner removed it between our open and our lock


def _sign(handle: int) -> None:
    owner = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
    }
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, json.dumps(owner).encode())


def _owner(handle: int) -> dict[str, Any]:
    os.lseek(handle, 0, os.SEEK_SET)
    with contextlib.suppress(ValueError, OSError):
        owner = json.loads(os.read(handle, 4096) or b"{}")
        if isinstance(owner, dict):
            return owner
    return {}


def _refuse_foreign(path: Path, owner: dict[str, Any]) -> None:
    """Locks do not reach through every network drive; the name of another host does."""
    if owner.get("host", socket.gethostname()) != socket.gethostname():
        raise _held(path, owner)


def _held(path: Path, owner: dict[str, Any]) -> ProjectError:
    who = f"process {owner.get('pid', '?')} on {owner.get('host', 'this computer')}"
    since = f" since {owner['time']}" if "time" in owner else ""
    return ProjectError(
        f"Expected to be the only program on {path.parent}, found that {who} has it open{since}; "
        f"close it there, or delete {path} if that program is gone."
    )


def _is_same_file(handle: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return sys.platform == "win32" or os.path.samestat(os.fstat(handle), path.stat())
    return False


def _forget(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 20  # behind the text, so that others can read who holds it

    def _lock(handle: int) -> bool:
        os.lseek(handle, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def _lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks: the file's text has to do
            return True
        return True

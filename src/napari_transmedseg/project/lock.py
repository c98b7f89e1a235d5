"""One program at a time writes a folder: a lock file in it, with its owner and the time."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from napari_transmedseg.errors import ProjectError, ProjectHeldError, ProjectTakenError
from napari_transmedseg.project.json_file import parse_json
from napari_transmedseg.project.when import now

LOCK_NAME = ".lock"
_LENGTH = 512


@dataclass(frozen=True, kw_only=True, slots=True)
class LockOwner:
    """Who holds a folder, as the lock file says."""

    pid: int
    host: str
    time: str
    """Since when, ISO 8601 with time zone."""
    token: str
    """Tells two locks of one process apart."""
    holds_system_lock: bool = True
    """Whether the operating system knows of it too; not after a take-over."""

    @classmethod
    def me(cls, *, holds_system_lock: bool) -> Self:
        """Owner of a lock that this process takes now."""
        return cls(
            pid=os.getpid(),
            host=socket.gethostname(),
            time=now(),
            token=secrets.token_hex(8),
            holds_system_lock=holds_system_lock,
        )

    @property
    def name(self) -> str:
        """Process and computer, for a sentence."""
        return f"process {self.pid} on {self.host}"

    @property
    def is_here(self) -> bool:
        """Whether it is of this computer."""
        return self.host == socket.gethostname()


class ProjectLock:
    """Holds a folder until released, taken over, or until the process ends, however it ends.

    While the owner lives, the operating system holds a lock on the file, so that one that a crash
    left behind is recognised. Where the system's lock does not reach (network drives, after a
    take-over), the file's text counts: a process of this computer that is gone holds nothing
    any more; of another computer only a person can know.

    Parameters
    ----------
    folder
        Folder to hold.
    take_over
        Whether to take it even from a program that lives; that one is told at its next save.

    Raises
    ------
    ProjectHeldError
        If another program holds the folder.
    ProjectError
        If the folder is missing or read-only.
    """

    def __init__(self, folder: Path, *, take_over: bool = False, name: str = LOCK_NAME) -> None:
        self._path = folder / name
        self.left_behind: LockOwner | None = None
        """Who ended without releasing it."""
        self.owner, self._handle = self._acquire(take_over=take_over)
        self._is_released = False

    def check(self) -> None:
        """Make sure that this is still the only program that writes; also says so to others.

        Raises
        ------
        ProjectTakenError
            If another program took the folder over.
        ProjectError
            If the folder cannot be reached; it may come back.
        """
        found = _read_owner(self._path)
        if found is not None and found.token == self.owner.token:
            with contextlib.suppress(OSError):
                os.utime(self._path)  # others read the age of what they find
            return
        if found is None and not self._path.parent.is_dir():
            raise ProjectError(
                f"Expected the project in {self._path.parent}, found that the folder is gone; "
                "connect its drive or put it back."
            )
        who = "its lock was removed" if found is None else f"{found.name} took it over"
        since = "" if found is None else f" at {found.time}"
        raise ProjectTakenError(
            f"Expected to be the only program that writes {self._path.parent}, found that {who}"
            f"{since}; close the project here and open it again to go on."
        )

    def release(self) -> None:
        """Let others write; harmless when repeated."""
        if self._is_released:
            return
        self._is_released = True
        if sys.platform != "win32":  # while held, so that nobody loses a newer file
            self._forget()
        os.close(self._handle)
        if sys.platform == "win32":
            self._forget()

    def _forget(self) -> None:
        found = _read_owner(self._path)
        if found is not None and found.token == self.owner.token:
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _acquire(self, *, take_over: bool) -> tuple[LockOwner, int]:
        while True:
            handle = _open(self._path)
            try:
                is_locked = _lock(handle)
                owner = _owner(handle)
                is_gone = _is_gone(owner, is_locked)
                if not is_gone and not take_over:
                    raise _held(self._path, owner)
                if _is_same_file(handle, self._path):
                    self.left_behind = owner if is_gone else None
                    me = LockOwner.me(holds_system_lock=is_locked is True)
                    _sign(handle, me)
                    return me, handle
            except OSError as error:
                os.close(handle)
                raise _unwritable(self._path, error) from error
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)  # its owner removed it between our open and our lock


def _open(path: Path) -> int:
    no_links = getattr(os, "O_NOFOLLOW", 0)  # a link would lead our text into another file
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | no_links, 0o644)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> ProjectError:
    return ProjectError(
        f"Expected to write in the folder {path.parent}, found that it is read-only, full "
        f"or missing ({(error.strerror or 'no access').lower()}); open it read-only, free some "
        "space, or copy the project to a folder that you may write to."
    )


def _sign(handle: int, owner: LockOwner) -> None:
    text = json.dumps(asdict(owner)).encode().ljust(_LENGTH)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, text)
    os.ftruncate(handle, len(text))


def _owner(handle: int) -> LockOwner | None:
    os.lseek(handle, 0, os.SEEK_SET)
    return _parse(os.read(handle, 8 * _LENGTH))


def _read_owner(path: Path) -> LockOwner | None:
    try:
        return _parse(path.read_bytes()[: 8 * _LENGTH])
    except OSError:
        return None


def _parse(text: bytes) -> LockOwner | None:
    with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
        content = parse_json(text)
        return LockOwner(
            pid=int(content["pid"]),
            host=str(content["host"]),
            time=str(content["time"]),
            token=str(content.get("token", "")),
            holds_system_lock=bool(content.get("holds_system_lock", True)),
        )
    return None


def _is_gone(owner: LockOwner | None, is_locked: bool | None) -> bool:
    """Whether nobody holds the file: its text, and whether the system let us lock it."""
    if owner is None:  # empty, damaged, or being signed at this moment
        return is_locked is not False
    if not owner.is_here:
        return False
    if owner.holds_system_lock and is_locked is not None:
        return is_locked
    return not _is_alive(owner.pid)


def _held(path: Path, owner: LockOwner | None) -> ProjectHeldError:
    who, since = "another program", ""
    if owner is not None:
        age = "" if owner.is_here else f" and last saved {_age(path)} ago"
        who, since = owner.name, f" since {owner.time}{age}"
    return ProjectHeldError(
        f"Expected to be the only program on {path.parent}, found that {who} has it open{since}; "
        "close it there, open it read-only, or take it over if that program is gone."
    )


def _age(path: Path) -> str:
    """Time since a lock file was written or touched, in words."""
    seconds = max(0.0, datetime.now().timestamp() - path.stat().st_mtime)
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {name}"
    return f"{seconds:.0f} seconds"


def _is_same_file(handle: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return sys.platform == "win32" or os.path.samestat(os.fstat(handle), path.stat())
    return False


if sys.platform == "win32":
    import ctypes
    import msvcrt

    _FAR = 1 << 20  # behind the text, so that others can read who holds it
    _QUERY = 0x1000

    def _lock(handle: int) -> bool | None:
        os.lseek(handle, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _is_alive(pid: int) -> bool:
        process = ctypes.windll.kernel32.OpenProcess(_QUERY, False, pid)
        if process:
            ctypes.windll.kernel32.CloseHandle(process)
        return bool(process)
else:
    import fcntl

    def _lock(handle: int) -> bool | None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # a file system without locks: the file's text has to do
            return None
        return True

    def _is_alive(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True

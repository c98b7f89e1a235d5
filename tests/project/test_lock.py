"""A lock tells who holds a folder; what a crash left behind holds nothing."""

import errno
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from napari_transmedseg.errors import ProjectError, ProjectHeldError, ProjectTakenError
from napari_transmedseg.project import lock as lock_module
from napari_transmedseg.project.lock import LOCK_NAME, LockOwner, ProjectLock

from .conftest import assert_is_one_sentence

posix = pytest.mark.skipif(sys.platform == "win32", reason="locks of POSIX")
ME = LockOwner.me(holds_system_lock=False)


def leave_lock(folder: Path, owner: LockOwner) -> Path:
    """Lock file of a program that holds no lock of the system."""
    path = folder / LOCK_NAME
    path.write_text(json.dumps(asdict(owner)))
    return path


def a_pid_of_the_past() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_lock_that_the_system_does_not_know_counts_while_its_process_lives(tmp_path: Path):
    leave_lock(tmp_path, ME)
    with pytest.raises(ProjectHeldError, match=f"process {os.getpid()} ") as caught:
        ProjectLock(tmp_path)
    assert_is_one_sentence(caught.value)
    past = replace(ME, pid=a_pid_of_the_past())
    leave_lock(tmp_path, past)
    lock = ProjectLock(tmp_path)
    assert lock.left_behind == past
    lock.release()


@posix
def test_the_process_of_another_user_lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(pid: int, signal: int) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    monkeypatch.setattr(lock_module.os, "kill", refused)
    leave_lock(tmp_path, ME)
    with pytest.raises(ProjectHeldError):
        ProjectLock(tmp_path)


@pytest.mark.parametrize(
    ("age_s", "words"),
    [
        pytest.param(40, "40 seconds", id="seconds"),
        pytest.param(10 * 60, "10 minutes", id="minutes"),
        pytest.param(5 * 3600, "5 hours", id="hours"),
        pytest.param(4 * 86400, "4 days", id="days"),
    ],
)
def test_of_another_computer_a_person_reads_when_it_saved_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, age_s: int, words: str
):
    path = leave_lock(tmp_path, replace(ME, host="other-computer"))
    seen = path.stat().st_mtime
    os.utime(path, (seen - age_s, seen - age_s))
    monkeypatch.setattr(lock_module, "datetime", _ClockAt(seen))
    with pytest.raises(ProjectHeldError, match=f"last saved {words} ago") as caught:
        ProjectLock(tmp_path)
    assert_is_one_sentence(caught.value)
    taken = ProjectLock(tmp_path, take_over=True)
    assert taken.left_behind is None
    taken.release()


class _ClockAt:
    """`datetime` of a moment."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> "_ClockAt":
        return self

    def timestamp(self) -> float:
        return self._seconds


@pytest.mark.parametrize("text", ["", "no JSON", "[1]", '{"pid": "x"}', "[" * 400])
def test_a_damaged_lock_holds_nothing(tmp_path: Path, text: str):
    (tmp_path / LOCK_NAME).write_text(text)
    lock = ProjectLock(tmp_path)
    assert lock.left_behind is None
    lock.check()
    lock.release()
    lock.release()
    assert not (tmp_path / LOCK_NAME).exists()


@posix
def test_whoever_holds_an_unsigned_lock_holds_it(tmp_path: Path):
    """Between taking the lock and signing it, another program finds an empty file."""
    first = ProjectLock(tmp_path)
    os.truncate(tmp_path / LOCK_NAME, 0)
    with pytest.raises(ProjectHeldError, match="another program has it open"):
        ProjectLock(tmp_path)
    first.release()


@posix
def test_on_a_drive_without_locks_the_text_of_the_file_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def unsupported(handle: int, what: int) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(lock_module.fcntl, "flock", unsupported)
    first = ProjectLock(tmp_path)
    assert not first.owner.holds_system_lock
    with pytest.raises(ProjectHeldError):
        ProjectLock(tmp_path)
    first.release()
    ProjectLock(tmp_path).release()


@posix
def test_a_lock_that_its_owner_removes_meanwhile_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    take, calls = lock_module._lock, []

    def removed_at_first(handle: int) -> bool | None:
        calls.append(handle)
        if len(calls) == 1:
            (tmp_path / LOCK_NAME).unlink()
        return take(handle)

    monkeypatch.setattr(lock_module, "_lock", removed_at_first)
    lock = ProjectLock(tmp_path)
    assert len(calls) == 2
    lock.check()
    with pytest.raises(ProjectHeldError):
        ProjectLock(tmp_path)
    lock.release()


@posix
def test_a_link_in_the_place_of_the_lock_is_not_followed(tmp_path: Path):
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    (tmp_path / LOCK_NAME).symlink_to(precious)
    with pytest.raises(ProjectError) as caught:
        ProjectLock(tmp_path)
    assert_is_one_sentence(caught.value)
    assert precious.read_text() == "mine"


def test_a_full_disk_is_told_and_the_folder_is_free_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(handle: int, owner: LockOwner) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(lock_module, "_sign", full)
        with pytest.raises(ProjectError, match="no space left on device") as caught:
            ProjectLock(tmp_path)
    assert_is_one_sentence(caught.value)
    ProjectLock(tmp_path).release()


@posix
def test_whoever_holds_it_notices_what_became_of_the_folder(tmp_path: Path):
    folder = tmp_path / "study"
    folder.mkdir()
    lock = ProjectLock(folder)
    before = time.time() - 1000
    os.utime(folder / LOCK_NAME, (before, before))
    lock.check()
    assert (folder / LOCK_NAME).stat().st_mtime > before + 500  # it says that it lives
    folder.rename(tmp_path / "moved")
    with pytest.raises(ProjectError, match="the folder is gone") as gone:
        lock.check()
    (tmp_path / "moved").rename(folder)
    lock.check()
    (folder / LOCK_NAME).unlink()
    with pytest.raises(ProjectTakenError, match="its lock was removed") as removed:
        lock.check()
    for caught in (gone, removed):
        assert_is_one_sentence(caught.value)
    lock.release()


def test_releasing_leaves_the_lock_of_whoever_took_over(tmp_path: Path):
    first = ProjectLock(tmp_path)
    second = ProjectLock(tmp_path, take_over=True)
    with pytest.raises(ProjectTakenError, match="took it over at"):
        first.check()
    first.release()
    second.check()
    second.release()
    assert not (tmp_path / LOCK_NAME).exists()

"""One program writes a project; another may take it over knowingly, and nobody's work is lost."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.errors import ProjectError, ProjectHeldError, ProjectTakenError
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.lock import LockOwner, ProjectLock
from napari_transmedseg.project.project import Project

from .conftest import assert_is_one_sentence, paint

OTHER = """
import sys
from napari_transmedseg.project.project import Project
project = Project.open(sys.argv[1], take_over=sys.argv[2:] == ["take over"])
print("open", flush=True)
sys.stdin.readline()
"""


@contextmanager
def other_program(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has a project open until the block ends."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(folder), *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "open"
        try:
            yield other
        finally:
            other.kill()


def a_slice(project: Project, value: int) -> np.ndarray:
    return np.full(project.case("a").shape[1:], value, np.uint8)


def save(project: Project, index: int, value: int) -> None:
    ledger = project.ledger("a").with_states(
        [index], SliceState.ANNOTATED, who="anna", when="2030-01-01T10:00:00+00:00"
    )
    project.save_slices("a", {index: a_slice(project, value)}, ledger)


def test_a_lock_names_owner_computer_and_time(project):
    owner = json.loads((project.folder / ".lock").read_text())
    assert (owner["pid"], owner["host"]) == (os.getpid(), socket.gethostname())
    assert owner["time"].startswith("20")


def test_whoever_is_taken_over_stops_and_loses_nothing(project):
    save(project, 1, 1)
    project.flush()
    with Project.open(project.folder, take_over=True) as second:
        save(second, 2, 2)
        second.flush()
        save(project, 4, 3)
        save_error = None
        with pytest.raises(ProjectTakenError, match=r"kept as snapshot 000\d-rescued of a") as told:
            project.flush()
        assert_is_one_sentence(told.value)
        assert str(os.getpid()) in str(told.value)
        assert project.read_only and project.take_save_error() is save_error
        with pytest.raises(ProjectTakenError):
            project.set_domain("a", "site")
        with pytest.raises(ProjectTakenError):  # what is painted still is rescued as well
            save(project, 5, 1)
        project.close()

        found = second.annotation("a").array
        assert [int(found[index].max()) for index in range(6)] == [0, 1, 2, 0, 0, 0]
        rescue = next(one for one in second.snapshots("a") if not one.is_whole)
        second.restore_snapshot("a", rescue.snapshot_id)
        found = second.annotation("a").array
        assert [int(found[index].max()) for index in range(6)] == [0, 1, 2, 0, 3, 1]
        assert second.ledger("a").states[4] is SliceState.ANNOTATED


def test_another_process_takes_over_and_a_third_is_refused(project):
    with other_program(project.folder, "take over") as other:
        with pytest.raises(ProjectHeldError, match=f"process {other.pid}"):
            Project.open(project.folder)
        with pytest.raises(ProjectTakenError, match=f"process {other.pid}"):
            project.save_annotation("a", paint(project, "a", 1))
        project.close()
        assert (project.folder / ".lock").exists()
        with pytest.raises(ProjectHeldError, match=f"process {other.pid}") as caught:
            Project.open(project.folder)
        assert_is_one_sentence(caught.value)
    with Project.open(project.folder) as again:  # it was killed
        assert f"process {other.pid}" in again.notices[0]


def test_readers_need_no_lock_and_leave_none(project):
    save(project, 1, 2)
    project.flush()
    with Project.open(project.folder, read_only=True) as reader:
        assert_array_equal(reader.annotation("a").array[1], a_slice(project, 2))
    save(project, 2, 2)
    project.flush()


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_crash_is_told_in_one_line_with_what_is_there(project):
    project.save_annotation("a", paint(project, "a", 1))
    project.close()
    with other_program(project.folder) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
    with Project.open(project.folder) as again:
        (notice,) = again.notices
        assert f"process {other.pid}" in notice
        assert "ended without closing the project; everything saved until 20" in notice
        assert again.annotation("a").array[1].any()
    with Project.open(project.folder) as again:
        assert again.notices == ()


def owner_elsewhere(**changes: object) -> dict[str, object]:
    owner = asdict(LockOwner.me(holds_system_lock=True))
    return {**owner, "host": "radiology-2", "pid": 7, **changes}


def test_a_lock_of_another_computer_is_told_with_its_age_and_may_be_taken(project):
    project.close()
    lock = project.folder / ".lock"
    lock.write_text(json.dumps(owner_elsewhere()))
    three_days = lock.stat().st_mtime - 3 * 86400
    os.utime(lock, (three_days, three_days))
    with pytest.raises(ProjectHeldError, match="radiology-2 .* last saved 3 days ago") as caught:
        Project.open(project.folder)
    assert_is_one_sentence(caught.value)
    with Project.open(project.folder, take_over=True) as taken:
        taken.save_annotation("a", paint(taken, "a", 1))
    assert not lock.exists()


def test_a_lock_without_the_systems_help_counts_while_its_process_lives(tmp_path):
    living = owner_elsewhere(host=socket.gethostname(), pid=os.getppid(), holds_system_lock=False)
    (tmp_path / ".lock").write_text(json.dumps(living))
    with pytest.raises(ProjectHeldError, match=f"process {os.getppid()}"):
        ProjectLock(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    (tmp_path / ".lock").write_text(json.dumps({**living, "pid": gone.pid}))
    lock = ProjectLock(tmp_path)
    assert lock.left_behind is not None and lock.left_behind.pid == gone.pid
    lock.release()
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_somebody_removed_stops_the_writer(project):
    (project.folder / ".lock").unlink()
    with pytest.raises(ProjectTakenError, match="its lock was removed"):
        project.save_annotation("a", paint(project, "a", 1))


def test_a_folder_that_is_gone_is_waited_for_and_never_made_anew(project, tmp_path):
    away = tmp_path / "away"
    project.folder.rename(away)
    save(project, 1, 2)
    with pytest.raises(ProjectError, match="the folder is gone"):
        project.flush()
    assert not project.folder.exists()
    away.rename(project.folder)
    project.flush()
    assert_array_equal(project.annotation("a").array[1], a_slice(project, 2))


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="needs POSIX links")
def test_a_lock_that_is_a_link_is_not_followed(project, tmp_path):
    project.close()
    secret = tmp_path / "secret"
    secret.write_text("precious")
    (project.folder / ".lock").symlink_to(secret)
    with pytest.raises(ProjectError):
        Project.open(project.folder)
    assert secret.read_text() == "precious"

"""Reads the image of the case that a person is likely to open next, behind the window's back.

A thread that only reads: the image goes into the project's own small cache, where opening the
case finds it. What goes wrong is told when the case is opened, not before.
"""

from __future__ import annotations

import threading

from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.project.project import Project

WAIT_S = 60.0


class CasePreparer:
    """Prepares one case at a time; the last one that was asked for counts."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._reading: tuple[Project, str] | None = None
        self._waiting: tuple[Project, str] | None = None
        self._lock = threading.Lock()

    def prepare(self, project: Project, case_id: str) -> None:
        """Read the image of a case soon; returns at once."""
        with self._lock:
            if self._reading == (project, case_id):
                return
            self._waiting = (project, case_id)
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="transmedseg-prepare", daemon=True
                )
                self._thread.start()

    def wait_for(self, case_id: str) -> None:
        """Wait while the image of this case is being read: that is quicker than reading it twice.

        Other reading that has not begun is given up.
        """
        with self._lock:
            self._waiting = None
            thread = self._thread
            is_reading = self._reading is not None and self._reading[1] == case_id
        if thread is not None and is_reading:
            thread.join(WAIT_S)

    def shut_down(self) -> None:
        """Let the reading that has begun end, and begin no other."""
        with self._lock:
            self._waiting, thread = None, self._thread
        if thread is not None:
            thread.join(WAIT_S)

    @property
    def is_busy(self) -> bool:
        """Whether something is being read."""
        with self._lock:
            return self._thread is not None

    def _run(self) -> None:
        while (case := self._next()) is not None:
            project, case_id = case
            try:
                project.volume(case_id)
            except (TransMedSegError, OSError, MemoryError):
                continue

    def _next(self) -> tuple[Project, str] | None:
        with self._lock:
            self._reading, self._waiting = self._waiting, None
            if self._reading is None:
                self._thread = None
            return self._reading

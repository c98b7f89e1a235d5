"""Writing annotation in the background, so that a brush never waits for a disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_transmedseg.project.ledger import Ledger


@dataclass(frozen=True, slots=True, eq=False)
class SliceChanges:
    """Slices of one case as they are to be stored, and its ledger then."""

    slices: dict[int, npt.NDArray[np.uint8]]
    """Classes (Y, X) by slice index; copies that nobody changes any more."""
    ledger: Ledger

    def followed_by(self, later: SliceChanges) -> SliceChanges:
        """Both as one: what is later counts."""
        return SliceChanges({**self.slices, **later.slices}, later.ledger)


class AnnotationSaver:
    """Hands changes to a writer in a thread of its own, one write at a time.

    At most one write waits per case: changes that come meanwhile join it. Changes whose write
    failed are kept and written with the next ones, or by `flush`. The thread lives only while
    there is something to write, and a program that ends waits for it.

    Parameters
    ----------
    write
        Stores the changes of a case; called in the thread.
    """

    def __init__(self, write: Callable[[str, SliceChanges], None]) -> None:
        self._write = write
        self._state = threading.Condition()
        self._waiting: dict[str, SliceChanges] = {}
        self._failed: dict[str, SliceChanges] = {}
        self._writing = ""
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None
        self._is_reported = True

    def submit(self, case_id: str, changes: SliceChanges) -> None:
        """Store changes soon; returns at once."""
        with self._state:
            for pending in (self._failed, self._waiting):
                if case_id in pending:
                    changes = pending.pop(case_id).followed_by(changes)
            self._waiting[case_id] = changes
            self._begin()

    def flush(self, case_id: str | None = None) -> None:
        """Wait until a case, or everything, is stored; what failed is tried once more.

        Raises
        ------
        Exception
            What the writer raised; the changes are kept.
        """
        with self._state:
            for failed in [one for one in self._failed if case_id in (None, one)]:
                self._waiting[failed] = self._failed.pop(failed)
                self._begin()
            self._state.wait_for(lambda: not self._is_pending(case_id))
            if self._error is not None and any(case_id in (None, one) for one in self._failed):
                self._is_reported = True
                raise self._error

    def withdraw(self, case_id: str) -> SliceChanges | None:
        """Take back what waits for a case or could not be written; it is not written then."""
        with self._state:
            self._state.wait_for(lambda: case_id != self._writing)
            return self._failed.pop(case_id, None) or self._waiting.pop(case_id, None)

    @property
    def is_busy(self) -> bool:
        """Whether something is being written or waits for it."""
        with self._state:
            return self._thread is not None

    def take_error(self) -> Exception | None:
        """Error of a failed write that nobody was told of yet."""
        with self._state:
            error = None if self._is_reported else self._error
            self._is_reported = True
            return error

    def _is_pending(self, case_id: str | None) -> bool:
        if case_id is None:
            return self._thread is not None
        return case_id in self._waiting or case_id == self._writing

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="transmedseg-save")
            self._thread.start()

    def _run(self) -> None:
        while (pending := self._next()) is not None:
            try:
                self._write(*pending)
            except Exception as error:  # kept for whoever looks after the labels
                self._keep(*pending, error)

    def _next(self) -> tuple[str, SliceChanges] | None:
        with self._state:
            self._writing = next(iter(self._waiting), "")
            if not self._writing:
                self._thread = None
            self._state.notify_all()
            return (self._writing, self._waiting.pop(self._writing)) if self._writing else None

    def _keep(self, case_id: str, changes: SliceChanges, error: Exception) -> None:
        with self._state:
            if case_id in self._waiting:  # the next write carries them along
                self._waiting[case_id] = changes.followed_by(self._waiting[case_id])
            else:
                self._failed[case_id] = changes
            self._error, self._is_reported = error, False

"""The only thread of the widget: it runs one generator and carries its events across.

A plain Python thread, not a generator worker of superqt: those swallow every RuntimeError
(out of memory is one), hook the process's warnings, and announce their end before the
generator has cleaned up.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.errors import TransMedSegError, is_out_of_memory
from napari_transmedseg.project.logs import note_error

NICENESS = 5
"""Of a task's thread, from 0 to 19: a third of a core where two ask for it."""

_RUNNING: set[Worker] = set()


class TaskError(Exception):
    """A task ended with an error: one sentence for the person, and the trace."""

    def __init__(self, sentence: str, details: str, *, is_expected: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.details = details
        self.is_expected = is_expected
        """Whether the program raised it on purpose: then the sentence says all."""


class Worker(QObject):
    """Runs a generator of events in a thread; signals arrive on the main thread.

    `ended` is always the last signal, sent after the generator has cleaned up.
    """

    event_arrived = Signal(object)
    failed = Signal(object)
    ended = Signal()

    def __init__(self, events: Iterator[Any], control: TrainingControl) -> None:
        super().__init__()
        self.control = control
        self._events = events
        self._thread = threading.Thread(target=self._run, name="transmedseg", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        _RUNNING.add(self)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Ask the task to save and end; returns at once."""
        self.control.stop()

    def wait(self, timeout_s: float) -> bool:
        """Stop and wait for the thread; True when it has ended."""
        self.control.stop()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if not self._thread.is_alive():
            _RUNNING.discard(self)
        return not self._thread.is_alive()

    def _run(self) -> None:
        give_way()
        try:
            for event in guarded(self._events):
                self._send(self.event_arrived, event)
        except TaskError as failure:
            self._send(self.failed, failure)
        finally:
            self._events = iter(())
            self._send(self.ended)

    def _send(self, signal: Any, *values: Any) -> None:
        try:
            signal.emit(*values)
        except RuntimeError:  # the window is gone and took the receivers along
            self.control.stop()


def guarded(events: Iterator[Any]) -> Iterator[Any]:
    """Pass events on; raise whatever goes wrong as `TaskError`.

    The error that is raised holds on to no frame of the task, and so to none of its tensors.

    Raises
    ------
    TaskError
        In place of any exception of the events, RuntimeError and KeyboardInterrupt included.
    """
    failure = None
    try:
        yield from events
    except GeneratorExit:
        raise
    except BaseException as error:
        note_error(error)
        is_expected = isinstance(error, TransMedSegError)
        details = traceback.format_exc()
        failure = TaskError(sentence_of(error), details, is_expected=is_expected)
    if failure is not None:
        raise failure


def sentence_of(error: BaseException) -> str:
    """One sentence for an exception: what was found and the way out."""
    if isinstance(error, TransMedSegError):
        return str(error)
    if is_out_of_memory(error):
        return (
            "Expected enough memory for this task, found too little; close other programs or "
            "choose the CPU under 'Advanced settings', then start again."
        )
    if isinstance(error, OSError):
        return f"Expected to read or write a file, found: {error}; check the path and its rights."
    if not isinstance(error, Exception):
        return (
            f"Expected the task to go on, found that it was ended ({type(error).__name__}); your "
            "labels are saved. Start again."
        )
    return (
        f"Expected the task to go on, found {type(error).__name__}: {error}; your labels are "
        "saved. Start again, and report the details below if it returns."
    )


def give_way() -> None:
    """Let the window's threads go first when cores are short; where the system can, this thread's.

    On Linux a thread has a niceness of its own, which the threads it starts inherit.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))
            os.setpriority(os.PRIO_PROCESS, thread, niceness)


def keep_collections_short() -> None:
    """Let Python's garbage collector pass over all that there is by now.

    A full collection, over half a million objects of napari and torch, holds the window up for a
    quarter of a second; `give_memory_back` takes them in again.
    """
    gc.freeze()


def give_memory_back() -> None:
    """Free what a finished training leaves behind; call on the main thread."""
    gc.unfreeze()
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    if sys.platform == "linux":  # glibc keeps what threads freed, hundreds of MiB after a training
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


def release(worker: Worker) -> None:
    """Let go of a worker that has ended."""
    _RUNNING.discard(worker)


@atexit.register
def _stop_all() -> None:
    for worker in list(_RUNNING):
        worker.wait(timeout_s=20.0)

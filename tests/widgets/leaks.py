"""What a test leaves behind: windows on no parent, and threads."""

import gc
import threading

from qtpy.QtCore import QCoreApplication, QEvent
from qtpy.QtWidgets import QApplication, QWidget

JOIN_S = 10.0
OF_VISPY = "CanvasBackendDesktop"
"""Canvases that napari's own check does not hold against anybody either."""


class Leaks:
    """Looks for windows and threads that were not there when it was made."""

    def __init__(self) -> None:
        self._windows = set(_windows())
        self._threads = set(threading.enumerate())

    def found(self) -> list[str]:
        """Say what is there still, after whatever was on its way out had its time."""
        for thread in self._new_threads():
            thread.join(JOIN_S)
        if self._new_windows():
            QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
            gc.collect()
        threads = [f"thread {thread.name}" for thread in self._new_threads()]
        return threads + [f"window {type(one).__name__}" for one in self._new_windows()]

    def _new_threads(self) -> list[threading.Thread]:
        return [one for one in threading.enumerate() if one not in self._threads]

    def _new_windows(self) -> list[QWidget]:
        found = [one for one in _windows() if one not in self._windows]
        return [one for one in found if type(one).__name__ != OF_VISPY]


def _windows() -> list[QWidget]:
    return [] if QApplication.instance() is None else QApplication.topLevelWidgets()

"""The cursor that says that something takes a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication


@contextlib.contextmanager
def wait_cursor() -> Iterator[None]:
    """Show the waiting cursor meanwhile."""
    QApplication.setOverrideCursor(Qt.CursorShape.WaitCursor)
    try:
        yield
    finally:
        QApplication.restoreOverrideCursor()

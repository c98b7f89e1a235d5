"""The check that fails a test for what it leaves behind finds what is left behind."""

import threading

import pytest

pytest.importorskip("qtpy.QtWidgets", exc_type=ImportError)

from qtpy.QtWidgets import QWidget

from widgets import leaks
from widgets.leaks import Leaks

pytestmark = pytest.mark.gui


class Forgotten(QWidget):
    """Refers to itself, as widgets with slots of their own do."""

    def __init__(self) -> None:
        super().__init__()
        self.me = self


def test_widget_that_somebody_holds_is_found(qtbot):
    before, widget = Leaks(), Forgotten()
    assert before.found() == ["window Forgotten"]
    widget.deleteLater()
    assert before.found() == []


def test_widget_that_nobody_holds_is_no_leak(qtbot):
    before = Leaks()
    Forgotten()
    assert before.found() == []


def test_thread_that_does_not_end_is_found(monkeypatch):
    monkeypatch.setattr(leaks, "JOIN_S", 0.01)
    before, end = Leaks(), threading.Event()
    thread = threading.Thread(target=end.wait, name="forgotten")
    thread.start()
    assert before.found() == ["thread forgotten"]
    end.set()
    thread.join()
    assert before.found() == []

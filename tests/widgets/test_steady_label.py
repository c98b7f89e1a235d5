"""Words that change often leave the column around them alone."""

import pytest

pytest.importorskip("napari")

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget

from napari_transmedseg.widgets.steady_label import SteadyLabel

pytestmark = pytest.mark.gui

LONG = "so many words that they need more than the one line that was kept free for them " * 3


class LayoutRequests(QObject):
    """Counts how often something inside a widget asks to be laid out anew."""

    def __init__(self, inside: QWidget) -> None:
        super().__init__(inside)
        self.count, self._inside = 0, inside
        QApplication.instance().installEventFilter(self)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        if a1.type() == QEvent.Type.LayoutRequest and isinstance(a0, QWidget):
            is_inside = a0 is self._inside or self._inside.isAncestorOf(a0)
            self.count += is_inside and a0.layout() is not None
        return False

    def stop(self) -> int:
        QApplication.processEvents()
        QApplication.instance().removeEventFilter(self)
        return self.count


@pytest.fixture
def column(qtbot) -> tuple[QWidget, SteadyLabel, QLabel]:
    window, steady, plain = QWidget(), SteadyLabel(), QLabel("plain")
    layout = QVBoxLayout(window)
    layout.addWidget(steady)
    layout.addWidget(plain)
    qtbot.addWidget(window)
    window.resize(300, 200)
    with qtbot.waitExposed(window):
        window.show()
    QApplication.processEvents()
    return window, steady, plain


def test_other_words_ask_for_no_layout(column):
    window, steady, plain = column
    requests = LayoutRequests(window)
    steady.setText("other words")
    QApplication.processEvents()
    assert requests.count == 0
    plain.setText("which a label of Qt's own does")
    assert requests.stop() > 0
    assert steady.text() == "other words"


def test_words_that_need_more_lines_get_them_and_keep_them(column):
    _, steady, _ = column
    one_line = steady.height()
    steady.setText(LONG)
    QApplication.processEvents()
    inner = steady.findChild(QLabel)
    assert steady.height() == inner.height() >= inner.heightForWidth(steady.width()) > one_line
    high = steady.height()
    steady.setText("few")
    QApplication.processEvents()
    assert steady.height() == high  # what is below does not jump


def test_the_room_follows_the_width_of_the_column(column):
    window, steady, _ = column
    one_line = steady.height()
    steady.setText(LONG)
    QApplication.processEvents()
    narrow = steady.height()
    window.resize(900, 200)
    QApplication.processEvents()
    assert one_line <= steady.height() < narrow


def test_going_through_slices_lays_out_nothing(open_driver):
    layers = open_driver.widget.annotator.layers
    for index in (0, 1, 2):  # words of each kind were seen
        layers.slice_index = index
        QApplication.processEvents()
    requests = LayoutRequests(open_driver.widget.loop.annotate)
    states = {open_driver.widget.annotator.ledger.states[index] for index in (0, 1)}
    for index in (1, 0, 2):
        layers.slice_index = index
        QApplication.processEvents()
    assert requests.stop() == 0
    assert len(states) == 2  # an annotated slice among them

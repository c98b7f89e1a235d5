"""The state of every slice of the case on screen, as a clickable strip."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import QEvent, QRectF, Qt, Signal
from qtpy.QtGui import QColor, QHelpEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QToolTip, QWidget

from napari_transmedseg.project.ledger import SliceState

STATE_COLORS = {
    SliceState.UNSEEN: "#7f7f7f",
    SliceState.SUGGESTED: "#56b4e9",
    SliceState.IN_PROGRESS: "#f0e442",
    SliceState.ANNOTATED: "#009e73",
    SliceState.EMPTY: "#b0e0d0",
    SliceState.FILLED: "#66c2a5",
    SliceState.ACCEPTED: "#0072b2",
    SliceState.REJECTED: "#d55e00",
}


class LedgerStrip(QWidget):
    """Shows slice states; its value is the index of the slice on screen."""

    valueChanged = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._states: tuple[SliceState, ...] = ()
        self._index = 0
        self.setFixedHeight(18)
        self.setAccessibleName("Slices and their states")

    def value(self) -> int:
        """Index of the marked slice."""
        return self._index

    def setValue(self, index: int) -> None:
        """Mark a slice, without a signal."""
        self._index = index
        self.update()

    def set_states(self, states: Sequence[SliceState]) -> None:
        """Show the states of all slices."""
        self._states = tuple(states)
        self.update()

    def index_at(self, x: float) -> int:
        """Slice index at a horizontal position in pixels."""
        count = max(1, len(self._states))
        return min(count - 1, max(0, int(x * count / max(1, self.width()))))

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        painter = QPainter(self)
        width = self.width() / max(1, len(self._states))
        gap = 1.0 if width > 4 else 0.0
        for index, state in enumerate(self._states):
            box = QRectF(index * width, 2, max(1.0, width - gap), self.height() - 4)
            painter.fillRect(box, QColor(STATE_COLORS[state]))
        if self._states:
            pen = QPen(self.palette().text().color(), 2)
            painter.setPen(pen)
            painter.drawRect(QRectF(self._index * width, 1, max(3.0, width - 1), self.height() - 2))
        painter.end()

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and a0.button() == Qt.MouseButton.LeftButton and self._states:
            self.setValue(self.index_at(a0.position().x()))
            self.valueChanged.emit(self._index)

    def event(self, a0: QEvent | None) -> bool:
        if isinstance(a0, QHelpEvent) and self._states:
            index = self.index_at(a0.pos().x())
            QToolTip.showText(a0.globalPos(), f"Slice {index + 1}: {self._states[index].value}")
            return True
        return super().event(a0)

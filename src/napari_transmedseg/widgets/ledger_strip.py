"""The state of every slice of the case on screen, as a clickable strip."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import QEvent, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
)
from qtpy.QtWidgets import QGridLayout, QToolTip, QWidget

from napari_transmedseg.project.ledger import Ledger, LedgerEntry, SliceState
from napari_transmedseg.widgets.steady_label import SteadyLabel

STATE_COLORS = {
    SliceState.UNSEEN: "#9a9a9a",
    SliceState.SUGGESTED: "#56b4e9",
    SliceState.IN_PROGRESS: "#f0e442",
    SliceState.ANNOTATED: "#00b888",
    SliceState.EMPTY: "#e8e8e8",
    SliceState.FILLED: "#8fd694",
    SliceState.ACCEPTED: "#4aa3ff",
    SliceState.REJECTED: "#ff7f32",
}
STATE_MARKS: Mapping[SliceState, tuple[tuple[float, float], ...]] = {
    SliceState.UNSEEN: ((0.86, 1.0),),
    SliceState.SUGGESTED: ((0.0, 0.36),),
    SliceState.IN_PROGRESS: ((0.5, 1.0),),
    SliceState.ANNOTATED: ((0.0, 1.0),),
    SliceState.EMPTY: ((0.0, 0.16), (0.84, 1.0)),
    SliceState.FILLED: ((0.0, 0.16), (0.28, 0.44), (0.56, 0.72), (0.84, 1.0)),
    SliceState.ACCEPTED: ((0.0, 0.6), (0.78, 1.0)),
    SliceState.REJECTED: ((0.38, 0.62),),
}
"""Bars of a slice, as shares of the strip's height from the top: they tell the states apart
without colours, and in a column of one pixel."""
STATE_MEANINGS = {
    SliceState.UNSEEN: "nothing is known",
    SliceState.SUGGESTED: "worth a look; nothing is known",
    SliceState.IN_PROGRESS: "painted voxels are known",
    SliceState.ANNOTATED: "the whole slice is known",
    SliceState.EMPTY: "holds none of the classes",
    SliceState.FILLED: "the whole slice is known, from its neighbours' shapes",
    SliceState.ACCEPTED: "the whole slice is known, from a prediction",
    SliceState.REJECTED: "the prediction is wrong; nothing is known",
}
TRACK = QColor("#262930")
_PAGE = 5


class LedgerStrip(QWidget):
    """Shows slice states; its value is the index of the slice on screen."""

    valueChanged = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._ledger = Ledger.untouched(0)
        self._index = 0
        self._states = QPixmap()
        """The strip without the mark of the slice on screen; null where it must be drawn anew."""
        self.setFixedHeight(24)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Slices and their states")

    def value(self) -> int:
        """Index of the marked slice."""
        return self._index

    def setValue(self, index: int) -> None:
        """Mark a slice, without a signal."""
        self._index = index
        if index < len(self._ledger):
            self.setAccessibleDescription(slice_in_words(index, self._ledger.entries[index]))
        self.update()

    def set_ledger(self, ledger: Ledger) -> None:
        """Show the states of all slices."""
        if ledger is not self._ledger:
            self._states = QPixmap()
        self._ledger = ledger
        self.setValue(self._index)

    def index_at(self, x: float) -> int:
        """Slice index at a horizontal position in pixels."""
        count = max(1, len(self._ledger))
        return min(count - 1, max(0, int(x * count / max(1, self.width()))))

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        if self._states.deviceIndependentSize().toSize() != self.size():
            self._states = self._draw_states()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._states)
        if len(self._ledger):
            width = self._slice_width()
            painter.setPen(QPen(QColor("white"), 2))
            x = self._index * width
            painter.drawRect(QRectF(x, 1, max(3.0, width - 1), self.height() - 2))
        if self.hasFocus():
            painter.setPen(QPen(self.palette().highlight().color(), 1, Qt.PenStyle.DotLine))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        if a0 is not None and a0.button() == Qt.MouseButton.LeftButton:
            self._go(self.index_at(a0.position().x()))

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        """Drag along the strip."""
        if a0 is not None and a0.buttons() & Qt.MouseButton.LeftButton:
            self._go(self.index_at(a0.position().x()))

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        """Go from slice to slice by arrow keys, Home, End, Page up and Page down."""
        if a0 is None:
            return
        targets = {
            Qt.Key.Key_Left: self._index - 1,
            Qt.Key.Key_Right: self._index + 1,
            Qt.Key.Key_PageUp: self._index - _PAGE,
            Qt.Key.Key_PageDown: self._index + _PAGE,
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: len(self._ledger) - 1,
        }
        target = targets.get(Qt.Key(a0.key()))
        if target is None:
            super().keyPressEvent(a0)
        else:
            self._go(min(max(0, target), len(self._ledger) - 1))

    def event(self, a0: QEvent | None) -> bool:
        if isinstance(a0, QHelpEvent) and len(self._ledger):
            index = self.index_at(a0.pos().x())
            text = slice_in_words(index, self._ledger.entries[index])
            QToolTip.showText(a0.globalPos(), text, self)
            return True
        return super().event(a0)

    def _slice_width(self) -> float:
        return self.width() / max(1, len(self._ledger))

    def _draw_states(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        pixels = QPixmap(round(self.width() * ratio), round(self.height() * ratio))
        pixels.setDevicePixelRatio(ratio)
        pixels.fill(TRACK)
        painter = QPainter(pixels)
        width = self._slice_width()
        gap = 1.0 if width > 4 else 0.0
        for index, state in enumerate(self._ledger.states):
            box = QRectF(index * width, 3, max(1.0, width - gap), self.height() - 6)
            paint_mark(painter, box, state)
        painter.end()
        return pixels

    def _go(self, index: int) -> None:
        if 0 <= index < len(self._ledger) and index != self._index:
            self.setValue(index)
            self.valueChanged.emit(index)


class LedgerLegend(QWidget):
    """What the marks of the strip mean, and how many slices have each."""

    def __init__(self, columns: int = 3, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self._texts = {state: SteadyLabel() for state in SliceState}
        marks = {state: _Mark(state) for state in SliceState}

        # LAYOUT
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setVerticalSpacing(1)
        layout.setHorizontalSpacing(4)
        for place, state in enumerate(SliceState):
            row, column = divmod(place, columns)
            layout.addWidget(marks[state], row, 2 * column)
            layout.addWidget(self._texts[state], row, 2 * column + 1)
            layout.setColumnStretch(2 * column + 1, 1)
            for widget in (marks[state], self._texts[state]):
                widget.setToolTip(f"{state.value}: {STATE_MEANINGS[state]}")
        self.set_counts({})

    def set_counts(self, counts: Mapping[SliceState, int]) -> None:
        """Show how many slices are in each state; states without any are dimmed."""
        for state, label in self._texts.items():
            count = counts.get(state, 0)
            label.setText(f"{count} {state.value}" if count else state.value)
            label.setEnabled(count > 0)

    def value(self) -> str:
        """Counts in words."""
        return ", ".join(label.text() for label in self._texts.values() if label.isEnabled())


class _Mark(QWidget):
    """One state's mark."""

    def __init__(self, state: SliceState) -> None:
        super().__init__()
        self._state = state
        self.setFixedSize(QSize(12, 14))

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), TRACK)
        paint_mark(painter, QRectF(self.rect()).adjusted(2, 1, -2, -1), self._state)
        painter.end()


def paint_mark(painter: QPainter, box: QRectF, state: SliceState) -> None:
    """Paint the bars of a state into a box."""
    color = QColor(STATE_COLORS[state])
    for top, bottom in STATE_MARKS[state]:
        y, height = box.top() + top * box.height(), (bottom - top) * box.height()
        painter.fillRect(QRectF(box.left(), y, box.width(), height), color)


def slice_in_words(index: int, entry: LedgerEntry) -> str:
    """Slice, state, who and when."""
    text = f"Slice {index + 1}: {entry.state.value}"
    if entry.who:
        text += f" by {entry.who}"
    if entry.when:
        text += f", {entry.when[:16].replace('T', ' ')}"
    return f"{text} ({STATE_MEANINGS[entry.state]})"

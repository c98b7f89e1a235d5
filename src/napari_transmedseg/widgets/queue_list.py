"""Predicted slices that wait for review, the most unsure first."""

from __future__ import annotations

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLabel,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.project.review_queue import QueuedSlice, ReviewQueue

COLUMNS = ("Case", "Slice", "Unsure", "Biggest class")


class QueueList(QWidget):
    """Shows a `ReviewQueue`; a click or Enter asks for a slice."""

    sliceRequested = Signal(str, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._queue = ReviewQueue()

        # WIDGETS
        self.title = QLabel()
        self.title.setWordWrap(True)
        self.table = _Table(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels(COLUMNS)
        self.table.setAccessibleName("Predicted slices that wait for review")
        self.table.setToolTip(
            "Click a slice, or press Enter on it, to go there. Unsure: entropy, from 0 to 1, where "
            "the model only guesses"
        )

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.title)
        layout.addWidget(self.table)
        self.setValue(ReviewQueue())

        # CONNECTIONS
        self.table.cellClicked.connect(self._on_chosen)
        self.table.entered_row.connect(self._on_chosen)

    def value(self) -> ReviewQueue:
        """Queue on screen."""
        return self._queue

    def setValue(self, queue: ReviewQueue) -> None:
        """Show a queue, without a signal; the chosen slice stays, or the one in its row is next."""
        row = self.table.currentRow()
        place = None
        if 0 <= row < len(self._queue.head):
            place = (self._queue.head[row].case_id, self._queue.head[row].index)
        self._queue = queue
        self.title.setText(_in_words(queue))
        self.table.setVisible(bool(queue.head))
        with QSignalBlocker(self.table):
            self.table.setRowCount(len(queue.head))
            for index, queued in enumerate(queue.head):
                for column, text in enumerate(_cells(queued)):
                    self.table.setItem(index, column, QTableWidgetItem(text))
            places = [(queued.case_id, queued.index) for queued in queue.head]
            if place in places:
                self.table.setCurrentCell(places.index(place), 0)
            elif queue.head and row >= 0:
                self.table.setCurrentCell(min(row, len(queue.head) - 1), 0)

    def _on_chosen(self, row: int, *_: int) -> None:
        if 0 <= row < len(self._queue.head):
            queued = self._queue.head[row]
            self.sliceRequested.emit(queued.case_id, queued.index)


class _Table(QTableWidget):
    """A table of whole rows that tells of Enter."""

    entered_row = Signal(int)

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__(rows, columns)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setTabKeyNavigation(False)
        self.setFixedHeight(132)
        down, across = self.verticalHeader(), self.horizontalHeader()
        assert down is not None and across is not None
        down.setVisible(False)
        down.setDefaultSectionSize(20)
        across.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        across.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def keyPressEvent(self, e: QKeyEvent | None) -> None:
        if e is not None and e.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.entered_row.emit(self.currentRow())
        else:
            super().keyPressEvent(e)


def _cells(queued: QueuedSlice) -> tuple[str, ...]:
    unsure = f"{queued.uncertainty:.3f}"
    return queued.case_id, str(queued.index + 1), unsure, queued.class_name or "–"


def _in_words(queue: ReviewQueue) -> str:
    if not queue.total:
        return "No predicted slice waits for review."
    slices = (
        "1 predicted slice waits" if queue.total == 1 else f"{queue.total} predicted slices wait"
    )
    some = f" (the first {len(queue.head)} are shown)" if len(queue.head) < queue.total else ""
    return f"{slices} for review, the most unsure first{some}:"

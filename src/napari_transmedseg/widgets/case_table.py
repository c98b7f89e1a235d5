"""The cases of the open project."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem, QWidget

COLUMNS = ("Case", "Size", "Labeled", "State")


@dataclass(frozen=True, slots=True)
class CaseRow:
    """What the table says about one case."""

    case_id: str
    size: str
    spacing: str
    num_labeled: int
    num_slices: int
    state: str


class CaseTable(QTableWidget):
    """Shows cases; its value is the id of the chosen one."""

    valueChanged = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(COLUMNS), parent)
        self.setHorizontalHeaderLabels(COLUMNS)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setAccessibleName("Cases")
        self.setToolTip("Click a case to open it; drop files or folders here to add cases")
        self.setMinimumHeight(96)
        self.setMaximumHeight(140)
        for header in (self.verticalHeader(), self.horizontalHeader()):
            assert header is not None
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None and columns is not None
        rows.setVisible(False)
        columns.setStretchLastSection(True)
        self.itemSelectionChanged.connect(self._on_selected)

    def value(self) -> str:
        """Id of the chosen case; empty when none is."""
        item = self.item(self.currentRow(), 0)
        return item.text() if item is not None else ""

    def setValue(self, case_id: str) -> None:
        """Choose a case, without a signal."""
        with QSignalBlocker(self):
            for row in range(self.rowCount()):
                item = self.item(row, 0)
                if item is not None and item.text() == case_id:
                    self.selectRow(row)

    def set_rows(self, rows: Sequence[CaseRow]) -> None:
        """Show these cases; the chosen one stays chosen."""
        chosen = self.value()
        with QSignalBlocker(self):
            self.setRowCount(len(rows))
            for index, row in enumerate(rows):
                self._fill(index, row)
        self.setValue(chosen)

    def _fill(self, index: int, row: CaseRow) -> None:
        slices = f"{row.num_labeled} of {row.num_slices}"
        tip = f"{row.case_id}: {row.size} voxels (I × P × L) of {row.spacing} mm"
        for column, text in enumerate((row.case_id, row.size, slices, row.state)):
            item = QTableWidgetItem(text)
            item.setToolTip(tip)
            self.setItem(index, column, item)

    def _on_selected(self) -> None:
        if self.value():
            self.valueChanged.emit(self.value())

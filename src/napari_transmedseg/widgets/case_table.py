"""The cases of the open project."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QObject, QPoint, QSignalBlocker, Qt, Signal
from qtpy.QtGui import QAction, QKeyEvent
from qtpy.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QTableWidget,
    QTableWidgetItem,
    QWidget,
)

from napari_transmedseg.project.case_facts import CaseFacts

_SORT = Qt.ItemDataRole.UserRole
_OPENING_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
DOMAIN_COLUMN = 5
_FOR_BOLD = 16
"""Pixels by which the name and the state of the case on screen may be wider."""


@dataclass(frozen=True, slots=True)
class _Column:
    title: str
    tip: str


COLUMNS = (
    _Column("Case", "Name of the case; click a row to open it"),
    _Column("State", "How far the annotation of the case is"),
    _Column("Annotated", "Slices that you made known as a whole, empty ones too"),
    _Column("Accepted", "Slices whose prediction you accepted"),
    _Column("Slices", "Slices in all"),
    _Column("Domain", "Site or scanner; double-click or press F2 to change it"),
    _Column("Type", "Modality, or format of the file"),
    _Column("Size", "Voxels from head to foot × front to back × right to left"),
    _Column("Spacing (mm)", "Voxel size in the same order"),
    _Column("Problem", "What is missing or unusual"),
)
ACTIONS = (
    ("Open", "openRequested"),
    ("Bring in labels…", "labelsRequested"),
    ("Earlier states…", "snapshotsRequested"),
    ("Show in folder", "folderRequested"),
    ("Relink image…", "relinkRequested"),
    ("Remove case…", "removeRequested"),
)


class CaseTable(QTableWidget):
    """Shows cases; its value is the id of the chosen one.

    A click or Enter opens a case; arrows and typing only choose one.
    """

    valueChanged = Signal(str)
    """A person wants to see this case."""
    highlighted = Signal(str)
    """A case was chosen by keyboard and may be opened next."""
    domainChanged = Signal(str, str)
    labelsRequested = Signal(str)
    snapshotsRequested = Signal(str)
    folderRequested = Signal(str)
    relinkRequested = Signal(str)
    removeRequested = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, len(COLUMNS), parent)
        for column, about in enumerate(COLUMNS):
            heading = QTableWidgetItem(about.title)
            heading.setToolTip(about.tip)
            self.setHorizontalHeaderItem(column, heading)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.DoubleClicked | triggers.EditKeyPressed)
        self.setTabKeyNavigation(False)
        self.setWordWrap(False)
        self.setAccessibleName("Cases")
        self.setToolTip("Click a case to open it; drop files or folders here to add cases")
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setMinimumHeight(110)
        self.setMaximumHeight(190)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        assert rows is not None and columns is not None
        rows.setVisible(False)
        rows.setDefaultSectionSize(self.fontMetrics().height() + 6)
        columns.setSectionResizeMode(QHeaderView.ResizeMode.Interactive)
        columns.setStretchLastSection(True)
        columns.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        self.setSortingEnabled(True)
        self._facts: dict[str, CaseFacts] = {}
        self._shown = self._filter = ""

        self.cellClicked.connect(self._on_clicked)
        self.cellChanged.connect(self._on_edited)
        self.currentCellChanged.connect(self._on_current)
        self.customContextMenuRequested.connect(self._on_menu)

    def value(self) -> str:
        """Id of the chosen case; empty when none is."""
        item = self.item(self.currentRow(), 0)
        return item.text() if item is not None else ""

    def setValue(self, case_id: str) -> None:
        """Choose the case that is on screen, without a signal; it is shown in bold."""
        with QSignalBlocker(self):
            for shown in (self._shown, case_id):
                if shown in self._facts:
                    self._set_bold(self._row_of(shown), shown == case_id)
            self._shown = case_id
            if case_id in self._facts:
                self.selectRow(self._row_of(case_id))

    def set_rows(self, rows: Sequence[CaseFacts]) -> None:
        """Show these cases; the chosen one stays chosen, sorting and filter stay."""
        chosen = self.value()
        is_first = not self._facts.keys() & {row.case_id for row in rows}
        with QSignalBlocker(self):
            self.setSortingEnabled(False)
            self._facts = {row.case_id: row for row in rows}
            self.setRowCount(len(rows))
            for index, row in enumerate(rows):
                self._fill(index, row)
            self.setSortingEnabled(True)
            if is_first:
                self.resizeColumnsToContents()
                for column in (0, 1):
                    self.setColumnWidth(column, self.columnWidth(column) + _FOR_BOLD)
            self.set_filter(self._filter)
            if chosen in self._facts:
                self.selectRow(self._row_of(chosen))

    def set_row(self, row: CaseFacts) -> None:
        """Show what became of one case."""
        if self._facts.get(row.case_id) in (None, row):
            return
        chosen = self.value()
        with QSignalBlocker(self):
            self.setSortingEnabled(False)  # else the row could move while it is filled
            index = self._row_of(row.case_id)
            self._facts[row.case_id] = row
            self._fill(index, row)
            self.setSortingEnabled(True)
            self.set_filter(self._filter)
            if chosen:
                self.selectRow(self._row_of(chosen))

    def set_filter(self, text: str) -> None:
        """Show only cases in which every word of a text occurs somewhere."""
        self._filter = text
        words = text.casefold().split()
        for index in range(self.rowCount()):
            told = " ".join(_texts_of(self._facts[self._id_at(index)])).casefold()
            self.setRowHidden(index, not all(word in told for word in words))

    def visible_ids(self) -> list[str]:
        """Cases from top to bottom, as sorted and filtered now."""
        return [self._id_at(i) for i in range(self.rowCount()) if not self.isRowHidden(i)]

    def actions_for(self, case_id: str, parent: QObject) -> list[QAction]:
        """What can be done with a case; the actions live as long as their parent."""
        actions = []
        for text, name in ACTIONS:
            action = QAction(text, parent)
            signal = self.valueChanged if name == "openRequested" else getattr(self, name)
            action.triggered.connect(lambda _=False, signal=signal: signal.emit(case_id))
            actions.append(action)
        return actions

    def keyPressEvent(self, e: QKeyEvent | None) -> None:
        """Enter opens the chosen case, Delete asks to remove it."""
        is_editing = self.state() == QAbstractItemView.State.EditingState
        if e is not None and self.value() and not is_editing:
            if e.key() in _OPENING_KEYS:
                self.valueChanged.emit(self.value())
                return
            if e.key() == Qt.Key.Key_Delete:
                self.removeRequested.emit(self.value())
                return
        super().keyPressEvent(e)

    def keyboardSearch(self, search: str | None) -> None:
        """Find cases by their names, whatever column is the current one."""
        if self.currentRow() >= 0 and self.currentColumn() != 0:
            self.setCurrentCell(self.currentRow(), 0)
        super().keyboardSearch(search)

    def _row_of(self, case_id: str) -> int:
        return next(i for i in range(self.rowCount()) if self._id_at(i) == case_id)

    def _id_at(self, row: int) -> str:
        item = self.item(row, 0)
        return item.text() if item is not None else ""

    def _fill(self, index: int, facts: CaseFacts) -> None:
        keys = _sort_keys_of(facts)
        for column, (text, key) in enumerate(zip(_texts_of(facts), keys, strict=True)):
            item = _Item(text)
            item.setData(_SORT, key)
            item.setToolTip(_tip_of(facts))
            if column != DOMAIN_COLUMN:
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
            if isinstance(key, int | float):
                item.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
            self.setItem(index, column, item)
        self._set_bold(index, facts.case_id == self._shown)

    def _set_bold(self, row: int, is_bold: bool) -> None:
        for column in range(self.columnCount()):
            item = self.item(row, column)
            if item is not None:
                font = item.font()
                font.setBold(is_bold)
                item.setFont(font)

    def _on_clicked(self, row: int, column: int) -> None:
        self.valueChanged.emit(self._id_at(row))

    def _on_current(self, row: int, *_: int) -> None:
        if row >= 0:
            self.highlighted.emit(self._id_at(row))

    def _on_edited(self, row: int, column: int) -> None:
        item = self.item(row, column)
        if column == DOMAIN_COLUMN and item is not None:
            self.domainChanged.emit(self._id_at(row), item.text().strip())

    def _on_menu(self, point: QPoint) -> None:
        item = self.itemAt(point)
        case_id = self._id_at(item.row()) if item is not None else self.value()
        viewport = self.viewport()
        if case_id and viewport is not None:
            menu = QMenu(self)
            menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            menu.addActions(self.actions_for(case_id, menu))
            menu.popup(viewport.mapToGlobal(point))


class _Item(QTableWidgetItem):
    """Sorts by the value behind its text: numbers as numbers."""

    def __lt__(self, other: QTableWidgetItem) -> bool:
        mine, others = self.data(_SORT), other.data(_SORT)
        return bool(mine < others)


def _texts_of(facts: CaseFacts) -> tuple[str, ...]:
    return (
        facts.case_id,
        facts.state,
        str(facts.num_annotated),
        str(facts.num_accepted),
        str(facts.num_slices),
        facts.domain,
        facts.kind,
        "×".join(str(length) for length in facts.shape),
        " × ".join(f"{size:.3g}" for size in facts.spacing),
        facts.problem,
    )


def _sort_keys_of(facts: CaseFacts) -> tuple[str | int | float, ...]:
    return (
        natural(facts.case_id),
        facts.state,
        facts.num_annotated,
        facts.num_accepted,
        facts.num_slices,
        facts.domain.casefold(),
        facts.kind,
        math.prod(facts.shape),
        math.prod(facts.spacing),
        facts.problem,
    )


def natural(text: str) -> str:
    """Key that sorts case 2 before case 10."""
    parts: list[str] = []
    for mark in text.casefold():
        if mark.isdecimal() and parts and parts[-1].isdecimal():
            parts[-1] += mark
        else:
            parts.append(mark)
    return "".join(part.zfill(12) if part.isdecimal() else part for part in parts)


def _tip_of(facts: CaseFacts) -> str:
    size = "×".join(str(length) for length in facts.shape)
    spacing = " × ".join(f"{mm:.3g}" for mm in facts.spacing)
    told = f"{facts.case_id}: {size} voxels (I × P × L) of {spacing} mm\n{facts.image}"
    return f"{told}\n{facts.problem}" if facts.problem else told

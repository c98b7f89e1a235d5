"""The classes of the open project, with their colours; the chosen one is the brush."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPixmap
from qtpy.QtWidgets import (
    QColorDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)


@dataclass(frozen=True, slots=True)
class ClassRow:
    """What the list says about one class."""

    value: int
    name: str
    color: str


class ClassList(QWidget):
    """Shows classes; its value is the value of the chosen one."""

    valueChanged = Signal(int)
    addRequested = Signal()
    renamed = Signal(int, str)
    recolored = Signal(int, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.list = QListWidget()
        self.list.setAccessibleName("Classes")
        self.list.setToolTip("Click a class to paint it; double-click its name to rename it")
        self.list.setFixedHeight(70)
        self.add = QPushButton("Add class")
        self.add.setToolTip("Add a class with the next value")
        self.recolor = QPushButton("Colour…")
        self.recolor.setToolTip("Choose another colour for the chosen class")

        # LAYOUT
        buttons = QHBoxLayout()
        buttons.addWidget(self.add)
        buttons.addWidget(self.recolor)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list)
        layout.addLayout(buttons)

        # CONNECTIONS
        self.list.itemClicked.connect(self._on_clicked)
        self.list.itemChanged.connect(self._on_renamed)
        self.add.clicked.connect(self.addRequested)
        self.recolor.clicked.connect(self._on_recolor)

    def value(self) -> int:
        """Value of the chosen class; 0 when there is none."""
        item = self.list.currentItem()
        return int(item.data(Qt.ItemDataRole.UserRole)) if item is not None else 0

    def setValue(self, value: int) -> None:
        """Choose a class, without a signal."""
        with QSignalBlocker(self.list):
            for row in range(self.list.count()):
                item = self.list.item(row)
                if item is not None and item.data(Qt.ItemDataRole.UserRole) == value:
                    self.list.setCurrentRow(row)

    def set_rows(self, rows: Sequence[ClassRow]) -> None:
        """Show these classes; the chosen one stays chosen, else the first is."""
        chosen = self.value()
        with QSignalBlocker(self.list):
            self.list.clear()
            for row in rows:
                self.list.addItem(_item_of(row))
            self.list.setCurrentRow(0)
        self.setValue(chosen)

    def _on_clicked(self, item: QListWidgetItem) -> None:
        self.valueChanged.emit(int(item.data(Qt.ItemDataRole.UserRole)))

    def _on_renamed(self, item: QListWidgetItem) -> None:
        self.renamed.emit(int(item.data(Qt.ItemDataRole.UserRole)), item.text().strip())

    def _on_recolor(self) -> None:
        if self.value():
            color = QColorDialog.getColor(parent=self, title="Colour of the class")
            if color.isValid():
                self.recolored.emit(self.value(), color.name())


def _item_of(row: ClassRow) -> QListWidgetItem:
    pixmap = QPixmap(16, 16)
    pixmap.fill(QColor(row.color))
    item = QListWidgetItem(QIcon(pixmap), row.name)
    item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
    item.setData(Qt.ItemDataRole.UserRole, row.value)
    item.setToolTip(f"Class {row.value}; click to paint it, double-click to rename it")
    return item

"""The classes of the open project, with their colours; the chosen one is the brush."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QKeyEvent, QPixmap
from qtpy.QtWidgets import (
    QColorDialog,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

NUM_KEYS = 9
"""Classes that Alt and a digit pick."""
_MOVES = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}


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
    moved = Signal(int, int)
    """A class and its new place in the list, from 0."""
    removeRequested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.list = _Classes()
        self.list.setAccessibleName("Classes")
        self.list.setToolTip(
            "Click a class, or press Alt and its number, to paint it; double-click its name to "
            "rename it; Alt+Up and Alt+Down move it"
        )
        self.list.setFixedHeight(84)
        self.add = _button("Add", "Add a class with the next value", "Add class")
        self.recolor = _button("Colour…", "Choose another colour for the chosen class")
        self.up = _button("▲", "Show the chosen class one place higher", "Move class up")
        self.down = _button("▼", "Show the chosen class one place lower", "Move class down")
        self.remove = _button(
            "Remove…", "Take the chosen class away; asks what becomes of its voxels"
        )

        # LAYOUT
        buttons = QHBoxLayout()
        for button in (self.add, self.recolor, self.up, self.down, self.remove):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.list)
        layout.addLayout(buttons)

        # CONNECTIONS
        self.list.itemClicked.connect(self._on_chosen)
        self.list.itemActivated.connect(self._on_chosen)
        self.list.currentItemChanged.connect(self._on_chosen)  # an arrow key does it
        self.list.itemChanged.connect(self._on_renamed)
        self.list.moveRequested.connect(self._move)
        self.add.clicked.connect(self.addRequested)
        self.recolor.clicked.connect(self._on_recolor)
        self.up.clicked.connect(lambda: self._move(-1))
        self.down.clicked.connect(lambda: self._move(1))
        self.remove.clicked.connect(self._on_remove)

    def value(self) -> int:
        """Value of the chosen class; 0 when there is none."""
        item = self.list.currentItem()
        return int(item.data(Qt.ItemDataRole.UserRole)) if item is not None else 0

    def setValue(self, value: int) -> None:
        """Choose a class, without a signal; 0, which erases, leaves none highlighted."""
        with QSignalBlocker(self.list):
            if not value:
                self.list.clearSelection()
            for row in range(self.list.count()):
                item = self.list.item(row)
                if item is not None and item.data(Qt.ItemDataRole.UserRole) == value:
                    self.list.setCurrentRow(row)
                    item.setSelected(True)

    def pick(self, place: int) -> None:
        """Choose the class at a place of the list, from 0, as a click does."""
        item = self.list.item(place)
        if item is not None:
            self.list.setCurrentItem(item)
            self._on_chosen(item)

    def set_rows(self, rows: Sequence[ClassRow]) -> None:
        """Show these classes; the chosen one stays chosen, else the first is."""
        chosen = self.value()
        with QSignalBlocker(self.list):
            self.list.clear()
            for place, row in enumerate(rows):
                self.list.addItem(_item_of(row, place))
            self.list.setCurrentRow(0)
        self.setValue(chosen)
        self.remove.setEnabled(len(rows) > 1)
        for button in (self.up, self.down):
            button.setEnabled(len(rows) > 1)

    def edit_name(self, value: int) -> None:
        """Let a person type the name of a class."""
        self.setValue(value)
        item = self.list.currentItem()
        if item is not None:
            self.list.scrollToItem(item)
            self.list.editItem(item)

    def _move(self, by: int) -> None:
        place = self.list.currentRow() + by
        if self.value() and 0 <= place < self.list.count():
            self.moved.emit(self.value(), place)

    def _on_chosen(self, item: QListWidgetItem | None, *_: object) -> None:
        if item is not None:
            self.valueChanged.emit(int(item.data(Qt.ItemDataRole.UserRole)))

    def _on_renamed(self, item: QListWidgetItem) -> None:
        self.renamed.emit(int(item.data(Qt.ItemDataRole.UserRole)), item.text().strip())

    def _on_recolor(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            start = QColor(str(item.data(Qt.ItemDataRole.UserRole + 1)))
            color = QColorDialog.getColor(start, parent=self, title="Colour of the class")
            if color.isValid():
                self.recolored.emit(self.value(), color.name())

    def _on_remove(self) -> None:
        if self.value():
            self.removeRequested.emit(self.value())


class _Classes(QListWidget):
    """A list in which Alt and an arrow ask to move the chosen row."""

    moveRequested = Signal(int)

    def keyPressEvent(self, e: QKeyEvent | None) -> None:
        """Ask to move a row; everything else as in any list."""
        if e is not None and e.modifiers() & Qt.KeyboardModifier.AltModifier:
            for key, by in _MOVES.items():
                if e.key() == key:
                    self.moveRequested.emit(by)
                    return
        super().keyPressEvent(e)


def _item_of(row: ClassRow, place: int) -> QListWidgetItem:
    pixmap = QPixmap(16, 16)
    pixmap.fill(QColor(row.color))
    icon = QIcon(pixmap)
    icon.addPixmap(pixmap, QIcon.Mode.Selected)  # else the colour of the chosen class is tinted
    item = QListWidgetItem(icon, row.name)
    item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
    item.setData(Qt.ItemDataRole.UserRole, row.value)
    item.setData(Qt.ItemDataRole.UserRole + 1, row.color)
    key = f" or press Alt+{place + 1}" if place < NUM_KEYS else ""
    item.setToolTip(
        f"Class {row.value} in masks; click{key} to paint it, double-click to rename it"
    )
    return item


def _button(text: str, tip: str, name: str = "") -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.setAccessibleName(name or text)
    button.setMinimumWidth(28)
    return button

"""Which of overlapping segments a voxel belongs to."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.imaging.overlap import OverlapRule
from napari_transmedseg.project.label_questions import SharedVoxels

_NOT_YET, _LATER, _ORDER = range(3)
_CHOICES = ("Choose which one wins…", "The one that comes later in the file", "The upper one of:")
_TOLD = 3


class OverlapEdit(QWidget):
    """Its value is a rule, or None as long as a person has not chosen one."""

    valueChanged = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._shared: tuple[SharedVoxels, ...] = ()

        # WIDGETS
        self.told = QLabel()
        self.told.setWordWrap(True)
        self.choice = QComboBox()
        self.choice.addItems(_CHOICES)
        self.choice.setAccessibleName("Overlapping segments")
        self.choice.setToolTip("A voxel has one class: choose whose it is where two claim it")
        self.order = QListWidget()
        self.order.setAccessibleName("Order of segments")
        self.order.setToolTip("A segment wins over those below it")
        self.up = QPushButton("Up")
        self.up.setToolTip("Let the chosen segment win over the one above it")
        self.down = QPushButton("Down")
        self.down.setToolTip("Let the one below win over the chosen segment")

        # LAYOUT
        buttons = QVBoxLayout()
        buttons.addWidget(self.up)
        buttons.addWidget(self.down)
        buttons.addStretch()
        ranking = QHBoxLayout()
        ranking.addWidget(self.order)
        ranking.addLayout(buttons)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.told)
        layout.addWidget(self.choice)
        layout.addLayout(ranking)
        self.order.setMaximumHeight(90)
        self._offer()

        # CONNECTIONS
        self.choice.currentIndexChanged.connect(self._on_choice)
        self.up.clicked.connect(lambda: self._move(-1))
        self.down.clicked.connect(lambda: self._move(1))

    def value(self) -> OverlapRule | None:
        """Rule that was chosen."""
        if not self._shared or self.choice.currentIndex() == _NOT_YET:
            return None
        if self.choice.currentIndex() == _LATER:
            return OverlapRule()
        return OverlapRule(first=tuple(self._names()), passes_over=True)

    def set_shared(self, shared: Sequence[SharedVoxels]) -> None:
        """Ask about these segments; what was chosen about the same ones stays."""
        names = list(dict.fromkeys(name for one in shared for name in one.names))
        if sorted(names) != sorted(self._names()):
            self.order.clear()
            self.order.addItems(names)
            self.order.setCurrentRow(0)
            self.choice.setCurrentIndex(_NOT_YET)
        self._shared = tuple(shared)
        self.told.setText(_told(self._shared))
        self.setVisible(bool(shared))

    def _names(self) -> list[str]:
        items = [self.order.item(row) for row in range(self.order.count())]
        return [item.text() for item in items if item is not None]

    def _offer(self) -> None:
        for part in (self.order, self.up, self.down):
            part.setVisible(self.choice.currentIndex() == _ORDER)

    def _on_choice(self) -> None:
        self._offer()
        self.valueChanged.emit()

    def _move(self, step: int) -> None:
        row = self.order.currentRow()
        if 0 <= row + step < self.order.count():
            self.order.insertItem(row + step, self.order.takeItem(row))
            self.order.setCurrentRow(row + step)
            self.valueChanged.emit()


def _told(shared: Sequence[SharedVoxels]) -> str:
    pairs = [
        f"‘{one.names[0]}’ and ‘{one.names[1]}’ both claim {one.num_voxels:,} voxels"
        for one in shared
    ]
    more = [f"{len(pairs) - _TOLD} more pairs overlap"] if len(pairs) > _TOLD else []
    return f"Segments overlap: {'; '.join(pairs[:_TOLD] + more)}. Whose are these voxels?"

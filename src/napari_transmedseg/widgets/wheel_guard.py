"""The mouse wheel scrolls the column; it changes no setting that happens to pass under it."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QGraphicsView,
    QScrollArea,
    QSlider,
    QWidget,
)

_EDITS = (QAbstractSpinBox, QComboBox, QSlider)


class WheelGuard(QObject):
    """Gives the wheel over settings and plots to the column; with Ctrl it stays theirs."""

    def __init__(self, column: QScrollArea) -> None:
        super().__init__(column)
        self._bar = column.verticalScrollBar()
        for part in column.findChildren(QWidget):
            if isinstance(part, _EDITS):
                part.installEventFilter(self)
            elif isinstance(part, QGraphicsView) and (viewport := part.viewport()) is not None:
                viewport.installEventFilter(self)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Hand a wheel without Ctrl to the column."""
        if isinstance(a1, QWheelEvent) and not a1.modifiers() & Qt.KeyboardModifier.ControlModifier:
            QApplication.sendEvent(self._bar, a1)
            return True
        return super().eventFilter(a0, a1)

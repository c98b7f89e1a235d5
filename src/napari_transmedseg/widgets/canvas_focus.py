"""Keys go to the image while the mouse is over it."""

from __future__ import annotations

from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

_TYPED_IN = (QLineEdit, QAbstractSpinBox, QPlainTextEdit, QTextEdit)


class CanvasFocus(QObject):
    """Gives the canvas the focus when the mouse comes over it.

    A list that was clicked takes letters and arrows for itself: without this, neither the
    commands' keys nor napari's reach the image before it is clicked, which paints. Nobody who
    types is interrupted.
    """

    def __init__(self, canvas: QWidget, parent: QObject) -> None:
        super().__init__(parent)
        self._canvas = canvas
        canvas.installEventFilter(self)

    def shut_down(self) -> None:
        """Leave the canvas alone."""
        self._canvas.removeEventFilter(self)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Take the focus, unless somebody types."""
        if a0 is self._canvas and a1 is not None and a1.type() == QEvent.Type.Enter:
            at = QApplication.focusWidget()
            if at is not None and at is not self._canvas and not isinstance(at, _TYPED_IN):
                self._canvas.setFocus()
        return super().eventFilter(a0, a1)

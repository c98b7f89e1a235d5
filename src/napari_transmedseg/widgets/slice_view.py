"""One slice of the case in a plane of its own, with a crosshair that can be dragged."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_transmedseg.imaging.orientation import EdgeLetters

_CROSSHAIR = QColor(255, 213, 79, 190)
_TEXT = QColor(235, 235, 235)
_KEY_STEPS = {
    Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0),
    Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1),
}  # fmt: skip
_WHEEL_STEP = 120
"""Eighths of a degree of one notch."""


class SliceView(QWidget):
    """Paints pixels made elsewhere; its value is the crosshair (row, column)."""

    valueChanged = Signal(int, int)
    """The crosshair was put on another row and column."""
    stepped = Signal(int)
    """The wheel asks for a slice so many further."""
    resized = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._pixels: npt.NDArray[np.uint32] = np.zeros((1, 1), np.uint32)
        self._image = _image_of(self._pixels)
        self._shape = (1, 1)
        self._spacing = (1.0, 1.0)
        self._at = (0, 0)
        self._title = ""
        self._letters = EdgeLetters(top="", bottom="", left="", right="")
        self._turned = 0
        self.setMinimumSize(90, 90)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setToolTip(
            "Click or drag to move the crosshair; the wheel goes through the slices, the arrow "
            "keys move by one voxel"
        )

    def sizeHint(self) -> QSize:
        """Enough to recognise an organ."""
        return QSize(260, 200)

    def value(self) -> tuple[int, int]:
        """Row and column of the crosshair."""
        return self._at

    def setValue(self, row: int, column: int) -> None:
        """Put the crosshair somewhere, without a signal."""
        if (row, column) != self._at:
            self._at = (row, column)
            self.update()

    def title(self) -> str:
        """Plane and number of the slice that is drawn."""
        return self._title

    def pixels(self) -> npt.NDArray[np.uint32]:
        """Pixels that are drawn."""
        return self._pixels

    def set_plane(
        self,
        name: str,
        letters: EdgeLetters,
        shape: tuple[int, int],
        spacing: tuple[float, float],
    ) -> None:
        """Say what is shown: the plane's name, its letters, rows and columns with their mm."""
        self._letters, self._shape, self._spacing = letters, shape, spacing
        self.setAccessibleName(f"{name.capitalize()} slice")
        self.update()

    def step(self) -> int:
        """Every how many-th voxel is enough for as many pixels as the screen has."""
        frame, ratio = self.frame(), self.devicePixelRatioF()
        (rows, columns), (height, width) = self._shape, (frame.height(), frame.width())
        return max(1, round(min(rows / max(1.0, height), columns / max(1.0, width)) / ratio))

    def set_pixels(self, pixels_YX: npt.NDArray[np.uint32], title: str) -> None:
        """Show another slice; of a large one every `step`-th row and column will do."""
        self._pixels, self._title = pixels_YX, title
        self._image = _image_of(pixels_YX)
        self.update()

    def frame(self) -> QRectF:
        """Where in the widget the slice lies, in its true proportions."""
        height, width = (n * size for n, size in zip(self._shape, self._spacing, strict=True))
        scale = min(self.width() / width, self.height() / height)
        width, height = width * scale, height * scale
        return QRectF((self.width() - width) / 2, (self.height() - height) / 2, width, height)

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        """Paint the slice, the crosshair and the letters."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(0, 0, 0))
        frame = self.frame()
        painter.drawImage(frame, self._image)
        painter.setPen(QPen(_CROSSHAIR, 1))
        x, y = self._point_of(*self._at)
        painter.drawLine(QPointF(x, frame.top()), QPointF(x, frame.bottom()))
        painter.drawLine(QPointF(frame.left(), y), QPointF(frame.right(), y))
        self._paint_texts(painter)
        painter.end()

    def _paint_texts(self, painter: QPainter) -> None:
        flags = Qt.AlignmentFlag
        box = self.rect().adjusted(4, 2, -4, -2)
        painter.setPen(QPen(_TEXT))
        for text, flag in (
            (self._letters.top, flags.AlignHCenter | flags.AlignTop),
            (self._letters.bottom, flags.AlignHCenter | flags.AlignBottom),
            (self._letters.left, flags.AlignLeft | flags.AlignVCenter),
            (self._letters.right, flags.AlignRight | flags.AlignVCenter),
            (self._title, flags.AlignLeft | flags.AlignTop),
        ):
            painter.drawText(box, flag, text)

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        """Tell that another `step` may do now."""
        super().resizeEvent(a0)
        self.resized.emit()

    def mousePressEvent(self, a0: QMouseEvent | None) -> None:
        """Move the crosshair."""
        self._pick(a0)

    def mouseMoveEvent(self, a0: QMouseEvent | None) -> None:
        """Drag the crosshair."""
        self._pick(a0)

    def wheelEvent(self, a0: QWheelEvent | None) -> None:
        """Go through the slices."""
        if a0 is None:
            return
        self._turned += a0.angleDelta().y()
        steps = int(self._turned / _WHEEL_STEP)
        if steps:
            self._turned -= steps * _WHEEL_STEP
            self.stepped.emit(-steps)
        a0.accept()

    def keyPressEvent(self, a0: QKeyEvent | None) -> None:
        """Move the crosshair by one voxel, or go through the slices."""
        if a0 is None:
            return
        key = Qt.Key(a0.key())
        if key in _KEY_STEPS:
            self._put(self._at[0] + _KEY_STEPS[key][0], self._at[1] + _KEY_STEPS[key][1])
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self.stepped.emit(1 if key == Qt.Key.Key_PageDown else -1)
        else:
            super().keyPressEvent(a0)

    def _pick(self, event: QMouseEvent | None) -> None:
        if event is None or not event.buttons() & Qt.MouseButton.LeftButton:
            return
        frame, at = self.frame(), event.position()
        rows, columns = self._shape
        self._put(
            math.floor((at.y() - frame.top()) / frame.height() * rows),
            math.floor((at.x() - frame.left()) / frame.width() * columns),
        )

    def _put(self, row: int, column: int) -> None:
        rows, columns = self._shape
        at = (min(max(row, 0), rows - 1), min(max(column, 0), columns - 1))
        if at != self._at:
            self.setValue(*at)
            self.valueChanged.emit(*at)

    def _point_of(self, row: int, column: int) -> tuple[float, float]:
        frame, (rows, columns) = self.frame(), self._shape
        return (
            frame.left() + (column + 0.5) / columns * frame.width(),
            frame.top() + (row + 0.5) / rows * frame.height(),
        )


def _image_of(pixels_YX: npt.NDArray[np.uint32]) -> QImage:
    """Qt's view of pixels; they must stay alive and contiguous as long as it does."""
    height, width = pixels_YX.shape
    data: Any = pixels_YX.data
    return QImage(data, int(width), int(height), 4 * int(width), QImage.Format.Format_RGB32)

"""The letters at the edges of the canvas that say which side of the body is where."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import QEvent, QObject, QRect, Qt
from qtpy.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow, QWidget

EDGES = ("top", "bottom", "left", "right")
_SIZE = 28
"""Pixels, of the square that a letter stands in."""
_POINTS = 14


class EdgeLetters(QObject):
    """Letters over a canvas; the value is the letter at each edge that has one.

    Qt paints them, since texts of the scene take as long at every frame as the scene itself.
    """

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._letters = {edge: _Letter(canvas) for edge in EDGES}
        canvas.installEventFilter(self)
        self._place()

    def value(self) -> dict[str, str]:
        """Letter at each edge that has one now: top, bottom, left, right."""
        return {edge: one.letter for edge, one in self._letters.items() if one.letter}

    def setValue(self, letters: Mapping[str, str]) -> None:
        """Show letters; edges that have none are bare."""
        for edge, one in self._letters.items():
            one.set_letter(letters.get(edge, ""))

    def close(self) -> None:
        """Take the letters off the canvas."""
        self._canvas.removeEventFilter(self)
        for one in self._letters.values():
            one.hide()
            one.deleteLater()
        self.deleteLater()

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Keep the letters at the edges when the canvas grows or shrinks."""
        if a0 is self._canvas and a1 is not None and a1.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(a0, a1)

    def _place(self) -> None:
        width, height = self._canvas.width() - _SIZE, self._canvas.height() - _SIZE
        corners = {
            "top": (width // 2, 0), "bottom": (width // 2, height),
            "left": (0, height // 2), "right": (width, height // 2),
        }  # fmt: skip
        for edge, (x, y) in corners.items():
            self._letters[edge].setGeometry(QRect(x, y, _SIZE, _SIZE))


class _Letter(QWidget):
    """One letter, white with a dark rim, so that it can be read on any image."""

    def __init__(self, canvas: QWidget) -> None:
        super().__init__(canvas)
        self.letter = ""
        self._pixels = QPixmap()
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def set_letter(self, letter: str) -> None:
        if letter != self.letter:
            self.letter, self._pixels = letter, QPixmap()
            self.setVisible(bool(letter))
            self.update()

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        """Put the letter down: with every frame of the canvas, so it is drawn only once."""
        if self._pixels.isNull():
            self._pixels = self._draw()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._pixels)
        painter.end()

    def _draw(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        pixels = QPixmap(round(_SIZE * ratio), round(_SIZE * ratio))
        pixels.setDevicePixelRatio(ratio)
        pixels.fill(Qt.GlobalColor.transparent)
        font = self.font()
        font.setPointSize(_POINTS)
        path = QPainterPath()
        path.addText(0, 0, font, self.letter)
        path.translate(self.rect().center().toPointF() - path.boundingRect().center())
        painter = QPainter(pixels)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.strokePath(path, QPen(QColor(0, 0, 0, 200), 3))
        painter.fillPath(path, QColor("white"))
        painter.end()
        return pixels


def canvas_around(widget: QWidget) -> QWidget | None:
    """Canvas of the viewer in whose window a widget is docked; None where it is not docked."""
    above: QObject | None = widget
    while above is not None and not isinstance(above, QMainWindow):
        above = above.parent()
    center = above.centralWidget() if isinstance(above, QMainWindow) else None
    return None if center is None else center.findChild(QOpenGLWidget)

"""Letters and words over a canvas: sides of the body at its edges, those of a swipe at its corners.

Qt paints them, since texts of the scene take as long at every frame as the scene itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import QEvent, QObject, QRect, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap
from qtpy.QtOpenGLWidgets import QOpenGLWidget
from qtpy.QtWidgets import QMainWindow, QStyle, QWidget

_AT = Qt.AlignmentFlag
EDGES = {
    "top": _AT.AlignTop | _AT.AlignHCenter,
    "bottom": _AT.AlignBottom | _AT.AlignHCenter,
    "left": _AT.AlignLeft | _AT.AlignVCenter,
    "right": _AT.AlignRight | _AT.AlignVCenter,
}
CORNERS = {"left": _AT.AlignTop | _AT.AlignLeft, "right": _AT.AlignTop | _AT.AlignRight}
_MARGIN = 6
"""Pixels around a text."""


class CanvasWords(QObject):
    """Texts over a canvas; the value is the text at each place that has one.

    Parameters
    ----------
    canvas
        Over which they lie.
    places
        `EDGES` or `CORNERS`.
    points
        Size of the font.
    """

    def __init__(
        self, canvas: QWidget, places: Mapping[str, Qt.AlignmentFlag], *, points: int
    ) -> None:
        super().__init__(canvas)
        self.places = places
        self._texts = {
            name: _Text(canvas, alignment, points=points) for name, alignment in places.items()
        }

    def value(self) -> dict[str, str]:
        """Text at each place that has one now."""
        return {name: one.text for name, one in self._texts.items() if one.text}

    def setValue(self, texts: Mapping[str, str]) -> None:
        """Show texts; places that have none are bare."""
        for name, one in self._texts.items():
            one.set_text(texts.get(name, ""))

    def close(self) -> None:
        """Take the texts off the canvas."""
        for one in self._texts.values():
            one.take_off()
        self.deleteLater()


class _Text(QWidget):
    """One text at an edge or a corner of a canvas, white with a dark rim, to be read on any image.

    Parameters
    ----------
    canvas
        Over which it lies; the mouse reaches the canvas through it.
    alignment
        Where it lies.
    points
        Size of the font.
    """

    def __init__(self, canvas: QWidget, alignment: Qt.AlignmentFlag, *, points: int) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._alignment = alignment
        self._points = points
        self._path = QPainterPath()
        self._pixels = QPixmap()
        self.text = ""
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()
        canvas.installEventFilter(self)

    def set_text(self, text: str) -> None:
        """Show a text; nothing where there is none."""
        if text == self.text:
            return
        font = self.font()
        font.setPointSize(self._points)
        self.text, self._path, self._pixels = text, QPainterPath(), QPixmap()
        self._path.addText(0, 0, font, text)
        self._place()
        self.setVisible(bool(text))
        self.update()

    def take_off(self) -> None:
        """Take it off the canvas."""
        self._canvas.removeEventFilter(self)
        self.hide()
        self.deleteLater()

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Stay at the edge when the canvas grows or shrinks."""
        if a0 is self._canvas and a1 is not None and a1.type() == QEvent.Type.Resize:
            self._place()
        return super().eventFilter(a0, a1)

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        """Put the text down: with every frame of the canvas, so it is drawn only once."""
        if self._pixels.isNull():
            self._pixels = self._draw()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._pixels)
        painter.end()

    def _place(self) -> None:
        bounds = self._path.boundingRect().toAlignedRect().size()
        size = bounds + QSize(2 * _MARGIN, 2 * _MARGIN)
        around = QRect(0, 0, self._canvas.width(), self._canvas.height())
        direction = Qt.LayoutDirection.LeftToRight
        self.setGeometry(QStyle.alignedRect(direction, self._alignment, size, around))

    def _draw(self) -> QPixmap:
        ratio = self.devicePixelRatioF()
        pixels = QPixmap(round(self.width() * ratio), round(self.height() * ratio))
        pixels.setDevicePixelRatio(ratio)
        pixels.fill(Qt.GlobalColor.transparent)
        middle = self.rect().center().toPointF() - self._path.boundingRect().center()
        path = self._path.translated(middle)
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

"""Keys that zoom and move a plot, for those who use no mouse."""

from __future__ import annotations

import pyqtgraph as pg
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QKeyEvent

KEY_TIP = "once it has the focus (Tab, or a click), + and − zoom and the arrow keys move"
ZOOM = 1.25
"""Times of what is shown, per press."""
SHARE = 0.1
"""Of the width or height that is shown, moved per press."""

_SCALES = {Qt.Key.Key_Plus: 1 / ZOOM, Qt.Key.Key_Equal: 1 / ZOOM, Qt.Key.Key_Minus: ZOOM}
_MOVES_XY = {
    Qt.Key.Key_Left: (-SHARE, 0.0),
    Qt.Key.Key_Right: (SHARE, 0.0),
    Qt.Key.Key_Up: (0.0, SHARE),
    Qt.Key.Key_Down: (0.0, -SHARE),
}
_PLAIN = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier


class PlotKeys(QObject):
    """Listens to the keys of a plot that has the focus, and frames it meanwhile."""

    def __init__(self, plot: pg.PlotWidget) -> None:
        super().__init__(plot)
        self._plot = plot
        plot.setAccessibleDescription(f"{KEY_TIP[0].upper()}{KEY_TIP[1:]}.")
        plot.installEventFilter(self)

    def eventFilter(self, a0: QObject | None, a1: QEvent | None) -> bool:
        """Take the keys that zoom and move; all others go on."""
        if isinstance(a1, QKeyEvent) and a1.type() == QEvent.Type.KeyPress:
            return self._is_taken(a1)
        if a1 is not None and a1.type() in (QEvent.Type.FocusIn, QEvent.Type.FocusOut):
            self._frame(a1.type() == QEvent.Type.FocusIn)
        return super().eventFilter(a0, a1)

    def _is_taken(self, event: QKeyEvent) -> bool:
        if event.modifiers() & ~_PLAIN:
            return False
        box, key = self._plot.getPlotItem().vb, event.key()
        if key in _SCALES:
            box.scaleBy((_SCALES[Qt.Key(key)],) * 2)
        elif key in _MOVES_XY:
            shown, (x, y) = box.viewRect(), _MOVES_XY[Qt.Key(key)]
            box.translateBy((x * shown.width(), y * shown.height()))
        else:
            return False
        return True

    def _frame(self, is_on: bool) -> None:
        pen = self._plot.getAxis("left").textPen() if is_on else None
        self._plot.getPlotItem().vb.setBorder(pen)

"""Words that change often, and that nothing around them moves for."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QLabel, QSizePolicy, QWidget


class SteadyLabel(QWidget):
    """A label of so many lines; only words that do not fit make it grow.

    At new words a `QLabel` asks its layout for room, even where it has enough: the whole column is
    laid out and drawn again, and the window with it. This one lies in no layout itself.

    Parameters
    ----------
    lines
        Lines that have room from the beginning.
    is_selectable
        Whether the mouse can select words, to copy them.
    """

    def __init__(
        self, lines: int = 1, *, is_selectable: bool = False, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._label = QLabel(self)
        self._label.setWordWrap(True)
        self._label.setAlignment(Qt.AlignmentFlag.AlignTop)
        if is_selectable:
            self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._least = lines * self._label.fontMetrics().lineSpacing()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(self._least)

    def sizeHint(self) -> QSize:
        """No width of its own."""
        return QSize(0, self.height())

    def text(self) -> str:
        """Words that are shown."""
        return self._label.text()

    def setText(self, text: str) -> None:
        """Show other words."""
        if text != self._label.text():
            self._label.setText(text)
            self._make_room(self.height())

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        """Give the words all the room; in a column of another width they may need more or less."""
        super().resizeEvent(a0)
        if a0 is not None and a0.oldSize().width() != a0.size().width():
            self._make_room(self._least)
        self._label.resize(self.size())

    def _make_room(self, least: int) -> None:
        height = max(least, self._label.heightForWidth(self.width()))
        if height != self.height():
            self.setFixedHeight(height)

"""Errors in a dialog that can be scrolled, selected and copied."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)


class ErrorDialog(QDialog):
    """One sentence, and the details below it; does not block the window."""

    def __init__(self, sentence: str, details: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("TransMedSeg")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._sentence, self._details = sentence, details

        # WIDGETS
        self._label = QLabel(sentence)
        self._label.setWordWrap(True)
        self._label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._text = QPlainTextEdit(details)
        self._text.setReadOnly(True)
        self._text.setVisible(bool(details))
        self._buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        self._copy = QPushButton("Copy")
        self._buttons.addButton(self._copy, QDialogButtonBox.ButtonRole.ActionRole)
        self._copy.setToolTip("Copy the message and its details")

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.addWidget(self._label)
        layout.addWidget(self._text)
        layout.addWidget(self._buttons)
        self.resize(520, 320 if details else 120)

        # CONNECTIONS
        self._buttons.rejected.connect(self.close)
        self._copy.clicked.connect(self._on_copy)

    def text(self) -> str:
        """Message and details, as they are copied."""
        return f"{self._sentence}\n\n{self._details}".strip()

    def _on_copy(self) -> None:
        clipboard = QApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(self.text())

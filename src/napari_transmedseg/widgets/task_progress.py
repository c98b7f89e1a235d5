"""How far a task over cases is, and a button that ends it."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget


class TaskProgress(QWidget):
    """Counts cases; hidden until a task begins.

    Parameters
    ----------
    name
        What is under way, for those who do not see it: "export".
    tip
        What is counted.
    cancel_tip
        What becomes of the work when it is cancelled.
    """

    cancelRequested = Signal()

    def __init__(
        self, name: str, *, tip: str, cancel_tip: str, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)

        # WIDGETS
        self.bar = QProgressBar()
        self.bar.setAccessibleName(f"Progress of the {name}")
        self.bar.setToolTip(tip)
        self.cancel = QPushButton("Cancel")
        self.cancel.setAccessibleName(f"Cancel the {name}")
        self.cancel.setToolTip(cancel_tip)

        # LAYOUT
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.bar, 1)
        layout.addWidget(self.cancel)
        self.setVisible(False)

        # CONNECTIONS
        self.cancel.clicked.connect(self._on_cancel)

    def begin(self) -> None:
        """Appear, with nothing done yet."""
        self.bar.setRange(0, 0)
        self.bar.setFormat("Starting …")
        self.cancel.setEnabled(True)
        self.setVisible(True)

    def setValue(self, index: int, total: int, case_id: str) -> None:
        """Show how many cases are done, and the last of them."""
        self.bar.setRange(0, total)
        self.bar.setValue(index)
        if self.cancel.isEnabled():
            self.bar.setFormat(f"{case_id} (%v of %m)")

    def _on_cancel(self) -> None:
        self.cancel.setEnabled(False)
        self.bar.setFormat("Cancelling …")
        self.cancelRequested.emit()

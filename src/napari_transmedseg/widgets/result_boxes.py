"""Review of predicted slices."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget


class ReviewBox(QWidget):
    """Asks to accept the predicted slice, or to predict all cases."""

    acceptRequested = Signal()
    predictRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.status = QLabel("No prediction for this slice yet.")
        self.status.setWordWrap(True)
        self.accept = QPushButton("Accept slice (A)")
        self.accept.setToolTip(
            "Take what was predicted into your labels, so that the whole slice is known. What "
            "you painted stays. Ctrl+Z takes it back."
        )
        self.predict = QPushButton("Predict all cases")
        self.predict.setToolTip("Predict every slice of every case with the latest training")

        # LAYOUT
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.status, 0, 0, 1, 2)
        layout.addWidget(self.accept, 1, 0)
        layout.addWidget(self.predict, 1, 1)

        # CONNECTIONS
        self.accept.clicked.connect(self.acceptRequested)
        self.predict.clicked.connect(self.predictRequested)
        self.setValue(is_predicted=False, is_open=True)

    def setValue(self, *, is_predicted: bool, is_open: bool, is_early: bool = False) -> None:
        """Show whether the slice on screen was predicted, and whether it is still open.

        `is_early`: the model that predicts has hardly learned yet.
        """
        self.accept.setEnabled(is_predicted and is_open)
        if not is_predicted:
            self.status.setText("No prediction for this slice yet: train, or predict all cases.")
        elif is_open and is_early:
            self.status.setText("Predicted, but the model has hardly learned yet: look closely.")
        elif is_open:
            self.status.setText("Predicted: accept it, or paint over it first.")
        else:
            self.status.setText("This slice is already in your labels.")

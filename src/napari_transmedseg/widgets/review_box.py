"""Review of predicted slices: accept, reject, what waits, and how good predictions were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QMenu, QPushButton, QWidget

from napari_transmedseg.widgets.correction_plot import CorrectionPlot
from napari_transmedseg.widgets.queue_list import QueueList
from napari_transmedseg.widgets.steady_label import SteadyLabel
from napari_transmedseg.widgets.task_progress import TaskProgress

PART_TIP = (
    "Accept only a part of what was predicted, and go on painting: the slice is in progress then"
)


class ReviewBox(QWidget):
    """Asks what becomes of predicted slices, and for predictions."""

    acceptRequested = Signal()
    acceptObjectRequested = Signal()
    acceptClassRequested = Signal(int)
    rejectRequested = Signal()
    predictRequested = Signal()
    cancelRequested = Signal()
    """The prediction that runs shall end."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)

        # WIDGETS
        self.status = SteadyLabel()
        self.accept = _button(
            "Accept slice (A)",
            "Take what was predicted into your labels, so that the whole slice is known. What "
            "you painted stays. Ctrl+Z takes it back.",
        )
        self.reject = _button(
            "Reject (Q)", "The prediction of this slice is wrong: the slice stays unknown"
        )
        self.part_menu = QMenu(self)
        self.part_menu.setToolTipsVisible(True)
        self.accept_part = _button("Accept a part", PART_TIP)
        self.accept_part.setMenu(self.part_menu)
        self.predict = _button(
            "Predict all cases", "Predict every slice of every case with the latest training"
        )
        self.progress = TaskProgress(
            "prediction",
            tip="Cases predicted so far",
            cancel_tip="End within a second or so; cases that are predicted by then stay so",
        )
        self.volumes = QLabel()
        self.volumes.setWordWrap(True)
        self.volumes.setToolTip("Volumes of this case: of your labels, and of the prediction")
        self.queue = QueueList()
        self.corrections = CorrectionPlot()

        # LAYOUT
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.status, 0, 0, 1, 2)
        layout.addWidget(self.accept, 1, 0)
        layout.addWidget(self.reject, 1, 1)
        layout.addWidget(self.accept_part, 2, 0)
        layout.addWidget(self.predict, 2, 1)
        rows = (self.progress, self.volumes, self.queue, self.corrections)
        for row, widget in enumerate(rows, start=3):
            layout.addWidget(widget, row, 0, 1, 2)

        # CONNECTIONS
        self.accept.clicked.connect(self.acceptRequested)
        self.reject.clicked.connect(self.rejectRequested)
        self.predict.clicked.connect(self.predictRequested)
        self.progress.cancelRequested.connect(self.cancelRequested)
        self.set_classes({})
        self.set_volumes(())
        self.setValue(is_predicted=False, is_open=True)

    def setValue(
        self, *, is_predicted: bool, is_open: bool, is_early: bool = False,
        outdated_by: tuple[str, str] | None = None,
    ) -> None:  # fmt: skip
        """Show whether the slice on screen was predicted, and whether it is still open.

        `is_early`: the model that predicts has hardly learned yet. `outdated_by`: the run that
        predicted, and the latest one, where that is another.
        """
        for button in (self.accept, self.accept_part, self.reject):
            button.setEnabled(is_predicted and is_open)
        if not is_predicted:
            self.status.setText("No prediction for this slice yet: train, or predict all cases.")
        elif is_open and outdated_by:
            old, new = outdated_by
            self.status.setText(f"Predicted by {old}; {new} is newer: predict again, or accept it.")
        elif is_open and is_early:
            self.status.setText("Predicted, but the model has hardly learned yet: look closely.")
        elif is_open:
            self.status.setText("Predicted: accept it, or paint over it first.")
        else:
            self.status.setText("This slice is already in your labels.")

    def set_classes(self, names: Mapping[int, str]) -> None:
        """Offer these classes (name by value) as parts to accept."""
        self.part_menu.clear()
        action = self.part_menu.addAction("The object under the mouse (Shift+A)")
        assert action is not None
        action.setToolTip("Point at a predicted object and press Shift+A")
        action.triggered.connect(self.acceptObjectRequested)
        for value, name in names.items():
            action = self.part_menu.addAction(f"Only {name}")
            assert action is not None
            action.setToolTip(f"Accept what was predicted as {name} on this slice")
            action.triggered.connect(lambda *_, v=value: self.acceptClassRequested.emit(v))

    def set_volumes(self, rows: Sequence[tuple[str, float, float | None]]) -> None:
        """Show volumes in ml: class, labeled, predicted (None: not all slices are)."""
        self.volumes.setVisible(bool(rows))
        cells = "".join(
            f"<tr><td>{escape(name)}&nbsp;&nbsp;</td><td align='right'>{labeled:.1f} ml"
            "&nbsp;&nbsp;</td><td align='right'>"
            f"{'–' if predicted is None else f'{predicted:.1f} ml'}</td></tr>"
            for name, labeled, predicted in rows
        )
        head = "<tr><td></td><td>your labels&nbsp;&nbsp;</td><td>predicted</td></tr>"
        self.volumes.setText(f"<table>{head}{cells}</table>")


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button

"""Trained runs side by side: a table, and the curves of the chosen ones over each other."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QAbstractItemView,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.project.history import Curve, TrainingHistory
from napari_transmedseg.project.run_summary import RunSummary
from napari_transmedseg.widgets.curve_canvas import CurveCanvas, Line
from napari_transmedseg.widgets.training_words import duration_in_words

COLUMNS = ("Run", "State", "Method", "Starts from", "Steps", "Loss", "Dice", "Time")
COLORS = ("#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#f0e442")
STATES = {
    "budget": "finished", "early": "ended early", "stopped": "stopped, kept",
    "unfinished": "cut off", "discarded": "discarded",
}  # fmt: skip


class RunsDialog(QDialog):
    """Shows `RunSummary`s; does not block the window."""

    discardRequested = Signal(str, bool)
    """A run, and whether to discard it (True) or to take it back."""
    deleteRequested = Signal(str)
    swipeRequested = Signal(str, str)
    """Two runs to be laid side by side over the image, the older one first."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Compare runs")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._runs: list[RunSummary] = []
        self._busy = ""

        # WIDGETS
        self.table = QTableWidget(0, len(COLUMNS))
        self.table.setHorizontalHeaderLabels(list(COLUMNS))
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setToolTip("Choose runs with Ctrl or Shift to see their curves below")
        self.table.setAccessibleName("Runs")
        header, numbers = self.table.horizontalHeader(), self.table.verticalHeader()
        if header is not None and numbers is not None:
            header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
            numbers.setVisible(False)
        self.hint = QLabel(
            "Total loss, and mean Dice over the classes, of the chosen runs. Dice on "
            "held-out slices says how good a run is; on annotated ones, how well it learned them."
        )
        self.hint.setWordWrap(True)
        self.canvas = CurveCanvas()
        self.canvas.setMinimumHeight(240)
        self.discard = _button("Discard", "Do not use the chosen runs; their files stay")
        self.delete = _button("Delete files", "Delete the chosen discarded runs for good")
        self.swipe = _button(
            "Swipe over the image",
            "Lay what two chosen runs predicted of the case on screen side by side",
        )
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        for button in (self.swipe, self.discard, self.delete):
            self.buttons.addButton(button, QDialogButtonBox.ButtonRole.ActionRole)

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.addWidget(self.table, 2)
        layout.addWidget(self.hint)
        layout.addWidget(self.canvas, 3)
        layout.addWidget(self.buttons)
        self.resize(720, 600)

        # CONNECTIONS
        self.table.itemSelectionChanged.connect(self._on_chosen)
        self.discard.clicked.connect(self._on_discard)
        self.delete.clicked.connect(self._on_delete)
        self.swipe.clicked.connect(self._on_swipe)
        self.buttons.rejected.connect(self.close)

    def value(self) -> list[str]:
        """Chosen runs."""
        rows = sorted({index.row() for index in self.table.selectedIndexes()})
        return [self._runs[row].run_id for row in rows]

    def setValue(self, runs: Sequence[RunSummary], busy: str = "") -> None:
        """Show runs; the one in training can be neither discarded nor deleted here."""
        chosen = self.value()
        self._runs, self._busy = list(runs), busy
        self.table.setRowCount(len(runs))
        for row, run in enumerate(runs):
            for column, text in enumerate(_cells(run, is_busy=run.run_id == busy)):
                self.table.setItem(row, column, QTableWidgetItem(text))
        self._choose(chosen or [run.run_id for run in runs[-2:]])
        self._on_chosen()

    def set_theme(self, background: str, foreground: str) -> None:
        """Follow the viewer's theme (colours as #rrggbb)."""
        self.canvas.set_theme(background, foreground)

    def _choose(self, run_ids: Sequence[str]) -> None:
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.MultiSelection)
        self.table.clearSelection()
        for row, run in enumerate(self._runs):
            if run.run_id in run_ids:
                self.table.selectRow(row)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)

    def _on_chosen(self) -> None:
        chosen = self._chosen()
        kinds = {run.dice_is_held_out for run in chosen if run.dice is not None}
        lines = []
        for run in chosen:
            color = COLORS[self._runs.index(run) % len(COLORS)]
            total = run.history.losses.get("total", Curve())
            lines.append(Line(panel="loss", name=run.run_id, curve=total, color=color))
            lines.append(_dice_line(run, color, names_kind=len(kinds) > 1))
        self.canvas.set_lines(lines)
        discarded = [run.state == "discarded" for run in chosen]
        is_free = bool(chosen) and self._busy not in [run.run_id for run in chosen]
        self.discard.setText("Take back" if chosen and all(discarded) else "Discard")
        self.discard.setEnabled(is_free)
        self.delete.setEnabled(is_free and all(discarded))
        self.swipe.setEnabled(len(chosen) == 2)

    def _chosen(self) -> list[RunSummary]:
        ids = self.value()
        return [run for run in self._runs if run.run_id in ids]

    def _on_discard(self) -> None:
        is_discarded = self.discard.text() == "Discard"
        for run_id in self.value():
            self.discardRequested.emit(run_id, is_discarded)

    def _on_swipe(self) -> None:
        left, right = self.value()
        self.swipeRequested.emit(left, right)

    def _on_delete(self) -> None:
        for run_id in self.value():
            self.deleteRequested.emit(run_id)


def mean_dice_curve(history: TrainingHistory) -> Curve:
    """Mean over the classes that have a Dice at each step."""
    by_step: dict[int, list[float]] = {}
    for curve in history.dice.values():
        for step, value in zip(curve.steps, curve.values, strict=True):
            if value == value:
                by_step.setdefault(step, []).append(value)
    steps = sorted(by_step)
    return Curve(steps, [sum(by_step[step]) / len(by_step[step]) for step in steps])


def _dice_line(run: RunSummary, color: str, *, names_kind: bool) -> Line:
    """Mean Dice; beside one of another kind it says which it is, annotated slices are dashed."""
    name, curve = run.run_id, mean_dice_curve(run.history)
    if names_kind:
        name += f" {_kind_of(run)}"
    is_dashed = names_kind and not run.dice_is_held_out
    return Line(panel="Dice", name=name, curve=curve, color=color, is_dashed=is_dashed)


def _kind_of(run: RunSummary) -> str:
    """Which slices Dice was measured on, in a word."""
    return "held out" if run.dice_is_held_out else "annotated"


def _cells(run: RunSummary, *, is_busy: bool) -> list[str]:
    dice = "–" if run.dice is None else f"{run.dice:.3f} {_kind_of(run)}"
    loss = run.losses.get("total")
    return [
        run.run_id,
        "in training" if is_busy else STATES.get(run.state, run.state),
        run.method,
        run.warm_start or "–",
        str(run.steps),
        "–" if loss is None else f"{loss:.3f}",
        dice,
        duration_in_words(run.elapsed_s),
    ]


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button

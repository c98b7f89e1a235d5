"""Live curves: the separate loss terms above, Dice per class below, and their tools."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.history import LOSS_TERMS, TrainingHistory
from napari_transmedseg.project.history_table import history_as_csv, run_at
from napari_transmedseg.widgets.curve_canvas import CurveCanvas, Line
from napari_transmedseg.widgets.steady_label import SteadyLabel

TERM_COLORS = dict(
    zip(LOSS_TERMS, ("#888888", "#56b4e9", "#009e73", "#e69f00", "#cc79a7"), strict=True)
)
FALLBACK_COLOR = "#999999"
CANVAS_HEIGHT = 270
FILE_FILTER = "Picture (*.png);;Table (*.csv)"


class LossPlot(QWidget):
    """Shows the curves of a `TrainingHistory`; folded away to a sentence before there are any."""

    exportRequested = Signal(object)
    """Path of a PNG or CSV file to write the curves to."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._history = TrainingHistory()
        self._hovered: float | None = None

        # WIDGETS
        self.canvas = CurveCanvas()
        self.losses, self.dice = self.canvas.losses, self.canvas.dice
        self.log = QCheckBox("Log scale")
        self.log.setToolTip("Losses on a logarithmic scale; values of 0 and below vanish on it")
        self.curves = QToolButton()
        self.curves.setText("Curves")
        self.curves.setToolTip("Choose which curves are shown; or click a name in the plot")
        self.curves.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.menu = QMenu(self)
        self.curves.setMenu(self.menu)
        self.reset = QPushButton("Reset view")
        self.reset.setToolTip("Show all of every curve again after zooming")
        self.export = QPushButton("Save…")
        self.export.setToolTip("Save the curves as a picture (PNG) or as a table (CSV)")
        self.values = SteadyLabel(lines=2)
        self.values.setToolTip("Values under the mouse, or the latest ones")

        self.tools = QWidget()

        # LAYOUT
        tools = QHBoxLayout(self.tools)
        tools.setContentsMargins(0, 0, 0, 0)
        for tool in (self.log, self.curves, self.reset, self.export):
            tools.addWidget(tool)
        tools.addStretch()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.tools)
        layout.addWidget(self.canvas)
        layout.addWidget(self.values)
        self._fold()

        # CONNECTIONS
        self.log.toggled.connect(self.canvas.set_log)
        self.menu.aboutToShow.connect(self._fill_menu)
        self.reset.clicked.connect(self.canvas.reset_view)
        self.export.clicked.connect(self._on_export)
        self.canvas.hovered.connect(self._on_hovered)
        self.canvas.shownChanged.connect(self._show_values)

    def value(self) -> dict[str, tuple[list[float], list[float]]]:
        """Points (steps, values) of each line on screen, by its name."""
        return self.canvas.value()

    def setValue(self, history: TrainingHistory, class_colors: Mapping[str, str]) -> None:
        """Show a history; Dice lines take the colours of their classes."""
        self._history = history
        self.canvas.set_lines([*_loss_lines(history), *_dice_lines(history, class_colors)])
        self.canvas.set_marks(history.marks)
        self.dice.setLabel("left", f"Dice<br>{_kind_of(history)}")
        self._fold()
        self._show_values()

    def set_theme(self, background: str, foreground: str) -> None:
        """Follow the viewer's theme (colours as #rrggbb)."""
        self.canvas.set_theme(background, foreground)

    def save(self, path: Path) -> None:
        """Write the curves as a table where the name ends in .csv, else as a picture.

        Raises
        ------
        ProjectError
            If the file cannot be written.
        """
        if path.suffix.lower() == ".csv":
            path.write_text(history_as_csv(self._history), encoding="utf-8")
            return
        if not self.canvas.grab().save(str(path), "PNG"):
            raise ProjectError(
                f"Expected to write the picture {path}, found that it is not possible; choose "
                "another folder."
            )

    def _fold(self) -> None:
        """Take no room for axes and tools while there is nothing to see."""
        is_empty = self.canvas.is_empty
        self.canvas.setFixedHeight(
            self.canvas.hint.sizeHint().height() if is_empty else CANVAS_HEIGHT
        )
        self.tools.setVisible(not is_empty)
        self.values.setVisible(not is_empty)

    def _on_hovered(self, step: float | None) -> None:
        self._hovered = step
        self._show_values()

    def _show_values(self) -> None:
        """Say the values under the mouse, or the latest ones, whatever comes in meanwhile."""
        curves = [*self._history.losses.values(), *self._history.dice.values()]
        last = max((curve.steps[-1] for curve in curves if curve.steps), default=None)
        at = last if self._hovered is None else max(0, round(self._hovered))
        if last is None or at is None:
            self.values.setText("")
            return
        at = min(at, last)
        found = [(p, f"{name} {value:.3g}") for p, name, value in self.canvas.values_at(at)]
        losses = ", ".join(text for panel, text in found if panel == "loss")
        dice = ", ".join(text for panel, text in found if panel == "Dice")
        if dice:
            dice = f"Dice ({_kind_of(self._history)}) {dice}"
        parts = [f"{run_at(self._history, at)} step {at}: {losses}", dice]
        self.values.setText(" · ".join(part for part in parts if part))

    def _fill_menu(self) -> None:
        self.menu.clear()
        for name in self.canvas.names():
            action = self.menu.addAction(name)
            if action is not None:
                action.setCheckable(True)
                action.setChecked(self.canvas.is_shown(name))
                action.toggled.connect(lambda on, name=name: self.canvas.set_shown(name, on))

    def _on_export(self) -> None:
        name, chosen = QFileDialog.getSaveFileName(self, "Save the curves", "", FILE_FILTER)
        if name:
            suffix = ".csv" if "csv" in chosen else ".png"
            path = Path(name)
            self.exportRequested.emit(path if path.suffix else path.with_suffix(suffix))


def _kind_of(history: TrainingHistory) -> str:
    """Which slices the Dice that is drawn was measured on, in a word."""
    return "held-out" if history.dice_is_held_out else "annotated"


def _loss_lines(history: TrainingHistory) -> list[Line]:
    return [
        Line(
            panel="loss", name=name, curve=curve, color=TERM_COLORS.get(name, FALLBACK_COLOR),
            width=2.5 if name == "total" else 1.5,
        )
        for name, curve in history.losses.items()
    ]  # fmt: skip


def _dice_lines(history: TrainingHistory, class_colors: Mapping[str, str]) -> list[Line]:
    return [
        Line(panel="Dice", name=name, curve=c, color=class_colors.get(name, FALLBACK_COLOR))
        for name, c in history.dice.items()
    ]

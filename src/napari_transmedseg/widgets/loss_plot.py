"""Live curves: the separate loss terms above, Dice per class below."""

from __future__ import annotations

from collections.abc import Mapping

import pyqtgraph as pg
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_transmedseg.project.history import LOSS_TERMS, Curve, TrainingHistory

TERM_COLORS = dict(
    zip(LOSS_TERMS, ("#888888", "#56b4e9", "#009e73", "#e69f00", "#cc79a7"), strict=True)
)
FALLBACK_COLOR = "#999999"


class LossPlot(QWidget):
    """Shows the curves of a `TrainingHistory`."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: dict[tuple[str, str], pg.PlotDataItem] = {}

        # WIDGETS
        self.losses = _plot("loss", legend_at=(-4, 2))
        self.losses.hideAxis("bottom")
        self.dice = _plot("Dice", legend_at=(-4, -2))
        self.dice.setYRange(0.0, 1.05, padding=0)
        self.dice.setLabel("bottom", "step")
        self.dice.setXLink(self.losses)
        self.setToolTip("Loss terms and Dice over training steps; drag to move, wheel to zoom")

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.losses, 5)
        layout.addWidget(self.dice, 4)
        self.setFixedHeight(270)

    def value(self) -> dict[str, tuple[list[float], list[float]]]:
        """Points (steps, values) of each line on screen, by its name."""
        points = {}
        for (_, name), line in self._lines.items():
            steps, values = line.getData()
            points[name] = ([], []) if steps is None else (list(steps), list(values))
        return points

    def setValue(self, history: TrainingHistory, class_colors: Mapping[str, str]) -> None:
        """Show a history; Dice lines take the colours of their classes."""
        wanted = {("loss", name) for name in history.losses}
        wanted |= {("dice", name) for name in history.dice}
        for key in set(self._lines) - wanted:
            plot = self.losses if key[0] == "loss" else self.dice
            plot.removeItem(self._lines.pop(key))
        for name, curve in history.losses.items():
            self._draw(self.losses, ("loss", name), curve, TERM_COLORS.get(name, FALLBACK_COLOR))
        for name, curve in history.dice.items():
            self._draw(self.dice, ("dice", name), curve, class_colors.get(name, FALLBACK_COLOR))

    def set_theme(self, background: str, foreground: str) -> None:
        """Follow the viewer's theme (colours as #rrggbb)."""
        for plot in (self.losses, self.dice):
            plot.setBackground(background)
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(foreground)
                plot.getAxis(side).setTextPen(foreground)
            legend = plot.getPlotItem().legend
            legend.setLabelTextColor(foreground)
            for _, label in legend.items:
                label.setText(label.text, color=foreground)

    def _draw(
        self, plot: pg.PlotWidget, key: tuple[str, str], curve: Curve, color: str
    ) -> None:  # fmt: skip
        if key not in self._lines:
            width = 2.5 if key == ("loss", "total") else 1.5
            symbol = "o" if key[0] == "dice" else None
            self._lines[key] = plot.plot(
                name=key[1], pen=pg.mkPen(color, width=width), symbol=symbol, symbolSize=4,
                symbolBrush=color, symbolPen=None,
            )  # fmt: skip
        self._lines[key].setData(curve.steps, curve.values)


def _plot(label: str, *, legend_at: tuple[int, int]) -> pg.PlotWidget:
    plot = pg.PlotWidget(enableMenu=False)
    plot.setLabel("left", label)
    plot.getAxis("left").setWidth(58)
    plot.addLegend(offset=legend_at, colCount=3, labelTextSize="8pt", verSpacing=-6)
    plot.hideButtons()
    menu = plot.getPlotItem().ctrlMenu  # a window of its own, which would outlive the plot
    menu.setParent(plot, menu.windowFlags())
    return plot

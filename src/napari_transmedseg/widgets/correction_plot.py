"""How good the predictions were that people reviewed: Dice per class over the reviews."""

from __future__ import annotations

from collections.abc import Mapping

import pyqtgraph as pg
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_transmedseg.project.corrections import CorrectionLog

FALLBACK_COLOR = "#999999"
SYMBOLS = ("o", "s", "t", "d", "+", "x", "star")


class CorrectionPlot(QWidget):
    """Shows a `CorrectionLog`: the figure in words, and a curve per class."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._foreground = "#969696"

        # WIDGETS
        self.words = QLabel()
        self.words.setWordWrap(True)
        tip = (
            "Each time a predicted slice becomes yours, what was predicted is compared with what "
            "you left: how good the predictions you reviewed were"
        )
        self.words.setToolTip(tip)
        self.plot = pg.PlotWidget(enableMenu=False, axisItems={"bottom": _Counts("bottom")})
        self.plot.setFixedHeight(120)
        self.plot.setToolTip(tip)
        self.plot.setAccessibleName("Dice over reviewed slices")
        self.plot.setYRange(0.0, 1.05, padding=0)
        self.plot.setLabel("left", "Dice")
        self.plot.setLabel("bottom", "reviewed slices")
        self.plot.getAxis("left").setWidth(48)
        self.plot.addLegend(offset=(-4, -2), colCount=3, labelTextSize="8pt", verSpacing=-6)
        self.plot.hideButtons()
        self.plot.setMouseEnabled(x=False, y=False)  # all of it is in sight always
        menu = self.plot.getPlotItem().ctrlMenu  # a window of its own, which outlives the plot
        menu.setParent(self.plot, menu.windowFlags())

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.words)
        layout.addWidget(self.plot)
        self.setValue(CorrectionLog(), {})

    def value(self) -> dict[str, tuple[list[int], list[float]]]:
        """Points (review, Dice) of each curve on screen, by class name."""
        points = {}
        for line in self.plot.listDataItems():
            numbers, values = line.getData()
            points[line.name()] = ([int(n) for n in numbers], [float(v) for v in values])
        return points

    def setValue(self, log: CorrectionLog, colors: Mapping[str, str]) -> None:
        """Show a log; curves take the colours of their classes."""
        curves = log.curves()
        self.words.setText(" ".join(part for part in (log.in_words(), log.notice) if part))
        self.plot.setVisible(bool(curves))
        self.plot.clear()
        for place, (name, (numbers, values)) in enumerate(curves.items()):
            color = colors.get(name, FALLBACK_COLOR)
            self.plot.plot(
                numbers, values, name=name, pen=pg.mkPen(color, width=1.5),
                symbol=SYMBOLS[place % len(SYMBOLS)], symbolSize=6, symbolBrush=color,
                symbolPen=None,
            )  # fmt: skip
        self._color_legend()

    def set_theme(self, background: str, foreground: str) -> None:
        """Follow the viewer's theme (colours as #rrggbb)."""
        self._foreground = foreground
        self.plot.setBackground(background)
        for side in ("left", "bottom"):
            self.plot.getAxis(side).setPen(foreground)
            self.plot.getAxis(side).setTextPen(foreground)
        self._color_legend()

    def _color_legend(self) -> None:
        legend = self.plot.getPlotItem().legend
        legend.setLabelTextColor(self._foreground)
        for _, label in legend.items:
            label.setText(label.text, color=self._foreground)


class _Counts(pg.AxisItem):  # type: ignore[misc]
    """An axis of whole numbers: nobody reviews half a slice."""

    def tickSpacing(self, minVal: float, maxVal: float, size: float) -> list[tuple[float, float]]:
        levels = super().tickSpacing(minVal, maxVal, size)
        return [level for level in levels if level[0] >= 1] or [(1.0, 0.0)]

"""Two plots above each other, losses and Dice over steps, with lines that come and go by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyqtgraph as pg
from qtpy.QtCore import QEvent, QPointF, Qt, Signal
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_transmedseg.project.history import Curve, RunMark
from napari_transmedseg.project.history_table import value_at
from napari_transmedseg.widgets.plot_keys import KEY_TIP, PlotKeys

Panel = Literal["loss", "Dice"]

NOTHING_YET = "Curves appear here after the first steps of a training."


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A curve as it is drawn."""

    panel: Panel
    name: str
    curve: Curve
    color: str
    width: float = 1.5
    is_dashed: bool = False


class CurveCanvas(QWidget):
    """Draws lines and marks; knows where the mouse is. Axes come with the first points."""

    hovered = Signal(object)
    """Step under the mouse, or None when it left."""
    shownChanged = Signal()
    """A click on the legend showed or hid a line."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._lines: dict[tuple[Panel, str], pg.PlotDataItem] = {}
        self._curves: dict[tuple[Panel, str], Curve] = {}
        self._marks: list[pg.InfiniteLine] = []
        self._shown_marks: tuple[RunMark, ...] = ()
        self._hidden: set[str] = set()
        self._foreground = "#888888"

        # WIDGETS
        self.losses = _plot("loss", legend_at=(-4, 2))
        self.losses.hideAxis("bottom")
        self.losses.setAccessibleName("Losses over steps")
        self.dice = _plot("Dice", legend_at=(-4, -2))
        self.dice.setYRange(0.0, 1.05, padding=0)
        self.dice.setLabel("bottom", "step")
        self.dice.setXLink(self.losses)
        self.dice.setAccessibleName("Dice over steps")
        self.setToolTip(
            "Losses and Dice over training steps; drag to move, Ctrl and the wheel to zoom, "
            f"right drag to stretch, click a name to hide or show its curve; {KEY_TIP}"
        )
        for plot in (self.losses, self.dice):
            PlotKeys(plot)
        self._crosshairs = [_crosshair(plot) for plot in (self.losses, self.dice)]
        self.hint = QLabel(NOTHING_YET)
        self.hint.setWordWrap(True)
        self.hint.setAlignment(Qt.AlignmentFlag.AlignCenter)

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.hint)
        layout.addWidget(self.losses, 5)
        layout.addWidget(self.dice, 4)
        self._show_axes()

        # CONNECTIONS
        self.losses.scene().sigMouseMoved.connect(self._on_loss_hovered)
        self.dice.scene().sigMouseMoved.connect(self._on_dice_hovered)

    def value(self) -> dict[str, tuple[list[float], list[float]]]:
        """Points (steps, values) of each line by its name, whatever the scale."""
        points = {}
        for (_, name), line in self._lines.items():
            steps, values = line.getOriginalDataset()
            points[name] = ([], []) if steps is None else (list(steps), list(values))
        return points

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Draw these lines and no others; hidden ones stay hidden."""
        wanted = {(line.panel, line.name) for line in lines}
        for key in set(self._lines) - wanted:
            self._plot_of(key[0]).removeItem(self._lines.pop(key))
            self._curves.pop(key)
        for line in lines:
            self._draw(line)
        self._show_axes()

    @property
    def is_empty(self) -> bool:
        """Whether there is no point to draw yet."""
        return not any(curve.steps for curve in self._curves.values())

    def set_marks(self, marks: Sequence[RunMark]) -> None:
        """Draw a vertical line where each run begins; a single run at step 0 needs none."""
        shown = tuple(mark for mark in marks if mark.step > 0)
        if shown == self._shown_marks:
            return
        for mark in self._marks:
            for plot in (self.losses, self.dice):
                plot.removeItem(mark)
        self._shown_marks, self._marks = shown, []
        for mark in shown:
            for plot, text in ((self.losses, mark.text), (self.dice, "")):
                line = self._mark(mark.step, text)
                plot.addItem(line, ignoreBounds=True)
                self._marks.append(line)

    def names(self) -> list[str]:
        """Names of the lines, losses first."""
        return [name for _, name in sorted(self._lines, key=lambda key: key[0] == "Dice")]

    def is_shown(self, name: str) -> bool:
        """Whether a line is to be seen."""
        return name not in self._hidden

    def set_shown(self, name: str, is_shown: bool) -> None:
        """Show or hide a line."""
        (self._hidden.discard if is_shown else self._hidden.add)(name)
        for (_, other), line in self._lines.items():
            if other == name:
                line.setVisible(is_shown)
        for plot in (self.losses, self.dice):
            plot.getPlotItem().legend.update()

    def set_log(self, is_log: bool) -> None:
        """Losses on a logarithmic scale, or a linear one; values of 0 and below vanish on it."""
        self.losses.setLogMode(y=is_log)
        self.losses.enableAutoRange(y=True)

    def reset_view(self) -> None:
        """Show all of every curve again, and follow them."""
        self.losses.enableAutoRange(x=True, y=True)
        self.dice.setYRange(0.0, 1.05, padding=0)

    def values_at(self, step: float) -> list[tuple[Panel, str, float]]:
        """Panel, name and latest value at a step, of the lines that are shown."""
        found: list[tuple[Panel, str, float]] = []
        for (panel, name), curve in self._curves.items():
            value = value_at(curve, step)
            if value is not None and value == value and self.is_shown(name):
                found.append((panel, name, value))
        return found

    def set_theme(self, background: str, foreground: str) -> None:
        """Follow the viewer's theme (colours as #rrggbb)."""
        self._foreground = foreground
        for plot in (self.losses, self.dice):
            plot.setBackground(background)
            for side in ("left", "bottom"):
                plot.getAxis(side).setPen(foreground)
                plot.getAxis(side).setTextPen(foreground)
            legend = plot.getPlotItem().legend
            legend.setLabelTextColor(foreground)
            for _, label in legend.items:
                label.setText(label.text, color=foreground)
        shown, self._shown_marks = self._shown_marks, ()
        self.set_marks(shown)

    def leaveEvent(self, a0: QEvent | None) -> None:
        """Say that the mouse is gone."""
        self._hover(None)
        super().leaveEvent(a0)

    def _show_axes(self) -> None:
        for plot in (self.losses, self.dice):
            plot.setVisible(not self.is_empty)
        self.hint.setVisible(self.is_empty)

    def _draw(self, line: Line) -> None:
        key = (line.panel, line.name)
        if key not in self._lines:
            self._lines[key] = self._new_line(line)
        self._curves[key] = line.curve
        self._lines[key].setData(line.curve.steps, line.curve.values)

    def _new_line(self, line: Line) -> pg.PlotDataItem:
        style = Qt.PenStyle.DashLine if line.is_dashed else Qt.PenStyle.SolidLine
        plot = self._plot_of(line.panel)
        drawn = plot.plot(
            name=line.name, pen=pg.mkPen(line.color, width=line.width, style=style),
            symbol="o" if line.panel == "Dice" else None, symbolSize=4, symbolBrush=line.color,
            symbolPen=None,
        )  # fmt: skip
        drawn.setZValue(-line.width)  # thin lines over thick ones
        drawn.setVisible(self.is_shown(line.name))
        sample, label = next(
            pair for pair in plot.getPlotItem().legend.items if pair[0].item is drawn
        )
        sample.sigClicked.connect(self._on_legend_clicked)
        label.mouseClickEvent = sample.mouseClickEvent  # the name is easier to hit than the dash
        return drawn

    def _mark(self, step: int, text: str) -> pg.InfiniteLine:
        pen = pg.mkPen(self._foreground, width=1, style=Qt.PenStyle.DotLine)
        options = {"position": 0.06, "color": self._foreground, "anchors": [(0, 1), (1, 1)]}
        return pg.InfiniteLine(step, angle=90, pen=pen, label=text or None, labelOpts=options)

    def _plot_of(self, panel: Panel) -> pg.PlotWidget:
        return self.losses if panel == "loss" else self.dice

    def _on_legend_clicked(self, item: pg.PlotDataItem) -> None:
        self.set_shown(item.name(), item.isVisible())
        self.shownChanged.emit()

    def _on_loss_hovered(self, place: QPointF) -> None:
        self._hover(_step_at(self.losses, place))

    def _on_dice_hovered(self, place: QPointF) -> None:
        self._hover(_step_at(self.dice, place))

    def _hover(self, step: float | None) -> None:
        for line in self._crosshairs:
            line.setVisible(step is not None)
            if step is not None:
                line.setPos(step)
        self.hovered.emit(step)


def _step_at(plot: pg.PlotWidget, place: QPointF) -> float | None:
    box = plot.getPlotItem().vb
    if not box.sceneBoundingRect().contains(place):
        return None
    return float(box.mapSceneToView(place).x())


def _crosshair(plot: pg.PlotWidget) -> pg.InfiniteLine:
    line = pg.InfiniteLine(angle=90, pen=pg.mkPen("#888888", width=1))
    line.setVisible(False)
    plot.addItem(line, ignoreBounds=True)
    return line


def _plot(label: str, *, legend_at: tuple[int, int]) -> pg.PlotWidget:
    plot = pg.PlotWidget(enableMenu=False)
    plot.setLabel("left", label)
    plot.getAxis("left").setWidth(58)
    plot.addLegend(offset=legend_at, colCount=3, labelTextSize="8pt", verSpacing=-6)
    plot.hideButtons()
    plot.setDownsampling(auto=True, mode="peak")
    menu = plot.getPlotItem().ctrlMenu  # a window of its own, which would outlive the plot
    menu.setParent(plot, menu.windowFlags())
    return plot

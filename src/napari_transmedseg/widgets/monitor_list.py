"""What the monitors say about a training: a light and a sentence each."""

from __future__ import annotations

from html import escape

from qtpy.QtWidgets import QLabel, QToolButton, QVBoxLayout, QWidget

from napari_transmedseg.engine.events import MonitorReport
from napari_transmedseg.project.history import TrainingHistory

LIGHTS = {"ok": ("●", "#009e73"), "advice": ("▲", "#e69f00"), "warning": ("◆", "#d55e00")}
"""Shape and colour, so that either is enough."""
MAX_SENTENCES = 4
WELL = {
    "entropy": "the model is sure of most of its proposals",
    "condition_number": "its looks vary enough between cases",
    "mean_shift": "it looks alike on slices with and without annotation",
    "count": "enough of it has been seen",
    "source_count": "enough annotated voxels have been seen",
    "target_count": "enough of it was found on slices without annotation",
    "teacher_dice": "the model reproduces your annotation",
    "pseudo_share": "it is found about as often as you annotated it",
    "multi_modal": "it looks like one thing",
}
"""What a healthy monitor means, by its name."""


class MonitorList(QWidget):
    """One line per unhealthy monitor, one green line when all are well; all on request."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._reports: list[MonitorReport] = []

        # WIDGETS
        self.label = QLabel()
        self.label.setWordWrap(True)
        self.label.setToolTip(
            "What the program watches while it trains, and what you can do about it: "
            "● well, ▲ advice, ◆ warning"
        )
        self.show_all = QToolButton()
        self.show_all.setText("All lights")
        self.show_all.setCheckable(True)
        self.show_all.setToolTip("Show the healthy monitors, too")
        self.show_all.setVisible(False)

        # LAYOUT
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.label)
        layout.addWidget(self.show_all)

        # CONNECTIONS
        self.show_all.toggled.connect(self._show)

    def text(self) -> str:
        """What is on screen, as rich text."""
        return self.label.text()

    def setValue(self, history: TrainingHistory) -> None:
        """Show the monitors of a history, warnings first."""
        order = {"warning": 0, "advice": 1, "ok": 2}
        self._reports = sorted(history.monitors.values(), key=lambda one: order[one.light])
        self.show_all.setVisible(bool(self._reports))
        self._show()

    def _show(self) -> None:
        lines = list(dict.fromkeys((one.light, sentence_of(one)) for one in self._reports))
        unhealthy = [line for line in lines if line[0] != "ok"]
        shown = lines if self.show_all.isChecked() else unhealthy[:MAX_SENTENCES]
        if self._reports and not shown:
            shown = [("ok", f"All {len(self._reports)} monitors are well.")]
        if hidden := len(unhealthy) - len([line for line in shown if line[0] != "ok"]):
            shown = [*shown, ("advice", f"{hidden} more under 'All lights'.")]
        self.label.setText("<br>".join(_line(light, text) for light, text in shown))


def sentence_of(report: MonitorReport) -> str:
    """Sentence of a monitor, a healthy one's included."""
    if report.sentence:
        return report.sentence
    what = report.class_name or "Proposals"
    return f"{what}: {WELL.get(report.name, 'all is well')}."


def _line(light: str, text: str) -> str:
    shape, color = LIGHTS[light]
    return f'<span style="color:{color}">{shape}</span> {escape(text)}'

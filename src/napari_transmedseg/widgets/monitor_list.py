"""What the monitors say about a training, as sentences."""

from __future__ import annotations

from html import escape

from qtpy.QtWidgets import QLabel, QWidget

from napari_transmedseg.project.history import TrainingHistory

LIGHT_COLORS = {"ok": "#009e73", "advice": "#e69f00", "warning": "#d55e00"}
MAX_SENTENCES = 4


class MonitorList(QLabel):
    """One line per unhealthy monitor; one green line when all are well."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWordWrap(True)
        self.setToolTip("What the program watches while it trains, and what you can do about it")

    def setValue(self, history: TrainingHistory) -> None:
        """Show the monitors of a history, warnings first."""
        if not history.monitors:
            self.setText("")
            return
        reports = [r for r in history.monitors.values() if r.light != "ok" and r.sentence]
        reports.sort(key=lambda report: report.light != "warning")
        lines = {report.sentence: LIGHT_COLORS[report.light] for report in reports}
        if not lines:
            lines = {f"All {len(history.monitors)} monitors are well.": LIGHT_COLORS["ok"]}
        shown = list(lines.items())[:MAX_SENTENCES]
        self.setText("<br>".join(_line(text, color) for text, color in shown))


def _line(text: str, color: str) -> str:
    return f'<span style="color:{color}">●</span> {escape(text)}'

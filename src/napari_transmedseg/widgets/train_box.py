"""Budget, start, pause, resume, stop, and what a running training tells."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.events import StepReport
from napari_transmedseg.project.continuing import Continuation
from napari_transmedseg.project.history import TrainingHistory
from napari_transmedseg.project.session import TRAINING_ACTIVITIES, Activity
from napari_transmedseg.widgets.advanced_edit import AdvancedEdit
from napari_transmedseg.widgets.budget_edit import BudgetEdit
from napari_transmedseg.widgets.loss_plot import LossPlot
from napari_transmedseg.widgets.monitor_list import MonitorList
from napari_transmedseg.widgets.section import Section


class TrainBox(QWidget):
    """Asks for a training and shows how it goes."""

    startRequested = Signal(object)
    pauseRequested = Signal()
    resumeRequested = Signal()
    stopRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._continuation = Continuation()
        self._activity = Activity.IDLE

        # WIDGETS
        self.budget = BudgetEdit()
        self.advanced = AdvancedEdit()
        self.advanced_section = Section("Advanced settings", self.advanced, is_open=False)
        self.start = _button("Start training", "Train on your slices and on all the others")
        self.pause = _button("Pause", "Wait after the current step; the window stays as it is")
        self.resume = _button(
            "Resume", "Go on with a paused training, or finish one that was cut off"
        )
        self.stop = _button("Stop and keep", "Save what was learned and end")
        self.course = QLabel()
        self.course.setWordWrap(True)
        self.course.setToolTip("What the next training begins with")
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Progress of the training")
        self.progress.setRange(0, 1000)
        self.progress.setFormat("%p %")
        self.progress.setToolTip("Share of the budget that is spent")
        self.status = QLabel()
        self.status.setWordWrap(True)
        self.plot = LossPlot()
        self.monitors = MonitorList()

        # LAYOUT
        buttons = QGridLayout()
        buttons.addWidget(self.budget, 0, 0, 1, 3)
        buttons.addWidget(self.start, 1, 0, 1, 3)
        buttons.addWidget(self.pause, 2, 0)
        buttons.addWidget(self.resume, 2, 1)
        buttons.addWidget(self.stop, 2, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.course)
        layout.addWidget(self.advanced_section)
        layout.addWidget(self.progress)
        layout.addWidget(self.status)
        layout.addWidget(self.plot)
        layout.addWidget(self.monitors)

        # CONNECTIONS
        self.start.clicked.connect(self._on_start)
        self.advanced.start_fresh.toggled.connect(self._show_course)
        self.pause.clicked.connect(self.pauseRequested)
        self.resume.clicked.connect(self.resumeRequested)
        self.stop.clicked.connect(self.stopRequested)

    def value(self) -> TrainingConfig:
        """Config as set."""
        return TrainingConfig(**self.budget.value().settings, **self.advanced.value())

    @property
    def warm_start(self) -> str:
        """Run that the next training goes on from; empty to begin with nothing learned."""
        return "" if self.advanced.start_fresh.isChecked() else self._continuation.warm_start

    @property
    def interrupted(self) -> str:
        """Run that was cut off and can be finished; empty where there is none."""
        return self._continuation.interrupted

    def set_continuation(self, continuation: Continuation) -> None:
        """Say what the next training can go on from."""
        self._continuation = continuation
        self.advanced.start_fresh.setEnabled(bool(continuation.warm_start))
        self._show_course()

    def setValue(
        self, history: TrainingHistory, activity: Activity, class_colors: Mapping[str, str]
    ) -> None:
        """Show how the training goes."""
        self.plot.setValue(history, class_colors)
        self.monitors.setValue(history)
        self.progress.setValue(round(1000 * history.latest.progress) if history.latest else 0)
        self.status.setText(status_in_words(history, activity))

    def set_activity(self, activity: Activity) -> None:
        """Enable what can be asked for now."""
        self._activity = activity
        trains = activity in TRAINING_ACTIVITIES
        self.start.setEnabled(activity is Activity.IDLE)
        self.pause.setEnabled(activity is Activity.TRAINING)
        self.stop.setEnabled(trains and activity is not Activity.STOPPING)
        self.budget.setEnabled(not trains)
        self.advanced.setEnabled(not trains)
        self._show_course()

    def _show_course(self) -> None:
        is_idle = self._activity is Activity.IDLE
        self.resume.setEnabled(
            self._activity is Activity.PAUSED or (is_idle and bool(self.interrupted))
        )
        self.start.setText("Train again" if self.warm_start else "Start training")
        self.course.setText(course_in_words(self._continuation, self.warm_start))
        self.course.setVisible(is_idle and bool(self.course.text()))

    def _on_start(self) -> None:
        self.startRequested.emit(self.value())


def course_in_words(continuation: Continuation, warm_start: str) -> str:
    """What the next training begins with, and whether a run can be finished."""
    if continuation.obstacle:
        return f"The next training begins afresh. {continuation.obstacle}"
    if not continuation.warm_start:
        return ""
    begins = "The next training begins afresh; what was trained before stays on disk."
    if warm_start:
        begins = f"Goes on from what {warm_start} learned, with your labels of now."
    if continuation.interrupted:
        begins = f"{continuation.interrupted} was cut off: Resume finishes it. {begins}"
    return begins


def status_in_words(history: TrainingHistory, activity: Activity) -> str:
    """One or two lines: phase, step, rate, time left, Dice, memory, the latest sentence."""
    lines = [*_numbers(history.latest, history, activity)]
    if activity is Activity.PREPARING:
        lines.append("Preparing: reading the cases and planning…")
    elif history.sentences:
        lines.append(history.sentences[-1])
    return "<br>".join(lines)


def _numbers(report: StepReport | None, history: TrainingHistory, activity: Activity) -> list[str]:
    if report is None:
        return []
    phase = activity.value if activity is Activity.PAUSED else report.phase
    parts = [f"<b>{phase}</b>, step {report.step}", f"{report.steps_per_second:.1f} steps/s"]
    if activity in TRAINING_ACTIVITIES:
        parts.append(f"{_duration(report.remaining_s)} left")
    if history.mean_dice is not None:
        where = "held-out" if history.dice_is_held_out else "annotated"
        parts.append(f"Dice {history.mean_dice:.2f} ({where} slices)")
    parts.append(f"pseudo-labels on {100 * report.pseudo_label_share:.0f} %")
    parts.append(f"{report.memory_mib:.0f} MiB")
    return [" · ".join(parts)]


def _duration(seconds: float) -> str:
    whole = max(0, round(seconds))
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 60}:{whole % 60:02d} min"


def _button(text: str, tip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    return button

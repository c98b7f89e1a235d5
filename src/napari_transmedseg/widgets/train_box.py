"""Budget, start, pause, resume, stop, and what a running training tells."""

from __future__ import annotations

from collections.abc import Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QGridLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from napari_transmedseg.engine.config import Device, TrainingConfig
from napari_transmedseg.project.continuing import Continuation
from napari_transmedseg.project.history import TrainingHistory
from napari_transmedseg.project.preflight import Preflight
from napari_transmedseg.project.session import TRAINING_ACTIVITIES, Activity
from napari_transmedseg.widgets.advanced_edit import AdvancedEdit
from napari_transmedseg.widgets.budget_edit import BudgetEdit, budget_of
from napari_transmedseg.widgets.loss_plot import LossPlot
from napari_transmedseg.widgets.monitor_list import MonitorList
from napari_transmedseg.widgets.preflight_dialog import lines_as_html
from napari_transmedseg.widgets.section import Section
from napari_transmedseg.widgets.steady_label import SteadyLabel
from napari_transmedseg.widgets.training_words import course_in_words, status_in_words

START_KEY = "Alt+G"


class TrainBox(QWidget):
    """Asks for a training and shows how it goes."""

    startRequested = Signal(object)
    pauseRequested = Signal()
    resumeRequested = Signal()
    stopRequested = Signal()
    discardRequested = Signal()
    checkRequested = Signal(object)
    """The config whose training shall be looked at before it starts."""
    runsRequested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._continuation = Continuation()
        self._activity = Activity.IDLE

        # WIDGETS
        self.budget = BudgetEdit()
        self.advanced = AdvancedEdit()
        self.advanced_section = Section("Advanced settings", self.advanced, is_open=False)
        self.check = _button(
            "Check…", "Look at what a training would learn from, without starting one", "Alt+B"
        )
        self.start = _button(
            "Start training", "Train on your slices and on all the others", START_KEY
        )
        self.pause = _button(
            "Pause", "Wait after the current step; the window stays as it is", "Alt+U"
        )
        self.resume = _button(
            "Resume", "Go on with a paused training, or finish one that was cut off", "Alt+R"
        )
        self.stop = _button("Stop and keep", "Save what was learned and end", "Alt+K")
        self.discard = _button(
            "Discard…", "End and do not use what this training learned; asks first", "Alt+D"
        )
        self.runs = _button("Compare runs…", "See the trainings of this project side by side", "")
        self.course = QLabel()
        self.course.setWordWrap(True)
        self.course.setToolTip("What the next training begins with")
        self.progress = QProgressBar()
        self.progress.setAccessibleName("Progress of the training")
        self.progress.setRange(0, 1000)
        self.progress.setFormat("%p %")
        self.progress.setToolTip("Share of the budget that is spent")
        self.status = SteadyLabel()
        self.status.setToolTip(
            "Warm-up learns from annotated slices, self-training also from pseudo-labels on the "
            "others: on so much of them the model is sure enough"
        )
        self.learned_from = QLabel()
        self.learned_from.setWordWrap(True)
        self.learned_from.setToolTip("What the training was given, as of its start")
        self.learned_section = Section("What it learns from", self.learned_from, is_open=False)
        self.learned_section.setVisible(False)
        self.plot = LossPlot()
        self.monitors = MonitorList()

        # LAYOUT
        buttons = QGridLayout()
        buttons.addWidget(self.budget, 0, 0, 1, 2)
        buttons.addWidget(self.check, 0, 2)
        buttons.addWidget(self.start, 1, 0, 1, 3)
        buttons.addWidget(self.pause, 2, 0)
        buttons.addWidget(self.resume, 2, 1)
        buttons.addWidget(self.discard, 2, 2)
        buttons.addWidget(self.stop, 3, 0, 1, 2)
        buttons.addWidget(self.runs, 3, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(buttons)
        layout.addWidget(self.course)
        layout.addWidget(self.advanced_section)
        layout.addWidget(self.progress)
        layout.addWidget(self.status)
        layout.addWidget(self.learned_section)
        layout.addWidget(self.plot)
        layout.addWidget(self.monitors)

        # CONNECTIONS
        self.start.clicked.connect(self._on_start)
        self.advanced.start_fresh.toggled.connect(self._show_course)
        self.pause.clicked.connect(self.pauseRequested)
        self.resume.clicked.connect(self.resumeRequested)
        self.stop.clicked.connect(self.stopRequested)
        self.discard.clicked.connect(self.discardRequested)
        self.check.clicked.connect(self._on_check)
        self.runs.clicked.connect(self.runsRequested)

    def value(self) -> TrainingConfig:
        """Config as set."""
        return TrainingConfig(**self.budget.value().settings, **self.advanced.value())

    def show_config(self, config: TrainingConfig) -> None:
        """Show the settings of a project; its device only where it chose one."""
        self.budget.setValue(budget_of(config))
        self.advanced.show_config(config)

    @property
    def device(self) -> Device:
        """Where to work; as the Preferences say, unless the form was set to another."""
        return self.value().device

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

    def set_preflight(self, found: Preflight) -> None:
        """Keep in sight what a training was found to learn from."""
        self.learned_from.setText(lines_as_html(found))
        self.learned_section.setVisible(True)

    def forget_preflight(self) -> None:
        """Another project is open."""
        self.learned_section.setVisible(False)

    def set_activity(self, activity: Activity) -> None:
        """Enable what can be asked for now."""
        self._activity = activity
        trains = activity in TRAINING_ACTIVITIES
        self.start.setEnabled(activity is Activity.IDLE)
        self.check.setEnabled(activity is Activity.IDLE)
        self.discard.setEnabled(trains and activity is not Activity.STOPPING)
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
        self.start.setShortcut(START_KEY)  # another text takes the key away
        self.course.setText(course_in_words(self._continuation, self.warm_start))
        self.course.setVisible(is_idle and bool(self.course.text()))

    def _on_start(self) -> None:
        self.startRequested.emit(self.value())

    def _on_check(self) -> None:
        self.checkRequested.emit(self.value())


def _button(text: str, tip: str, key: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(f"{tip} ({key})" if key else tip)
    button.setShortcut(key)
    return button

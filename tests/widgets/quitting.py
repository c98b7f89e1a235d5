"""A program of its own: napari trains, and a person who has just painted ends the program.

Called with a project's folder and a way, "key" or "x". Prints which slice was painted, what was
asked, and how many steps the training began after it had been told to stop.
"""

import json
import os
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtCore import Qt, QTimer
from qtpy.QtTest import QTest

from napari_transmedseg.engine import trainer
from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.widgets.budget_edit import Budget
from widgets.closing import Answers, ask_to_close
from widgets.conftest import Driver

STROKE = ((6.0, 6.0), (12.0, 6.0))
STEPS = 100_000


class Hands:
    """Waits as pytest-qt does, without pytest."""

    def waitUntil(self, condition: Callable[[], bool], timeout: int) -> None:
        while not condition():
            QTest.qWait(20)


class LateSteps:
    """Counts the steps that begin although the training was told to stop."""

    def __init__(self) -> None:
        self.count, self._is_stopped = 0, False
        self._step, self._stop = trainer.train_step, TrainingControl.stop
        trainer.train_step = self._counted_step
        TrainingControl.stop = lambda control: self._noted_stop(control)

    def _counted_step(self, *args, **kwargs):
        self.count += self._is_stopped
        return self._step(*args, **kwargs)

    def _noted_stop(self, control: TrainingControl) -> None:
        self._is_stopped = True
        self._stop(control)


def work(driver: Driver, way: str, told: dict[str, object]) -> None:
    """Train, paint, and go."""
    loop = driver.widget.loop
    driver.widget.annotator.set_autosave_interval(600)
    loop.train.budget.setValue(Budget(STEPS, "steps"))
    loop.train.advanced.setValue(TrainingConfig(steps=STEPS, device="cpu"))
    driver.train()
    driver.wait(lambda: driver.widget.session.history.latest is not None)
    driver.choose_class(0)
    driver.drag(*STROKE)
    told["slice"] = driver.widget.annotator.layers.slice_index
    window = driver.widget.window()
    if way == "x":
        ask_to_close(window)
    else:
        window.activateWindow()
        driver.wait(window.isActiveWindow)
        QTest.keyClick(driver.canvas, Qt.Key.Key_Q, Qt.KeyboardModifier.ControlModifier)


def or_end(action: Callable[[], None]) -> Callable[[], None]:
    """End the program where an action fails: nobody would close its window."""

    def run() -> None:
        try:
            action()
        except BaseException:
            traceback.print_exc()
            os._exit(3)

    return run


def main(folder: Path, way: str) -> None:
    viewer = napari.Viewer()
    _, widget = viewer.window.add_plugin_dock_widget("napari-transmedseg", "TransMedSeg")
    widget.projects.open(folder)
    widget.window().resize(1366, 768)
    answers, late, told = Answers("Close"), LateSteps(), {}
    QTimer.singleShot(0, or_end(lambda: work(Driver(viewer, widget, Hands()), way, told)))
    napari.run()
    threads = [one.name for one in threading.enumerate() if one.name.startswith("transmedseg")]
    told |= {"asked": answers.asked, "late_steps": late.count, "threads": threads}
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

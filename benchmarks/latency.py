"""Delays of the event loop in a real window, without and with training; opening the widget.

    xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" python benchmarks/latency.py

A timer asks for a turn every few milliseconds while a script paints, scrolls through slices and
switches cases with real mouse events, ten actions a second; what it waits longer than asked is the
delay. Before, while and after training on the CPU (cores − 1 threads): after it the same layers
are on screen as while it, before it those of the prediction are not there yet. Measure on a quiet
machine; prints markdown.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.project.demo import create_demo_project
from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.tasks import gui_threads

TICK_MS = 5
ACTIONS_PER_SECOND = 10
WARM_UP_S = 5.0
LIMITS = {"p95": 1.25, "p99 ms": 100.0, "open s": 1.0}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=60.0)
    chosen = options.parse_args()
    print(f"{os.cpu_count()} cores; training takes {gui_threads()} thread(s)\n")
    with tempfile.TemporaryDirectory() as name:
        report_delay(Path(name), chosen.seconds)


@contextmanager
def window() -> Iterator[tuple[Any, Any, float]]:
    """A viewer with the widget docked; gives both, and how long the widget took to open in s."""
    import napari

    viewer = napari.Viewer(show=True)
    settle()
    start = time.perf_counter()
    _, widget = viewer.window.add_plugin_dock_widget("napari-transmedseg", "TransMedSeg")
    settle()
    taken = time.perf_counter() - start
    widget.window().resize(1366, 768)
    settle()
    try:
        yield viewer, widget, taken
    finally:
        widget.shut_down()
        viewer.close()
        settle()


def settle() -> None:
    for _ in range(5):
        QApplication.processEvents()


class Hands:
    """Paints, scrolls and switches cases by mouse events, one action at a time."""

    def __init__(self, viewer: Any, widget: Any) -> None:
        self.viewer, self.widget = viewer, widget
        self.canvas = canvas_of(widget)
        self.count = 0

    def act(self) -> None:
        """Do the next action: a stroke of six moves, four slices, now and then another case."""
        phase = self.count % 10
        if phase < 6:
            self._brush(phase)
        else:
            self._scroll()
        if self.count % 60 == 59:
            self._switch()
        self.count += 1

    def _brush(self, phase: int) -> None:
        at = self.canvas.rect().center() + QPoint(12 * phase, 5 * (self.count % 7))
        left = Qt.MouseButton.LeftButton
        if phase == 0:
            self.widget.annotator.layers.paint_with(1)
            QTest.mousePress(self.canvas, left, pos=at)
        QTest.mouseMove(self.canvas, at)
        if phase == 5:
            QTest.mouseRelease(self.canvas, left, pos=at)

    def _scroll(self) -> None:
        layers = self.widget.annotator.layers
        layers.slice_index = (layers.slice_index + 1) % layers.num_slices

    def _switch(self) -> None:
        table = self.widget.loop.cases
        row = (self.count // 60) % 3
        box = table.visualItemRect(table.item(row, 0))
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=box.center())


def report_delay(folder: Path, seconds: float) -> None:
    create_demo_project(folder / "demo").close()
    with window() as (viewer, widget, opened):
        widget.projects.open(folder / "demo")
        settle()
        hands = Hands(viewer, widget)
        delays_of(hands, WARM_UP_S)
        rows = {"before training": delays_of(hands, seconds)}
        widget.tasks.train(TrainingConfig(minutes=10 + seconds / 60, device="cpu"))
        wait_until(lambda: widget.session.activity is Activity.TRAINING)
        delays_of(hands, WARM_UP_S)
        rows["training"] = delays_of(hands, seconds)
        steps = widget.session.history.latest.step
        widget.loop.display.linked.setChecked(True)
        rows["training, linked views"] = delays_of(hands, seconds)
        widget.loop.display.linked.setChecked(False)
        widget.tasks.stop()
        wait_until(lambda: widget.session.activity is Activity.IDLE)
        delays_of(hands, WARM_UP_S)
        rows["after it, pseudo-labels on screen"] = delays_of(hands, seconds)
    print("### Delay of the event loop: painting, scrolling, switching cases\n")
    print(
        "| | p50 ms | p95 ms | p99 ms | longest ms | p95 against before | p95 against after |\n"
        + "|---" * 7 + "|"
    )  # fmt: skip
    before, *_, after = (np.percentile(delays, 95) for delays in rows.values())
    for name, delays in rows.items():
        p50, p95, p99 = np.percentile(delays, (50, 95, 99))
        cells = f"{p50:.0f} | {p95:.0f} | {p99:.0f} | {max(delays):.0f}"
        print(f"| {name} | {cells} | {p95 / before:.2f} | {p95 / after:.2f} |")
    print(f"\n{steps} training steps. Wanted: p95 ratio ≤ {LIMITS['p95']}, p99 < "
          f"{LIMITS['p99 ms']:.0f} ms.\nOpening the widget after napari: {opened:.2f} s "
          f"(wanted < {LIMITS['open s']:.0f} s).\n")  # fmt: skip


def delays_of(hands: Hands, seconds: float) -> list[float]:
    """What a timer waits longer than it asked for while the hands are at work, in ms."""
    delays: list[float] = []
    last = time.perf_counter()

    def tick() -> None:
        nonlocal last
        now = time.perf_counter()
        delays.append(max(0.0, 1e3 * (now - last) - TICK_MS))
        last = now

    timers = []
    for interval, action in ((TICK_MS, tick), (1000 // ACTIONS_PER_SECOND, hands.act)):
        timer = QTimer()
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        timer.timeout.connect(action)
        timer.start(interval)
        timers.append(timer)
    run_for(seconds)
    for timer in timers:
        timer.stop()
    return delays


def canvas_of(widget: QWidget) -> QWidget:
    return next(
        child
        for child in widget.window().findChildren(QWidget)
        if type(child).__name__ == "CanvasBackendDesktop"
    )


def run_for(seconds: float) -> None:
    """Let the window live in Qt's own event loop."""
    loop = QEventLoop()
    QTimer.singleShot(round(1000 * seconds), loop.quit)
    loop.exec()


def wait_until(condition: Callable[[], bool], seconds: float = 300.0) -> None:
    end = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > end:
            raise TimeoutError("waited too long")
        run_for(0.05)


if __name__ == "__main__":
    main()

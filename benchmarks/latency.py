"""Speed of the surface, in a real window: delays of the event loop, opening, large volumes.

    xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" python benchmarks/latency.py

A timer asks for a turn every few milliseconds while a script paints, scrolls through slices and
switches cases with real mouse events, ten actions a second; what it waits longer than asked is the
delay. Once without and once with training on the CPU (cores − 1 threads). The rest compares the
widget with napari alone in the same window. Measure on a quiet machine; prints markdown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import psutil
from qtpy.QtCore import QEventLoop, QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.project.demo import create_demo_project
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.tasks import gui_threads

TICK_MS = 5
ACTIONS_PER_SECOND = 10
LARGE_SHAPE = (512, 512, 300)
NUM_CASES = 100
REPEATS = 40
WARM_UP_S = 5.0
LIMITS = {"p95": 1.25, "p99 ms": 100.0, "open s": 1.0, "large": 1.2, "cases s": 2.0}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--seconds", type=float, default=60.0)
    options.add_argument("--large", type=int, nargs=3, default=LARGE_SHAPE)
    options.add_argument("--only", choices=("delay", "large", "cases"), default=None)
    chosen = options.parse_args()
    print(f"{os.cpu_count()} cores; training takes {gui_threads()} thread(s)\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if chosen.only in (None, "delay"):
            report_delay(folder, chosen.seconds)
        if chosen.only in (None, "large"):
            report_large(folder, tuple(chosen.large))
        if chosen.only in (None, "cases"):
            report_many_cases(folder)


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
        rows = {"no training": delays_of(hands, seconds)}
        widget.tasks.train(TrainingConfig(minutes=10 + seconds / 60, device="cpu"))
        wait_until(lambda: widget.session.activity is Activity.TRAINING)
        delays_of(hands, WARM_UP_S)
        rows["training"] = delays_of(hands, seconds)
        steps = widget.session.history.latest.step
        widget.loop.display.linked.setChecked(True)
        rows["training, linked views"] = delays_of(hands, seconds)
        widget.tasks.stop()
        wait_until(lambda: widget.session.activity is Activity.IDLE)
    print("### Delay of the event loop: painting, scrolling, switching cases\n")
    print(
        "| | p50 ms | p95 ms | p99 ms | longest ms | p95 against no training |\n" + "|---" * 6 + "|"
    )
    base = np.percentile(rows["no training"], 95)
    for name, delays in rows.items():
        p50, p95, p99 = np.percentile(delays, (50, 95, 99))
        print(
            f"| {name} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {max(delays):.0f} | {p95 / base:.2f} |"
        )
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


def report_large(folder: Path, shape: tuple[int, ...]) -> None:
    """The same scrolling and painting with napari's own layers, and with ours."""
    rng = np.random.default_rng(0)
    array = rng.integers(-1000, 1000, shape, dtype=np.int16)
    nib.save(nib.Nifti1Image(array, np.diag([0.7, 0.7, 1.0, 1.0])), folder / "large.nii")
    Project.create(folder / "large", images=[folder / "large.nii"], classes=["organ"]).close()
    with window() as (viewer, widget, _):
        widget.projects.open(folder / "large")
        settle()
        layers = widget.annotator.layers
        bare = [layers.image_layer.data, np.zeros(layers.labels.shape, np.uint8)]
        ours = times_of(viewer, canvas_of(widget), layers.labels_layer)
        widget.loop.display.linked.setChecked(True)
        linked = times_of(viewer, canvas_of(widget), layers.labels_layer)
        refresh = refresh_times(widget.display.linked)
    alone = alone_times(*bare)
    print(f"### A volume of {'×'.join(map(str, shape))}\n")
    print("| | scroll ms | brush move ms | ratio scroll | ratio brush |\n" + "|---" * 5 + "|")
    for name, times in (("napari alone", alone), ("widget", ours), ("with linked views", linked)):
        ratios = [one / other for one, other in zip(times, alone, strict=True)]
        print(f"| {name} | {times[0]:.1f} | {times[1]:.1f} | {ratios[0]:.2f} | {ratios[1]:.2f} |")
    print(f"\nWanted: ratio ≤ {LIMITS['large']}. Drawing both linked views: {refresh:.1f} ms.\n")


def alone_times(image: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    import napari

    viewer = napari.Viewer(show=True)
    viewer.add_image(image, contrast_limits=(-1000, 1000))
    layer = viewer.add_labels(labels)
    layer.brush_size, layer.selected_label, layer.mode = 4, 1, "paint"
    beside = QWidget()  # as wide as ours, so that the canvas is as large
    beside.setFixedWidth(380)
    viewer.window.add_dock_widget(beside, name="beside", area="right")
    beside.window().resize(1366, 768)
    settle()
    try:
        return times_of(viewer, canvas_of(beside), layer)
    finally:
        viewer.close()
        settle()


def times_of(viewer: Any, canvas: QWidget, labels: Any) -> tuple[float, float]:
    """Median ms of a scroll by one slice, and of one move of the brush, drawing included."""
    viewer.layers.selection.active = labels
    labels.selected_label, labels.mode = 1, "paint"
    scrolls, moves = [], []
    axis = viewer.dims.order[0]
    for repeat in range(REPEATS):
        step = viewer.dims.current_step[axis] + (1 if repeat % 2 else -1)
        scrolls.append(timed(lambda at=step: viewer.dims.set_current_step(axis, at), canvas))
    center = canvas.rect().center()
    QTest.mousePress(canvas, Qt.MouseButton.LeftButton, pos=center)
    for repeat in range(REPEATS):
        at = center + QPoint(2 * repeat - REPEATS, repeat)
        moves.append(timed(lambda p=at: QTest.mouseMove(canvas, p), canvas))
    QTest.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=center)
    settle()
    return statistics.median(scrolls), statistics.median(moves)


def timed(action: Callable[[], object], canvas: QWidget) -> float:
    start = time.perf_counter()
    action()
    canvas.update()
    QApplication.processEvents()
    return 1e3 * (time.perf_counter() - start)


def refresh_times(linked: Any) -> float:
    times = []
    for _ in range(REPEATS):
        linked.refresh()
        start = time.perf_counter()
        linked.refresh_now()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def report_many_cases(folder: Path) -> None:
    images = folder / "many"
    images.mkdir()
    array = np.random.default_rng(0).integers(0, 1000, (128, 128, 40), dtype=np.int16)
    for number in range(NUM_CASES):
        nib.save(nib.Nifti1Image(array, np.eye(4)), images / f"case_{number:03d}.nii")
    Project.create(folder / "project", images=[images], classes=["organ"]).close()
    process = psutil.Process()
    with window() as (_, widget, _):
        before = process.memory_info().rss
        start = time.perf_counter()
        widget.projects.open(folder / "project")
        settle()
        taken = time.perf_counter() - start
        opened = process.memory_info().rss
        for row in range(20):
            widget.cohort._open_case(f"case_{row:03d}")
            settle()
        after = process.memory_info().rss
    print(f"### A project of {NUM_CASES} cases\n")
    print(
        f"Opened in {taken:.2f} s (wanted < {LIMITS['cases s']:.0f} s) with "
        f"{(opened - before) / 2**20:.0f} MiB; twenty cases shown in turn add "
        f"{(after - opened) / 2**20:.0f} MiB (one case: {array.nbytes / 2**20:.1f} MiB of image)."
    )


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

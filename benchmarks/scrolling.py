"""Scrolling and painting a volume of 512×512×300 in our widget, against napari alone.

The windows live in one process and take turns, so that the ratio is of one machine in one mood.
A slice change is one press of the arrow key over the canvas, a brush move one mouse move with
the button down; the time goes until the event loop is free again and the canvas is drawn, which
is what a person waits. CPU time is that of the window's thread alone, the fairer one on a busy
machine; saving in the background is waited for before the next window's turn. napari alone shows
the image and a label map, and in a second window the four layers that a prediction takes. Needs a
display; without one:

    xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" python benchmarks/scrolling.py
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import napari
import nibabel as nib
import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.project import Project

SHAPE_IPL = (300, 512, 512)
SPACING_MM = (0.7, 0.7, 1.0)
ROUNDS = 4
SLICES_A_ROUND = 40
MOVES_A_STROKE = 40
BRUSH = 20
DOCK_WIDTH = 380


@dataclass
class Window:
    """A viewer to drive, and the wall and CPU times that it took, in ms."""

    title: str
    viewer: Any
    dock: QWidget
    """Ours, or an empty one as wide, so that both canvases have the same pixels."""
    labels: Any
    close: Callable[[], None]
    settle: Callable[[], None] = lambda: None
    """Wait for what still goes on in the background."""
    slices: list[tuple[float, float]] = field(default_factory=list)
    moves: list[tuple[float, float]] = field(default_factory=list)

    @cached_property
    def canvas(self) -> QWidget:
        return next(
            child
            for child in self.dock.window().findChildren(QWidget)
            if type(child).__name__ == "CanvasBackendDesktop"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--shape", type=int, nargs=3, default=SHAPE_IPL, help="I, P, L")
    parser.add_argument("--screenshots", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        project = make_project(Path(name), tuple(chosen.shape))
        windows = [
            plain_napari(project, "napari, image and labels"),
            our_widget(project, "ours, annotating"),
            plain_napari(project, "napari, four layers", layers=4),
        ]
        add_prediction(project)
        windows.append(our_widget(project, "ours, with a prediction"))
        for _ in range(chosen.rounds):
            for window in windows:
                drive(window)
                window.settle()
        if chosen.screenshots is not None:
            keep_screenshots(windows, chosen.screenshots)
        print_table(windows)
        for window in windows:
            window.close()
        QApplication.processEvents()


def make_project(folder: Path, shape_IPL: tuple[int, ...]) -> Path:
    """A project of one noisy ball, uncompressed."""
    grid = np.ogrid[tuple(slice(-1, 1, n * 1j) for n in reversed(shape_IPL))]
    inside = sum(axis**2 for axis in grid) < 0.5
    noise = np.random.default_rng(0).integers(-40, 40, inside.shape[:2]).astype(np.int16)
    array = np.where(inside, 60, -900).astype(np.int16) + noise[..., None]
    image = nib.Nifti1Image(array, np.diag([-SPACING_MM[0], -SPACING_MM[1], SPACING_MM[2], 1.0]))
    image.header.set_xyzt_units("mm")
    nib.save(image, folder / "ball.nii")
    with Project.create(
        folder / "project", images=[folder / "ball.nii"], classes=["ball", "other"], plane="axial"
    ) as project:
        return project.folder


def add_prediction(folder: Path) -> None:
    """What a run predicted, so that its layers are on screen."""
    with Project.open(folder) as project:
        run = project.new_run(TrainingConfig(steps=1))
        predicted = LabelMap.empty(project.geometry("ball"), known=True)
        middle = tuple(slice(n // 4, 3 * n // 4) for n in predicted.array.shape)
        predicted.array[middle] = 1
        project.save_prediction(run.run_id, "ball", predicted)


def plain_napari(folder: Path, title: str, *, layers: int = 2) -> Window:
    """The same image and an empty label map, as napari shows arrays; or ours' four layers."""
    with Project.open(folder, read_only=True) as project:
        volume = project.volume("ball")
    viewer = napari.Viewer(show=True)
    scale = volume.geometry.display_spacing
    image = viewer.add_image(np.asarray(volume.array), scale=scale, name="image")
    image.contrast_limits = (-1000, 200)
    if layers == 4:
        unsure = np.zeros(volume.array.shape, np.float32)
        viewer.add_image(unsure, scale=scale, name="uncertainty", visible=False)
        predicted = np.zeros(volume.array.shape, np.uint8)
        predicted[tuple(slice(n // 4, 3 * n // 4) for n in predicted.shape)] = 1
        viewer.add_labels(predicted, scale=scale, name="pseudo-label").contour = 1
    labels = viewer.add_labels(np.zeros(volume.array.shape, np.uint8), scale=scale, name="labels")
    dock = QWidget()
    dock.setFixedWidth(DOCK_WIDTH)
    viewer.window.add_dock_widget(dock, name="empty")
    return ready(Window(title, viewer, dock, labels, viewer.close))


def our_widget(folder: Path, title: str) -> Window:
    """The project in our widget, docked as the Plugins menu does it."""
    viewer = napari.Viewer(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-transmedseg", "TransMedSeg")
    copy = folder.with_name(f"{folder.name}-{len(title)}")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".lock"))  # one writes at a time
    widget.projects.open(copy)

    def close() -> None:
        widget.shut_down()
        viewer.close()

    widget.setFixedWidth(DOCK_WIDTH)
    labels, settle = viewer.layers["ball labels"], widget.annotator.save_now
    return ready(Window(title, viewer, widget, labels, close, settle))


def ready(window: Window) -> Window:
    window.viewer.window.resize(1366, 768)
    middle = window.labels.data.shape[0] // 2
    window.viewer.dims.set_current_step(0, middle)
    window.viewer.layers.selection.active = window.labels
    window.labels.selected_label, window.labels.brush_size = 1, BRUSH
    for _ in range(20):
        QApplication.processEvents()
    return window


def drive(window: Window) -> None:
    """Walk through slices, there and back, then paint a stroke."""
    window.dock.window().raise_()
    window.dock.window().activateWindow()
    QApplication.processEvents()
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Left):
        for _ in range(SLICES_A_ROUND // 2):
            before = window.viewer.dims.current_step[0]
            window.slices.append(timed(lambda key=key: QTest.keyClick(window.canvas, key)))
            assert abs(window.viewer.dims.current_step[0] - before) == 1
    window.viewer.dims.set_current_step(0, window.viewer.dims.current_step[0] + 1)
    window.labels.mode = "paint"
    stroke(window)
    window.labels.mode = "pan_zoom"


def stroke(window: Window) -> None:
    canvas, left = window.canvas, Qt.MouseButton.LeftButton
    centre = QPoint(canvas.width() // 2, canvas.height() // 2)
    painted = np.count_nonzero(window.labels.data)
    QTest.mouseMove(canvas, centre)
    QTest.mousePress(canvas, left, pos=centre)
    for turn in np.linspace(0, 2 * np.pi, MOVES_A_STROKE):
        to = centre + QPoint(round(90 * np.sin(turn)), round(90 * (1 - np.cos(turn)) / 2))
        window.moves.append(timed(lambda to=to: QTest.mouseMove(canvas, to)))
    QTest.mouseRelease(canvas, left, pos=centre)
    QApplication.processEvents()
    assert np.count_nonzero(window.labels.data) > painted


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU time from an event until it is answered and drawn, in ms."""
    wall, cpu = time.perf_counter(), time.thread_time()
    act()
    QApplication.processEvents()
    return 1000 * (time.perf_counter() - wall), 1000 * (time.thread_time() - cpu)


def print_table(windows: list[Window]) -> None:
    parts = "median, ms | p95, ms | CPU median, ms"
    print(f"| | slice change: {parts} | brush move: {parts} |")
    print(f"|---|{'---|' * 6}")
    for window, base in zip(windows, (0, 0, 2, 2), strict=True):
        ours = [*summed(window.slices), *summed(window.moves)]
        theirs = [*summed(windows[base].slices), *summed(windows[base].moves)]
        cells = [
            f"{value:.0f}" if window is windows[base] else f"{value:.0f} ({value / other:.2f}×)"
            for value, other in zip(ours, theirs, strict=True)
        ]
        print(f"| {window.title} | {' | '.join(cells)} |")
    count = f"{len(windows[0].slices)} slice changes and {len(windows[0].moves)} brush moves"
    print(f"\n{count} in each window, napari {napari.__version__}, {os.cpu_count()} cores.")


def summed(times: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Median and 95th percentile of the wall time, median of the CPU time."""
    wall, cpu = np.array(times).T
    return float(np.median(wall)), float(np.percentile(wall, 95)), float(np.median(cpu))


def keep_screenshots(windows: list[Window], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, window in enumerate(windows):
        window.viewer.screenshot(str(folder / f"{number}.png"), canvas_only=False, flash=False)


if __name__ == "__main__":
    main()

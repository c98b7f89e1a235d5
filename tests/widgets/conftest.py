"""A viewer with the widget docked, driven by real Qt events."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialog, QWidget

from napari_transmedseg.imaging.volume import LabelMap, Volume
from napari_transmedseg.project.session import TRAINING_ACTIVITIES
from napari_transmedseg.widgets.preflight_dialog import PreflightDialog
from widgets.leaks import Leaks


@pytest.fixture(autouse=True)
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that leaves windows or threads behind fails, with a viewer or without.

    Torn down after all other fixtures. A failed test's traceback holds on to its widgets.
    """
    before = Leaks()
    yield
    call = getattr(request.node, "rep_call", None)  # napari's fixtures keep it
    if call is not None and call.passed:
        found = before.found()
        assert found == [], f"left behind: {', '.join(found)}"


@pytest.fixture(autouse=True)
def own_settings(tmp_path, monkeypatch) -> None:
    """Lists of recent projects go to a folder of the test."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def tiny_project(tmp_path, tiny_volume: Volume, tiny_labels: LabelMap) -> Path:
    """A project folder of two tiny cases; the first has two annotated slices."""
    import nibabel as nib

    from napari_transmedseg.project.project import Project

    images = tmp_path / "images"
    images.mkdir()
    source = tiny_volume.geometry.to_source(tiny_volume.array)
    for name in ("a", "b"):
        image = nib.Nifti1Image(np.ascontiguousarray(source), tiny_volume.geometry.affine)
        nib.save(image, images / f"{name}.nii.gz")
    folder = tmp_path / "project"
    with Project.create(folder, images=[images], classes=["ring", "core"]) as project:
        label_map = LabelMap(array=tiny_labels.array, geometry=project.geometry("a"))
        project.import_labels("a", label_map, [0, 3])
    return folder


@dataclass
class Driver:
    """Hands on mouse and keyboard."""

    viewer: Any
    widget: Any
    qtbot: Any

    @property
    def canvas(self) -> QWidget:
        window = self.widget.window()
        return next(
            child
            for child in window.findChildren(QWidget)
            if type(child).__name__ == "CanvasBackendDesktop"
        )

    def click(self, button: QWidget) -> None:
        """Scroll a button into view and click it."""
        self.widget.loop.scroll_area.ensureWidgetVisible(button)
        QApplication.processEvents()
        assert button.isEnabled(), f"'{button.text()}' is greyed out"
        QTest.mouseClick(button, Qt.MouseButton.LeftButton)
        QApplication.processEvents()

    def train(self) -> None:
        """Press Start, and Start again where the pre-flight asks about slices in progress."""
        self.click(self.widget.loop.train.start)
        self.wait(lambda: bool(self.dialogs(PreflightDialog)) or self.is_training, 60)
        for dialog in self.dialogs(PreflightDialog):
            QTest.mouseClick(dialog.start, Qt.MouseButton.LeftButton)
        self.wait(lambda: self.is_training)

    @property
    def is_training(self) -> bool:
        return self.widget.session.activity in TRAINING_ACTIVITIES

    def dialogs(self, kind: type[QDialog]) -> list[Any]:
        """Dialogs of a kind that are on screen."""
        return [one for one in self.widget.findChildren(kind) if one.isVisible()]

    def press(self, key: Qt.Key, modifier=Qt.KeyboardModifier.NoModifier) -> None:
        """Press a key over the canvas."""
        QTest.keyClick(self.canvas, key, modifier)
        QApplication.processEvents()

    def choose_class(self, row: int) -> None:
        """Click a class."""
        listing = self.widget.loop.classes.list
        box = listing.visualItemRect(listing.item(row))
        QTest.mouseClick(listing.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
        QApplication.processEvents()

    def choose_case(self, row: int) -> None:
        """Click a row of the case table."""
        table = self.widget.loop.cases
        box = table.visualItemRect(table.item(row, 0))
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
        QApplication.processEvents()

    def drag(self, *points_YX: tuple[float, float]) -> None:
        """Drag over the canvas along voxel positions of the slice on screen."""
        pixels = [self._pixel(point) for point in points_YX]
        canvas, left = self.canvas, Qt.MouseButton.LeftButton
        QTest.mouseMove(canvas, pixels[0])
        QTest.mousePress(canvas, left, pos=pixels[0])
        QApplication.processEvents()
        for start, end in pairwise(pixels):
            for share in (0.25, 0.5, 0.75, 1.0):
                QTest.mouseMove(canvas, start + (end - start) * share)
                QApplication.processEvents()
        QTest.mouseRelease(canvas, left, pos=pixels[-1])
        QApplication.processEvents()

    def screenshot(self, name: str) -> None:
        """Save the window where TRANSMEDSEG_SCREENSHOTS says; nothing without it."""
        folder = os.environ.get("TRANSMEDSEG_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            QApplication.processEvents()
            self.viewer.screenshot(
                str(Path(folder) / f"{name}.png"), canvas_only=False, flash=False
            )

    def wait(self, condition: Callable[[], bool], timeout_s: float = 20) -> None:
        """Let the window live until something is so."""
        self.qtbot.waitUntil(condition, timeout=round(1000 * timeout_s))

    def _pixel(self, point_YX: tuple[float, float]) -> QPoint:
        layer = self.viewer.layers[0]
        camera = getattr(self.viewer, "scene", self.viewer).camera
        shown = self.viewer.dims.displayed
        pixel = []
        for axis, voxel, size in zip(
            shown, point_YX, (self.canvas.height(), self.canvas.width()), strict=True
        ):
            world = layer.translate[axis] + voxel * layer.scale[axis]
            center = camera.center[-2:][shown.index(axis)]
            pixel.append(size / 2 + (world - center) * camera.zoom)
        return QPoint(round(pixel[1]), round(pixel[0]))


@pytest.fixture
def preferences(tmp_path, monkeypatch) -> Any:
    """The widget's part of napari's Preferences, with their defaults, kept in the test's folder."""
    import napari.settings

    monkeypatch.setattr(napari.settings, "_PLUGIN_SETTINGS", {})
    return napari.settings.get_plugin_settings(path_dir=tmp_path)["napari-transmedseg"].work


@pytest.fixture
def driver(make_napari_viewer, qtbot, tmp_path, preferences) -> Driver:
    """A shown viewer of 1366 x 768 with the widget docked."""
    viewer = make_napari_viewer(show=True, strict_qt="raise")
    # As the Plugins menu does it.
    _, widget = viewer.window.add_plugin_dock_widget("napari-transmedseg", "TransMedSeg")
    widget.projects.sample_folder = tmp_path / "sample"
    widget.window().resize(1366, 768)
    QApplication.processEvents()
    yield Driver(viewer, widget, qtbot)
    widget.shut_down()


@pytest.fixture
def open_driver(driver, tiny_project) -> Driver:
    """The same, with the tiny project open."""
    driver.widget.projects.open(tiny_project)
    QApplication.processEvents()
    return driver

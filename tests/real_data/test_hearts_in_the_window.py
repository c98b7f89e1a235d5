# ruff: noqa: F811
"""The loop on real hearts by mouse and keyboard, from dropped files to reviewed masks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QDialogButtonBox
from widgets.conftest import Driver, driver, own_settings, preferences  # noqa: F401

from napari_transmedseg.imaging.io import read_labels
from napari_transmedseg.project.corrections import Correction
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.session import Activity

pytestmark = [pytest.mark.gui, pytest.mark.timeout(1100)]

CASES = ("patient002_frame01", "patient003_frame01", "patient004_frame01")
TRUTH_OF_CLASS = {1: 2, 2: 3, 3: 1}
"""The data set's values of myocardium, LV and RV, by ours."""
BRUSH = 3


@pytest.mark.slow
def test_a_person_segments_real_hearts_from_a_few_slices(
    driver: Driver,
    real_data: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    hearts = _Hearts(driver, real_data("acdc"))
    widget, session = driver.widget, driver.widget.session

    _drop(widget, [hearts.image(name) for name in CASES])
    dialog = widget.new_dialog
    assert dialog.isVisible()
    QTest.keyClicks(dialog.folder, str(tmp_path / "hearts"))
    QTest.keyClicks(dialog.classes, "myocardium, LV")
    driver.screenshot("w1-new-project")
    ok = dialog.buttons.button(QDialogButtonBox.StandardButton.Ok)
    QTest.mouseClick(ok, Qt.MouseButton.LeftButton)
    driver.wait(lambda: widget.annotator.layers.is_open, 60)
    project = session.project
    assert [case.case_id for case in project.cases] == list(CASES)
    driver.screenshot("w2-project")

    hearts.paint(0, hearts.middle(0) - 2, classes=(1, 2))
    driver.press(Qt.Key.Key_D)
    driver.click(widget.loop.classes.add)
    project.rename_class(3, "RV")
    hearts.paint(0, hearts.middle(0) - 2, classes=(3,))
    hearts.paint(0, hearts.middle(0) + 1, classes=(1, 2, 3))
    driver.press(Qt.Key.Key_D)
    driver.screenshot("w3-two-slices")
    hearts.go_to(hearts.middle(0))
    driver.click(widget.loop.annotate.fill)
    filled = [index for index, state in enumerate(widget.annotator.ledger.states)
              if state is SliceState.FILLED]  # fmt: skip
    assert filled == [hearts.middle(0) - 1, hearts.middle(0)]
    driver.screenshot("w4-filled")
    for row in (1, 2):
        driver.choose_case(row)
        driver.wait(lambda row=row: session.case_id == CASES[row])
        for offset in (-1, 1):
            hearts.paint(row, hearts.middle(row) + offset, classes=(1, 2, 3))
            if (row, offset) != (2, 1):
                driver.press(Qt.Key.Key_D)
    assert widget.annotator.ledger.states[hearts.middle(2) + 1] is SliceState.IN_PROGRESS
    hearts.go_to(0)
    driver.press(Qt.Key.Key_W)
    assert widget.annotator.ledger.states[0] is SliceState.EMPTY
    driver.screenshot("w5-empty")

    hearts.train(minutes=1)
    driver.screenshot("w6-trained")
    before = {name: project.ledger(name).labeled_indices() for name in CASES}
    for number in range(3):
        driver.press(Qt.Key.Key_N)
        driver.screenshot(f"w7-suggestion-{number}")
        case_id, index = session.case_id, widget.annotator.layers.slice_index
        assert index not in before[case_id]
        assert widget.annotator.layers.predicted_slice(index) is not None
        driver.press(Qt.Key.Key_A)
        assert project.ledger(case_id).states[index] is SliceState.ACCEPTED
        hearts.correct(CASES.index(case_id), index)
    driver.screenshot("w8-corrected")
    assert len(_accepted(project)) == 3

    hearts.train(minutes=1)
    assert project.runs[-1].details()["warm_start"] == project.runs[-2].run_id
    driver.screenshot("w9-warm-start")
    for _ in range(2):
        driver.press(Qt.Key.Key_N)
        driver.wait(lambda: not session.is_busy, 240)  # the new model looks at the case first
        driver.press(Qt.Key.Key_A)
        hearts.correct(CASES.index(session.case_id), widget.annotator.layers.slice_index)
    driver.press(Qt.Key.Key_N)  # which leaves the slice: it is logged as it is now
    driver.screenshot("w10-accepted")
    assert len(_accepted(project)) == 5
    reviews = [one for one in project.corrections().reviews() if one.run_id]
    assert len(reviews) == 5
    corrected = [one for one in reviews if one.reason == "corrected"]
    assert len(corrected) >= 4  # a prediction may be right, where there is nothing to see
    assert all(min(one.dice.values()) < 1 for one in corrected)
    for one in reviews:
        print(one.run_id, one.case_id, one.slice_index, one.dice, f"{one.seconds:.0f} s")
    print(project.corrections().in_words())

    export = widget.loop.export
    export.folder.setText("")
    QTest.keyClicks(export.folder, str(tmp_path / "masks"))
    QTest.mouseClick(export.reviewed_only, Qt.MouseButton.LeftButton)
    driver.click(export.export)
    driver.wait(lambda: session.activity is Activity.IDLE, 60)
    driver.screenshot("w11-exported")
    for name in CASES:
        image = nib.load(hearts.image(name))
        mask = nib.load(tmp_path / "masks" / f"{name}.nii.gz")
        assert mask.shape == image.shape
        np.testing.assert_array_equal(mask.affine, image.affine)
        states = project.ledger(name).states
        exported = read_labels(tmp_path / "masks" / f"{name}.nii.gz").array
        for index, state in enumerate(states):
            assert state.is_labeled or state is SliceState.IN_PROGRESS or not exported[index].any()


def _accepted(project: Project) -> list[Correction]:
    return [entry for entry in project.corrections().entries if entry.reason == "accepted"]


def _drop(widget, paths: list[Path]) -> None:
    """Drop files on the widget."""
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    copy = Qt.DropAction.CopyAction
    QApplication.sendEvent(widget, QDragEnterEvent(QPoint(50, 50), copy, mime, buttons, keys))
    QApplication.sendEvent(
        widget, QDropEvent(QPointF(50, 50), copy, mime, buttons, keys, QEvent.Type.Drop)
    )
    QApplication.processEvents()


class _Hearts:
    """A hand that paints what the reader of the data set saw."""

    def __init__(self, driver: Driver, folder: Path) -> None:
        self._driver, self._folder = driver, folder
        self._truth = {name: read_labels(folder / "labels" / f"{name}.nii.gz").array
                       for name in CASES}  # fmt: skip

    def image(self, name: str) -> Path:
        return self._folder / "images" / f"{name}.nii.gz"

    def middle(self, row: int) -> int:
        return len(self._truth[CASES[row]]) // 2

    def go_to(self, index: int) -> None:
        strip = self._driver.widget.loop.annotate.strip
        self._driver.widget.loop.scroll_area.ensureWidgetVisible(strip)
        QApplication.processEvents()
        pos = strip.rect().center()
        count = len(self._driver.widget.annotator.ledger.states)
        pos.setX(round((index + 0.5) * strip.width() / count))
        QTest.mouseClick(strip, Qt.MouseButton.LeftButton, pos=pos)
        assert self._driver.widget.annotator.layers.slice_index == index

    def paint(self, row: int, index: int, classes: tuple[int, ...]) -> None:
        """Drag along the rows of each class."""
        self.go_to(index)
        for value in classes:
            self._driver.choose_class(value - 1)
            self._driver.widget.annotator.layers.labels_layer.brush_size = BRUSH
            region = self._truth[CASES[row]][index] == TRUTH_OF_CLASS[value]
            for line, first, last in _runs(region):
                self._driver.drag((line, first), (line, last))

    def correct(self, row: int, index: int) -> None:
        """Make of the accepted slice what the reader saw: paint over it, erase what is left."""
        layers, values = self._driver.widget.annotator.layers, np.zeros(4, np.uint8)
        for value, of_reader in TRUTH_OF_CLASS.items():
            values[of_reader] = value
        truth = values[self._truth[CASES[row]][index]]
        for value in TRUTH_OF_CLASS:
            self._driver.choose_class(value - 1)
            layers.labels_layer.brush_size = BRUSH
            self._go_along((truth == value) & (layers.labels[index] != value))
        self._driver.press(Qt.Key.Key_1)
        assert str(layers.labels_layer.mode) == "erase"
        self._go_along((truth == 0) & (layers.labels[index] != 0))

    def _go_along(self, region: np.ndarray) -> None:
        """Drag along every run of a region that is more than a jagged edge."""
        for line, first, last in _runs(region):
            if last > first:
                self._driver.drag((line, first), (line, last))

    def train(self, minutes: int) -> None:
        """Train, then predict all cases."""
        train, session = self._driver.widget.loop.train, self._driver.widget.session
        train.budget.amount.selectAll()
        QTest.keyClicks(train.budget.amount, str(minutes))
        self._driver.train()
        self._driver.wait(lambda: session.history.latest is not None, 60)
        self._driver.qtbot.wait(20_000)
        self._driver.screenshot(f"w-training-{len(session.project.runs)}")
        self._driver.wait(lambda: session.activity is Activity.IDLE, 240)
        self._driver.click(self._driver.widget.loop.review.predict)
        self._driver.wait(lambda: session.activity is Activity.IDLE, 240)


def _runs(region: np.ndarray) -> Iterator[tuple[float, float, float]]:
    """Every other row of a region (Y, X), cut where it breaks off: row, first, last column."""
    for line in range(1, len(region), 2):
        padded = np.diff(np.concatenate([[0], region[line].astype(np.int8), [0]]))
        for first, end in zip(np.nonzero(padded == 1)[0], np.nonzero(padded == -1)[0], strict=True):
            yield float(line), float(first), float(end - 1)

"""The main job by mouse and keyboard: sample, paint, train, watch, accept, export."""

import nibabel as nib
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.session import Activity

pytestmark = [pytest.mark.gui, pytest.mark.timeout(480)]


def test_a_person_gets_from_the_sample_to_an_exported_mask(driver, tmp_path):
    viewer, widget = driver.viewer, driver.widget
    loop, session = widget.loop, widget.session
    driver.screenshot("1-start")

    driver.click(widget.start_page.sample)
    driver.wait(lambda: widget.annotator.layers.is_open)
    project, case_id = session.project, session.case_id
    assert len(project.cases) == 8
    driver.screenshot("2-sample")

    first, second = [i for i, s in enumerate(widget.annotator.ledger.states) if not s.is_labeled][
        :2
    ]
    for index in (first, second):
        _go_to(driver, index)
        for row, column in ((0, 36.0), (1, 46.0), (2, 56.0)):
            driver.choose_class(row)
            driver.drag((40.0, column), (52.0, column))
        assert widget.annotator.ledger.states[index] is SliceState.IN_PROGRESS
        assert set(np.unique(viewer.layers[f"{case_id} labels"].data[index])) == {0, 1, 2, 3}
        driver.screenshot(f"3-painted-{index}")
        driver.press(Qt.Key.Key_D)
        assert project.ledger(case_id).states[index] is SliceState.ANNOTATED
    painted = viewer.layers[f"{case_id} labels"].data.copy()
    np.testing.assert_array_equal(project.annotation(case_id).array, painted)

    third = next(i for i, s in enumerate(widget.annotator.ledger.states) if not s.is_labeled)
    _go_to(driver, third)
    _set_steps(driver, 2000)
    driver.press(Qt.Key.Key_G)
    assert len(viewer.layers) == 2
    driver.click(loop.train.start)
    driver.wait(lambda: f"{case_id} uncertainty" in viewer.layers, 60)
    overlay = viewer.layers[f"{case_id} uncertainty"]
    driver.wait(lambda: len(loop.train.plot.value().get("total", ([],))[0]) >= 3, 90)
    assert {"total", "supervised"} <= set(loop.train.plot.value())
    driver.wait(lambda: overlay.data[third].any(), 60)
    seen = overlay.data[third].copy()
    driver.wait(lambda: not np.array_equal(seen, overlay.data[third]), 60)
    driver.screenshot("4-training")

    driver.click(loop.train.pause)
    assert session.activity is Activity.PAUSED
    step_ms = 1000 / session.history.latest.steps_per_second
    driver.qtbot.wait(round(2 * step_ms) + 500)
    at_pause = session.history.latest.step
    driver.qtbot.wait(round(3 * step_ms) + 500)
    assert session.history.latest.step == at_pause
    driver.screenshot("5-paused")
    driver.click(loop.train.resume)
    driver.wait(lambda: session.history.latest.step > at_pause, 60)
    driver.wait(lambda: viewer.layers[f"{case_id} pseudo-label"].data[third].any(), 240)
    driver.screenshot("6-resumed")

    driver.click(loop.train.stop)
    driver.wait(lambda: session.activity is Activity.IDLE, 60)
    assert session.history.finished.reason == "stopped"
    assert project.run().checkpoint is not None
    np.testing.assert_array_equal(viewer.layers[f"{case_id} labels"].data, painted)

    predicted = viewer.layers[f"{case_id} pseudo-label"].data[third].copy()
    driver.press(Qt.Key.Key_A)
    assert project.ledger(case_id).states[third] is SliceState.ACCEPTED
    np.testing.assert_array_equal(project.annotation(case_id).array[third], predicted)
    driver.press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert widget.annotator.ledger.states[third] is SliceState.UNSEEN
    assert not viewer.layers[f"{case_id} labels"].data[third].any()
    driver.press(Qt.Key.Key_Z, _CTRL_SHIFT)
    assert widget.annotator.ledger.states[third] is SliceState.ACCEPTED
    driver.screenshot("7-accepted")

    driver.click(loop.review.predict)
    driver.wait(lambda: session.activity is Activity.IDLE, 120)
    loop.export.folder.setText("")
    QTest.keyClicks(loop.export.folder, str(tmp_path / "masks"))
    driver.click(loop.export.export)
    driver.wait(lambda: session.activity is Activity.IDLE, 60)
    driver.screenshot("8-exported")

    for case in project.cases:
        image = nib.load(project.image_path(case.case_id))
        mask = nib.load(tmp_path / "masks" / f"{case.case_id}.nii.gz")
        assert mask.shape == image.shape
        np.testing.assert_array_equal(mask.affine, image.affine)
        for code in ("qform_code", "sform_code"):
            assert mask.header[code] == image.header[code]
    exported = np.asanyarray(nib.load(tmp_path / "masks" / f"{case_id}.nii.gz").dataobj)
    shown = project.geometry(case_id).to_display(exported)
    for index in (first, second, third):
        np.testing.assert_array_equal(shown[index], viewer.layers[f"{case_id} labels"].data[index])


_CTRL_SHIFT = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


def _go_to(driver, index: int) -> None:
    """Click a slice in the strip."""
    strip = driver.widget.loop.annotate.strip
    driver.widget.loop.scroll_area.ensureWidgetVisible(strip)
    count = len(driver.widget.annotator.ledger.states)
    pos = strip.rect().center()
    pos.setX(round((index + 0.5) * strip.width() / count))
    QTest.mouseClick(strip, Qt.MouseButton.LeftButton, pos=pos)
    assert driver.widget.annotator.layers.slice_index == index


def _set_steps(driver, steps: int) -> None:
    budget = driver.widget.loop.train.budget
    QTest.keyClick(budget.unit, Qt.Key.Key_Down)
    budget.amount.selectAll()
    QTest.keyClicks(budget.amount, str(steps))
    assert budget.value().settings == {"steps": steps}

"""Before and after on one slice, by mouse and keyboard; nothing of it stays behind."""

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from scripted_training import scripted_training

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.events import SlicePrediction
from napari_transmedseg.imaging.rendering import outline_of
from napari_transmedseg.project import training
from napari_transmedseg.project.comparing import BEFORE, LABELS, NOW
from napari_transmedseg.project.project import Project
from napari_transmedseg.widgets.canvas_words import CORNERS, CanvasWords, canvas_around
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.runs_dialog import RunsDialog

pytestmark = pytest.mark.gui

LAYER = "before | after (swipe)"
CTRL = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def two_runs(tiny_project, tiny_labels):
    """The tiny project: case a predicted by two runs, one class larger in the second; b by one."""
    smaller = np.where(tiny_labels.array == 2, 2, 0).astype(np.uint8)
    with Project.open(tiny_project) as project:
        for run_id, arrays in (
            ("run-001", {"a": smaller, "b": smaller}),
            ("run-002", {"a": tiny_labels.array}),
        ):
            project.new_run(TrainingConfig())
            for case_id, array in arrays.items():
                label_map = project.annotation(case_id)
                label_map.array[:] = array
                project.save_prediction(run_id, case_id, label_map)
    return tiny_project


@pytest.fixture
def swiped(driver, two_runs):
    """That project open, run-002 the latest, slice 4 of case a on screen, and H pressed."""
    driver.widget.projects.open(two_runs)
    QApplication.processEvents()
    go(driver, 4)
    driver.press(Qt.Key.Key_H)
    return driver


def go(driver, index: int) -> None:
    driver.widget.annotator.layers.slice_index = index
    QApplication.processEvents()


def edit(driver):
    return driver.widget.loop.overlay.swipe


def swipe(driver):
    return driver.widget.swipe.layer


def choose(box, source: str) -> None:
    box.setCurrentIndex(box.findData(source))
    QApplication.processEvents()


def line_x(driver) -> int:
    return round(swipe(driver).share * driver.canvas.width())


def pull(driver, share: float) -> None:
    """Take the line with the mouse and let it go elsewhere."""
    canvas, left = driver.canvas, Qt.MouseButton.LeftButton
    start, end = line_x(driver) + 2, round(share * driver.canvas.width())
    y = canvas.height() // 2
    point = driver.canvas.rect().center()
    point.setY(y)
    point.setX(start)
    QTest.mouseMove(canvas, point)
    QApplication.processEvents()
    QTest.mousePress(canvas, left, pos=point)
    QApplication.processEvents()
    for part in (0.3, 0.6, 1.0):
        point.setX(round(start + part * (end - start)))
        QTest.mouseMove(canvas, point)
        QApplication.processEvents()
    QTest.mouseRelease(canvas, left, pos=point)
    QApplication.processEvents()


def whole_side(driver, side: str) -> np.ndarray:
    """What one side draws of the slice, with the line pulled out of the way."""
    share = swipe(driver).share
    swipe(driver).share = 1.0 if side == "left" else 0.0
    shown = swipe(driver).shown.copy()
    swipe(driver).share = share
    return shown


def outlines(labels_YX) -> np.ndarray:
    labels = np.ascontiguousarray(labels_YX)
    return labels * outline_of(labels)


def traces(driver) -> list[str]:
    names = [layer.name for layer in driver.viewer.layers if "swipe" in layer.name]
    lines = [name for name in driver.viewer.canvas.overlays if "swipe" in name]
    return names + lines + list(words(driver).values())


def words(driver) -> dict[str, str]:
    """What stands at the upper corners of the canvas."""
    texts = canvas_around(driver.widget).findChildren(CanvasWords)
    corners = [one.value() for one in texts if one.places is CORNERS]
    return corners[0] if corners else {}


def test_a_key_parts_the_slice_into_the_run_before_and_now(swiped, tiny_labels):
    driver, layers = swiped, swiped.widget.annotator.layers
    before = np.where(tiny_labels.array[4] == 2, 2, 0).astype(np.uint8)
    np.testing.assert_array_equal(whole_side(driver, "left"), outlines(before))
    np.testing.assert_array_equal(whole_side(driver, "right"), outlines(tiny_labels.array[4]))
    assert words(driver) == {"left": "◀ before this training", "right": "now ▶"}
    assert not layers.by_role["pseudo-label"].visible
    assert driver.viewer.layers.selection.active == layers.labels_layer
    assert edit(driver).left.isVisible() and edit(driver).place.isVisible()
    driver.press(Qt.Key.Key_H)
    assert traces(driver) == []
    assert layers.by_role["pseudo-label"].visible
    assert not edit(driver).left.isVisible()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_words_and_the_line_are_on_the_canvas_in_both_themes(swiped, theme):
    driver = swiped
    driver.viewer.theme = theme
    driver.press(Qt.Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    driver.widget.loop.show_part("Overlay")
    pull(driver, 0.55)
    driver.screenshot(f"swipe-{theme}")
    pixels = driver.viewer.screenshot(canvas_only=True, flash=False).astype(int)
    at = round(swipe(driver).share * pixels.shape[1])
    beside = pixels[:, at - 30 : at - 20, :3].mean(axis=(0, 1))
    on_line = pixels[:, at - 3 : at + 4, :3]
    assert np.abs(on_line - beside).sum(axis=2).max(axis=1).mean() > 100
    area = driver.widget.loop.scroll_area.viewport().width()
    assert driver.widget.loop.overlay.width() <= area


def test_the_line_is_dragged_without_a_stroke_and_the_brush_paints_beside_it(swiped):
    driver, layers = swiped, swiped.widget.annotator.layers
    driver.choose_class(0)
    center = driver.viewer.scene.camera.center
    pull(driver, 0.25)
    assert swipe(driver).share == pytest.approx(0.25, abs=0.01)
    assert edit(driver).place.value() == 25
    assert not layers.labels[4].any(), "a drag of the line is no stroke"
    assert driver.viewer.scene.camera.center == center, "nor does it move the image"
    assert str(layers.labels_layer.mode) == "paint"
    driver.drag((6.0, 14.0), (12.0, 14.0))
    assert layers.labels[4].any()
    edit(driver).place.setValue(80)
    assert swipe(driver).share == pytest.approx(0.8)


def test_over_the_line_the_mouse_shows_a_hand(swiped):
    driver = swiped
    driver.choose_class(0)
    own = str(driver.viewer.cursor.style)
    point = driver.canvas.rect().center()
    for distance, style in ((0, "pointing"), (40, own)):
        point.setX(line_x(driver) + distance)
        QTest.mouseMove(driver.canvas, point)
        driver.wait(lambda style=style: str(driver.viewer.cursor.style) == style)
    driver.press(Qt.Key.Key_H)
    assert str(driver.viewer.cursor.style) == own


def test_sides_follow_slice_plane_opacity_fill_and_three_dimensions(swiped, tiny_labels):
    driver, overlay = swiped, swiped.widget.loop.overlay
    go(driver, 5)
    np.testing.assert_array_equal(whole_side(driver, "right"), outlines(tiny_labels.array[5]))
    driver.press(Qt.Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    np.testing.assert_array_equal(whole_side(driver, "right"), tiny_labels.array[5])
    driver.press(Qt.Key.Key_Comma)
    assert driver.viewer.layers[LAYER].opacity == pytest.approx(0.8)
    driver.press(Qt.Key.Key_S)
    assert not driver.viewer.layers[LAYER].visible
    driver.press(Qt.Key.Key_S)
    driver.press(Qt.Key.Key_2, CTRL)
    row = driver.widget.display.view.index[1]
    np.testing.assert_array_equal(whole_side(driver, "right"), tiny_labels.array[:, row])
    before = np.where(tiny_labels.array == 2, 2, 0)
    np.testing.assert_array_equal(whole_side(driver, "left"), before[:, row])
    driver.screenshot("swipe-coronal")
    driver.viewer.dims.ndisplay = 3
    assert traces(driver) == [] and edit(driver).value().is_on
    assert driver.widget.annotator.layers.by_role["pseudo-label"].visible
    driver.viewer.dims.ndisplay = 2
    assert len(traces(driver)) == 4
    assert overlay.value().pseudo_label


def test_the_next_case_is_swiped_too_and_says_what_it_lacks(swiped):
    driver = swiped
    driver.choose_case(1)
    assert len(traces(driver)) == 4
    go(driver, 4)
    assert swipe(driver).words == ("◀ before this training", "now ▶")
    choose(edit(driver).left, "run-002")
    assert swipe(driver).words == ("◀ run-002: nothing here", "now ▶")
    driver.choose_case(0)
    assert swipe(driver).words[0].startswith("◀ run-002")
    assert driver.viewer.layers[LAYER].data.shape == driver.widget.annotator.layers.labels.shape


def test_your_labels_stand_in_for_their_layer_until_a_class_is_taken(swiped, tiny_labels):
    driver, labels = swiped, swiped.widget.annotator.layers.labels_layer
    go(driver, 3)
    driver.choose_class(0)
    choose(edit(driver).left, LABELS)
    assert not labels.visible
    np.testing.assert_array_equal(whole_side(driver, "left"), outlines(tiny_labels.array[3]))
    driver.choose_class(1)
    assert labels.visible and str(labels.mode) == "paint"
    choose(edit(driver).left, BEFORE)
    choose(edit(driver).left, LABELS)
    assert not labels.visible
    driver.choose_case(1)
    assert not driver.widget.annotator.layers.labels_layer.visible
    driver.press(Qt.Key.Key_H)
    assert driver.widget.annotator.layers.labels_layer.visible


def test_without_an_earlier_prediction_your_labels_are_on_the_left(open_driver, tiny_labels):
    driver = open_driver
    go(driver, 3)
    driver.press(Qt.Key.Key_H)
    assert edit(driver).value().left == LABELS
    assert swipe(driver).words == ("◀ your labels", "now: nothing here ▶")
    np.testing.assert_array_equal(whole_side(driver, "left"), outlines(tiny_labels.array[3]))


def test_a_training_is_compared_with_what_was_on_screen_before_it(swiped, monkeypatch, tiny_labels):
    driver, layers = swiped, swiped.widget.annotator.layers

    def train(project, config, *, control, resume, warm_start):
        run = project.new_run(config, warm_start=warm_start)
        (run.folder / "checkpoints" / "last.pt").write_bytes(b"weights")
        return run.record(scripted_training(control, steps=10_000, step_s=0.02, run_id=run.run_id))

    monkeypatch.setattr(training, "train", train)
    earlier = tiny_labels.array[4].copy()
    driver.train()
    driver.wait(lambda: not np.array_equal(layers.prediction[4], earlier))
    np.testing.assert_array_equal(whole_side(driver, "left"), outlines(earlier))
    driver.screenshot("swipe-training")
    driver.click(driver.widget.loop.train.stop)
    driver.wait(lambda: not driver.is_training)
    np.testing.assert_array_equal(whole_side(driver, "right"), outlines(layers.prediction[4]))
    go(driver, 5)
    np.testing.assert_array_equal(whole_side(driver, "left"), whole_side(driver, "right"))
    driver.press(Qt.Key.Key_2, CTRL)
    row = driver.widget.display.view.index[1]
    np.testing.assert_array_equal(whole_side(driver, "left"), outlines(tiny_labels.array[:, row]))


def test_a_look_at_a_slice_redraws_it_in_place(swiped):
    driver, session = swiped, swiped.widget.session
    layer = driver.viewer.layers[LAYER]
    texture = layer.data
    ones = np.ones(driver.widget.annotator.layers.labels.shape[1:], np.uint8)
    driver.press(Qt.Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    session.apply(
        SlicePrediction(
            step=1, case_id="a", slice_axis=0, slice_index=4, pseudo_label_YX=ones,
            uncertainty_YX=np.zeros(ones.shape, np.float32),
        )
    )  # fmt: skip
    assert (whole_side(driver, "right") == 1).all()
    assert layer.data is texture


def test_two_runs_are_swiped_from_the_comparison_of_runs(swiped, tiny_labels):
    driver = swiped
    driver.press(Qt.Key.Key_H)
    driver.click(driver.widget.loop.train.runs)
    (dialog,) = driver.dialogs(RunsDialog)
    dialog.table.selectRow(0)
    assert not dialog.swipe.isEnabled()
    dialog.table.selectAll()
    QTest.mouseClick(dialog.swipe, Qt.MouseButton.LeftButton)
    QApplication.processEvents()
    value = edit(driver).value()
    assert (value.is_on, value.left, value.right) == (True, "run-001", "run-002")
    assert swipe(driver).words == ("◀ run-001", "run-002 ▶")
    np.testing.assert_array_equal(whole_side(driver, "right"), outlines(tiny_labels.array[4]))
    assert driver.dialogs(RunsDialog) == []


def test_runs_that_did_not_predict_the_case_are_named(swiped):
    driver = swiped
    driver.choose_case(1)
    driver.click(driver.widget.loop.train.runs)
    (dialog,) = driver.dialogs(RunsDialog)
    dialog.table.selectAll()
    QTest.mouseClick(dialog.swipe, Qt.MouseButton.LeftButton)
    QApplication.processEvents()
    (told,) = [one for one in dialog.findChildren(ErrorDialog) if one.isVisible()]
    assert "run-002" in told.text() and "run-001" not in told.text()
    told.close()
    told.deleteLater()
    dialog.close()
    QApplication.processEvents()


def test_deleting_the_layer_turns_it_off(swiped):
    driver = swiped
    driver.viewer.layers.remove(LAYER)
    QApplication.processEvents()
    assert traces(driver) == [] and not edit(driver).value().is_on
    assert driver.widget.annotator.layers.by_role["pseudo-label"].visible
    driver.viewer.layers.remove(driver.widget.annotator.layers.by_role["pseudo-label"])
    driver.wait(lambda: "a pseudo-label" in driver.viewer.layers)
    driver.press(Qt.Key.Key_H)
    assert len(traces(driver)) == 4


@pytest.mark.parametrize("way", ["widget", "project", "case"])
def test_it_goes_with_the_widget_the_project_and_the_case(swiped, tiny_project, way):
    driver = swiped
    choose(edit(driver).left, LABELS)
    labels = driver.widget.annotator.layers.labels_layer
    assert not labels.visible
    if way == "widget":
        driver.widget.shut_down()
        assert labels.visible
    elif way == "project":
        other, images = tiny_project.parent / "other", tiny_project.parent / "images"
        Project.create(other, images=[images], classes=["lesion"]).close()
        driver.widget.projects.open(other)
        QApplication.processEvents()
        assert edit(driver).value().left == BEFORE and edit(driver).value().right == NOW
        assert driver.widget.annotator.layers.labels_layer.visible
    else:
        driver.widget.annotator.close_case()
        driver.widget.session.case_id = ""
        driver.widget.annotator.layers.clear()
    assert traces(driver) == []
    assert len(driver.viewer.mouse_drag_callbacks) == 1


def test_a_prediction_read_for_it_is_let_go(swiped):
    driver, sides = swiped, swiped.widget.swipe.sides
    assert sides.runs_read == ["run-001"]
    driver.choose_case(1)
    assert sides.runs_read == []
    driver.choose_case(0)
    assert sides.runs_read == ["run-001"]
    driver.press(Qt.Key.Key_H)
    assert sides.runs_read == []

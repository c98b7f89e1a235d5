"""Classes by mouse and keyboard; removing one asks, tells, and changes exactly its voxels."""

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLineEdit

from napari_transmedseg.project.class_removal import ClassUsage
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.class_list import ClassList, ClassRow
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.remove_class_dialog import RemoveClassDialog
from napari_transmedseg.widgets.snapshots_dialog import SnapshotsDialog

pytestmark = pytest.mark.gui

ALT = Qt.KeyboardModifier.AltModifier


def test_keys_pick_and_move_classes_which_keep_their_values(open_driver):
    driver, classes = open_driver, open_driver.widget.loop.classes
    labels = driver.viewer.layers["a labels"]
    for key, value in ((Qt.Key.Key_2, 2), (Qt.Key.Key_1, 1), (Qt.Key.Key_9, 1)):
        driver.press(key, ALT)
        assert (labels.selected_label, str(labels.mode)) == (value, "paint")
        assert classes.value() == value
    driver.choose_class(1)
    QTest.keyClick(classes.list, Qt.Key.Key_Up, ALT)
    assert [classes.list.item(row).text() for row in (0, 1)] == ["core", "ring"]
    driver.press(Qt.Key.Key_1, ALT)
    assert labels.selected_label == 2
    driver.click(classes.down)
    assert [one.name for one in driver.widget.session.project.ordered_classes] == ["ring", "core"]


def test_a_new_class_asks_for_its_name_and_a_name_that_is_taken_is_refused(open_driver):
    driver, classes = open_driver, open_driver.widget.loop.classes
    driver.click(classes.add)
    editor = classes.list.findChild(QLineEdit)
    editor.selectAll()
    QTest.keyClicks(editor, "scar")
    QTest.keyClick(editor, Qt.Key.Key_Return)
    QApplication.processEvents()
    project = driver.widget.session.project
    assert project.class_names == {1: "ring", 2: "core", 3: "scar"}
    driver.press(Qt.Key.Key_3, ALT)
    assert driver.viewer.layers["a labels"].selected_label == 3
    classes.list.item(0).setText("core")
    (dialog,) = driver.widget.findChildren(ErrorDialog)
    assert "every class once" in dialog.text()
    dialog.close()
    assert classes.list.item(0).text() == "ring"


def test_removing_a_class_tells_its_voxels_and_keeps_the_rest(open_driver):
    driver, session = open_driver, open_driver.widget.session
    project = session.project
    session.activity = Activity.PREDICTING
    driver.widget.loop.classes.removeRequested.emit(1)
    (refused,) = driver.widget.findChildren(ErrorDialog)
    assert "no running task" in refused.text()
    refused.close()
    session.activity = Activity.IDLE

    index = driver.widget.annotator.layers.slice_index
    driver.choose_class(0)
    driver.drag((6.0, 6.0), (12.0, 6.0))
    painted = driver.viewer.layers["a labels"].data.copy()
    assert painted[index].any()
    driver.click(driver.widget.loop.classes.remove)
    (dialog,) = driver.widget.findChildren(RemoveClassDialog)
    count, slices = int((painted == 1).sum()), int((painted == 1).any(axis=(1, 2)).sum())
    assert f"{count:,} voxels on {slices} slices of 1 case." in dialog.told.text()
    assert "core becomes 1" in dialog.notes.text()
    assert dialog.value() == "unknown"
    driver.screenshot("remove-class")
    dialog.background.setFocus()
    QTest.keyClick(dialog.background, Qt.Key.Key_Space)
    QTest.mouseClick(dialog.remove, Qt.MouseButton.LeftButton)
    QApplication.processEvents()
    shown = driver.viewer.layers["a labels"].data
    np.testing.assert_array_equal(shown, np.where(painted == 2, 1, 0))
    np.testing.assert_array_equal(project.annotation("a").array, shown)
    states = driver.widget.annotator.ledger.states
    assert (states[3], states[index]) == (SliceState.ANNOTATED, SliceState.UNSEEN)
    assert project.class_names == {1: "core"}
    assert not driver.widget.loop.classes.remove.isEnabled()
    assert "earlier states" in driver.widget.loop.message.text()

    driver.widget.loop.cases.snapshotsRequested.emit("a")
    (dialog,) = driver.dialogs(SnapshotsDialog)
    QTest.mouseClick(dialog.restore, Qt.MouseButton.LeftButton)
    QApplication.processEvents()
    assert "earlier state of a and ring back" in driver.widget.loop.message.text()
    assert project.class_names == {1: "core", 2: "ring"}
    shown = driver.viewer.layers["a labels"].data
    np.testing.assert_array_equal(shown, np.array([0, 2, 1], np.uint8)[painted])


def test_an_unused_class_needs_no_choice(qtbot):
    dialog = RemoveClassDialog(2, "core", ClassUsage(), "")
    qtbot.addWidget(dialog)
    dialog.show()
    assert "No voxel" in dialog.told.text()
    assert not dialog.unknown.isVisible()
    with qtbot.waitSignal(dialog.removeRequested) as asked:
        QTest.mouseClick(dialog.remove, Qt.MouseButton.LeftButton)
    assert asked.args == [2, "unknown"]


def test_the_first_and_the_last_class_move_no_further(qtbot):
    classes = ClassList()
    qtbot.addWidget(classes)
    classes.set_rows([ClassRow(1, "ring", "#ff0000"), ClassRow(2, "core", "#00ff00")])
    with qtbot.assertNotEmitted(classes.moved):
        QTest.mouseClick(classes.up, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(classes.moved) as moved:
        QTest.mouseClick(classes.down, Qt.MouseButton.LeftButton)
    assert moved.args == [1, 1]


def test_list_and_brush_agree_whoever_chooses(open_driver):
    listing, layer = open_driver.widget.loop.classes, open_driver.widget.annotator.layers
    open_driver.choose_class(0)
    layer.labels_layer.selected_label = 2  # napari's own control
    assert listing.value() == 2
    QTest.keyClick(listing.list, Qt.Key.Key_Up)
    QApplication.processEvents()
    assert layer.labels_layer.selected_label == listing.value() == 1
    layer.labels_layer.selected_label = 0
    assert listing.list.selectedItems() == []
    layer.labels_layer.selected_label = 1
    assert [item.text() for item in listing.list.selectedItems()] == ["ring"]

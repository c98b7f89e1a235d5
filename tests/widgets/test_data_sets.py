"""A folder that is a data set, dropped on the widget, becomes a project with its labels."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("napari")

from cohorts import GEOMETRY, disc_classes, make_cohort, save_classes
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QMessageBox, QPushButton

from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.project.project import Project
from napari_transmedseg.widgets.data_set_box import DataSetChoice

from .test_projects import drop_on

pytestmark = pytest.mark.gui

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def decathlon(tmp_path) -> Path:
    """Three pairs as MSD lays them out."""
    images, labels = make_cohort(tmp_path / "Task99", 3)
    names = {"0": "background", "1": "ring", "2": "core"}
    (images.parent / "dataset.json").write_text(json.dumps({"labels": names}))
    images.rename(images.parent / "imagesTr")
    labels.rename(labels.parent / "labelsTr")
    return images.parent


def begin(driver, folder: Path):
    """Drop a folder on the empty widget."""
    drop_on(driver.widget.start_page, folder)
    dialog = driver.widget.new_dialog
    driver.qtbot.waitExposed(dialog)
    return dialog


def create(driver, dialog, folder: Path) -> None:
    QTest.keyClicks(dialog.folder, str(folder))
    QTest.mouseClick(dialog.buttons.button(dialog.buttons.StandardButton.Ok), LEFT)
    QApplication.processEvents()


def test_a_data_set_is_recognised_and_taken_with_its_labels(driver, decathlon, tmp_path):
    dialog = begin(driver, decathlon)
    assert dialog.data_set.isVisible()
    assert "3 cases, 3 with labels to take; classes ring, core." in dialog.data_set.told.text()
    assert dialog.classes.text() == "ring, core"
    driver.screenshot("data-set")
    create(driver, dialog, tmp_path / "new")
    driver.wait(lambda: driver.widget.session.project is not None)
    assert not dialog.isVisible()
    project = driver.widget.session.project
    assert [one.name for one in project.classes] == ["ring", "core"]
    for number in (1, 2, 3):
        annotation = project.annotation(f"case_{number}")
        assert annotation.known.all()
        np.testing.assert_array_equal(annotation.array, disc_classes(number % 3))
    assert driver.widget.loop.message.text() == (
        "3 of 3 cases are annotated whole by their label maps."
    )
    assert driver.dialogs(QMessageBox) == []


def test_the_images_alone_are_taken_where_a_person_wants_it(driver, decathlon, tmp_path):
    dialog = begin(driver, decathlon / "imagesTr")
    assert not dialog.data_set.isVisible()
    QTest.mouseClick(dialog.buttons.button(dialog.buttons.StandardButton.Cancel), LEFT)
    dialog = begin(driver, decathlon)
    dialog.images.item(0).setSelected(True)
    QTest.mouseClick(dialog.remove, LEFT)
    assert not dialog.data_set.isVisible()
    assert dialog.classes.text() == ""
    QTest.keyClicks(dialog.classes, "wall, blood")
    drop_on(dialog.folder, decathlon)
    assert dialog.classes.text() == "wall, blood"  # typed, so it stays
    dialog.data_set.taken.setFocus()
    QTest.keyClick(dialog.data_set.taken, Qt.Key.Key_Space)
    create(driver, dialog, tmp_path / "new")
    driver.wait(lambda: driver.widget.session.project is not None)
    project = driver.widget.session.project
    assert [one.name for one in project.classes] == ["wall", "blood"]
    assert [case.case_id for case in project.cases] == ["case_1", "case_2", "case_3"]
    assert not any(project.ledger(case.case_id).labeled_indices() for case in project.cases)


def test_what_does_not_fit_is_told_after_the_others_came_in(driver, decathlon, tmp_path):
    elsewhere = Geometry.from_spacing((24, 20, 8), (1.5, 1.5, 6.0), origin=(500, 0, 0))
    save_classes(decathlon / "labelsTr" / "case_2.nii.gz", disc_classes(), elsewhere)
    dialog = begin(driver, decathlon)
    create(driver, dialog, tmp_path / "new")
    driver.wait(lambda: bool(driver.dialogs(QMessageBox)))
    (box,) = driver.dialogs(QMessageBox)
    assert "case_2 has no annotation: Expected" in box.text()
    QTest.mouseClick(box.button(QMessageBox.StandardButton.Ok), LEFT)
    assert "2 of 3 cases" in driver.widget.loop.message.text()


def test_whoever_stops_keeps_what_was_taken(driver, decathlon, tmp_path):
    dialog = begin(driver, decathlon)
    taker = driver.widget.cohort.data_sets

    def stop() -> None:
        taker._timer.stop()  # else the next one may come before the click
        QTest.mouseClick(taker.progress.findChild(QPushButton), LEFT)

    taker._timer.timeout.connect(stop)
    create(driver, dialog, tmp_path / "new")
    driver.wait(lambda: bool(driver.dialogs(QMessageBox)))
    (box,) = driver.dialogs(QMessageBox)
    assert "2 label maps were not taken, as you stopped." in box.text()
    box.close()
    project = driver.widget.session.project
    labeled = [bool(project.ledger(one.case_id).labeled_indices()) for one in project.cases]
    assert labeled == [True, False, False]


def test_channels_of_a_data_set_are_chosen(driver, tmp_path):
    root = tmp_path / "Task01"
    for number in (1, 2):
        array = np.random.default_rng(number).normal(size=(*GEOMETRY.shape, 2)).astype(np.float32)
        (root / "imagesTr").mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(array, GEOMETRY.affine), root / f"imagesTr/case_{number}.nii.gz")
        save_classes(root / f"labelsTr/case_{number}.nii.gz", disc_classes(number))
    names = {"0": "background", "1": "ring", "2": "core"}
    content = {"labels": names, "modality": {"0": "FLAIR", "1": "T1w"}}
    (root / "dataset.json").write_text(json.dumps(content))
    dialog = begin(driver, root)
    assert "channels FLAIR, T1w." in dialog.data_set.told.text()
    assert dialog.value().data_set == DataSetChoice(frame="channels")
    dialog.data_set.channels.setFocus()
    QTest.keyClick(dialog.data_set.channels, Qt.Key.Key_End)
    assert dialog.data_set.channels.currentText() == "Only T1w"
    QTest.keyClick(dialog.data_set.channels, Qt.Key.Key_Home)
    create(driver, dialog, tmp_path / "new")
    driver.wait(lambda: driver.widget.session.project is not None)
    project = driver.widget.session.project
    assert project.channel_names == ("FLAIR", "T1w")
    project.close()
    with Project.open(project.folder, read_only=True) as stored:
        np.testing.assert_array_equal(stored.annotation("case_2").array, disc_classes(2))

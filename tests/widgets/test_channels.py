"""Images of one person become channels of one case when a person says so."""

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("napari")

from channel_files import save_image
from cohorts import GEOMETRY
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.project.import_options import NO_CHOICE, ImportOptions
from napari_transmedseg.project.import_questions import ImportQuestions
from napari_transmedseg.widgets.import_dialog import ImportDialog

from .test_projects import drop_on, visible

pytestmark = pytest.mark.gui

LEFT = Qt.MouseButton.LeftButton


def begin(driver, folder, *dropped) -> ImportDialog:
    """Drop images on the empty widget, describe the project, and press Create."""
    drop_on(driver.widget.start_page, *dropped)
    new = driver.widget.new_dialog
    driver.qtbot.waitExposed(new)
    QTest.keyClicks(new.folder, str(folder))
    QTest.keyClicks(new.classes, "organ")
    QTest.mouseClick(new.buttons.button(new.buttons.StandardButton.Ok), LEFT)
    return visible(new, ImportDialog)


def test_a_folder_of_sequences_becomes_cases_of_channels(driver, tmp_path):
    coarse = Geometry.from_spacing(
        (12, 20, 8), (3.0, 1.5, 6.0), orientation="LPS", origin=(-0.75, 0, 0)
    )
    for seed, case in enumerate(("anna", "bert")):
        save_image(tmp_path / "in" / f"{case}_t1.nii.gz", seed=seed)
        save_image(tmp_path / "in" / f"{case}_flair.nii.gz", seed=9 - seed,
                   geometry=coarse if case == "bert" else GEOMETRY)  # fmt: skip
    dialog = begin(driver, tmp_path / "new", tmp_path / "in")
    table = dialog.channels.table
    shown = [[table.item(row, column).text() for column in range(3)] for row in range(2)]
    assert shown == [
        ["anna", "anna_t1.nii.gz", "anna_flair.nii.gz"],
        ["bert", "bert_t1.nii.gz", "bert_flair.nii.gz"],
    ]
    assert not dialog.ok.isEnabled()  # other voxels are to be allowed
    dialog.channels.resample.setFocus()
    QTest.keyClick(dialog.channels.resample, Qt.Key.Key_Space)
    driver.screenshot("channels")
    QTest.mouseClick(dialog.ok, LEFT)
    QApplication.processEvents()
    project = driver.widget.session.project
    assert [case.case_id for case in project.cases] == ["anna", "bert"]
    assert project.channel_names == ("t1", "flair")
    assert [channel.resampled for channel in project.case("bert").further] == [True]

    save_image(tmp_path / "more" / "carl_flair.nii.gz", seed=20)
    save_image(tmp_path / "more" / "carl_t1.nii.gz", seed=21)
    driver.widget.cohort.add_paths([tmp_path / "more"])
    dialog = visible(driver.widget, ImportDialog)
    QTest.mouseClick(dialog.ok, LEFT)
    QApplication.processEvents()
    assert project.case("carl").channel_names == ("t1", "flair")


def test_another_channel_is_shown_or_each_image_is_a_case(driver, tmp_path):
    for number in range(2):
        save_image(tmp_path / "in" / f"anna_000{number}.nii.gz", seed=number)
    dialog = begin(driver, tmp_path / "new", tmp_path / "in")
    dialog.channels.first.setFocus()
    QTest.keyClick(dialog.channels.first, Qt.Key.Key_Down)
    assert dialog.value().channels == ("0001=_0001", "0000=_0000")
    dialog.channels.apart.setFocus()
    QTest.keyClick(dialog.channels.apart, Qt.Key.Key_Space)
    assert not dialog.channels.table.isEnabled()
    QTest.mouseClick(dialog.ok, LEFT)
    QApplication.processEvents()
    project = driver.widget.session.project
    assert [case.case_id for case in project.cases] == ["anna_0000", "anna_0001"]


def test_volumes_of_one_file_become_named_channels(driver, tmp_path):
    array = np.random.default_rng(0).normal(size=(6, 5, 4, 2)).astype(np.float32)
    nib.save(nib.Nifti1Image(array, np.diag([1.0, 1, 4, 1])), tmp_path / "brain.nii.gz")
    dialog = begin(driver, tmp_path / "new", tmp_path / "brain.nii.gz")
    assert not dialog.frame_names.isVisible()
    dialog.frames.setFocus()
    QTest.keyClick(dialog.frames, Qt.Key.Key_End)
    QTest.keyClicks(dialog.frame_names, "t1, flair")
    QTest.mouseClick(dialog.ok, LEFT)
    QApplication.processEvents()
    project = driver.widget.session.project
    assert [case.case_id for case in project.cases] == ["brain"]
    assert project.channel_names == ("t1", "flair")


def test_names_are_asked_for_channels_alone(qtbot):
    dialog = ImportDialog(ImportQuestions(frames=(("cine", 2),)), NO_CHOICE)
    qtbot.addWidget(dialog)
    dialog.show()
    dialog.frame_names.setText("t1, t2")
    assert dialog.value() == ImportOptions(frame="all")

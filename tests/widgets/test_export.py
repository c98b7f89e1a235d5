"""Export by mouse: options in a dialog, progress, cancel, a summary that opens."""

import threading
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import QUrl
from qtpy.QtGui import QDesktopServices, QStandardItemModel
from qtpy.QtTest import QTest

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.project import export as exporting
from napari_transmedseg.project.export_options import ExportOptions
from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.export_box import options_in_words

pytestmark = pytest.mark.gui


class Opener:
    """Takes what is opened outside, in place of the system's programs."""

    def __init__(self):
        self.opened = []

    def __call__(self, url: QUrl) -> bool:
        self.opened.append(Path(url.toLocalFile()))
        return True


@pytest.fixture
def opener(monkeypatch):
    opener = Opener()
    monkeypatch.setattr(QDesktopServices, "openUrl", opener)
    return opener


@pytest.fixture
def predicted(open_driver):
    """Both cases of the tiny project are predicted as class 2 everywhere."""
    project = open_driver.widget.session.project
    run = project.new_run(TrainingConfig())
    for case in project.cases:
        label_map = project.annotation(case.case_id)
        label_map.array = np.full_like(label_map.array, 2)
        project.save_prediction(run.run_id, case.case_id, label_map)
    return open_driver


def finish(driver) -> None:
    driver.wait(lambda: driver.widget.session.activity is Activity.IDLE)


def export_to(driver, folder: Path) -> None:
    box = driver.widget.loop.export
    box.folder.setText("")
    QTest.keyClicks(box.folder, str(folder))
    driver.click(box.export)


def test_options_of_the_dialog_reach_the_files(predicted, opener, tmp_path):
    driver, box, out = predicted, predicted.widget.loop.export, tmp_path / "masks"
    driver.click(box.options)
    dialog = driver.widget.results.dialog
    assert dialog.isVisible()
    dialog.cases.setCurrentText("Only a")
    dialog.files.setCurrentIndex(1)
    dialog.format.setCurrentIndex(dialog.format.findData("nii"))
    driver.screenshot("export-dialog")
    dialog.buttons.button(dialog.buttons.StandardButton.Ok).click()
    assert "Only a" in box.options_label.text()
    export_to(driver, out)
    finish(driver)
    summary = box.open_summary
    driver.wait(lambda: summary.visibleRegion().boundingRect().size() == summary.size())
    names = {path.name for path in out.iterdir()}
    assert {"a_ring.nii", "a_core.nii", "export.html", "export.csv"} <= names
    assert not any(name.startswith("b") for name in names)
    assert set(np.unique(nib.load(out / "a_core.nii").dataobj)) == {0, 1}
    assert "2 files of 1 case in" in box.result.text()
    driver.screenshot("export-done")
    driver.click(box.open_folder)
    driver.click(box.open_summary)
    assert opener.opened == [out, out / "export.html"]


def test_the_chosen_case_stays_chosen_while_another_is_on_screen(open_driver):
    driver, box = open_driver, open_driver.widget.loop.export
    dialog = driver.widget.results.dialog
    ok = dialog.buttons.button(dialog.buttons.StandardButton.Ok)
    driver.click(box.options)
    dialog.cases.setCurrentText("Only a")
    ok.click()
    driver.choose_case(1)
    driver.click(box.options)
    assert [dialog.cases.itemText(row) for row in range(dialog.cases.count())] == [
        "All 2 cases", "Only b", "Only a",
    ]  # fmt: skip
    ok.click()
    assert box.value().options.cases == ("a",)
    driver.widget.session.project.remove_case("a")
    driver.click(box.options)
    assert dialog.value().cases == ()
    dialog.reject()


def test_reviewed_only_needs_no_model(open_driver, opener, tmp_path):
    driver, box = open_driver, open_driver.widget.loop.export
    driver.click(box.reviewed_only)
    export_to(driver, tmp_path / "reviewed")
    finish(driver)
    assert (tmp_path / "reviewed" / "a.known.nii.gz").exists()
    driver.click(box.options)
    dialog = driver.widget.results.dialog
    assert dialog.reviewed_only.isChecked()
    assert not dialog.probabilities.isEnabled()
    assert not dialog.run.isEnabled()
    dialog.reject()


def test_dicom_seg_is_offered_for_dicom_only(open_driver):
    driver = open_driver
    driver.click(driver.widget.loop.export.options)
    dialog = driver.widget.results.dialog
    model = dialog.format.model()
    assert isinstance(model, QStandardItemModel)
    assert not model.item(dialog.format.findData("dicom-seg")).isEnabled()
    dialog.reject()


def test_cancelled_export_writes_nothing(predicted, monkeypatch, tmp_path):
    driver, box, out = predicted, predicted.widget.loop.export, tmp_path / "cancelled"
    write, seen, gate = exporting._write, [], threading.Event()

    def held_up(writer, stage, folder, case_id, *rest):
        seen.append(case_id)
        assert gate.wait(20)
        return write(writer, stage, folder, case_id, *rest)

    monkeypatch.setattr(exporting, "_write", held_up)
    export_to(driver, out)
    driver.wait(lambda: seen == ["a"])
    driver.click(box.progress.cancel)
    gate.set()
    finish(driver)
    assert seen == ["a"]
    assert list(out.iterdir()) == []
    assert "cancelled" in box.result.text()
    assert not box.progress.isVisible()


def test_what_stands_in_the_way_is_explained(open_driver, tmp_path):
    driver, box = open_driver, open_driver.widget.loop.export
    export_to(driver, tmp_path / "masks")
    finish(driver)
    (dialog,) = (one for one in driver.widget.findChildren(ErrorDialog) if one.isVisible())
    assert "predict first" in dialog.text()
    dialog.close()
    assert box.export.isEnabled()
    assert not box.open_folder.isVisible()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(ExportOptions(), "", id="usual"),
        pytest.param(ExportOptions(per_class=True), "One file per class.", id="per class"),
        pytest.param(
            ExportOptions(file_format="nrrd", cleanup="holes", probabilities=True),
            "NRRD (.nrrd); fill holes; with probabilities.", id="several",
        ),
    ],
)  # fmt: skip
def test_unusual_options_are_said_in_words(options, words):
    assert options_in_words(options) == words

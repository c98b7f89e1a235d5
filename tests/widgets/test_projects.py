"""Ways into a project: recent ones, drops, questions about files, open layers, foreign labels."""

import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDragEnterEvent, QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_transmedseg.imaging.dicom import DicomSeries
from napari_transmedseg.imaging.formats import SUFFIXES
from napari_transmedseg.layer_data import image_layer_data
from napari_transmedseg.project.import_options import NO_CHOICE, ImportOptions
from napari_transmedseg.project.import_questions import ImportQuestions, UnplacedImage
from napari_transmedseg.project.recent import RecentProject
from napari_transmedseg.widgets import choosing
from napari_transmedseg.widgets.adopt_dialog import AdoptDialog
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.file_filter import FILE_FILTER
from napari_transmedseg.widgets.import_dialog import ImportDialog
from napari_transmedseg.widgets.start_page import StartPage

pytestmark = pytest.mark.gui

LEFT = Qt.MouseButton.LeftButton


def series(description: str, problem: str = "") -> DicomSeries:
    return DicomSeries(
        key=description.lower(), folder=Path("/in"), files=(), modality="CT",
        description=description, shape=(5, 6, 4), spacing=(0.7, 0.5, 2.0), num_phases=1,
        notes=(), problem=problem, is_segmentation=False,
    )  # fmt: skip


def drop_on(field, *paths: Path) -> None:
    """Send what the window system sends, to the window, over a field."""
    window = field.window().windowHandle()
    place = field.mapTo(field.window(), field.rect().center())
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    copy, none = Qt.DropAction.CopyAction, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(place, copy, mime, LEFT, none)
    QApplication.sendEvent(window, enter)
    QApplication.sendEvent(window, QDropEvent(QPointF(place), copy, mime, LEFT, none))
    QApplication.processEvents()


def visible(widget, kind):
    return next(one for one in widget.findChildren(kind) if one.isVisible())


def test_recent_projects_open_by_a_click_and_lost_ones_are_grey(qtbot, tmp_path):
    page = StartPage()
    qtbot.addWidget(page)
    page.resize(360, 500)
    page.show()
    assert not page.recent.isVisible()
    gone = RecentProject(folder=tmp_path / "gone", problem="The folder is not there.")
    page.set_recent([RecentProject(folder=tmp_path / "here"), gone])
    assert page.recent.isVisible()

    def click(row: int) -> None:
        box = page.recent.visualItemRect(page.recent.item(row))
        QTest.mouseClick(page.recent.viewport(), LEFT, pos=box.center())

    with qtbot.waitSignal(page.recentRequested) as asked:
        click(0)
    assert asked.args == [str(tmp_path / "here")]
    with qtbot.assertNotEmitted(page.recentRequested):
        click(1)
    assert "not there" in page.recent.item(1).text()


def test_every_readable_format_is_offered():
    for suffix in (*SUFFIXES, ".dcm"):
        assert f"*{suffix}" in FILE_FILTER


def test_images_dropped_on_any_part_come_in_after_questions(open_driver, tiny_project, tmp_path):
    driver, loop = open_driver, open_driver.widget.loop
    project = driver.widget.session.project
    (recent,) = driver.widget.projects.recent.projects()
    assert (recent.folder, recent.problem) == (tiny_project, "")
    targets = (loop.cases.viewport(), loop.case_box.filter, loop.train.plot)
    for number, target in enumerate(targets):
        loop.scroll_area.ensureWidgetVisible(target)
        QApplication.processEvents()
        new = shutil.copy(tmp_path / "images" / "a.nii.gz", tmp_path / f"new{number}.nii.gz")
        drop_on(target, Path(new))
        assert project.cases[-1].case_id == f"new{number}"
        assert loop.message.text() == "Added 1 case."

    bare = nib.load(tmp_path / "images" / "a.nii.gz")
    bare.set_sform(None, code=0)
    bare.set_qform(None, code=0)
    nib.save(bare, tmp_path / "bare.nii.gz")
    loop.scroll_area.ensureWidgetVisible(loop.case_box)
    QApplication.processEvents()
    drop_on(loop.case_box.filter, tmp_path / "bare.nii.gz")
    dialog = visible(driver.widget, ImportDialog)
    assert not dialog.ok.isEnabled()
    dialog.spacing.setFocus()
    QTest.keyClick(dialog.spacing, Qt.Key.Key_Space)
    QTest.mouseClick(dialog.ok, LEFT)
    QApplication.processEvents()
    assert project.case("bare").spacing_confirmed


def test_frames_dropped_on_the_dialog_become_cases_of_a_new_project(driver, tmp_path):
    array = np.random.default_rng(0).normal(size=(6, 5, 4, 3)).astype(np.float32)
    nib.save(nib.Nifti1Image(array, np.diag([1.0, 1, 4, 1])), tmp_path / "cine.nii.gz")
    dialog = driver.widget.new_dialog
    driver.widget.cohort.add_paths([tmp_path / "none.nii.gz"])
    driver.qtbot.waitExposed(dialog)
    drop_on(dialog.folder, tmp_path / "cine.nii.gz")
    dialog.images.item(0).setSelected(True)
    QTest.mouseClick(dialog.remove, LEFT)
    assert dialog.value().images == (str(tmp_path / "cine.nii.gz"),)
    dialog.folder.setText(str(tmp_path / "new"))
    dialog.classes.setText("organ")
    QTest.mouseClick(dialog.buttons.button(dialog.buttons.StandardButton.Ok), LEFT)
    questions = visible(dialog, ImportDialog)
    assert questions.frames.itemText(1) == "Only volume 1"
    QTest.mouseClick(questions.ok, LEFT)
    QApplication.processEvents()
    ids = [case.case_id for case in driver.widget.session.project.cases]
    assert ids == ["cine_frame00", "cine_frame01", "cine_frame02"]
    assert not dialog.isVisible()


def test_series_are_ticked_and_names_left_out(qtbot):
    asked = ImportQuestions(
        series=(series("Thorax"), series("T2"), series("Bad", "Expected even slices.")),
        named_by_scanner=True,
    )
    dialog = ImportDialog(asked, NO_CHOICE)
    qtbot.addWidget(dialog)
    dialog.show()
    assert not dialog.ok.isEnabled()
    dialog.series.setCurrentCell(1, 0)
    dialog.series.setFocus()
    QTest.keyClick(dialog.series, Qt.Key.Key_Space)
    dialog.anonymous.setFocus()
    QTest.keyClick(dialog.anonymous, Qt.Key.Key_Space)
    with qtbot.waitSignal(dialog.answered) as answered:
        QTest.mouseClick(dialog.ok, LEFT)
    assert answered.args == [ImportOptions(series=("t2",), anonymous_ids=True)]


def test_a_frame_and_a_size_are_answers(qtbot):
    bare = UnplacedImage(name="bare", shape=(6, 5, 4), spacing=(1.0, 1.0, 3.0))
    dialog = ImportDialog(ImportQuestions(frames=(("cine", 2),), unplaced=(bare,)), NO_CHOICE)
    qtbot.addWidget(dialog)
    dialog.show()
    QTest.keyClick(dialog.frames, Qt.Key.Key_Down)
    QTest.keyClick(dialog.frames, Qt.Key.Key_Down)
    dialog.spacing.setFocus()
    QTest.keyClick(dialog.spacing, Qt.Key.Key_Space)
    assert dialog.value() == ImportOptions(frame=1, confirm_spacing=True)


def test_open_layers_are_adopted_with_their_place_or_a_confirmed_size(
    open_driver, tiny_volume, tmp_path
):
    driver, viewer = open_driver, open_driver.viewer
    data, options, _ = image_layer_data(tiny_volume)
    viewer.add_image(data + 1, **(options | {"name": "placed"}))
    plain = np.random.default_rng(1).normal(size=(5, 8, 6)).astype(np.float32)
    viewer.add_image(plain, name="plain")
    viewer.add_image(np.zeros((4, 5, 3), np.uint8), rgb=True, name="photo")
    driver.click(driver.widget.loop.adopt)
    dialog = visible(driver.widget, AdoptDialog)
    assert [box.text() for box in dialog.boxes] == ["placed", "plain"]
    assert [box.isChecked() for box in dialog.boxes] == [True, False]
    dialog.boxes[1].setFocus()
    QTest.keyClick(dialog.boxes[1], Qt.Key.Key_Space)
    assert not dialog.ok.isEnabled()
    for field, mm in zip(dialog.sizes[1], (5.0, 1.5, 1.25), strict=True):
        field.selectAll()
        QTest.keyClicks(field, str(mm))
    dialog.confirmed.setFocus()
    QTest.keyClick(dialog.confirmed, Qt.Key.Key_Space)
    driver.screenshot("adopt")
    QTest.mouseClick(dialog.ok, LEFT)
    QApplication.processEvents()
    project = driver.widget.session.project
    assert [case.case_id for case in project.cases] == ["a", "b", "placed", "plain"]
    placed = project.geometry("placed")
    np.testing.assert_allclose(placed.affine, tiny_volume.geometry.affine, atol=1e-5)
    assert project.case("plain").spacing == (5.0, 1.5, 1.25)
    np.testing.assert_array_equal(project.volume("plain").array, plain)


def test_a_project_begins_with_an_open_layer_or_leaves_nothing(driver, tiny_volume, tmp_path):
    data, options, _ = image_layer_data(tiny_volume)
    driver.viewer.add_image(data, **(options | {"name": "heart"}))
    QTest.mouseClick(driver.widget.start_page.new, LEFT)
    dialog = driver.widget.new_dialog
    QTest.mouseClick(dialog.add_layers, LEFT)
    QTest.mouseClick(visible(dialog, AdoptDialog).ok, LEFT)
    assert dialog.images.item(0).text() == "open layer: heart"
    dialog.folder.setText(str(tmp_path / "new"))
    create = dialog.buttons.button(dialog.buttons.StandardButton.Ok)
    QTest.mouseClick(create, LEFT)  # no class is named
    visible(dialog, ErrorDialog).close()
    assert list((tmp_path / "new").rglob("*.nii.gz")) == []
    dialog.classes.setText("organ")
    QTest.mouseClick(create, LEFT)
    QApplication.processEvents()
    assert [case.case_id for case in driver.widget.session.project.cases] == ["heart"]
    assert (tmp_path / "new" / "images" / "heart.nii.gz").exists()


def test_a_choice_of_files_begins_where_the_last_one_was(monkeypatch, tmp_path):
    (tmp_path / "scans").mkdir()
    starts = []

    def choose(parent, title, start, *_):
        starts.append(start)
        return [str(tmp_path / "scans" / "a.nii.gz")], ""

    monkeypatch.setattr(choosing.QFileDialog, "getOpenFileNames", choose)
    for _ in range(2):
        assert choosing.choose_files(None, "Images", "*.nii.gz") == [
            str(tmp_path / "scans" / "a.nii.gz")
        ]
    assert starts[1] == str(tmp_path / "scans")

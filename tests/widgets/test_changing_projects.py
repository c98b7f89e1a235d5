"""Whatever becomes of opening another project, no stroke is lost of the one on screen."""

import shutil

import pytest

pytest.importorskip("napari")

from napari_transmedseg.project.project import Project
from napari_transmedseg.project.schema import BACKUP_FILE, PROJECT_FILE
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.new_project_dialog import NewProject
from napari_transmedseg.widgets.open_question import OpenQuestion
from widgets.dropping import drop

pytestmark = pytest.mark.gui

STROKE = ((6.0, 6.0), (12.0, 6.0))


def the_same_again(driver, tiny_project, tmp_path) -> None:
    drop(driver.widget, tiny_project)


def one_in_use(driver, tiny_project, tmp_path) -> None:
    folder = tmp_path / "other"
    with Project.create(folder, images=[tmp_path / "images"], classes=["ring"]):
        drop(driver.widget, folder)
        (question,) = driver.widget.findChildren(OpenQuestion)
        question.close()


def a_damaged_one(driver, tiny_project, tmp_path) -> None:
    folder = tmp_path / "other"
    Project.create(folder, images=[tmp_path / "images"], classes=["ring"]).close()
    for name in (PROJECT_FILE, BACKUP_FILE):
        (folder / name).write_text("{")
    drop(driver.widget, folder)
    (dialog,) = driver.dialogs(ErrorDialog)
    dialog.close()


def a_new_one_where_one_is(driver, tiny_project, tmp_path) -> None:
    images = (str(tmp_path / "images"),)
    dialog = driver.widget.new_dialog
    dialog.setValue(NewProject(folder=str(tiny_project), images=images, classes=("ring",)))
    dialog.createRequested.emit(dialog.value())
    (error,) = dialog.findChildren(ErrorDialog)
    error.close()


@pytest.mark.parametrize(
    "attempt", [the_same_again, one_in_use, a_damaged_one, a_new_one_where_one_is]
)
def test_strokes_after_a_change_that_does_not_happen_are_saved(
    open_driver, tiny_project, tmp_path, attempt
):
    driver, project = open_driver, open_driver.widget.session.project
    attempt(driver, tiny_project, tmp_path)
    assert driver.widget.session.project is project
    driver.choose_class(0)
    driver.drag(*STROKE)
    index = driver.widget.annotator.layers.slice_index
    driver.widget.annotator.save_now()
    assert project.annotation("a").array[index].any()


def test_strokes_before_another_project_opens_are_saved_in_their_own(
    open_driver, tiny_project, tmp_path
):
    driver = open_driver
    other = tmp_path / "other"
    Project.create(other, images=[tmp_path / "images"], classes=["ring"]).close()
    driver.choose_class(0)
    driver.drag(*STROKE)
    index = driver.widget.annotator.layers.slice_index
    drop(driver.widget, other)
    assert driver.widget.session.project.folder == other
    assert not driver.widget.session.project.annotation("a").array.any()
    with Project.open(tiny_project) as project:
        assert project.annotation("a").array[index].any()


def test_nothing_can_be_painted_where_the_first_image_of_the_next_project_is_missing(
    open_driver, tmp_path
):
    driver, other = open_driver, tmp_path / "other"
    images = tmp_path / "elsewhere"
    images.mkdir()
    for name in ("a", "b"):
        shutil.copy(tmp_path / "images" / f"{name}.nii.gz", images)
    Project.create(other, images=[images], classes=["ring"]).close()
    (images / "a.nii.gz").unlink()
    drop(driver.widget, other)
    (dialog,) = driver.dialogs(ErrorDialog)
    dialog.close()
    assert not driver.widget.annotator.layers.is_open and not list(driver.viewer.layers)
    driver.choose_case(1)
    assert driver.widget.session.case_id == "b" and driver.widget.annotator.layers.is_open

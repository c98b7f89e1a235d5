"""A project that another program holds, or that leads outside, is asked about, never just taken."""

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_transmedseg.errors import ProjectTakenError
from napari_transmedseg.project import links
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.open_question import OpenQuestion
from widgets.dropping import drop

pytestmark = pytest.mark.gui

STROKE = ((6.0, 6.0), (12.0, 6.0))


def answer(driver, name: str) -> str:
    """Press a button of the question on screen; gives its text."""
    (question,) = driver.widget.findChildren(OpenQuestion)
    driver.screenshot(f"question-{name}")
    text = question.label.text()
    (button,) = [one for one in question.offers if one.text() == name]
    assert button.toolTip() and button.accessibleName()
    button.click()
    QApplication.processEvents()
    return text


def test_a_project_in_use_is_opened_read_only(driver, tiny_project):
    with Project.open(tiny_project):
        drop(driver.widget, tiny_project)
        assert driver.widget.session.project is None
        assert "only program" in answer(driver, "Open read-only")
        session = driver.widget.session
        assert session.project is not None and session.project.read_only
        assert "Opened read-only." in driver.widget.loop.message.text()
        before = driver.viewer.layers["a labels"].data.copy()
        driver.choose_class(0)
        driver.drag(*STROKE)
        np.testing.assert_array_equal(driver.viewer.layers["a labels"].data, before)
        driver.choose_case(1)
        assert session.case_id == "b"
    drop(driver.widget, tiny_project)  # nobody holds it any more
    assert not driver.widget.session.project.read_only


def test_a_window_takes_over_and_the_other_keeps_what_it_had(driver, tiny_project):
    with Project.open(tiny_project) as other:
        drop(driver.widget, tiny_project)
        answer(driver, "Take over")
        assert not driver.widget.session.project.read_only
        plane = np.ones(other.case("a").shape[1:], np.uint8)
        other.save_slices("a", {5: plane}, other.ledger("a"))
        with pytest.raises(ProjectTakenError):
            other.flush()
    project = driver.widget.session.project
    (rescue,) = [one for one in project.snapshots("a") if not one.is_whole]
    project.restore_snapshot("a", rescue.snapshot_id)
    assert project.annotation("a").array[5].all()


def test_a_window_that_is_taken_over_says_so_and_opens_again(open_driver, tiny_project):
    driver, session = open_driver, open_driver.widget.session
    index = driver.widget.annotator.layers.slice_index
    with Project.open(tiny_project, take_over=True):
        driver.choose_class(0)
        driver.drag(*STROKE)
        driver.press(Qt.Key.Key_D)
        driver.wait(lambda: bool(driver.widget.findChildren(ErrorDialog)))
        (dialog,) = driver.widget.findChildren(ErrorDialog)
        assert "took it over" in dialog.text() and "kept as snapshot" in dialog.text()
        dialog.close()
        drop(driver.widget, tiny_project)
        answer(driver, "Take over")
    assert not session.project.read_only
    rescue = next(one for one in session.project.snapshots("a") if not one.is_whole)
    session.project.restore_snapshot("a", rescue.snapshot_id)
    assert session.project.annotation("a").array[index].any()
    assert session.project.ledger("a").states[index] is SliceState.ANNOTATED


def test_files_outside_are_linked_only_when_a_person_says_so(
    driver, tiny_project, tmp_path, monkeypatch
):
    monkeypatch.setenv(links.FOLDER_VARIABLE, str(tmp_path / "stranger"))
    monkeypatch.setattr(links, "_linked_now", set())
    drop(driver.widget, tiny_project)
    assert driver.widget.session.project is None
    assert "../images/a.nii.gz" in answer(driver, "Link these files")
    assert driver.widget.annotator.layers.is_open

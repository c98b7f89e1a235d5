"""The plane of the slices is changed by a menu while nothing is annotated, and refused later."""

import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_transmedseg.project.project import Project
from napari_transmedseg.widgets.error_dialog import ErrorDialog

pytestmark = pytest.mark.gui

LEFT = Qt.MouseButton.LeftButton


def choose_plane(driver, row: int) -> None:
    """Click the button, then a row of its menu."""
    button = driver.widget.loop.plane
    driver.click(button)
    menu = button.menu_of_planes
    driver.wait(menu.isVisible)
    QTest.mouseClick(menu, LEFT, pos=menu.actionGeometry(menu.actions()[row]).center())
    QApplication.processEvents()


def test_another_plane_is_chosen_until_something_is_annotated(driver, tiny_project):
    with Project.open(tiny_project) as project:
        geometry = project.geometry("a")
        image = project.image_path("a").parent
    with Project.create(tiny_project.parent / "new", images=[image], classes=["organ"]):
        pass
    driver.widget.projects.open(tiny_project.parent / "new")
    QApplication.processEvents()
    loop, session = driver.widget.loop, driver.widget.session
    assert loop.plane.text() == "Axial slices ▾"
    driver.choose_case(1)
    num_axial, num_coronal, _ = geometry.display_shape
    assert len(driver.widget.annotator.ledger) == num_axial

    choose_plane(driver, 1)
    assert session.project.slice_axis == 1
    assert loop.plane.text() == "Coronal slices ▾"
    assert session.case_id == "b"
    assert len(driver.widget.annotator.ledger) == num_coronal
    assert driver.viewer.dims.order[0] == 1
    assert loop.message.text() == "Slices are coronal now."

    driver.press(Qt.Key.Key_W)  # the slice on screen is empty
    choose_plane(driver, 2)
    (error,) = driver.dialogs(ErrorDialog)
    assert "1 annotated slice (b)" in error.text()
    error.close()
    assert session.project.slice_axis == 1
    assert loop.plane.text() == "Coronal slices ▾"
    driver.press(Qt.Key.Key_U)
    choose_plane(driver, 2)
    assert loop.plane.text() == "Sagittal slices ▾"
    assert driver.widget.annotator.ledger.labeled_indices() == []

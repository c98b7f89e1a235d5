"""Label maps of other programs and of open layers: asked about, mapped, and never lost."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari")

from cohorts import write_layers
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QComboBox, QFileDialog

from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import write_labels
from napari_transmedseg.imaging.overlap import OverlapRule
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.layer_data import image_layer_data
from napari_transmedseg.project.label_questions import SharedVoxels
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.widgets.adopt_dialog import AdoptDialog
from napari_transmedseg.widgets.labels_dialog import LabelsDialog
from napari_transmedseg.widgets.open_layers import open_arrays
from napari_transmedseg.widgets.overlap_edit import OverlapEdit

pytestmark = pytest.mark.gui

LEFT = Qt.MouseButton.LeftButton


def visible(widget, kind):
    return next(one for one in widget.findChildren(kind) if one.isVisible())


def test_foreign_labels_are_mapped_shown_and_replaced_only_if_that_is_ticked(
    open_driver, tiny_labels, tmp_path, monkeypatch
):
    driver, project = open_driver, open_driver.widget.session.project
    foreign = np.where(tiny_labels.array == 1, 7, tiny_labels.array).astype(np.uint8)
    file = tmp_path / "other.nii.gz"
    write_labels(file, LabelMap(array=foreign, geometry=project.geometry("b")))
    driver.widget.loop.cases.labelsRequested.emit("b")
    dialog = visible(driver.widget, LabelsDialog)
    look_into(dialog, file)
    assert [dialog.table.item(row, 0).text() for row in range(2)] == ["2", "7"]
    assert dialog.value().mapping == {"2": "core", "7": "background"}
    QTest.keyClicks(dialog.table.cellWidget(1, 3), "ring")
    QTest.mouseClick(dialog.ok, LEFT)
    QApplication.processEvents()
    np.testing.assert_array_equal(project.annotation("b").array, tiny_labels.array)
    assert "Brought in labels of 1 case." in driver.widget.loop.message.text()
    driver.choose_case(1)
    np.testing.assert_array_equal(driver.viewer.layers["b labels"].data, tiny_labels.array)

    driver.choose_case(0)
    write_labels(tmp_path / "a.nii.gz", LabelMap(array=tiny_labels.array,
                 geometry=project.geometry("a")))  # fmt: skip
    driver.click(driver.widget.loop.labels)
    dialog = visible(driver.widget, LabelsDialog)
    look_into(dialog, tmp_path / "a.nii.gz")
    assert "Labels are there already in a." in dialog.told.text()
    assert not dialog.ok.isEnabled()
    (tmp_path / "none").mkdir()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "none"))
    QTest.mouseClick(dialog.folder, LEFT)
    assert "0 label maps" in dialog.told.text()
    look_into(dialog, tmp_path / "a.nii.gz")
    dialog.replace.setFocus()
    QTest.keyClick(dialog.replace, Qt.Key.Key_Space)
    QTest.mouseClick(dialog.ok, LEFT)
    QApplication.processEvents()
    assert len(driver.widget.annotator.ledger.labeled_indices()) == 8
    np.testing.assert_array_equal(driver.viewer.layers["a labels"].data, tiny_labels.array)


def look_into(dialog: LabelsDialog, path: Path) -> None:
    """Type a path and press Enter."""
    dialog.path.selectAll()
    QTest.keyClicks(dialog.path, str(path))
    QTest.keyClick(dialog.path, Qt.Key.Key_Return)


def choose(box: QComboBox, row: int) -> None:
    """Choose an entry with the keyboard."""
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Home)
    for _ in range(row):
        QTest.keyClick(box, Qt.Key.Key_Down)


def layered(path: Path, geometry: Geometry, labels: np.ndarray) -> Path:
    """Segments of 3D Slicer: a core within an organ, both of which claim its voxels."""
    parts = [geometry.to_source(part.astype(np.uint8)) for part in (labels == 2, labels > 0)]
    write_layers(path, np.stack(parts), ("core", "ring"), geometry)
    return path


def test_whoever_brings_in_overlapping_segments_says_which_wins(open_driver, tiny_labels, tmp_path):
    driver, project = open_driver, open_driver.widget.session.project
    file = layered(tmp_path / "b.seg.nrrd", project.geometry("b"), tiny_labels.array)
    driver.widget.loop.cases.labelsRequested.emit("b")
    dialog = visible(driver.widget, LabelsDialog)
    look_into(dialog, file)
    both = np.count_nonzero(tiny_labels.array == 2)
    assert f"‘core’ and ‘ring’ both claim {both} voxels" in dialog.overlap.told.text()
    assert not dialog.ok.isEnabled()
    choose(dialog.overlap.choice, 1)  # the later one, which is all of the organ
    assert dialog.ok.isEnabled()
    assert [dialog.table.item(row, 0).text() for row in range(dialog.table.rowCount())] == ["ring"]
    choose(dialog.overlap.choice, 2)
    driver.screenshot("overlap")
    assert dialog.overlap.value() == OverlapRule(first=("core", "ring"), passes_over=True)
    assert dialog.table.rowCount() == 2
    choose(dialog.known, 1)
    QTest.mouseClick(dialog.ok, LEFT)
    QApplication.processEvents()
    np.testing.assert_array_equal(project.annotation("b").array, tiny_labels.array)
    labeled = np.flatnonzero(tiny_labels.array.any(axis=(1, 2))).tolist()
    assert project.ledger("b").labeled_indices() == labeled
    assert len(labeled) < project.num_slices("b")


def test_the_order_of_segments_is_changed_by_buttons(qtbot):
    edit = OverlapEdit()
    qtbot.addWidget(edit)
    edit.show()
    edit.set_shared([SharedVoxels(names=("a", "b"), num_voxels=7)])
    assert edit.value() is None
    choose(edit.choice, 2)
    QTest.mouseClick(edit.up, LEFT)  # is the upper one already
    with qtbot.waitSignal(edit.valueChanged):
        QTest.mouseClick(edit.down, LEFT)
    assert edit.value().first == ("b", "a")
    edit.set_shared([SharedVoxels(names=("a", "b"), num_voxels=7)])  # counted anew
    assert edit.value().first == ("b", "a")
    edit.set_shared([SharedVoxels(names=("a", "c"), num_voxels=1)])
    assert edit.value() is None
    edit.set_shared([])
    assert not edit.isVisible()


def test_labels_of_open_layers_become_annotation_and_replace_nothing(
    open_driver, tiny_volume, tiny_labels
):
    driver, viewer, project = (
        open_driver, open_driver.viewer, open_driver.widget.session.project,
    )  # fmt: skip
    data, options, _ = image_layer_data(tiny_volume)
    options = {key: options[key] for key in ("scale", "translate", "units", "metadata")}
    image = viewer.add_image(data, name="heart", **options)
    painted = np.where(tiny_labels.array == 2, 7, tiny_labels.array).astype(int)
    viewer.add_labels(painted, name="mine", scale=image.scale, translate=image.translate,
                      units=image.units)  # fmt: skip
    viewer.add_labels(painted, name="elsewhere", scale=image.scale, units=image.units)
    driver.click(driver.widget.loop.adopt)
    adopting = visible(driver.widget, AdoptDialog)
    assert adopting.labels[0].count() == 2
    assert adopting.labels[0].currentText() == "with the labels of the layer ‘mine’"
    driver.screenshot("adopt-labels")
    QTest.mouseClick(adopting.ok, LEFT)
    QApplication.processEvents()
    dialog = visible(driver.widget, LabelsDialog)
    assert "‘mine’ for heart" in dialog.told.text()
    assert not dialog.path.isVisible() and not dialog.replace.isVisible()
    assert dialog.value().mapping == {"1": "ring", "7": "background"}
    choose(dialog.table.cellWidget(1, 3), 1)
    choose(dialog.known, 2)
    driver.screenshot("adopted-labels")
    QTest.mouseClick(dialog.ok, LEFT)
    QApplication.processEvents()
    np.testing.assert_array_equal(project.annotation("heart").array, tiny_labels.array)
    states = project.ledger("heart").states
    labeled = tiny_labels.array.any(axis=(1, 2))
    assert [state is SliceState.IN_PROGRESS for state in states] == labeled.tolist()
    assert {one.who for one in project.ledger("heart").entries if one.who} == {"layer mine"}


def test_labels_of_open_layers_never_replace_annotation(open_driver, tiny_labels):
    driver, project = open_driver, open_driver.widget.session.project
    before = project.annotation("a")
    states = project.ledger("a").states
    (image,) = driver.viewer.open(project.image_path("a"), plugin="napari-transmedseg")
    driver.viewer.add_labels(
        np.ones_like(tiny_labels.array), name="mine", scale=image.scale, units=image.units,
        translate=image.translate,
    )  # fmt: skip
    driver.click(driver.widget.loop.adopt)
    QTest.mouseClick(visible(driver.widget, AdoptDialog).ok, LEFT)
    QApplication.processEvents()
    assert driver.widget.loop.message.text() == (
        "Labels are there already in a: they stay as they are."
    )
    assert driver.dialogs(LabelsDialog) == []
    assert project.ledger("a").states == states
    np.testing.assert_array_equal(project.annotation("a").array, before.array)


def test_a_new_project_of_open_layers_takes_their_labels_in(
    driver, tiny_volume, tiny_labels, tmp_path
):
    data, options, _ = image_layer_data(tiny_volume)
    image = driver.viewer.add_image(data, **(options | {"name": "heart"}))
    driver.viewer.add_labels(
        tiny_labels.array, name="mine", scale=image.scale, translate=image.translate,
        units=image.units,
    )  # fmt: skip
    QTest.mouseClick(driver.widget.start_page.new, LEFT)
    new = driver.widget.new_dialog
    QTest.mouseClick(new.add_layers, LEFT)
    QTest.mouseClick(visible(new, AdoptDialog).ok, LEFT)
    assert new.images.item(0).text() == "open layer: heart, with the labels of mine"
    QTest.keyClicks(new.folder, str(tmp_path / "new"))
    QTest.keyClicks(new.classes, "ring, core")
    QTest.mouseClick(new.buttons.button(new.buttons.StandardButton.Ok), LEFT)
    QApplication.processEvents()
    dialog = visible(driver.widget, LabelsDialog)
    QTest.mouseClick(dialog.ok, LEFT)
    QApplication.processEvents()
    project = driver.widget.session.project
    np.testing.assert_array_equal(project.annotation("heart").array, tiny_labels.array)
    labeled = np.flatnonzero(tiny_labels.array.any(axis=(1, 2))).tolist()
    assert driver.widget.annotator.ledger.labeled_indices() == labeled
    with Project.open(project.folder, read_only=True) as stored:
        assert stored.ledger("heart").labeled_indices() == labeled


@pytest.mark.parametrize(
    ("change", "is_found"),
    [
        pytest.param({}, True, id="same"),
        pytest.param({"scale": (2, 1, 1)}, False, id="larger steps"),
        pytest.param({"translate": (0, 0, 1)}, False, id="moved"),
        pytest.param({"rotate": (0, 0, 10)}, False, id="turned"),
        pytest.param({"affine": np.diag([1.0, 2, 1, 1])}, False, id="stretched"),
        pytest.param({"translate": (0, 0, 1e-5)}, True, id="rounded"),
    ],
)
def test_only_labels_at_the_same_place_are_offered(change, is_found):
    from napari.components import ViewerModel

    viewer = ViewerModel()
    viewer.add_image(np.random.default_rng(0).normal(size=(3, 4, 5)), name="image")
    viewer.add_labels(np.zeros((3, 4, 5), int), name="labels", **change)
    viewer.add_labels(np.zeros((3, 4, 6), int), name="wider")
    (found,) = open_arrays(viewer, [])
    assert [one.name for one in found.labels] == ["labels"] * is_found


def test_labels_in_a_known_place_lie_on_images_of_the_same_place(tiny_volume):
    from napari.components import ViewerModel

    from napari_transmedseg.layer_data import labels_layer_data

    viewer = ViewerModel()
    geometry = tiny_volume.geometry
    moved = Geometry(shape=geometry.shape, affine=geometry.affine + np.eye(4, k=3))
    data, options, _ = image_layer_data(tiny_volume)
    viewer.add_image(data, **options)
    for name, place in (("here", geometry), ("there", moved)):
        data, options, _ = labels_layer_data(LabelMap.empty(place), name=name)
        viewer.add_labels(data, **options)
    (found,) = open_arrays(viewer, [])
    assert [one.name for one in found.labels] == ["here"]

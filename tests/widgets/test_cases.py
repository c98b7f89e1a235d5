"""The case table by mouse and keyboard, and quick, steady changes of the case on screen."""

import shutil
import threading

import nibabel as nib
import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtGui import QDesktopServices
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QFileDialog, QLineEdit, QMessageBox

from napari_transmedseg.layers import CaseLayers
from napari_transmedseg.project import cohort
from napari_transmedseg.project.case_facts import CaseFacts
from napari_transmedseg.project.import_options import ImportOptions
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.widgets.case_box import CaseBox
from napari_transmedseg.widgets.case_table import COLUMNS, DOMAIN_COLUMN
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.snapshots_dialog import SnapshotsDialog

pytestmark = pytest.mark.gui

TITLES = [column.title for column in COLUMNS]
ROWS = [
    CaseFacts(case_id="case_2", kind="CT", shape=(8, 24, 20), num_slices=8, state="begun",
              num_annotated=3, domain="north"),
    CaseFacts(case_id="case_10", kind="MR", shape=(10, 24, 20), num_slices=10, state="not begun",
              domain="south", problem="No label yet."),
    CaseFacts(case_id="brain", kind="MR", shape=(120, 240, 200), num_slices=120, num_accepted=7,
              state="begun"),
]  # fmt: skip


@pytest.fixture
def box(qtbot) -> CaseBox:
    widget = CaseBox()
    qtbot.addWidget(widget)
    widget.resize(900, 300)
    widget.show()
    qtbot.waitExposed(widget)
    widget.table.set_rows(ROWS)
    return widget


def click_header(table, title: str) -> None:
    header = table.horizontalHeader()
    column = TITLES.index(title)
    point = header.rect().center()
    point.setX(header.sectionViewportPosition(column) + header.sectionSize(column) // 2)
    QTest.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=point)


def test_arrows_choose_and_enter_opens(box, qtbot):
    table = box.table
    table.setFocus()
    table.setValue("case_2")
    with qtbot.assertNotEmitted(table.valueChanged), qtbot.waitSignal(table.highlighted) as moved:
        QTest.keyClick(table, Qt.Key.Key_Down)
    assert moved.args == ["case_10"]
    assert table.value() == "case_10"
    with qtbot.waitSignal(table.valueChanged) as opened:
        QTest.keyClick(table, Qt.Key.Key_Return)
    assert opened.args == ["case_10"]


def test_typing_finds_a_case_by_its_name(box):
    box.table.setFocus()
    box.table.setCurrentCell(0, DOMAIN_COLUMN)
    QTest.keyClicks(box.table, "br")
    assert box.table.value() == "brain"


@pytest.mark.parametrize(
    ("title", "first", "last"),
    [
        pytest.param("Case", "brain", "case_10", id="numbers in names as numbers"),
        pytest.param("Slices", "case_2", "brain", id="numbers"),
        pytest.param("Size", "case_2", "brain", id="voxels"),
        pytest.param("Domain", "brain", "case_10", id="words"),
    ],
)
def test_headings_sort_and_the_chosen_case_stays(box, title, first, last):
    table = box.table
    table.setValue("case_10")
    click_header(table, title)
    assert (table.visible_ids()[0], table.visible_ids()[-1]) == (first, last)
    assert table.value() == "case_10"
    table.set_rows(ROWS)
    assert table.visible_ids()[0] == first
    assert table.value() == "case_10"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        pytest.param("MR", ["case_10", "brain"], id="type"),
        pytest.param("begun north", ["case_2"], id="every word counts"),
        pytest.param("no label", ["case_10"], id="problem"),
        pytest.param("nowhere", [], id="nothing"),
    ],
)
def test_the_filter_leaves_cases_with_all_words(box, qtbot, text, left):
    QTest.keyClicks(box.filter, text)
    assert box.table.visible_ids() == left
    box.table.set_rows(ROWS)
    assert box.table.visible_ids() == left
    if left:
        with qtbot.waitSignal(box.table.valueChanged) as opened:
            QTest.keyClick(box.filter, Qt.Key.Key_Return)
        assert opened.args == left[:1]


def test_a_domain_is_typed_into_the_table(box, qtbot):
    table = box.table
    table.setCurrentCell(0, DOMAIN_COLUMN)
    table.setFocus()
    QTest.keyClick(table, Qt.Key.Key_F2)
    editor = table.findChild(QLineEdit)
    editor.selectAll()
    QTest.keyClicks(editor, "east")
    with qtbot.waitSignal(table.domainChanged) as changed:
        QTest.keyClick(editor, Qt.Key.Key_Return)
    assert changed.args == ["case_2", "east"]


def test_the_menu_asks_for_what_it_says(box, qtbot):
    actions = {action.text(): action for action in box.table.actions_for("brain", box)}
    for text, signal in (
        ("Open", box.table.valueChanged),
        ("Bring in labels…", box.table.labelsRequested),
        ("Earlier states…", box.table.snapshotsRequested),
        ("Show in folder", box.table.folderRequested),
        ("Relink image…", box.table.relinkRequested),
        ("Remove case…", box.table.removeRequested),
    ):
        with qtbot.waitSignal(signal) as asked:
            actions[text].trigger()
        assert asked.args == ["brain"]


def test_one_row_changes_alone(box):
    table = box.table
    table.setValue("case_2")
    table.set_row(CaseFacts(case_id="brain", state="complete", num_slices=120))
    table.set_row(CaseFacts(case_id="stranger"))
    row = table.visible_ids().index("brain")
    assert table.item(row, TITLES.index("State")).text() == "complete"
    assert table.rowCount() == 3
    assert table.value() == "case_2"


def test_an_opened_project_shows_its_first_case_once(driver, tiny_project, monkeypatch):
    shown, show = [], CaseLayers.show

    def count(self, *args, case_id, **options):
        shown.append(case_id)
        show(self, *args, case_id=case_id, **options)

    monkeypatch.setattr(CaseLayers, "show", count)
    driver.widget.projects.open(tiny_project)
    assert shown == ["a"]


def test_the_next_case_looks_as_the_one_before(open_driver, tmp_path):
    driver, viewer = open_driver, open_driver.viewer
    layers = driver.widget.annotator.layers
    dim = nib.load(tmp_path / "images" / "a.nii.gz")
    bright = nib.Nifti1Image(10 * np.asanyarray(dim.dataobj), dim.affine)
    nib.save(bright, tmp_path / "c.nii.gz")
    driver.widget.cohort.add_paths([tmp_path / "c.nii.gz"])
    own = np.array(viewer.layers["a"].contrast_limits)
    driver.choose_case(2)  # nobody chose a contrast: each image has its own
    np.testing.assert_allclose(viewer.layers["c"].contrast_limits, 10 * own, rtol=1e-5)

    driver.choose_case(0)
    viewer.layers["a"].contrast_limits = (60.0, 250.0)
    viewer.layers["a labels"].opacity = 0.25
    viewer.dims.order = (1, 0, 2)
    viewer.scene.camera.zoom = 4.5
    layers.slice_index = 6
    driver.choose_case(1)
    assert driver.widget.session.case_id == "b"
    assert viewer.layers["b"].contrast_limits == [60.0, 250.0]
    assert viewer.layers["b labels"].opacity == 0.25
    assert tuple(viewer.dims.order) == (1, 0, 2)
    assert viewer.scene.camera.zoom == 4.5
    layers.slice_index = 1
    driver.choose_case(0)
    assert layers.slice_index == 6
    driver.choose_case(1)
    assert layers.slice_index == 1


def test_the_case_below_is_read_in_advance_and_a_missing_image_is_relinked(
    open_driver, tmp_path, monkeypatch
):
    driver, project = open_driver, open_driver.widget.session.project
    cases, table = driver.widget.cohort.cases, driver.widget.loop.cases
    driver.wait(lambda: not cases.is_preparing)

    def refuse(*_):
        raise AssertionError("read again")

    with monkeypatch.context() as patched:
        patched.setattr(cohort.case_files, "load_case", refuse)
        driver.choose_case(1)
        assert driver.widget.session.case_id == "b"
        driver.choose_case(0)

    image = project.image_path("b")
    elsewhere = image.rename(tmp_path / "b moved.nii.gz")
    project._volumes.clear()
    driver.choose_case(1)
    (dialog,) = driver.widget.findChildren(ErrorDialog)
    assert "relink the case" in dialog.text()
    dialog.close()
    assert driver.widget.session.case_id == "a"
    assert table.value() == "a"

    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_: (str(elsewhere), ""))
    table.relinkRequested.emit("b")
    driver.choose_case(1)
    assert driver.widget.session.case_id == "b"

    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    table.folderRequested.emit("a")
    assert opened == [str(tmp_path / "images")]


def test_a_removed_case_goes_and_the_next_is_shown(open_driver, tiny_project):
    driver, table = open_driver, open_driver.widget.loop.cases
    labels = tiny_project / "annotations" / "a.nii.gz"
    table.setFocus()
    for left in (["b"], []):
        QTest.keyClick(table, Qt.Key.Key_Delete)
        box = next(one for one in driver.widget.findChildren(QMessageBox) if one.isVisible())
        if left:
            assert "2 of its 8 slices are known" in box.text()
        remove = next(one for one in box.buttons() if one.text() == "Remove case")
        QTest.mouseClick(remove, Qt.MouseButton.LeftButton)
        QApplication.processEvents()
        assert [case.case_id for case in driver.widget.session.project.cases] == left
        shown = [layer.name for layer in driver.viewer.layers]
        assert shown[-1:] == [f"{one} labels" for one in left]
    assert labels.exists()
    driver.widget.cohort.add_paths([tiny_project.parent / "images" / "a.nii.gz"])
    assert driver.widget.session.case_id == "a"
    assert driver.viewer.layers["a labels"].data[3].any()


def test_an_earlier_state_is_brought_back_and_the_later_one_kept(open_driver):
    driver, project = open_driver, open_driver.widget.session.project
    index = driver.widget.annotator.layers.slice_index
    before = project.annotation("a").array.copy()
    driver.choose_class(0)
    driver.drag((6.0, 4.0), (6.0, 14.0))
    driver.press(Qt.Key.Key_D)
    driver.widget.loop.cases.snapshotsRequested.emit("a")
    (dialog,) = driver.dialogs(SnapshotsDialog)
    assert "2 known" in dialog.list.item(dialog.list.count() - 1).text()
    dialog.list.setCurrentRow(dialog.list.count() - 1)
    QTest.mouseClick(dialog.restore, Qt.MouseButton.LeftButton)
    QApplication.processEvents()
    np.testing.assert_array_equal(project.annotation("a").array, before)
    np.testing.assert_array_equal(driver.viewer.layers["a labels"].data, before)
    assert project.ledger("a").states[index] is SliceState.UNSEEN
    assert driver.widget.annotator.ledger == project.ledger("a")
    assert any(one.num_labeled == 3 for one in project.snapshots("a"))


def test_painting_and_domains_show_in_the_table(open_driver):
    driver, table = open_driver, open_driver.widget.loop.cases
    assert table.item(0, TITLES.index("Annotated")).text() == "2"
    driver.press(Qt.Key.Key_W)
    assert table.item(0, TITLES.index("Annotated")).text() == "3"
    table.domainChanged.emit("a", "north")
    assert driver.widget.session.project.case("a").domain == "north"
    assert table.item(0, DOMAIN_COLUMN).text() == "north"
    driver.widget.shut_down()
    assert [t for t in threading.enumerate() if t.name == "transmedseg-prepare"] == []


def test_a_project_with_one_damaged_ledger_opens_and_says_so_in_its_row(driver, tiny_project):
    with Project.open(tiny_project) as project:
        project.set_slice_state("a", 2, SliceState.EMPTY)
    (file,) = (tiny_project / "annotations").glob("a*.json")
    file.write_text("{")
    driver.widget.projects.open(tiny_project)
    QApplication.processEvents()
    (dialog,) = driver.dialogs(ErrorDialog)
    assert file.name in dialog.text()
    dialog.close()
    table = driver.widget.loop.cases
    assert table.isVisible() and table.visible_ids() == ["a", "b"]
    assert table.item(0, TITLES.index("State")).text() == "labels damaged"
    assert not driver.widget.annotator.layers.is_open
    driver.choose_case(1)
    assert driver.widget.session.case_id == "b"
    driver.press(Qt.Key.Key_D)
    assert driver.widget.annotator.ledger.counts()[SliceState.ANNOTATED] == 1
    assert driver.dialogs(ErrorDialog) == []


def test_a_missing_channel_is_said_and_relinked(driver, tmp_path, tiny_project, monkeypatch):
    image, images = tmp_path / "images" / "a.nii.gz", tmp_path / "two"
    images.mkdir()
    for ending in ("t1", "t2"):
        shutil.copy(image, images / f"p_{ending}.nii.gz")
    with Project.create(
        tmp_path / "two project",
        images=[images],
        classes=["ring"],
        options=ImportOptions(channels=("t1", "t2")),
    ):
        pass  # fmt: skip
    moved = (images / "p_t2.nii.gz").rename(tmp_path / "moved.nii.gz")
    driver.widget.projects.open(tmp_path / "two project")
    for dialog in driver.dialogs(ErrorDialog):
        dialog.close()
    table = driver.widget.loop.cases
    (case_id,) = table.visible_ids()
    assert table.item(0, TITLES.index("State")).text() == "image missing"
    asked = []

    def choose(parent, title, *_):
        asked.append(title)
        return str(moved), ""

    monkeypatch.setattr(QFileDialog, "getOpenFileName", choose)
    table.relinkRequested.emit(case_id)
    assert asked == [f"Image of {case_id} t2"]
    assert driver.widget.session.case_id == case_id
    assert driver.widget.session.project.image_paths(case_id)[1] == moved

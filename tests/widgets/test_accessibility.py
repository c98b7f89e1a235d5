"""Every control can be found, named and reached without a mouse."""

import pytest

pytest.importorskip("napari")

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QAbstractSpinBox,
    QComboBox,
    QDialogButtonBox,
    QGraphicsView,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QScrollBar,
    QWidget,
)

from napari_transmedseg.project.preflight import OpenSlice, Preflight
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.preflight_dialog import PreflightDialog
from napari_transmedseg.widgets.runs_dialog import RunsDialog
from napari_transmedseg.widgets.train_box import TrainBox

pytestmark = pytest.mark.gui

CONTROLS = (
    QAbstractButton, QAbstractItemView, QAbstractSlider, QAbstractSpinBox, QComboBox,
    QGraphicsView, QLineEdit, QPlainTextEdit,
)  # fmt: skip

_BUILDERS = (QAbstractSpinBox, QComboBox, QDialogButtonBox, QAbstractItemView, QLineEdit)
"""Controls that are built of others, such as a box with its clear button."""


def controls_of(page: QWidget) -> list[QWidget]:
    """What can be clicked or typed in, without what Qt builds into a control."""
    return [
        one
        for one in page.findChildren(QWidget)
        if isinstance(one, CONTROLS) and one.window() is page.window() and not _is_inner(one)
    ]


def _is_inner(widget: QWidget) -> bool:
    parent = widget.parent()
    return (
        isinstance(widget, QScrollBar)
        or widget.objectName().startswith("qt_")
        or isinstance(parent, _BUILDERS)
        or type(parent).__name__ == "QComboBoxPrivateContainer"
    )


def problems_of(page: QWidget) -> list[str]:
    named = {label.buddy() for label in page.findChildren(QLabel) if label.buddy() is not None}
    found = []
    for control in controls_of(page):
        text = control.text() if isinstance(control, QAbstractButton) else ""
        name = f"{type(control).__name__} '{text}' in {type(control.parent()).__name__}"
        if not (control.toolTip() or _from_parent(control)):
            found.append(f"no tooltip: {name}")
        if not (text or control.accessibleName() or control in named):
            found.append(f"no name: {name}")
        if control.focusPolicy() == Qt.FocusPolicy.NoFocus:
            found.append(f"not reachable by keyboard: {name}")
    return found


def _from_parent(control: QWidget) -> str:
    parent = control.parent()
    return parent.toolTip() if isinstance(parent, QWidget) else ""


def test_every_control_of_the_widget_is_named_explained_and_reachable(driver, tiny_project):
    assert problems_of(driver.widget.start_page) == []
    driver.widget.projects.open(tiny_project)
    page = driver.widget.loop
    assert len(controls_of(page)) > 40
    assert problems_of(page) == []


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: ErrorDialog("a; b.", "details"), id="error"),
        pytest.param(
            lambda: PreflightDialog(
                Preflight(lines=(), in_progress=(OpenSlice(case_id="a", index=0),))
            ),
            id="pre-flight",
        ),
        pytest.param(RunsDialog, id="runs"),
    ],
)
def test_every_control_of_a_dialog_is_named_explained_and_reachable(qtbot, make):
    dialog = make()
    qtbot.addWidget(dialog)
    assert problems_of(dialog) == []


def test_tab_goes_through_the_training_part_from_top_to_bottom(qtbot):
    box = TrainBox()
    qtbot.addWidget(box)
    order = [
        box.budget.amount, box.budget.unit, box.check, box.start, box.pause, box.resume,
        box.discard, box.stop, box.runs, box.advanced_section.heading, box.plot.log,
        box.plot.curves, box.plot.reset, box.plot.export, box.monitors.show_all,
    ]  # fmt: skip
    seen, one = [], box.budget
    while one is not order[-1] and box.isAncestorOf(one):
        one = one.nextInFocusChain()
        if one in order:
            seen.append(one)
    assert seen == order


def test_button_is_pressed_by_its_key(open_driver):
    box = open_driver.widget.loop.train
    assert "(Alt+G)" in box.start.toolTip()
    asked = []
    box.checkRequested.connect(asked.append)
    window = open_driver.widget.window()
    window.activateWindow()
    open_driver.wait(window.isActiveWindow)
    QTest.keyClick(window, Qt.Key.Key_B, Qt.KeyboardModifier.AltModifier)
    open_driver.wait(lambda: len(asked) == 1)
    open_driver.wait(lambda: open_driver.widget.session.activity.value == "idle", 60)

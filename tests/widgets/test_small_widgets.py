"""Each widget shows what it was given and gives back what it shows."""

import pytest

pytest.importorskip("qtpy.QtWidgets", exc_type=ImportError)

from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QDialogButtonBox,
    QLabel,
    QSlider,
    QTableView,
    QWidget,
)
from scripted_training import scripted_training

from napari_transmedseg.engine.config import TrainingConfig, validate_config
from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.project.case_facts import CaseFacts
from napari_transmedseg.project.continuing import Continuation
from napari_transmedseg.project.export_options import ExportOptions
from napari_transmedseg.project.history import replay
from napari_transmedseg.project.ledger import Ledger, SliceState
from napari_transmedseg.project.session import Activity
from napari_transmedseg.widgets.advanced_edit import AdvancedEdit
from napari_transmedseg.widgets.annotate_box import AnnotateBox
from napari_transmedseg.widgets.budget_edit import Budget, BudgetEdit
from napari_transmedseg.widgets.case_table import CaseTable
from napari_transmedseg.widgets.class_list import ClassList, ClassRow
from napari_transmedseg.widgets.display_box import Display, DisplayBox
from napari_transmedseg.widgets.error_dialog import ErrorDialog
from napari_transmedseg.widgets.export_box import ExportBox, ExportChoice
from napari_transmedseg.widgets.ledger_strip import STATE_MARKS, LedgerStrip
from napari_transmedseg.widgets.loop_page import LoopPage
from napari_transmedseg.widgets.loss_plot import LossPlot
from napari_transmedseg.widgets.monitor_list import MonitorList
from napari_transmedseg.widgets.new_project_dialog import NewProject, NewProjectDialog
from napari_transmedseg.widgets.overlay_edit import Overlay, OverlayEdit
from napari_transmedseg.widgets.review_box import ReviewBox
from napari_transmedseg.widgets.section import Section
from napari_transmedseg.widgets.start_page import StartPage
from napari_transmedseg.widgets.swipe_edit import Swipe, SwipeEdit
from napari_transmedseg.widgets.train_box import TrainBox

pytestmark = pytest.mark.gui

EXPORT = ExportOptions(reviewed_only=True, file_format="seg.nrrd", per_class=True)
ROWS = [
    CaseFacts(case_id="a", num_annotated=2, num_slices=8, state="begun"),
    CaseFacts(case_id="b", num_slices=8, state="not begun"),
]


@pytest.fixture(scope="module")
def history():
    return replay(scripted_training(TrainingControl(), steps=20, step_s=0.001))


@pytest.mark.parametrize(
    ("make", "value"),
    [
        pytest.param(BudgetEdit, Budget(3, "minutes"), id="minutes"),
        pytest.param(BudgetEdit, Budget(500, "steps"), id="steps"),
        pytest.param(OverlayEdit, Overlay(False, 0.25, True, 1.0, True), id="overlay"),
        pytest.param(SwipeEdit, Swipe(True, "labels", "run-004", 0.25), id="swipe"),
        pytest.param(ExportBox, ExportChoice("/masks", EXPORT), id="export"),
        pytest.param(DisplayBox, Display(2, "", False, True, True), id="display"),
    ],
)
def test_value_round_trips_without_a_signal(qtbot, make, value):
    widget = make()
    qtbot.addWidget(widget)
    with qtbot.assertNotEmitted(widget.valueChanged):
        widget.setValue(value)
    assert widget.value() == value


def test_the_swipe_keeps_its_sides_when_other_runs_are_offered(qtbot):
    edit = SwipeEdit()
    qtbot.addWidget(edit)
    edit.setValue(Swipe(True, "run-001", "run-002", 0.5))
    with qtbot.assertNotEmitted(edit.valueChanged):
        edit.set_runs(["run-002", "run-003"])
    assert edit.value() == Swipe(True, "run-001", "run-002", 0.5)
    offered = [edit.right.itemText(i) for i in range(edit.right.count())]
    assert offered == [
        "Before this training", "Pseudo-label now", "Your labels", "run-002", "run-003"
    ]  # fmt: skip
    with qtbot.waitSignal(edit.valueChanged) as changed:
        edit.on.click()
    assert changed.args == [Swipe(False, "run-001", "run-002", 0.5)]
    assert edit.left.isHidden() and edit.place.isHidden()


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(TrainingConfig(), id="defaults"),
        pytest.param(TrainingConfig(method="supervised", device="cpu", seed=3), id="supervised"),
        pytest.param(TrainingConfig(tsa_weight=0.2, graph_weight=0.05), id="weights"),
        pytest.param(TrainingConfig(validation_share=0.2, largest_component="none"), id="held out"),
    ],
)
def test_advanced_settings_make_a_valid_config(qtbot, config):
    widget = AdvancedEdit()
    qtbot.addWidget(widget)
    widget.setValue(config)
    made = TrainingConfig(**widget.value())
    validate_config(made)
    assert (made.method, made.device, made.seed) == (config.method, config.device, config.seed)
    assert made.largest_component == config.largest_component
    assert made.validation_share == config.validation_share
    if config.tsa_weight is not None:
        assert (made.tsa_weight, made.graph_weight) == (config.tsa_weight, config.graph_weight)


def test_weights_that_the_method_lacks_are_greyed_out(qtbot):
    widget = AdvancedEdit()
    qtbot.addWidget(widget)
    with qtbot.waitSignal(widget.valueChanged):
        widget.form.editors["method"].native.setCurrentText("graphcl")
    assert widget.form.editors["graph_weight"].native.isEnabled()
    assert not widget.form.editors["tsa_weight"].native.isEnabled()
    assert widget.value()["tsa_weight"] is None


def test_budget_by_keyboard_becomes_a_config(qtbot):
    box = TrainBox()
    qtbot.addWidget(box)
    QTest.keyClick(box.budget.unit, Qt.Key.Key_Down)
    box.budget.amount.selectAll()
    QTest.keyClicks(box.budget.amount, "40")
    with qtbot.waitSignal(box.startRequested) as asked:
        QTest.mouseClick(box.start, Qt.MouseButton.LeftButton)
    assert asked.args[0].steps == 40
    assert asked.args[0].minutes is None


@pytest.mark.parametrize(
    ("activity", "enabled"),
    [
        pytest.param(Activity.IDLE, {"start", "check"}, id="idle"),
        pytest.param(Activity.PREPARING, {"stop", "discard"}, id="preparing"),
        pytest.param(Activity.TRAINING, {"pause", "stop", "discard"}, id="training"),
        pytest.param(Activity.PAUSED, {"resume", "stop", "discard"}, id="paused"),
        pytest.param(Activity.STOPPING, set(), id="stopping"),
        pytest.param(Activity.EXPORTING, set(), id="exporting"),
    ],
)
def test_buttons_offer_what_can_be_asked_for(qtbot, activity, enabled):
    box = TrainBox()
    qtbot.addWidget(box)
    box.set_activity(activity)
    names = ("check", "start", "pause", "resume", "stop", "discard")
    buttons = {name: getattr(box, name) for name in names}
    assert {name for name, button in buttons.items() if button.isEnabled()} == enabled


def test_plot_shows_each_term_and_each_class(qtbot, history):
    plot = LossPlot()
    qtbot.addWidget(plot)
    plot.setValue(history, {"ring": "#ff0000"})
    lines = plot.value()
    assert set(lines) == {"total", "supervised", "pseudo", "graph", "tsa", "ring", "core"}
    assert lines["total"][0] == list(range(1, 21))
    assert lines["total"][1] == history.losses["total"].values
    plot.set_theme("#ffffff", "#000000")
    plot.setValue(replay([]), {})
    assert plot.value() == {}


def test_status_says_phase_step_rate_and_dice(qtbot, history):
    box = TrainBox()
    qtbot.addWidget(box)
    box.setValue(history, Activity.TRAINING, {})
    for part in ("self-training", "step 20", "steps/s", "left", "Dice 0.95", "MiB"):
        assert part in box.status.text()
    assert box.progress.value() == 1000
    assert "measuring and saving" in box.status.text()
    box.setValue(history, Activity.STOPPING, {})
    assert "Stopping" in box.status.text()


def test_monitors_speak_in_sentences(qtbot, history):
    label = MonitorList()
    qtbot.addWidget(label)
    label.setValue(history)
    assert "annotate one more" in label.text()


def test_case_table_keeps_the_chosen_case_and_tells_of_clicks(qtbot):
    table = CaseTable()
    qtbot.addWidget(table)
    table.show()
    table.set_rows(ROWS)
    table.setValue("b")
    table.set_rows(ROWS[::-1])
    assert table.value() == "b"
    box = table.visualItemRect(table.item(1, 0))
    with qtbot.waitSignal(table.valueChanged) as chosen:
        QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=box.center())
    assert chosen.args == ["a"]


def test_class_list_picks_and_renames(qtbot):
    classes = ClassList()
    qtbot.addWidget(classes)
    classes.set_rows([ClassRow(1, "ring", "#ff0000"), ClassRow(2, "core", "#00ff00")])
    assert classes.value() == 1
    classes.setValue(2)
    assert classes.value() == 2
    with qtbot.waitSignal(classes.renamed) as renamed:
        classes.list.item(0).setText(" wall ")
    assert renamed.args == [1, "wall"]


def test_strip_names_the_slice_under_the_mouse(qtbot):
    strip = LedgerStrip()
    qtbot.addWidget(strip)
    strip.resize(100, 18)
    strip.show()
    strip.set_ledger(Ledger.untouched(10))
    with qtbot.waitSignal(strip.valueChanged) as clicked:
        QTest.mouseClick(strip, Qt.MouseButton.LeftButton, pos=strip.rect().center())
    assert clicked.args == [strip.value()]
    assert strip.index_at(0) == 0
    assert strip.index_at(99) == 9


def test_strip_is_walked_by_keys(qtbot):
    strip = LedgerStrip()
    qtbot.addWidget(strip)
    strip.set_ledger(Ledger.untouched(10))
    strip.show()
    walk = []
    strip.valueChanged.connect(walk.append)
    for key in ("Right", "Right", "Left", "PageDown", "PageDown", "Right", "Home", "Left", "End"):
        QTest.keyClick(strip, getattr(Qt.Key, f"Key_{key}"))
    assert walk == [1, 2, 1, 6, 9, 0, 9]


def test_strip_says_slice_state_who_and_when(qtbot):
    strip = LedgerStrip()
    qtbot.addWidget(strip)
    when = "2026-05-04T10:15:00+02:00"
    strip.set_ledger(
        Ledger.untouched(10).with_states([4], SliceState.ANNOTATED, who="anna", when=when)
    )
    strip.setValue(4)
    assert strip.accessibleDescription() == (
        "Slice 5: annotated by anna, 2026-05-04 10:15 (the whole slice is known)"
    )


@pytest.mark.parametrize("columns", [1, 12])
def test_states_are_told_apart_without_colours(qtbot, columns):
    strip = LedgerStrip()
    qtbot.addWidget(strip)
    states = list(SliceState)
    ledger = Ledger.untouched(len(states))
    for index, state in enumerate(states):
        ledger = ledger.with_states([index], state)
    strip.resize(columns * len(states), strip.height())
    strip.set_ledger(ledger)
    strip.setValue(len(states) + 10)  # none is marked
    image = strip.grab().toImage()
    patterns = set()
    for index in range(len(states)):
        x = index * columns + columns // 2
        column = [image.pixelColor(x, y).lightness() for y in range(4, strip.height() - 4)]
        patterns.add(tuple(light > 80 for light in column))
    assert len(patterns) == len(states) == len(STATE_MARKS)


def test_annotate_box_goes_from_labeled_slice_to_labeled_slice(qtbot):
    box = AnnotateBox()
    qtbot.addWidget(box)
    ledger = Ledger.untouched(6).with_states([1, 4], SliceState.ANNOTATED)
    box.setValue(2, ledger)
    assert "unseen" in box.slice_label.text()
    assert box.legend.value() == "4 unseen, 2 annotated"
    with qtbot.waitSignal(box.sliceRequested) as asked:
        QTest.mouseClick(box.next, Qt.MouseButton.LeftButton)
    assert asked.args == [4]
    box.setValue(4, ledger)
    assert not box.next.isEnabled()
    assert box.unannotate.isEnabled()


def test_error_dialog_copies_message_and_details(qtbot):
    dialog = ErrorDialog("Expected this, found that; do so.", "Traceback\nline")
    qtbot.addWidget(dialog)
    assert dialog.text() == "Expected this, found that; do so.\n\nTraceback\nline"


def test_new_project_dialog_round_trips(qtbot):
    dialog = NewProjectDialog()
    qtbot.addWidget(dialog)
    new = NewProject("/p", ("/i/a.nii.gz", "/i"), ("RV", "LV"), "coronal", anonymous=True)
    dialog.setValue(new)
    assert dialog.value() == new


def test_section_folds_its_content(qtbot):
    content = BudgetEdit()
    section = Section("Part", content)
    qtbot.addWidget(section)
    section.show()
    assert content.isVisible()
    QTest.mouseClick(section.heading, Qt.MouseButton.LeftButton)
    assert not content.isVisible()


@pytest.mark.parametrize(
    ("continuation", "button", "says"),
    [
        pytest.param(Continuation(), "Start training", "", id="first run"),
        pytest.param(Continuation(warm_start="run-002"), "Train again",
                     "Goes on from what run-002 learned", id="again"),
        pytest.param(Continuation(warm_start="run-002", interrupted="run-002"), "Train again",
                     "Resume finishes it", id="cut off"),
        pytest.param(Continuation(obstacle="Expected two classes."), "Start training",
                     "begins afresh. Expected two classes.", id="other classes"),
    ],
)  # fmt: skip
def test_train_box_says_what_it_goes_on_from(qtbot, continuation, button, says):
    box = TrainBox()
    qtbot.addWidget(box)
    box.set_activity(Activity.IDLE)
    box.set_continuation(continuation)
    assert box.start.text() == button
    assert says in box.course.text()
    assert box.resume.isEnabled() == bool(continuation.interrupted)
    box.set_activity(Activity.TRAINING)
    assert not box.resume.isEnabled()


def test_a_person_can_begin_afresh(qtbot):
    box = TrainBox()
    qtbot.addWidget(box)
    box.set_continuation(Continuation(warm_start="run-002"))
    assert box.warm_start == "run-002"
    box.advanced.start_fresh.setChecked(True)
    assert box.warm_start == ""
    assert box.start.text() == "Start training"
    assert "afresh" in box.course.text()


@pytest.mark.parametrize(
    ("facts", "enabled", "says"),
    [
        pytest.param((False, True, False), False, "No prediction", id="untrained"),
        pytest.param((True, True, True), True, "hardly learned", id="early"),
        pytest.param((True, True, False), True, "accept it", id="predicted"),
        pytest.param((True, False, False), False, "already in your labels", id="done"),
    ],
)
def test_accept_is_offered_where_there_is_a_prediction(qtbot, facts, enabled, says):
    box = ReviewBox()
    qtbot.addWidget(box)
    assert not box.accept.isEnabled()
    box.setValue(is_predicted=facts[0], is_open=facts[1], is_early=facts[2])
    assert box.accept.isEnabled() == enabled
    assert says in box.status.text()


@pytest.mark.parametrize("make", [LoopPage, StartPage, NewProjectDialog])
def test_every_control_has_a_tooltip_and_a_name(qtbot, make):
    page = make()
    qtbot.addWidget(page)
    named = {label.buddy() for label in page.findChildren(QLabel) if label.buddy() is not None}
    controls = [
        one
        for kind in (QAbstractButton, QComboBox, QSlider)
        for one in page.findChildren(kind)
        if one.objectName()[:3] != "qt_"
        and not isinstance(one.parent(), QDialogButtonBox | QTableView)  # a table's is its corner
        and one.window() is page  # not the menus that pyqtgraph keeps hidden
    ]
    assert controls
    for control in controls:
        assert control.toolTip(), _described(control)
        text = getattr(control, "text", str)()
        assert text or control.accessibleName() or control in named, _described(control)


def _described(control: QWidget) -> str:
    return f"{type(control).__name__} '{getattr(control, 'text', str)()}' in {control.parent()}"

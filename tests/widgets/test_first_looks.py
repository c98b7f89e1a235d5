"""What a new user sees first is not misleading: wheel, keys, colours, hints and axes."""

import pytest

pytest.importorskip("napari")

from qtpy.QtCore import QPoint, QPointF, QSize, Qt
from qtpy.QtGui import QIcon, QKeySequence, QWheelEvent
from qtpy.QtWidgets import QApplication, QDockWidget, QWidget

from napari_transmedseg.project.continuing import Continuation
from napari_transmedseg.project.corrections import CorrectionLog
from napari_transmedseg.project.ledger import Ledger, SliceState
from napari_transmedseg.widgets.annotate_box import AnnotateBox
from napari_transmedseg.widgets.class_list import ClassList, ClassRow
from napari_transmedseg.widgets.correction_plot import CorrectionPlot
from napari_transmedseg.widgets.loop_page import LoopPage
from napari_transmedseg.widgets.train_box import TrainBox
from napari_transmedseg.widgets.training_words import rate_in_words

pytestmark = pytest.mark.gui

PLAIN, CTRL = Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ControlModifier


def turn_wheel(target: QWidget, modifier: Qt.KeyboardModifier = PLAIN) -> None:
    """One notch towards the person over the middle of a widget."""
    place = QPointF(target.rect().center())
    wheel = QWheelEvent(
        place, QPointF(target.mapToGlobal(place.toPoint())), QPoint(), QPoint(0, -120),
        Qt.MouseButton.NoButton, modifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(target, wheel)
    QApplication.processEvents()


@pytest.fixture
def page(qtbot) -> LoopPage:
    page = LoopPage()
    qtbot.addWidget(page)
    page.resize(380, 600)
    page.show()
    qtbot.waitUntil(lambda: page.scroll_area.verticalScrollBar().maximum() > 0)
    return page


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(lambda page: page.train.budget.amount, id="spin box"),
        pytest.param(lambda page: page.train.budget.unit, id="combo box"),
        pytest.param(lambda page: page.overlay.uncertainty_opacity, id="slider"),
        pytest.param(lambda page: page.review.corrections.plot.viewport(), id="plot"),
    ],
)
def test_wheel_over_a_setting_scrolls_the_column_and_leaves_the_setting(page, part):
    before = page.train.value(), page.overlay.value()
    turn_wheel(part(page))
    assert page.scroll_area.verticalScrollBar().value() > 0
    assert (page.train.value(), page.overlay.value()) == before


def test_ctrl_and_wheel_change_a_setting(page):
    turn_wheel(page.train.budget.amount, CTRL)
    assert page.train.budget.value().amount < 10
    assert page.scroll_area.verticalScrollBar().value() == 0


def test_start_keeps_its_key_whatever_it_is_called(qtbot):
    box = TrainBox()
    qtbot.addWidget(box)
    for continuation in (Continuation(), Continuation(warm_start="run-001")):
        box.set_continuation(continuation)
        assert box.start.shortcut() == QKeySequence("Alt+G")


def test_chosen_class_is_shown_in_its_own_colour(qtbot):
    classes = ClassList()
    qtbot.addWidget(classes)
    classes.set_rows([ClassRow(1, "ring", "#e69f00")])
    icon = classes.list.item(0).icon()
    for mode in (QIcon.Mode.Normal, QIcon.Mode.Selected):
        assert icon.pixmap(QSize(16, 16), mode).toImage().pixelColor(8, 8).name() == "#e69f00"


@pytest.mark.parametrize(
    ("state", "says"),
    [
        pytest.param(SliceState.UNSEEN, "brush", id="unseen"),
        pytest.param(SliceState.SUGGESTED, "mark empty", id="suggested"),
        pytest.param(SliceState.IN_PROGRESS, "Press D", id="in progress"),
        pytest.param(SliceState.ANNOTATED, "known", id="annotated"),
    ],
)
def test_what_to_do_about_a_slice_is_said_and_what_is_below_stays_in_place(qtbot, state, says):
    box = AnnotateBox()
    qtbot.addWidget(box)
    box.resize(360, 400)
    box.show()
    box.setValue(99, Ledger.untouched(188))
    place = box.done.y()
    box.setValue(99, Ledger.untouched(188).with_states([99], state))
    QApplication.processEvents()
    assert says in box.slice_label.text()
    assert box.done.y() == place


@pytest.mark.parametrize(
    ("rate", "words"), [(12.34, "12.3 steps/s"), (0.0, "0.0 steps/s"), (0.03, "33 s a step")]
)
def test_slow_training_is_not_said_to_stand_still(rate, words):
    assert rate_in_words(rate) == words


@pytest.mark.parametrize("span", [(0.5, 1.5), (0.5, 7.5), (1.0, 400.0)])
def test_reviews_are_counted_in_whole_numbers(qtbot, span):
    plot = CorrectionPlot()
    qtbot.addWidget(plot)
    plot.setValue(CorrectionLog(), {})
    levels = plot.plot.getAxis("bottom").tickValues(*span, 300)
    ticks = [tick for _, values in levels for tick in values]
    assert ticks and all(tick == round(tick) for tick in ticks)


def test_nothing_of_the_column_is_cut_off_however_narrow_it_is_made(page):
    page.resize(200, 600)
    QApplication.processEvents()
    viewport = page.scroll_area.viewport()
    for section in page.sections.values():
        assert section.mapTo(page, section.rect().topRight()).x() <= viewport.geometry().right()


@pytest.mark.parametrize("shown", ["start", "loop"])
def test_below_naparis_panels_the_window_still_fits_a_small_screen(driver, tiny_project, shown):
    window = driver.widget.window()
    dock = next(one for one in window.findChildren(QDockWidget) if one.isAncestorOf(driver.widget))
    if shown == "loop":
        driver.widget.projects.open(tiny_project)
        driver.choose_class(0)  # with the brush, napari shows its largest controls
    window.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, dock)
    QApplication.processEvents()
    driver.screenshot(f"docked-left-{shown}")
    assert window.minimumSizeHint().height() <= 768
    assert (window.width(), window.height()) == (1366, 768)

"""Settings, monitors, pre-flight and errors as they are shown and edited."""

from dataclasses import fields, replace

import pytest

pytest.importorskip("qtpy.QtWidgets", exc_type=ImportError)

from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_transmedseg.engine.config import TrainingConfig, validate_config
from napari_transmedseg.engine.config_fields import config_fields
from napari_transmedseg.engine.events import MonitorReport
from napari_transmedseg.project.history import TrainingHistory
from napari_transmedseg.project.preflight import OpenSlice, Preflight, PreflightLine
from napari_transmedseg.widgets.advanced_edit import AdvancedEdit
from napari_transmedseg.widgets.config_form import GROUPS, LEFT_OUT, ConfigForm
from napari_transmedseg.widgets.error_dialog import ErrorDialog, parts_of
from napari_transmedseg.widgets.monitor_list import WELL, MonitorList
from napari_transmedseg.widgets.overlay_edit import Overlay, OverlayEdit
from napari_transmedseg.widgets.preflight_dialog import PreflightDialog

pytestmark = pytest.mark.gui

OTHER = TrainingConfig(
    method="graphcl", preset="paper", dimensions="3d", network="vnet", tsa_strength=1.25,
    tsa_samples=10, tsa_direction="to-source", tsa_per_domain=True, graph_weight=0.35,
    graph_alpha=3.5, graph_clusters=9, graph_nodes=64, ema_decay=0.9985, device="cpu", seed=7,
    clip_low=-160.0, clip_high=240.0, clip_channels="ct=-125:275", largest_component=False,
    validation_share=0.25, early_stop=False, mixed_precision=False, compile=True,
    checkpoint_interval_s=12.5,
)  # fmt: skip


def shown(config: TrainingConfig) -> dict[str, object]:
    return {name: getattr(config, name) for group in GROUPS.values() for name in group}


def test_every_setting_is_in_the_form_or_left_out_for_a_reason():
    names = [name for group in GROUPS.values() for name in group]
    assert len(names) == len(set(names))
    assert set(names) | set(LEFT_OUT) == {field.name for field in fields(TrainingConfig)}
    assert not set(names) & set(LEFT_OUT)
    assert all(LEFT_OUT.values())


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(TrainingConfig(), id="defaults"),
        pytest.param(OTHER, id="all others"),
        pytest.param(replace(OTHER, method="transmedseg", tsa_weight=0.2), id="weight of TSA"),
        pytest.param(TrainingConfig(network="my own"), id="registered network"),
        pytest.param(TrainingConfig(validation_share=0.0, ema_decay=0.0), id="zeros"),
    ],
)
def test_form_gives_back_what_it_was_given_without_a_signal(qtbot, config):
    form = ConfigForm()
    qtbot.addWidget(form)
    with qtbot.assertNotEmitted(form.valueChanged):
        form.setValue(config)
    assert form.value() == shown(config)
    form.setValue(TrainingConfig())
    assert form.value() == shown(TrainingConfig())


def test_every_setting_says_its_default_and_limits(qtbot):
    form = ConfigForm()
    qtbot.addWidget(form)
    for name, editor in form.editors.items():
        field, tip = config_fields()[name], editor.native.toolTip()
        assert field.doc and "Default: " in tip
        assert editor.native.accessibleName()
        if field.most is not None:
            assert f"{field.least:g} to {field.most:g}" in tip
    assert form.editors["tsa_weight"].native.text() == "auto (0.4)"
    assert form.editors["checkpoint_interval_s"].native.text() == "60.0 s"


def test_limits_of_the_form_are_those_of_the_settings(qtbot):
    form = ConfigForm()
    qtbot.addWidget(form)
    for name in ("tsa_strength", "graph_alpha", "graph_nodes", "validation_share", "seed"):
        editor, field = form.editors[name], config_fields()[name]
        least = field.least if not field.is_optional else editor.native.minimum()
        for value in (least, field.most):
            if value is not None:
                editor.value = value
                validate_config(TrainingConfig(**form.value()))


def test_wheel_over_a_setting_that_has_no_focus_changes_nothing(qtbot):
    form = ConfigForm()
    qtbot.addWidget(form)
    form.show()
    seed = form.editors["seed"].native
    place = QPointF(5, 5)
    wheel = QWheelEvent(
        place, QPointF(seed.mapToGlobal(place.toPoint())), QPoint(), QPoint(0, 120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase,
        False,
    )  # fmt: skip
    QApplication.sendEvent(seed, wheel)
    assert form.value()["seed"] == 0
    seed.setFocus()
    QTest.keyClick(seed, Qt.Key.Key_Up)
    assert form.value()["seed"] == 1


def test_what_contradicts_is_said_in_a_sentence_and_reset_clears_it(qtbot):
    edit = AdvancedEdit()
    qtbot.addWidget(edit)
    edit.show()
    low = edit.form.editors["clip_low"].native
    low.selectAll()
    QTest.keyClicks(low, "-100")
    QTest.keyClick(low, Qt.Key.Key_Return)
    assert edit.value()["clip_low"] == -100
    assert edit.problem.isVisible()
    assert "'Clip below' below 'Clip above'" in edit.problem.text()
    assert "give both or neither" in edit.problem.text()
    with qtbot.waitSignal(edit.valueChanged):
        QTest.mouseClick(edit.reset, Qt.MouseButton.LeftButton)
    assert not edit.problem.isVisible()
    assert edit.value() == shown(TrainingConfig())


def test_device_of_the_preferences_is_the_default_of_the_form(qtbot):
    edit = AdvancedEdit()
    qtbot.addWidget(edit)
    edit.set_device("cpu")
    assert edit.value()["device"] == "cpu"
    edit.form.editors["device"].native.setCurrentText("cuda")
    edit.set_device("cpu")
    assert edit.value()["device"] == "cuda"
    QTest.mouseClick(edit.reset, Qt.MouseButton.LeftButton)
    assert edit.value()["device"] == "cpu"


def monitors(*lights: str) -> TrainingHistory:
    history = TrainingHistory()
    for number, light in enumerate(lights):
        sentence = "" if light == "ok" else f"Look at class {number} <now>."
        facts = {"name": "entropy", "class_name": f"class {number}", "sentence": sentence}
        history.apply(MonitorReport(step=1, value=0.1, light=light, **facts))
    return history


def test_lights_differ_in_shape_and_colour_and_warnings_come_first(qtbot):
    listing = MonitorList()
    qtbot.addWidget(listing)
    listing.show()
    listing.setValue(monitors("ok", "advice", "warning"))
    first, second = listing.text().split("<br>")
    assert "◆" in first and "class 2 &lt;now&gt;" in first
    assert "▲" in second and "class 1" in second
    QTest.mouseClick(listing.show_all, Qt.MouseButton.LeftButton)
    assert f"●</span> class 0: {WELL['entropy']}." in listing.text()
    listing.setValue(monitors("ok", "ok"))
    listing.show_all.setChecked(False)
    assert "All 2 monitors are well." in listing.text()


def test_more_advice_than_fits_is_counted(qtbot):
    listing = MonitorList()
    qtbot.addWidget(listing)
    listing.setValue(monitors(*["warning"] * 7))
    assert "3 more under" in listing.text()


FOUND = Preflight(
    lines=(
        PreflightLine(severity="advice", sentence="2 slices of a & b are still in progress."),
        PreflightLine(severity="fact", sentence="3 slices are annotated."),
    ),
    in_progress=(OpenSlice(case_id="a", index=2), OpenSlice(case_id="b", index=0)),
)


def test_slices_in_progress_are_ticked_by_keyboard_and_given_on(qtbot):
    dialog = PreflightDialog(FOUND)
    qtbot.addWidget(dialog)
    dialog.show()
    assert "▲</span> 2 slices of a &amp; b" in dialog.text.text()
    assert [dialog.slices.item(row).text() for row in range(2)] == ["a, slice 3", "b, slice 1"]
    assert dialog.value() == []
    dialog.slices.setFocus()
    dialog.slices.setCurrentRow(1)
    QTest.keyClick(dialog.slices, Qt.Key.Key_Space)
    with qtbot.waitSignal(dialog.startRequested) as asked:
        QTest.mouseClick(dialog.start, Qt.MouseButton.LeftButton)
    assert asked.args == [[OpenSlice(case_id="b", index=0)]]
    assert not dialog.isVisible()


def test_all_slices_in_progress_can_be_marked_without_training(qtbot):
    dialog = PreflightDialog(FOUND)
    qtbot.addWidget(dialog)
    dialog.show()
    QTest.mouseClick(dialog.tick_all, Qt.MouseButton.LeftButton)
    with (
        qtbot.assertNotEmitted(dialog.startRequested),
        qtbot.waitSignal(dialog.doneRequested) as asked,
    ):
        QTest.mouseClick(dialog.mark, Qt.MouseButton.LeftButton)
    assert asked.args == [list(FOUND.in_progress)]


def test_obstacle_keeps_start_grey(qtbot):
    line = PreflightLine(severity="obstacle", sentence="Expected a class, found none; add one.")
    dialog = PreflightDialog(Preflight(lines=(line,), in_progress=()))
    qtbot.addWidget(dialog)
    dialog.show()
    assert not dialog.start.isEnabled()
    assert not dialog.slices.isVisible()
    assert "◆" in dialog.text.text()


def test_error_is_told_apart_from_its_way_out():
    told = parts_of("Expected a class, found none; add one; then start again.")
    assert told == ("Expected a class, found none.", "Add one; then start again.")
    assert parts_of("Something happened.") == ("Something happened.", "")


def test_error_is_copied_with_and_without_versions(qtbot):
    dialog = ErrorDialog("Expected this, found /data/jane.nii.gz; do so.", "Traceback\nline")
    qtbot.addWidget(dialog)
    dialog.show()
    QTest.mouseClick(dialog.copy, Qt.MouseButton.LeftButton)
    assert QApplication.clipboard().text() == dialog.text()
    QTest.mouseClick(dialog.copy_diagnostics, Qt.MouseButton.LeftButton)
    copied = QApplication.clipboard().text()
    assert copied.startswith("Expected this, found ") and "line" in copied
    assert "jane" not in copied
    assert "\npython: 3." in copied and "\ntorch: " in copied


def test_details_are_folded_and_there_only_if_there_are_some(qtbot):
    plain, long = ErrorDialog("Expected a, found b; do c."), ErrorDialog("x; y.", "Traceback")
    for dialog in (plain, long):
        qtbot.addWidget(dialog)
        dialog.show()
    assert not plain._more.isVisible()
    assert not long._text.isVisible()
    QTest.mouseClick(long._more, Qt.MouseButton.LeftButton)
    assert long._text.isVisible()


def test_opacity_keys_change_the_overlays_that_are_shown(qtbot):
    edit = OverlayEdit()
    qtbot.addWidget(edit)
    edit.setValue(Overlay(pseudo_label_opacity=0.5, uncertainty_opacity=0.5))
    with qtbot.waitSignal(edit.valueChanged):
        edit.fainter()
    assert (edit.value().pseudo_label_opacity, edit.value().uncertainty_opacity) == (0.4, 0.5)
    for _ in range(9):
        edit.stronger()
    assert edit.value().pseudo_label_opacity == 1.0


def test_age_of_the_pseudo_label_is_said(qtbot):
    edit = OverlayEdit()
    qtbot.addWidget(edit)
    edit.set_age(1.24)
    assert edit.age.text() == "1.2 s old"
    edit.set_age(None)
    assert edit.age.text() == ""

"""The switch per class: as annotated, or chosen by hand."""

import pytest

pytest.importorskip("napari")


from napari_transmedseg.widgets.one_piece_editor import OnePieceEditor

pytestmark = pytest.mark.gui


@pytest.fixture
def editor(qtbot):
    editor = OnePieceEditor()
    qtbot.addWidget(editor.native)
    editor.set_classes(["liver", "kidneys", "left, right"])
    editor.native.resize(editor.native.sizeHint())
    editor.native.show()
    return editor


def test_switches_choose_classes(editor):
    told = []
    editor.changed.connect(told.append)
    assert editor.value == "auto"
    assert not any(box.isEnabled() for box in editor.switches)
    editor.auto.setChecked(False)
    editor.switches[1].setChecked(False)
    assert told == ["all", "liver, 3"]
    for box in editor.switches:
        box.setChecked(False)
    assert editor.value == "none"
    editor.auto.setChecked(True)
    assert editor.value == "auto"


@pytest.mark.parametrize("value", ["auto", "all", "none", "kidneys", "liver, 3"])
def test_value_round_trips_without_a_signal(editor, value):
    told = []
    editor.changed.connect(told.append)
    editor.value = value
    editor.set_classes(["liver", "kidneys", "left, right"])
    assert editor.value == value
    assert told == []


def test_renamed_class_stays_chosen(editor):
    editor.value = "kidneys"
    editor.set_classes(["liver", "both kidneys", "left, right"])
    assert editor.value == "both kidneys"
    assert [box.isChecked() for box in editor.switches] == [False, True, False]


def test_removed_class_is_chosen_no_more(editor):
    editor.value = "liver, kidneys"
    editor.set_classes(["kidneys", "left, right"])
    assert editor.value == "kidneys"
    editor.set_classes(["kidneys", "left, right", "spleen"])
    assert editor.value == "kidneys"


def test_classes_of_another_project_leave_its_value_alone(editor):
    editor.value = "kidneys"
    editor.set_classes(())
    editor.value = "liver, tumor"
    editor.set_classes(["tumor", "lung", "liver"])
    assert editor.value == "liver, tumor"
    assert [box.isChecked() for box in editor.switches] == [True, False, True]

"""Undo takes back the latest step, also one that changed no voxel, and tells what it did."""

import numpy as np
import pytest

pytest.importorskip("napari")

from napari.components import ViewerModel

from napari_transmedseg.layer_undo import KEYS
from napari_transmedseg.layers import CaseLayers

UNDO, REDO = sorted(KEYS, key=lambda key: not KEYS[key])


@pytest.fixture
def shown(tiny_volume, tiny_labels):
    layers = CaseLayers(ViewerModel())
    layers.show(tiny_volume, tiny_labels, case_id="tiny", slice_axis=0, colors={1: "#e69f00"})
    return layers


def press(layers: CaseLayers, key: str) -> None:
    from app_model.types import KeyBinding

    layer = layers.labels_layer
    action = {str(KeyBinding.validate(one)): value for one, value in layer.keymap.items()}
    action[str(KeyBinding.from_str(key.replace("-", "+").replace("Control", "Ctrl")))](layer)


def heard(layers: CaseLayers) -> tuple[list[bool], list[int]]:
    steps: list[bool] = []
    edits: list[int] = []
    layers.undo.stepped.connect(steps.append)
    layers.edited.connect(edits.append)
    return steps, edits


def test_a_step_without_voxels_is_undone_before_the_stroke_below_it(shown):
    before = shown.labels.copy()
    shown.set_slices({2: np.full_like(before[2], 1)})
    painted = shown.labels.copy()
    shown.set_slices({5: painted[5].copy()})
    np.testing.assert_array_equal(shown.labels, painted)
    steps, _ = heard(shown)
    press(shown, UNDO)
    assert steps == [True]
    np.testing.assert_array_equal(shown.labels, painted)
    press(shown, UNDO)
    assert steps == [True]
    np.testing.assert_array_equal(shown.labels, before)
    press(shown, REDO)
    press(shown, REDO)
    assert steps == [True, False]
    np.testing.assert_array_equal(shown.labels, painted)


def test_undo_where_there_is_nothing_is_no_step(shown):
    steps, edits = heard(shown)
    press(shown, UNDO)
    press(shown, REDO)
    assert (steps, edits) == ([], [])


def test_undo_off_screen_is_told_at_once(shown):
    shown.set_slices({2: np.full_like(shown.labels[2], 1)})
    shown.slice_index = 6
    _, edits = heard(shown)
    press(shown, UNDO)
    assert edits == [2]


def test_after_the_widget_napari_has_its_keys_again(shown):
    layer = shown.labels_layer
    shown.close()
    assert not layer.keymap

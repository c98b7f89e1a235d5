"""The brush stays with the classes, whatever napari's keys make of it."""

import numpy as np
import pytest

pytest.importorskip("napari")

from napari.layers import Labels

from napari_transmedseg.layer_brush import Brush


@pytest.fixture
def layer():
    return Labels(np.zeros((3, 8, 8), np.uint8))


@pytest.fixture
def brush(layer):
    brush = Brush()
    brush.take(layer)
    brush.keep_to(2)
    return brush


def test_a_value_beyond_the_last_class_becomes_the_last_class(brush, layer):
    layer.selected_label = 2
    layer.selected_label += 1  # as napari's key = does
    assert layer.selected_label == 2
    layer.selected_label = 0  # erasing is no class, and stays possible
    assert layer.selected_label == 0


def test_a_removed_class_is_not_painted_on_with(brush, layer):
    brush.choose(2)
    brush.keep_to(1)
    assert layer.selected_label == 1


def test_a_brush_that_was_let_go_is_its_owners(brush, layer):
    brush.let_go()
    layer.selected_label = 7
    assert layer.selected_label == 7
    brush.lift()
    brush.choose(1)
    assert layer.selected_label == 7

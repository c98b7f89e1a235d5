"""napari's list of layers is drawn anew when brush and slices rest."""

import numpy as np
import pytest

pytest.importorskip("napari")

from qtpy.QtWidgets import QApplication

pytestmark = pytest.mark.gui


@pytest.fixture
def told(open_driver) -> list:
    """What the labels tell of their thumbnail from now on."""
    told: list = []
    open_driver.wait(lambda: not open_driver.widget.display.thumbnails.is_holding)
    open_driver.widget.annotator.layers.labels_layer.events.thumbnail.connect(told.append)
    return told


def test_many_slices_make_one_thumbnail_when_they_rest(open_driver, told):
    layers = open_driver.widget.annotator.layers
    for index in (1, 2, 3, 4, 3):
        layers.slice_index = index
        QApplication.processEvents()
    assert len(told) < 4  # one: the first slice's, before it is known that more come
    shown = len(told)
    open_driver.wait(lambda: len(told) == shown + 1)
    image = layers.image_layer
    drawn = image.thumbnail.copy()
    image.refresh()
    assert np.array_equal(drawn, image.thumbnail)  # that of the slice on screen


def test_a_stroke_makes_one_thumbnail(open_driver, told):
    open_driver.choose_class(0)
    open_driver.drag((2, 2), (6, 6), (9, 3), (3, 8))
    assert len(told) < 4  # of twelve moves
    thumbnails = open_driver.widget.display.thumbnails
    open_driver.wait(lambda: bool(told) and not thumbnails.is_holding)


def test_nothing_is_held_back_after_the_widget(open_driver):
    layers = open_driver.widget.annotator.layers
    layers.slice_index = 1
    image = layers.image_layer
    assert image.events.thumbnail.blocked()
    open_driver.widget.shut_down()
    assert not image.events.thumbnail.blocked()

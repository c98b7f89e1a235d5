"""A case keeps its three axes where other layers bring more."""

import numpy as np
import pytest

pytest.importorskip("napari")

from napari.components import ViewerModel

from napari_transmedseg.layer_view import CaseView
from napari_transmedseg.layers import CaseLayers


@pytest.fixture
def cine(tiny_volume, tiny_labels):
    """A case with a layer of four axes beside it."""
    viewer = ViewerModel()
    layers = CaseLayers(viewer)
    layers.show(tiny_volume, tiny_labels, case_id="tiny", slice_axis=0, colors={1: "#e69f00"})
    viewer.add_image(np.zeros((5, *tiny_labels.array.shape), np.float32), name="cine")
    return viewer, layers


def test_the_slice_is_chosen_and_not_the_time(cine):
    viewer, layers = cine
    time = viewer.dims.current_step[0]
    layers.slice_index = 2
    assert layers.slice_index == 2
    assert viewer.dims.current_step[0] == time
    assert layers.plane == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_planes_and_letters_are_those_of_the_case(cine, axis):
    viewer, layers = cine
    view = CaseView(viewer, layers)
    view.plane = axis
    assert (view.plane, layers.plane) == (axis, axis)
    assert viewer.dims.order[0] == 0
    assert len(view.letters) == 4
    view.index = (3, 4, 5)
    assert view.index == (3, 4, 5)
    view.close()


def test_edits_are_found_in_another_plane(cine):
    viewer, layers = cine
    viewer.dims.order = (0, 3, 1, 2)
    edited = []
    layers.edited.connect(edited.append)
    layers.labels_layer.refresh()
    layers.set_slices({4: np.full_like(layers.labels[4], 1)})
    assert edited == [4]


def test_while_time_is_on_screen_there_is_no_plane(cine):
    viewer, layers = cine
    viewer.dims.order = (1, 2, 0, 3)
    assert layers.plane is None


def test_the_next_case_comes_beside_it(cine, tiny_volume, tiny_labels):
    _, layers = cine
    layers.clear()
    layers.show(tiny_volume, tiny_labels, case_id="next", slice_axis=1, colors={1: "#e69f00"})
    assert (layers.plane, layers.slice_index) == (1, tiny_labels.array.shape[1] // 2)

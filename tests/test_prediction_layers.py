"""The teacher's view of a case: how unsure the model is comes when it is wanted."""

import numpy as np
import pytest

pytest.importorskip("napari")

from napari.components import ViewerModel

from napari_transmedseg.layers import CaseLayers

COLORS = {1: "#e69f00", 2: "#56b4e9"}


@pytest.fixture
def viewer():
    return ViewerModel()


@pytest.fixture(params=[0, 1, 2], ids=["axial", "coronal", "sagittal"])
def axis(request):
    return request.param


@pytest.fixture
def predicted(viewer, tiny_volume, tiny_labels, axis):
    """A case that was predicted as a whole, shown without uncertainty."""
    layers = CaseLayers(viewer)
    layers.show(
        tiny_volume, tiny_labels, case_id="tiny", slice_axis=axis, colors=COLORS,
        prediction=tiny_labels,
    )  # fmt: skip
    return layers.predictions


@pytest.fixture
def uncertainty(tiny_labels, rng):
    return rng.integers(0, 256, tiny_labels.array.shape).astype(np.uint8)


def shown_uncertainty(viewer, predicted):
    predicted.set_look("uncertainty", visible=True, opacity=0.6)
    return viewer.layers["tiny uncertainty"].data


def view_slice(predicted, index, label, value):
    """Take in one slice, all of it the same."""
    shape = predicted.slice(index).shape
    predicted.show_slice(
        index, np.full(shape, label, np.uint8), np.full(shape, value, np.float32),
        is_on_screen=False,
    )  # fmt: skip


def test_uncertainty_of_a_predicted_case_is_shown_from_0_to_1(viewer, predicted, uncertainty):
    assert predicted.awaits_uncertainty
    assert not predicted.knows_uncertainty(3)
    predicted.take_uncertainty(uncertainty)
    assert not predicted.awaits_uncertainty
    assert all(map(predicted.knows_uncertainty, range(8)))
    data = shown_uncertainty(viewer, predicted)
    assert data.dtype == np.float16
    np.testing.assert_allclose(data, uncertainty / 255, atol=1e-3)


def test_a_layer_on_screen_shows_what_it_is_given(viewer, predicted, uncertainty):
    data = shown_uncertainty(viewer, predicted)
    assert not data.any()
    predicted.take_uncertainty(uncertainty)
    assert viewer.layers["tiny uncertainty"].data is data
    np.testing.assert_allclose(data, uncertainty / 255, atol=1e-3)


def test_slices_that_were_looked_at_since_then_stay(viewer, predicted, uncertainty, axis):
    view_slice(predicted, 2, 1, 0.5)
    predicted.take_uncertainty(uncertainty)
    view_slice(predicted, 5, 1, 0.25)
    data = np.moveaxis(shown_uncertainty(viewer, predicted), axis, 0)
    assert (data[2] == 0.5).all()
    assert (data[5] == 0.25).all()
    np.testing.assert_allclose(data[3], np.moveaxis(uncertainty, axis, 0)[3] / 255, atol=1e-3)


def test_a_case_without_a_map_is_not_asked_about_again(viewer, predicted):
    predicted.take_uncertainty(None)
    assert not predicted.awaits_uncertainty
    assert not predicted.knows_uncertainty(3)
    assert not shown_uncertainty(viewer, predicted).any()


def test_another_prediction_takes_the_map_away_and_awaits_its_own(
    viewer, predicted, tiny_labels, uncertainty
):
    told = []
    predicted.replaced.connect(lambda: told.append(predicted.awaits_uncertainty))
    predicted.take_uncertainty(uncertainty)
    predicted.show_map(tiny_labels)
    assert not predicted.knows_uncertainty(3)
    assert not shown_uncertainty(viewer, predicted).any()
    predicted.replace(None, [])
    predicted.replace(tiny_labels, [])
    assert told == [True, False, True]


def test_slices_that_are_kept_keep_their_uncertainty(
    viewer, predicted, tiny_labels, uncertainty, axis
):
    view_slice(predicted, 2, 1, 0.5)
    predicted.replace(tiny_labels, [2])
    predicted.take_uncertainty(uncertainty)
    data = np.moveaxis(shown_uncertainty(viewer, predicted), axis, 0)
    assert (data[2] == 0.5).all()
    np.testing.assert_allclose(data[4], np.moveaxis(uncertainty, axis, 0)[4] / 255, atol=1e-3)


def test_a_case_that_was_not_predicted_awaits_nothing(viewer, tiny_volume, tiny_labels):
    layers = CaseLayers(viewer)
    layers.show(tiny_volume, tiny_labels, case_id="tiny", slice_axis=0, colors=COLORS)
    assert not layers.predictions.awaits_uncertainty
    nothing_YX = np.zeros((24, 20), np.uint8)
    layers.show_prediction(4, nothing_YX, nothing_YX.astype(np.float32))
    assert not layers.predictions.awaits_uncertainty
    assert layers.predictions.case_id == "tiny"

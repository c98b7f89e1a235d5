"""Predictions lie on the image's own grid, whatever its size, orientation and spacing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_cohort import small_plan, volume
from torch import nn

from napari_transmedseg.engine.inference import Predictor
from napari_transmedseg.engine.preprocess import NetworkSpace, image_to_network, window_on_image
from napari_transmedseg.engine.pseudo_labels import without_islands
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.networks import NetworkOutput, SegmentationNetwork


class Threshold(SegmentationNetwork):
    """Calls class 1 what is brighter than the middle of [0, 1]; exact, so that places show."""

    downsampling = 8

    def __init__(self):
        super().__init__()
        self.classifier = nn.Conv2d(1, 2, 1)
        with torch.no_grad():
            self.classifier.weight.copy_(torch.tensor([-40.0, 40.0]).view(2, 1, 1, 1))
            self.classifier.bias.copy_(torch.tensor([20.0, -20.0]))
        self.sizes = []

    def forward(self, image):
        self.sizes.append(tuple(image.shape[2:]))
        return NetworkOutput(self.classifier(image), image, (image,))


def _predictor(slice_axis, spacing, size, centre=(0.5, 0.5), *, largest_component=()):
    space = NetworkSpace(
        slice_axis=slice_axis, spacing_mm=spacing, size=size, centre=centre, normalisation="unit"
    )
    plan = small_plan()
    plan = replace(plan, space=space, class_names=("organ",), largest_component=largest_component)
    return Predictor(Threshold(), plan)


def _box(place, low, high):
    """Class 1 in a box, given as shares of the display shape."""
    classes = np.zeros(place.display_shape, np.uint8)
    classes[tuple(
        slice(round(a * n), round(b * n))
        for a, b, n in zip(low, high, place.display_shape, strict=True)
    )] = 1  # fmt: skip
    return classes


def _dice(a, b):
    return 2 * ((a == 1) & (b == 1)).sum() / ((a == 1).sum() + (b == 1).sum())


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
@pytest.mark.parametrize("orientation", ["LPS", "RAS", "PIR", "SLA"])
def test_odd_sizes_and_orientations_come_back_in_place(slice_axis, orientation):
    place = Geometry.from_spacing((23, 37, 29), (1.2, 0.9, 1.0), orientation=orientation)
    truth = _box(place, (0.2, 0.3, 0.4), (0.5, 0.8, 0.9))
    prediction = _predictor(slice_axis, (1.1, 1.1), (40, 40)).predict_volume(volume(truth, place))
    labels = prediction.labels
    assert labels.geometry is place and labels.array.shape == truth.shape == place.display_shape
    assert labels.array.dtype == np.uint8 and labels.names == {1: "organ"}
    assert _dice(labels.array, truth) > 0.95
    assert prediction.uncertainty_IPL.shape == truth.shape
    assert prediction.probabilities_CIPL is None
    assert place.to_source(labels.array).shape == (23, 37, 29)


def test_probabilities_are_kept_when_asked_for_and_agree_with_the_labels():
    place = Geometry.from_spacing((20, 30, 7), (1.0, 1.0, 4.0), orientation="LPS")
    image = volume(_box(place, (0.2, 0.3, 0.4), (0.8, 0.8, 0.9)), place)
    prediction = _predictor(0, (1.0, 1.0), (32, 24)).predict_volume(image, keep_probabilities=True)
    probabilities = prediction.probabilities_CIPL
    assert probabilities.shape == (2, *place.display_shape)
    np.testing.assert_allclose(probabilities.sum(0), 1, atol=1e-5)
    assert np.array_equal(probabilities[1] >= 0.5, prediction.labels.array == 1)
    entropy = prediction.uncertainty_IPL
    assert entropy.min() >= 0 and entropy.max() <= 1
    sure = np.abs(probabilities[1] - 0.5) > 0.49
    assert entropy[sure].max() < 0.1


def _wide_cases():
    place = Geometry.from_spacing((64, 64, 6), (1.0, 1.0, 4.0), orientation="LPS")
    within = _box(place, (0.3, 0.4, 0.4), (0.8, 0.6, 0.6))
    beyond = _box(place, (0.3, 0.1, 0.4), (0.8, 0.9, 0.6))
    return place, within, beyond


def test_a_structure_within_the_window_is_looked_at_there_only():
    place, within, _ = _wide_cases()
    predictor = _predictor(0, (1.0, 1.0), (24, 24))
    labels = predictor.predict_volume(volume(within, place)).labels.array
    assert set(predictor.network.sizes) == {(24, 24)}
    assert _dice(labels, within) > 0.95


def test_a_structure_that_leaves_the_window_is_predicted_on_whole_slices():
    place, _, beyond = _wide_cases()
    predictor = _predictor(0, (1.0, 1.0), (24, 24))
    labels = predictor.predict_volume(volume(beyond, place)).labels.array
    assert predictor.network.sizes[-1] == (64, 64)
    assert _dice(labels, beyond) > 0.95


@pytest.mark.parametrize("largest_component", [(1,), ()])
def test_outside_the_window_counts_what_goes_on_from_inside(largest_component):
    place, _, beyond = _wide_cases()
    chest_wall = _box(place, (0.0, 0.0, 0.9), (1.0, 1.0, 1.0))  # larger than the organ
    predictor = _predictor(0, (1.0, 1.0), (24, 24), largest_component=largest_component)
    labels = predictor.predict_volume(volume(beyond | chest_wall, place)).labels.array
    expected = beyond if largest_component else beyond | chest_wall
    assert _dice(labels, expected) > 0.95


def test_a_class_that_is_outside_the_window_only_is_kept():
    labels = torch.zeros(3, 8, 8, dtype=torch.uint8)
    labels[:, 0:2, 0:2], labels[:, 4:6, 4:6], labels[:, 7, 0] = 1, 2, 2
    inside = torch.zeros(3, 8, 8, dtype=torch.bool)
    inside[:, 3:6, 3:6] = True
    kept = without_islands(labels, inside, (1, 2))
    assert torch.equal(kept == 1, labels == 1)
    assert not (kept[:, 7] == 2).any() and (kept[:, 4:6, 4:6] == 2).all()
    assert torch.equal(without_islands(labels, inside, (1,)), labels)


def test_whole_slices_of_odd_sizes_are_padded_to_what_the_network_takes():
    place = Geometry.from_spacing((61, 45, 5), (1.0, 1.0, 4.0), orientation="RAS")
    beyond = _box(place, (0.2, 0.1, 0.3), (0.8, 0.95, 0.7))
    predictor = _predictor(0, (1.0, 1.0), (16, 16))
    labels = predictor.predict_volume(volume(beyond, place)).labels.array
    assert predictor.network.sizes[-1] == (48, 64)
    assert _dice(labels, beyond) > 0.95


def test_a_structure_at_the_images_own_border_needs_no_whole_slices():
    place = Geometry.from_spacing((24, 24, 6), (1.0, 1.0, 4.0), orientation="LPS")
    touching = _box(place, (0.3, 0.0, 0.0), (0.8, 0.6, 0.6))
    predictor = _predictor(0, (1.0, 1.0), (32, 32))
    labels = predictor.predict_volume(volume(touching, place)).labels.array
    assert set(predictor.network.sizes) == {(32, 32)}
    assert _dice(labels, touching) > 0.95


@pytest.mark.parametrize("largest_component", [(1,), ()])
def test_only_the_largest_component_of_the_volume_stays_where_asked(largest_component):
    place = Geometry.from_spacing((32, 32, 8), (1.0, 1.0, 4.0), orientation="LPS")
    organ = _box(place, (0.1, 0.2, 0.2), (0.9, 0.6, 0.6))
    crumb = _box(place, (0.4, 0.8, 0.8), (0.6, 0.9, 0.9))
    predictor = _predictor(0, (1.0, 1.0), (32, 32), largest_component=largest_component)
    labels = predictor.predict_volume(volume(organ | crumb, place)).labels.array
    expected = organ if largest_component else organ | crumb
    assert np.array_equal(labels, expected)


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_the_slice_on_screen_looks_as_in_the_whole_volume(slice_axis):
    place = Geometry.from_spacing((23, 37, 29), (1.2, 0.9, 1.0), orientation="PIR")
    image = volume(_box(place, (0.2, 0.3, 0.4), (0.6, 0.8, 0.9)), place)
    predictor = _predictor(slice_axis, (1.1, 1.1), (40, 40))
    whole = predictor.predict_volume(image)
    seen = image_to_network(image, predictor.plan.space)
    index = len(seen) // 2
    label, uncertainty = predictor.predict_slice(seen[index], place, index)
    assert np.array_equal(label, whole.labels.array.take(index, slice_axis))
    np.testing.assert_allclose(
        uncertainty, whole.uncertainty_IPL.take(index, slice_axis), atol=1e-5
    )


def test_predicting_leaves_the_network_in_its_mode():
    predictor = _predictor(0, (1.0, 1.0), (16, 16))
    predictor.network.train()
    place = Geometry.from_spacing((16, 16, 3), (1.0, 1.0, 4.0), orientation="LPS")
    predictor.predict_volume(volume(_box(place, (0.3,) * 3, (0.8,) * 3), place))
    assert predictor.network.training


def test_the_window_on_the_image_is_where_the_network_looks():
    place = Geometry.from_spacing((64, 48, 6), (1.0, 1.0, 4.0), orientation="LPS")
    space = NetworkSpace(
        slice_axis=0, spacing_mm=(2.0, 2.0), size=(12, 12), centre=(0.5, 0.25), normalisation="unit"
    )
    inside = window_on_image(place, space)
    assert inside.shape == place.display_shape
    expected = torch.zeros(place.display_shape, dtype=torch.bool)
    expected[:, 12:36, 4:28] = True
    assert torch.equal(inside, expected)
    cube = NetworkSpace(
        slice_axis=0, spacing_mm=(4.0, 2.0, 2.0), size=(2, 12, 12), centre=(0.5, 0.5, 0.25),
        normalisation="unit",
    )  # fmt: skip
    expected[[0, 1, 4, 5]] = False
    assert torch.equal(window_on_image(place, cube), expected)

"""3-D predictions lie on the image's own grid, whole, in patches, and slice by slice."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_cohort import volume
from torch import nn
from volumes import ORGAN, near_cubic, volume_plan, whole_cohort

from napari_transmedseg.engine.inference import Predictor
from napari_transmedseg.engine.preprocess import NetworkSpace, image_to_network
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.networks import NetworkOutput, SegmentationNetwork


class Threshold(SegmentationNetwork):
    """Calls class 1 what is brighter than the middle of [0, 1]."""

    downsampling = 8

    def __init__(self):
        super().__init__()
        self.classifier = nn.Conv3d(1, 2, 1)
        with torch.no_grad():
            self.classifier.weight.copy_(torch.tensor([-40.0, 40.0]).view(2, 1, 1, 1, 1))
            self.classifier.bias.copy_(torch.tensor([20.0, -20.0]))
        self.sizes = []

    def forward(self, image):
        self.sizes.append(tuple(image.shape[2:]))
        return NetworkOutput(self.classifier(image), image, (image,))


def _predictor(slice_axis, spacing, size, *, patch=(), **more):
    space = NetworkSpace(
        slice_axis=slice_axis, spacing_mm=spacing, size=size, centre=(0.5,) * 3, patch=patch,
        normalisation="unit",
    )  # fmt: skip
    plan = replace(volume_plan(whole_cohort()), space=space, class_names=ORGAN)
    return Predictor(Threshold(), replace(plan, largest_component=()), **more)


def _box(place, low, high):
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
    predictor = _predictor(slice_axis, (1.0, 1.0, 1.0), (40, 40, 40))
    prediction = predictor.predict_volume(volume(truth, place), keep_probabilities=True)
    labels = prediction.labels
    assert labels.geometry is place and labels.array.shape == truth.shape == place.display_shape
    assert _dice(labels.array, truth) > 0.93
    assert prediction.uncertainty_IPL.shape == truth.shape
    assert np.array_equal(prediction.probabilities_CIPL[1] >= 0.5, labels.array == 1)


def test_much_larger_volumes_than_the_patch_are_seen_by_a_window_that_slides_over_them():
    place = near_cubic((32, 48, 40))
    truth = _box(place, (0.2, 0.2, 0.3), (0.7, 0.8, 0.9))
    predictor = _predictor(0, (1.0,) * 3, (32, 48, 40), patch=(16, 16, 16))
    labels = predictor.predict_volume(volume(truth, place)).labels.array
    assert set(predictor.network.sizes) == {(16, 16, 16)}
    assert np.array_equal(labels, truth)


def test_a_few_patches_worth_is_seen_at_once():
    place = near_cubic((32, 32, 24))
    truth = _box(place, (0.2, 0.2, 0.3), (0.7, 0.8, 0.9))
    predictor = _predictor(0, (1.0,) * 3, (32, 32, 24), patch=(16, 24, 24))
    assert np.array_equal(predictor.predict_volume(volume(truth, place)).labels.array, truth)
    assert predictor.network.sizes == [(32, 32, 24)]


def test_a_structure_that_leaves_the_window_is_looked_for_in_the_whole_image():
    place = near_cubic((40, 40, 40))
    beyond = _box(place, (0.1, 0.3, 0.4), (0.9, 0.6, 0.6))
    predictor = _predictor(0, (1.0,) * 3, (16, 16, 16))
    labels = predictor.predict_volume(volume(beyond, place)).labels.array
    assert predictor.network.sizes[0] == (16, 16, 16) and len(predictor.network.sizes) > 1
    assert np.array_equal(labels, beyond)


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
def test_the_slice_on_screen_looks_as_in_the_whole_volume(slice_axis):
    place = Geometry.from_spacing((24, 40, 32), (1.0, 1.0, 1.0), orientation="PIR")
    image = volume(_box(place, (0.2, 0.3, 0.4), (0.6, 0.8, 0.9)), place)
    shape = [place.display_shape[slice_axis]]
    shape += [side for axis, side in enumerate(place.display_shape) if axis != slice_axis]
    predictor = _predictor(slice_axis, (1.0,) * 3, tuple(shape), patch=(16, *shape[1:]))
    whole = predictor.predict_volume(image)
    seen = image_to_network(image, predictor.plan.space)
    for index in (0, shape[0] // 2, shape[0] - 1):
        label, uncertainty = predictor.predict_slice(seen[0], place, index)
        assert np.array_equal(label, whole.labels.array.take(index, slice_axis))
        of_whole = whole.uncertainty_IPL.take(index, slice_axis)
        np.testing.assert_allclose(uncertainty, of_whole, atol=1e-5)


def test_a_slice_outside_the_window_is_background():
    place = near_cubic((40, 24, 24))
    image = volume(np.ones(place.display_shape, np.uint8), place)
    predictor = _predictor(0, (1.0,) * 3, (16, 24, 24))
    seen = image_to_network(image, predictor.plan.space)
    label, uncertainty = predictor.predict_slice(seen[0], place, 2)
    assert label.shape == (24, 24) and not label.any() and not uncertainty.any()


@pytest.mark.parametrize("dims", [2, 3])
def test_flips_average_over_mirror_images_and_come_back_unflipped(dims):
    place = near_cubic((16, 24, 16))
    truth = _box(place, (0.1, 0.2, 0.3), (0.4, 0.5, 0.9))
    predictor = _predictor(0, (1.0,) * 3, (16, 24, 16), flips=True)
    if dims == 2:
        flat = predictor.plan.space.in_plane()
        predictor.plan = replace(predictor.plan, space=flat)
        predictor.network.classifier = nn.Conv2d(1, 2, 1)
        with torch.no_grad():
            predictor.network.classifier.weight.copy_(torch.tensor([-40.0, 40.0]).view(2, 1, 1, 1))
            predictor.network.classifier.bias.copy_(torch.tensor([20.0, -20.0]))
    labels = predictor.predict_volume(volume(truth, place)).labels.array
    assert np.array_equal(labels, truth)
    assert len(predictor.network.sizes) == 1 + dims

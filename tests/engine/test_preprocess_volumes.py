"""Volumes to network space and back: borders stay borders, known slices stay known."""

import numpy as np
import pytest
import torch
from tiny_cohort import geometry, volume
from torch.nn.functional import one_hot
from volumes import ball, near_cubic

from napari_transmedseg.engine.preprocess import (
    NetworkSpace,
    image_to_network,
    inside_mask,
    labels_to_network,
    probabilities_by_slice,
    probabilities_to_image,
    slices_to_display,
    window_of,
    window_slice,
)
from napari_transmedseg.imaging.volume import LabelMap, Volume

SHAPE, SPACING = (20, 48, 40), (2.0, 1.0, 1.0)
SPACES = [
    pytest.param((2.0, 1.0, 1.0), (20, 48, 40), (0.5, 0.5, 0.5), id="as it is"),
    pytest.param((2.0, 1.0, 1.0), (24, 64, 48), (0.5, 0.5, 0.5), id="padded"),
    pytest.param((1.0, 1.0, 1.0), (40, 48, 40), (0.5, 0.5, 0.5), id="finer slices"),
    pytest.param((2.0, 1.5, 1.5), (20, 32, 32), (0.5, 0.5, 0.5), id="coarser pixels"),
    pytest.param((2.0, 1.0, 1.0), (16, 40, 32), (0.45, 0.55, 0.5), id="cut"),
]


def _space(slice_axis, spacing, size, centre, **more):
    return NetworkSpace(slice_axis=slice_axis, spacing_mm=spacing, size=size, centre=centre, **more)


def _along(slice_axis, values):
    """Values given as (slices, rows, columns), in display order."""
    values = list(values)
    first = values.pop(0)
    values.insert(slice_axis, first)
    return tuple(values)


def _back(probabilities, place, space):
    by_slice = probabilities_by_slice(probabilities, place, space)
    return probabilities_to_image(by_slice, place, space)


@pytest.mark.parametrize("slice_axis", [0, 1, 2])
@pytest.mark.parametrize(("spacing", "size", "centre"), SPACES)
def test_a_painted_ball_comes_back_from_network_space(slice_axis, spacing, size, centre):
    place = geometry(_along(slice_axis, SHAPE), _along(slice_axis, SPACING))
    painted = np.ascontiguousarray(np.moveaxis(ball(SHAPE), 0, slice_axis))
    space = _space(slice_axis, spacing, size, centre)
    label, known = labels_to_network(LabelMap(array=painted, geometry=place), space)
    assert label.shape == known.shape == (1, *size)
    on_image = _back(one_hot(label.long(), 2).movedim(-1, 1).float(), place, space)
    assert on_image.shape == (20, 2, 48, 40)
    back = slices_to_display(on_image.argmax(1).numpy(), slice_axis)
    assert 2 * (back & painted).sum() / (back.sum() + painted.sum()) > 0.95
    torch.testing.assert_close(on_image.sum(1), torch.ones(20, 48, 40), atol=1e-5, rtol=0)


def test_on_its_own_grid_a_volume_is_seen_as_it_is():
    place = geometry(SHAPE, SPACING)
    space = _space(0, SPACING, SHAPE, (0.5,) * 3)
    image = volume(ball(SHAPE), place)
    seen = image_to_network(image, space)
    assert seen.shape == (1, 1, *SHAPE)
    assert np.corrcoef(seen.numpy().ravel(), image.array.ravel())[0, 1] > 0.999
    random = torch.rand(1, 3, *SHAPE)
    assert torch.equal(_back(random, place, space), random[0].transpose(0, 1))


@pytest.mark.parametrize("spacing", [0.7, 1.0, 3.1])
def test_the_first_and_last_slice_stay_the_first_and_last(spacing):
    place = near_cubic((48, 8, 8))
    ramp = np.broadcast_to(np.linspace(0, 1, 48)[:, None, None], (48, 8, 8)).astype(np.float32)
    space = _space(0, (spacing, 1.0, 1.0), (8, 8, 8), (0.5,) * 3, normalisation="unit")
    whole = image_to_network(Volume(array=ramp.copy(), geometry=place), space, whole=True)
    slices = whole[0, 0].mean((1, 2))
    expected = torch.linspace(0.5 / len(slices), 1 - 0.5 / len(slices), len(slices))
    torch.testing.assert_close(slices, expected, atol=0.03, rtol=0)
    assert float((slices + slices.flip(0)).sub(1).abs().max()) < 1e-3


@pytest.mark.parametrize("spacing", [0.5, 1.0, 1.3, 2.0, 4.0])
@pytest.mark.parametrize("slices", [[0], [5, 13], [23]])
def test_a_known_slice_stays_known_whatever_the_spacing(spacing, slices):
    place, classes = near_cubic((24, 16, 16)), np.zeros((24, 16, 16), np.uint8)
    known = np.zeros(classes.shape, bool)
    for index in slices:
        classes[index, 4:12, 4:12], known[index] = 1, True
    space = _space(0, (spacing, 1.0, 1.0), (round(24 / spacing), 16, 16), (0.5,) * 3)
    label, seen = labels_to_network(LabelMap(array=classes, geometry=place, known=known), space)
    found = torch.nonzero(seen[0].flatten(1).any(1)).flatten()
    assert len(found) >= len(slices)
    assert torch.equal(label[0].flatten(1).any(1), seen[0].flatten(1).all(1))
    for index in slices:
        assert (found - ((index + 0.5) / spacing - 0.5)).abs().min() <= 1


def test_padding_is_neither_inside_nor_known():
    place = near_cubic((20, 12, 12))
    space = _space(0, (1.0, 1.0, 1.0), (24, 16, 16), (0.5,) * 3)
    inside = inside_mask(place, space)
    assert inside.sum() == 20 * 12 * 12 and inside[2:22, 2:14, 2:14].all()
    label_map = LabelMap(array=np.ones((20, 12, 12), np.uint8), geometry=place)
    _, known = labels_to_network(label_map, space)
    assert torch.equal(known[0], inside)
    image = image_to_network(volume(label_map.array, place), space)
    assert torch.count_nonzero(image[0, 0, ~inside]) == 0


def test_what_lies_outside_the_window_is_background():
    place = near_cubic((24, 24, 24))
    space = _space(0, (1.0, 1.0, 1.0), (8, 16, 16), (0.5,) * 3)
    probabilities = torch.zeros(1, 2, 8, 16, 16)
    probabilities[:, 1] = 1
    on_image = _back(probabilities, place, space)
    assert on_image[:, 1].sum() == 8 * 16 * 16 and on_image[8:16, 1, 4:20, 4:20].all()
    torch.testing.assert_close(on_image.sum(1), torch.ones(24, 24, 24))


def test_slices_of_the_image_find_their_place_in_the_window():
    place = near_cubic((24, 24, 24))
    space = _space(0, (1.0, 1.0, 1.0), (8, 16, 16), (0.5,) * 3)
    assert window_of(place, space).start == (8, 4, 4)
    assert [window_slice(place, space, index) for index in (7, 8, 15, 16)] == [None, 0, 7, None]


def test_intensities_are_clipped_before_they_are_scaled():
    place = near_cubic((4, 8, 8))
    array = np.linspace(-1000, 1000, 4 * 64, dtype=np.float32).reshape(4, 8, 8)
    space = _space(0, (1.0,) * 3, (4, 8, 8), (0.5,) * 3, normalisation="unit", clip=(-125.0, 275.0))
    seen = image_to_network(Volume(array=array, geometry=place), space)[0, 0].numpy()
    expected = (np.clip(array, -125, 275) + 125) / 400
    np.testing.assert_allclose(seen, expected, atol=1e-5)

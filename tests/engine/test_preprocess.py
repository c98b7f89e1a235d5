"""To network space and back: borders stay borders, nothing drifts."""

import numpy as np
import pytest
import torch
from tiny_cohort import geometry, volume

from napari_transmedseg.engine.preprocess import (
    NetworkSpace,
    image_to_network,
    in_plane,
    inside_mask,
    labels_to_network,
    probabilities_to_image,
    slices_to_display,
    window_of,
)
from napari_transmedseg.imaging.volume import LabelMap, Volume

AXES = pytest.mark.parametrize("slice_axis", [0, 1, 2])
SPACES = [
    pytest.param((1.0, 1.0), (48, 40), (0.5, 0.5), id="same spacing, whole slice"),
    pytest.param((1.0, 1.0), (64, 64), (0.5, 0.5), id="padded"),
    pytest.param((1.3, 0.7), (40, 64), (0.5, 0.5), id="anisotropic"),
    pytest.param((1.5, 1.5), (32, 32), (0.5, 0.5), id="coarser"),
    pytest.param((0.6, 0.6), (80, 72), (0.5, 0.5), id="finer"),
    pytest.param((1.0, 1.0), (32, 32), (0.5, 0.55), id="cut"),
    pytest.param((0.8, 1.25), (40, 24), (0.55, 0.45), id="anisotropic and cut"),
]


def _axes_last(slice_axis):
    """Shape (5, 48, 40), cut along the first axis, in display order; its spacing."""
    place = [axis for axis in range(3) if axis != slice_axis]
    shape, spacing = [0, 0, 0], [0.0, 0.0, 0.0]
    shape[slice_axis], shape[place[0]], shape[place[1]] = 5, 48, 40
    spacing[slice_axis], spacing[place[0]], spacing[place[1]] = 6.0, 1.0, 1.0
    return tuple(shape), tuple(spacing)


def _rectangle(slice_axis):
    """Class 1 on a rectangle, class 2 in its lower half, on the middle slices."""
    labels = np.zeros((5, 48, 40), np.uint8)
    labels[1:4, 14:37, 12:29] = 1
    labels[1:4, 25:37, 12:29] = 2
    return np.ascontiguousarray(np.moveaxis(labels, 0, slice_axis))


def _space(slice_axis, spacing, size, centre, normalisation="z-score"):
    return NetworkSpace(
        slice_axis=slice_axis, spacing_mm=spacing, size=size, centre=centre,
        normalisation=normalisation,
    )  # fmt: skip


def _dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@AXES
@pytest.mark.parametrize(("spacing", "size", "centre"), SPACES)
def test_a_painted_rectangle_comes_back_from_network_space(slice_axis, spacing, size, centre):
    shape, image_spacing = _axes_last(slice_axis)
    place, painted = geometry(shape, image_spacing), _rectangle(slice_axis)
    space = _space(slice_axis, spacing, size, centre)
    labels, known = labels_to_network(LabelMap(array=painted, geometry=place), space)
    assert labels.shape == known.shape == (5, *size)
    probabilities = torch.nn.functional.one_hot(labels.long(), 3).movedim(-1, 1).float()
    on_image = probabilities_to_image(probabilities, place, space)
    assert on_image.shape == (5, 3, 48, 40)
    back = slices_to_display(on_image.argmax(1).numpy(), slice_axis)
    assert back.shape == place.display_shape
    assert _dice(back > 0, painted > 0) > 0.95
    for value in (1, 2):  # half of it: twice the border for its size
        assert _dice(back == value, painted == value) > 0.92
    torch.testing.assert_close(on_image.sum(1), torch.ones(5, 48, 40), atol=1e-5, rtol=0)


@AXES
def test_with_the_same_spacing_and_window_nothing_changes(slice_axis):
    shape, image_spacing = _axes_last(slice_axis)
    place, painted = geometry(shape, image_spacing), _rectangle(slice_axis)
    space = _space(slice_axis, (1.0, 1.0), (48, 40), (0.5, 0.5))
    labels, known = labels_to_network(LabelMap(array=painted, geometry=place), space)
    assert known.all()
    assert np.array_equal(slices_to_display(labels.numpy(), slice_axis), painted)
    image = volume(painted, place)
    seen = image_to_network(image, space)
    assert seen.shape == (5, 1, 48, 40) and seen.dtype == torch.float32
    expected = (image.array - image.array.mean()) / image.array.std()
    back = slices_to_display(seen[:, 0].numpy(), slice_axis)
    assert np.corrcoef(back.ravel(), expected.ravel())[0, 1] > 0.999
    random = torch.rand(5, 3, 48, 40)
    assert torch.equal(probabilities_to_image(random, place, space), random)


@pytest.mark.parametrize("spacing", [(0.5, 0.5), (1.7, 0.9), (3.0, 3.0)])
def test_image_borders_map_onto_image_borders(spacing):
    """A ramp from border to border keeps its mean and its ends: no shift by half a pixel."""
    place = geometry((2, 48, 40), (6.0, 1.0, 1.0))
    ramp = np.broadcast_to(np.linspace(0, 1, 48)[None, :, None], (2, 48, 40)).astype(np.float32)
    space = _space(0, spacing, (8, 8), (0.5, 0.5), "unit")
    whole = image_to_network(Volume(array=ramp.copy(), geometry=place), space, whole=True)
    rows = whole[0, 0].mean(1)
    expected = torch.linspace(0.5 / len(rows), 1 - 0.5 / len(rows), len(rows))
    torch.testing.assert_close(rows, expected, atol=0.03, rtol=0)
    assert float((rows + rows.flip(0)).sub(1).abs().max()) < 1e-3


def test_padding_is_neither_inside_nor_known_and_holds_zero():
    place, painted = geometry((5, 48, 40), (6.0, 1.0, 1.0)), _rectangle(0)
    space = _space(0, (1.0, 1.0), (64, 48), (0.5, 0.5))
    inside = inside_mask(place, space)
    assert inside.sum() == 48 * 40 and inside[8:56, 4:44].all()
    image = image_to_network(volume(painted, place), space)
    assert torch.count_nonzero(image[:, 0, ~inside]) == 0
    _, known = labels_to_network(LabelMap(array=painted, geometry=place), space)
    assert torch.equal(known, inside.expand(5, -1, -1))
    on_image = probabilities_to_image(torch.full((5, 2, 64, 48), 0.5), place, space)
    torch.testing.assert_close(on_image, torch.full((5, 2, 48, 40), 0.5))


def test_what_lies_outside_the_window_is_background():
    place = geometry((5, 48, 40), (6.0, 1.0, 1.0))
    space = _space(0, (1.0, 1.0), (16, 16), (0.5, 0.5))
    probabilities = torch.zeros(5, 2, 16, 16)
    probabilities[:, 1] = 1
    on_image = probabilities_to_image(probabilities, place, space)
    assert on_image[:, 1].sum() == 5 * 16 * 16
    assert on_image[:, 1, 16:32, 12:28].all()
    torch.testing.assert_close(on_image.sum(1), torch.ones(5, 48, 40))


@pytest.mark.parametrize("centre", [(0.0, 0.0), (0.1, 0.9), (1.0, 1.0)])
def test_the_window_stays_inside_a_slice_that_is_large_enough(centre):
    place = geometry((5, 48, 40), (6.0, 1.0, 1.0))
    space = _space(0, (1.0, 1.0), (32, 32), centre)
    window = window_of(place, space)
    assert 0 <= window.start[0] <= 16 and 0 <= window.start[1] <= 8
    assert inside_mask(place, space).all()


def test_only_wholly_known_pixels_stay_known_after_resampling():
    place, painted = geometry((5, 48, 40), (6.0, 1.0, 1.0)), _rectangle(0)
    known = np.zeros(painted.shape, bool)
    known[2] = True
    known[3, :, :20] = True
    space = _space(0, (2.0, 2.0), (24, 24), (0.5, 0.5))
    labels = LabelMap(array=painted, geometry=place, known=known)
    _, on_window = labels_to_network(labels, space)
    inside = inside_mask(place, space)
    assert torch.equal(on_window[2], inside)
    assert not on_window[[0, 1, 4]].any()
    columns = inside.any(0).nonzero().flatten()[:10]  # 20 of the image's columns, 2 mm each
    assert not on_window[3][:, columns[-1] + 1 :].any()
    assert on_window[3][:, columns[:-1]].sum() == 24 * 9


@pytest.mark.parametrize("normalisation", ["z-score", "unit"])
def test_intensities_come_to_a_common_scale(normalisation):
    place, painted = geometry((5, 48, 40), (6.0, 1.0, 1.0)), _rectangle(0)
    space = _space(0, (1.0, 1.0), (48, 40), (0.5, 0.5), normalisation)
    image = volume(painted, place)
    brighter = Volume(array=image.array * 7 + 300, geometry=place)
    seen, again = image_to_network(image, space), image_to_network(brighter, space)
    torch.testing.assert_close(seen, again, atol=1e-3, rtol=0)
    if normalisation == "unit":
        assert seen.min() == 0 and seen.max() == 1
    else:
        assert abs(float(seen.mean())) < 1e-3 and float(seen.std()) == pytest.approx(1, abs=1e-3)


@AXES
def test_shape_and_spacing_of_a_slice_are_those_of_its_plane(slice_axis):
    shape, spacing = _axes_last(slice_axis)
    assert in_plane(geometry(shape, spacing), slice_axis) == ((48, 40), (1.0, 1.0))

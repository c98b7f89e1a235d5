"""Arrays come with the geometry that they lie on, or not at all."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.errors import GeometryError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap, Volume, class_counts

GEOMETRY = Geometry.from_spacing((4, 5, 6), orientation="LPS")
SHAPE = GEOMETRY.display_shape


def test_channels_are_the_first_image_and_the_further_ones():
    first, second = np.zeros(SHAPE), np.ones(SHAPE)
    volume = Volume(array=first, geometry=GEOMETRY, further=(second,), channel_names=("T1", "T2"))
    assert volume.channels == (first, second)
    assert Volume(array=first, geometry=GEOMETRY).channels == (first,)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        pytest.param({"array": np.zeros((4, 5, 6))}, "intensities of shape", id="file order"),
        pytest.param(
            {"further": (np.zeros((4, 5, 6)),), "channel_names": ("a", "b")}, "further channel",
            id="another shape of a channel",
        ),
        pytest.param({"further": (np.zeros(SHAPE),)}, "2 names of channels, found 0", id="no name"),
        pytest.param({"channel_names": ("a",)}, "0 names of channels, found 1", id="single image"),
    ],
)  # fmt: skip
def test_intensities_that_do_not_lie_on_the_geometry_are_refused(facts, words):
    with pytest.raises(GeometryError, match=words):
        Volume(**{"array": np.zeros(SHAPE), "geometry": GEOMETRY} | facts)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        pytest.param({"array": np.zeros((4, 5, 6), np.uint8)}, "classes of shape", id="file order"),
        pytest.param(
            {"array": np.zeros(SHAPE, np.int16)}, "uint8 or uint16, found int16", id="int"
        ),
        pytest.param({"known": np.ones((4, 5, 6), bool)}, "the known mask of shape", id="known"),
    ],
)
def test_classes_that_do_not_lie_on_the_geometry_are_refused(facts, words):
    with pytest.raises(GeometryError, match=words):
        LabelMap(**{"array": np.zeros(SHAPE, np.uint8), "geometry": GEOMETRY} | facts)


def test_an_empty_map_knows_nothing_unless_told_and_lies_in_the_files_order():
    unknown, known = LabelMap.empty(GEOMETRY), LabelMap.empty(GEOMETRY, known=True)
    assert known.known is None
    assert not unknown.known.any()
    for array in (unknown.array, unknown.known):
        assert GEOMETRY.to_source(array).flags.f_contiguous


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_class_counts_are_those_of_unique_whatever_the_order_in_memory(dtype, order, rng):
    array = rng.integers(0, 7, (4, 5, 6)).astype(dtype)
    array[0, 0, 0] = np.iinfo(dtype).max
    values, counts = np.unique(array, return_counts=True)
    found = class_counts(array.transpose(order))
    assert_array_equal([list(found), list(found.values())], [values, counts])

"""Scales do not depend on the scanner's, and neither outliers nor flat images spoil them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_transmedseg.imaging.intensity import unit_range, z_score


def image(rng: np.random.Generator, outlier: float = 0.0) -> np.ndarray:
    array = rng.normal(300, 40, (10, 20, 30))
    array[5, 5, 5] += outlier
    return array


@pytest.mark.parametrize("scale", [z_score, unit_range])
def test_gain_and_offset_of_the_scanner_do_not_matter(scale, rng):
    array = image(rng)
    assert_allclose(scale(array * 3.5 - 1000), scale(array), atol=1e-4)


@pytest.mark.parametrize("scale", [z_score, unit_range])
def test_an_outlier_changes_no_other_voxel_much(scale):
    plain = scale(image(np.random.default_rng(0)))
    spoilt = scale(image(np.random.default_rng(0), outlier=1e6))
    spoilt[5, 5, 5] = plain[5, 5, 5]
    assert_allclose(spoilt, plain, atol=0.01)


def test_the_z_score_has_mean_0_and_deviation_1(rng):
    found = z_score(image(rng))
    assert found.dtype == np.float32
    assert_allclose((found.mean(), found.std()), (0, 1), atol=1e-4)


def test_the_unit_range_reaches_from_0_to_1(rng):
    found = unit_range(image(rng))
    assert found.dtype == np.float32
    assert_allclose((found.min(), found.max()), (0, 1), atol=1e-6)


def test_a_lesion_smaller_than_the_percentiles_is_not_lost():
    array = np.zeros((10, 10, 10), np.int16)
    array[5, 5, 5] = 7
    assert unit_range(array)[5, 5, 5] == 1
    assert z_score(array)[5, 5, 5] > 1


@pytest.mark.parametrize("scale", [z_score, unit_range])
def test_a_flat_image_stays_finite(scale):
    assert not scale(np.full((3, 4, 5), 7, np.int16)).any()

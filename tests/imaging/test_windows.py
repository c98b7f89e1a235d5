"""Which intensities are offered for which kind of image."""

import numpy as np
import pytest

from napari_transmedseg.imaging.windows import (
    CT_WINDOWS,
    PERCENTILES,
    Window,
    overlap,
    windows_for,
)


@pytest.fixture
def ct(rng):
    array = rng.normal(40, 30, (20, 30, 30))
    array[:, :5] = -1000
    array[:, 5:8] = 700
    return array.astype(np.int16)


@pytest.fixture
def mr(rng):
    return rng.gamma(2.0, 200.0, (20, 30, 30)).astype(np.float32)


def test_ct_is_offered_windows_by_name_first(ct, mr):
    assert windows_for("CT", mr)[0].name == "Abdomen"
    assert windows_for("", ct)[0].name == "Abdomen"
    names = [window.name for window in windows_for("CT", ct)]
    assert names[:6] == ["Abdomen", "Liver", "Mediastinum", "Lung", "Bone", "Brain"]


@pytest.mark.parametrize("modality", ["", "MR", "PT"])
def test_other_images_are_offered_percentiles(mr, modality):
    assert windows_for(modality, mr) == PERCENTILES


def test_words_of_the_file_count_more_than_intensities(ct):
    assert windows_for("MR", ct) == PERCENTILES


@pytest.mark.parametrize("window", CT_WINDOWS, ids=lambda window: window.name)
def test_centre_and_width_become_limits(window, ct):
    low, high = window.limits(ct)
    assert (low + high) / 2 == window.center
    assert high - low == window.width
    assert f"{window.center:g} / {window.width:g} HU" in window.label


def test_percentiles_leave_out_as_many_as_they_say(mr):
    low, high = Window(name="", percentiles=(1.0, 99.0)).limits(mr)
    assert np.mean(mr < low) == pytest.approx(0.01, abs=0.002)
    assert np.mean(mr > high) == pytest.approx(0.01, abs=0.002)


def test_minimum_and_maximum_are_those_of_every_voxel():
    array = np.zeros((130, 130, 130), np.int16)
    array[1, 1, 1], array[5, 7, 9] = -7, 99
    assert PERCENTILES[-1].limits(array) == (-7.0, 99.0)


@pytest.mark.parametrize("window", PERCENTILES, ids=lambda window: window.name)
def test_constant_images_still_have_two_limits(window):
    assert window.limits(np.full((4, 4, 4), 5)) == (5.0, 6.0)


@pytest.mark.parametrize(
    ("kept", "own", "expected"),
    [((0, 100), (50, 900), True), ((0, 10), (50, 900), False), ((-5, 2000), (0, 1), True)],
)
def test_contrast_is_kept_where_it_shows_something(kept, own, expected):
    assert overlap(kept, own) == expected

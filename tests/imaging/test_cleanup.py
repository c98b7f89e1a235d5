"""Islands and holes of predicted classes, and what of them a person vouches for."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy import ndimage

from napari_transmedseg.imaging.cleanup import fill_holes, keep_largest

SHAPE = (6, 12, 14)


@pytest.fixture
def scattered(rng: np.random.Generator) -> np.ndarray:
    """Three classes in blots of many sizes."""
    blots = ndimage.gaussian_filter(rng.standard_normal((3, *SHAPE)), (0, 1, 1, 1))
    return np.where(blots.max(0) > 0.18, blots.argmax(0) + 1, 0).astype(np.uint8)


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_largest_piece_of_each_class_stays(scattered: np.ndarray, order: str) -> None:
    found = keep_largest(np.asarray(scattered, order=order))
    for value in (1, 2, 3):
        pieces, count = ndimage.label(scattered == value, np.ones((3, 3, 3)))
        assert count > 1
        sizes = np.bincount(pieces.ravel())[1:]
        assert np.count_nonzero(found == value) == sizes.max()
        assert len(np.unique(pieces[found == value])) == 1


def test_pieces_that_hold_annotation_stay(scattered: np.ndarray) -> None:
    known = np.zeros(SHAPE, np.bool_)
    known[2] = True
    found = keep_largest(scattered, known)
    assert_array_equal(found[2], scattered[2])
    pieces, _ = ndimage.label(scattered == 1, np.ones((3, 3, 3)))
    touched = np.unique(pieces[2][scattered[2] == 1])
    assert (found[np.isin(pieces, touched)] == 1).all()


def test_holes_are_filled_as_by_scipy_in_one_class(rng: np.random.Generator) -> None:
    blots = ndimage.gaussian_filter(rng.standard_normal(SHAPE), 1)
    array = (blots > -0.12).astype(np.uint8)
    wanted = ndimage.binary_fill_holes(array)
    assert wanted.sum() > array.sum()
    assert_array_equal(fill_holes(array), wanted)


def block() -> np.ndarray:
    """A block of class 2 with a lid of class 3 and a hole below the lid."""
    array = np.zeros((7, 9, 9), np.uint8)
    array[1:6, 2:7, 2:7] = 2
    array[1, 2:7, 2:7] = 3
    array[2:4, 4, 4] = 0
    return array


def test_a_hole_takes_the_class_that_it_touches_most() -> None:
    filled = fill_holes(block())
    assert filled[2:4, 4, 4].tolist() == [2, 2]
    assert np.count_nonzero(filled != block()) == 2


def test_a_tunnel_and_a_hole_that_a_person_saw_stay() -> None:
    tunnel = block()
    tunnel[:, 4, 4] = 0
    assert_array_equal(fill_holes(tunnel), tunnel)
    known = np.zeros(tunnel.shape, np.bool_)
    known[3] = True
    assert_array_equal(fill_holes(block(), known), block())


def test_in_a_single_slice_a_ring_is_filled_and_nothing_else() -> None:
    ring = np.zeros((1, 7, 7), np.uint8)
    ring[0, 1:6, 1:6] = 1
    ring[0, 3, 3] = ring[0, 1, 1] = 0
    filled = fill_holes(ring)
    assert np.argwhere(filled != ring).tolist() == [[0, 3, 3]]


@pytest.mark.parametrize("clean", [keep_largest, fill_holes])
def test_nothing_and_everything_stay(clean) -> None:
    for value in (0, 300):
        array = np.full(SHAPE, value, np.uint16)
        found = clean(array)
        assert_array_equal(found, array)
        assert found is not array

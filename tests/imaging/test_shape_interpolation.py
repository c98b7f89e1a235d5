"""Shapes between slices follow the shapes on them."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.imaging.objects import connected_object
from napari_transmedseg.imaging.shape_interpolation import interpolate_between


def disc(radius: float, *, center=(32.0, 32.0), shape=(64, 64), value: int = 1) -> np.ndarray:
    y, x = np.ogrid[: shape[0], : shape[1]]
    return np.where(np.hypot(y - center[0], x - center[1]) < radius, value, 0).astype(np.uint8)


def ring(outer: float, inner: float) -> np.ndarray:
    """A wall (1) around a chamber (2)."""
    return np.where(disc(inner) > 0, 2, disc(outer)).astype(np.uint8)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2 * np.count_nonzero(a & b) / (np.count_nonzero(a) + np.count_nonzero(b))


def sphere(num_slices: int = 41, radius: float = 18.0) -> np.ndarray:
    z = np.arange(num_slices) - num_slices // 2
    radii = np.sqrt(np.maximum(0.0, radius**2 - z**2))
    return np.stack([disc(r) for r in radii])


@pytest.mark.parametrize("step", [2, 4, 5])
def test_a_sphere_comes_back_from_every_few_slices(step: int) -> None:
    truth = sphere()
    filled = truth.copy()
    known = range(0, len(truth), step)
    for low in known[:-1]:
        fractions = [i / step for i in range(1, step)]
        filled[low + 1 : low + step] = interpolate_between(truth[low], truth[low + step], fractions)
    between = [index for index in range(known[-1]) if index % step]
    assert dice(filled[between] > 0, truth[between] > 0) > 0.95


def test_known_slices_come_back_exactly() -> None:
    rng = np.random.default_rng(0)
    before, after = (rng.integers(0, 4, (12, 15)).astype(np.uint8) for _ in range(2))
    ends = interpolate_between(before, after, [0.0, 1.0])
    assert_array_equal(ends[0], before)
    assert_array_equal(ends[1], after)


def test_a_thin_wall_moves_with_its_chamber() -> None:
    (middle,) = interpolate_between(ring(13, 10), ring(21, 18), [0.5])
    for value in (1, 2):
        assert dice(middle == value, ring(17, 14) == value) > 0.95


def test_a_hollow_ring_stays_hollow() -> None:
    before, after = (np.where(one == 2, 0, one) for one in (ring(13, 10), ring(21, 18)))
    (middle,) = interpolate_between(before, after, [0.5])
    assert dice(middle == 1, ring(17, 14) == 1) > 0.95


def test_neighbours_neither_overlap_nor_leave_a_gap() -> None:
    def halves(border: int) -> np.ndarray:
        whole = disc(20)
        return np.where((whole > 0) & (np.arange(64) >= border), 2, whole).astype(np.uint8)

    (middle,) = interpolate_between(halves(24), halves(40), [0.5])
    assert_array_equal(middle > 0, disc(20) > 0)
    assert dice(middle == 2, halves(32) == 2) > 0.94


@pytest.mark.parametrize("swapped", [False, True])
def test_an_empty_neighbour_makes_the_shape_shrink(swapped: bool) -> None:
    shape, nothing = disc(20), np.zeros((64, 64), np.uint8)
    fractions = [0.25, 0.5, 0.75]
    if swapped:
        between = interpolate_between(nothing, shape, fractions)[::-1]
    else:
        between = interpolate_between(shape, nothing, fractions)
    areas = [np.count_nonzero(one) for one in (shape, *between)]
    assert areas == sorted(areas, reverse=True)
    assert len(set(areas)) == 4
    assert 0 < areas[-1] < 0.3 * areas[0]
    assert not between[-1][shape == 0].any()


def test_two_empty_slices_have_nothing_between() -> None:
    nothing = np.zeros((5, 6), np.uint8)
    assert_array_equal(interpolate_between(nothing, nothing, [0.5]), nothing[None])


def test_a_class_that_fills_the_slice_is_taken() -> None:
    full = np.ones((8, 9), np.uint8)
    assert_array_equal(interpolate_between(full, full, [0.5])[0], full)
    assert interpolate_between(full, np.zeros_like(full), [0.5])[0].any()


def test_distances_are_in_millimetres() -> None:
    flat = disc(4, shape=(64, 20), center=(32, 10))
    tall = np.zeros_like(flat)
    tall[12:52, 6:15] = flat[12:52, 6:15] | 1
    square = interpolate_between(flat, tall, [0.5], (1.0, 1.0))[0]
    wide = interpolate_between(flat, tall, [0.5], (1.0, 4.0))[0]
    assert not np.array_equal(square, wide)


@pytest.mark.parametrize(
    ("point", "size"),
    [
        pytest.param((1, 1), 5, id="object with a diagonal step"),
        pytest.param((6, 6), 1, id="another object of the class"),
        pytest.param((0, 7), 0, id="background"),
        pytest.param((9, 0), 0, id="outside"),
        pytest.param((-1, 0), 0, id="left of the slice"),
    ],
)
def test_an_object_is_what_hangs_together(point: tuple[int, int], size: int) -> None:
    labels = np.zeros((8, 8), np.uint8)
    labels[1:3, 1:3] = labels[3, 3] = labels[6, 6] = 2
    labels[1, 3] = 1
    found = connected_object(labels, point)
    assert np.count_nonzero(found) == size
    assert size == 0 or found[point]

"""Slices are kept as they were, and take next to no memory."""

import numpy as np

from napari_transmedseg.project.kept_slices import KeptSlices


def test_the_first_of_each_slice_is_kept_and_given_back() -> None:
    kept, labels = KeptSlices(), np.arange(12, dtype=np.uint8).reshape(3, 4)
    kept.keep("a", 5, labels)
    kept.keep("a", 5, np.zeros((3, 4), np.uint8))
    kept.keep("a", 2, labels[::-1, :2])
    kept.keep("b", 5, labels * 0)
    np.testing.assert_array_equal(kept.get("a", 5), labels)
    np.testing.assert_array_equal(kept.get("a", 2), labels[::-1, :2])
    assert not kept.get("b", 5).any()
    assert kept.get("b", 2) is None
    assert kept.indices("a") == [2, 5]
    kept.clear()
    assert kept.get("a", 5) is None and kept.indices("a") == []


def test_what_was_kept_does_not_follow_the_array() -> None:
    kept, labels = KeptSlices(), np.ones((4, 4), np.uint8)
    kept.keep("a", 0, labels)
    labels[:] = 2
    assert (kept.get("a", 0) == 1).all()


def test_a_stack_of_slices_takes_a_hundredth_of_its_memory() -> None:
    kept = KeptSlices()
    y, x = np.ogrid[:512, :512]
    for index in range(20):
        kept.keep("a", index, (np.hypot(y - 256, x - 250) < 40 + index).astype(np.uint8))
    assert kept.num_bytes < 20 * 512 * 512 / 50

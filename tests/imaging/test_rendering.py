"""Slices as pixels: grey within the window, outlines in the classes' colours."""

import numpy as np
import pytest

from napari_transmedseg.imaging.rendering import color_table, outline_of, render_slice


def test_window_runs_from_black_to_white_and_clips():
    image = np.array([[-50, 0, 50, 100, 400]], np.int16)
    pixels = render_slice(image, np.zeros((1, 5), np.uint8), (0.0, 100.0), color_table({}))
    grays = [0x00, 0x00, 0x7F, 0xFF, 0xFF]
    assert pixels.tolist() == [[0xFF000000 | gray * 0x010101 for gray in grays]]


def test_outlines_lie_on_the_class_and_have_its_colour():
    labels = np.zeros((7, 7), np.uint8)
    labels[1:6, 1:6] = 1
    labels[2:5, 3:6] = 2
    pixels = render_slice(
        np.zeros((7, 7)), labels, (0.0, 1.0), color_table({1: "#102030", 2: "#a0b0c0"})
    )
    assert set(pixels[labels == 1].tolist()) <= {0xFF102030, 0xFF000000}
    assert pixels[1, 1] == 0xFF102030
    assert pixels[2, 3] == 0xFFA0B0C0
    assert pixels[3, 4] == 0xFF000000  # inside of class 2
    assert (pixels[labels == 0] == 0xFF000000).all()


def test_outline_agrees_with_looking_at_four_neighbours(rng):
    labels = rng.integers(0, 3, (9, 11)).astype(np.uint8)
    expected = np.zeros(labels.shape, bool)
    for row, column in np.ndindex(labels.shape):
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            inside = 0 <= r < labels.shape[0] and 0 <= c < labels.shape[1]
            expected[row, column] |= inside and labels[row, column] != labels[r, c]
    assert np.array_equal(outline_of(labels), expected & (labels > 0))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_views_of_volumes_are_drawn_without_a_copy_of_them(axis, rng):
    volume = rng.integers(0, 100, (5, 6, 7)).astype(np.int16)[::-1]
    labels = np.zeros(volume.shape, np.uint8)
    plane = np.moveaxis(volume, axis, 0)[2]
    pixels = render_slice(plane, np.moveaxis(labels, axis, 0)[2], (0.0, 255.0), color_table({}))
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels & 0xFF, plane)

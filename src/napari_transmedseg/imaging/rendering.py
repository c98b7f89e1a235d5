"""One slice as pixels: grey values within a window, outlines of the classes in their colours.

Pixels are uint32, 0xffRRGGBB, as Qt's RGB32 has them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint32]

_OPAQUE = 0xFF000000
_UNNAMED = 0xFF808080
"""Grey, for values that no class has."""


def render_slice(
    image_YX: npt.NDArray[np.generic],
    labels_YX: npt.NDArray[np.uint8],
    limits: tuple[float, float],
    table: Pixels,
) -> Pixels:
    """Pixels (Y, X) of a slice with the outlines of its classes.

    Parameters
    ----------
    image_YX, labels_YX
        Intensities and classes; usually views of volumes.
    limits
        Intensities shown black and white; the second is the larger.
    table
        Colour of each of the 256 values, from `color_table`.
    """
    low, high = limits
    gray_YX = np.asarray(image_YX, np.float32) - np.float32(low)
    gray_YX *= np.float32(255.0 / (high - low))
    np.clip(gray_YX, 0.0, 255.0, out=gray_YX)
    pixels_YX: Pixels = gray_YX.astype(np.uint32)
    pixels_YX *= np.uint32(0x010101)
    pixels_YX |= np.uint32(_OPAQUE)
    labels = np.ascontiguousarray(labels_YX)
    outline = outline_of(labels)
    pixels_YX[outline] = table[labels[outline]]
    return pixels_YX


def outline_of(labels_YX: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Voxels of a class beside another one or background, the class's own side of the border."""
    outline = np.zeros(labels_YX.shape, np.bool_)
    down = labels_YX[1:] != labels_YX[:-1]
    right = labels_YX[:, 1:] != labels_YX[:, :-1]
    outline[1:] |= down
    outline[:-1] |= down
    outline[:, 1:] |= right
    outline[:, :-1] |= right
    outline &= labels_YX > 0
    return outline


def color_table(colors: Mapping[int, str]) -> Pixels:
    """Colour of every value of a uint8, from colours (#rrggbb) by class value."""
    table = np.full(256, _UNNAMED, np.uint32)
    for value, color in colors.items():
        table[value] = _OPAQUE | int(color.removeprefix("#"), 16)
    return table

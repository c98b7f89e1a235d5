"""Slices with their label maps drawn over them, as inline PNG, for the report."""

import struct
import zlib
from base64 import b64encode
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt

ZOOM = 4
"""Overlay pixels per image pixel along each axis, so that outlines stay thin."""
FILL_ALPHA = 70
LINE_ALPHA = 255
WINDOW_PERCENTILES = (0.5, 99.5)

Colors = Mapping[int, str]
Gray = npt.NDArray[np.uint8]


def window_slice(slice_YX: npt.NDArray[Any], volume: npt.NDArray[Any]) -> Gray:
    """Intensities of a slice in 0…255, windowed on the percentiles of its volume."""
    low, high = np.percentile(volume, WINDOW_PERCENTILES)
    scaled = (slice_YX.astype(np.float32) - low) / max(float(high - low), 1e-6)
    shown: Gray = (np.clip(scaled, 0, 1) * 255).astype(np.uint8)
    return shown


def slice_panel(
    image_YX: Gray,
    labels_YX: npt.NDArray[np.integer[Any]] | None,
    colors: Colors,
    *,
    caption: str,
    pixel_size_mm: tuple[float, float],
) -> str:
    """HTML figure of one slice, with outlined classes where a label map is given.

    Parameters
    ----------
    image_YX
        Intensities 0…255.
    labels_YX
        Classes on the same pixels.
    colors
        ``#rrggbb`` by class value.
    pixel_size_mm
        Height and width of a pixel, so that the slice is shown in true proportions.
    """
    height, width = (n * mm for n, mm in zip(image_YX.shape, pixel_size_mm, strict=True))
    layers = _img(image_YX, "")
    if labels_YX is not None:
        layers += _img(paint_overlay(labels_YX, colors), "overlay")
    return (
        f"<figure><div class='frame' style='aspect-ratio:{width:.4g}/{height:.4g}'>{layers}"
        f"</div><figcaption>{escape(caption)}</figcaption></figure>"
    )


def paint_overlay(
    labels_YX: npt.NDArray[np.integer[Any]],
    colors: Colors,
) -> npt.NDArray[np.uint8]:
    """RGBA picture, `ZOOM` times as large: translucent classes with opaque outlines."""
    large = labels_YX.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)
    padded = np.pad(large, 1, mode="edge")
    edge = np.zeros(large.shape, bool)
    for rows, columns in ((0, 1), (2, 1), (1, 0), (1, 2)):
        neighbour = padded[rows : rows + large.shape[0], columns : columns + large.shape[1]]
        edge |= neighbour != large
    rgba = np.zeros((*large.shape, 4), np.uint8)
    for value, color in colors.items():
        inside = large == value
        rgba[inside, :3] = [int(color[index : index + 2], 16) for index in (1, 3, 5)]
        rgba[inside, 3] = np.where(edge[inside], LINE_ALPHA, FILL_ALPHA)
    return rgba


def encode_png(pixels: npt.NDArray[np.uint8]) -> bytes:
    """PNG file of an array (Y, X) in gray or (Y, X, 4) in RGBA, 8 bits a channel."""
    height, width = pixels.shape[:2]
    color_type = 0 if pixels.ndim == 2 else 6
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, color_type, 0, 0, 0)),
            _chunk(b"IDAT", zlib.compress(rows, 9)),
            _chunk(b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _img(pixels: npt.NDArray[np.uint8], css_class: str) -> str:
    data = b64encode(encode_png(pixels)).decode()
    return f"<img class='{css_class}' alt='' src='data:image/png;base64,{data}'>"

"""From a volume to the slices that the network sees, and back onto the volume's own pixels.

Network space: slices along one display axis, resampled in-plane to a common spacing, cut or
padded to a common window around the region of interest. Resampling maps image borders onto image
borders, so that no pixel drifts.

Shape suffixes: S slices, C classes, H and W rows and columns in network space, Y and X in the
image's own slices.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.intensity import unit_range, z_score
from napari_transmedseg.imaging.volume import LabelMap, Volume

Normalisation = Literal["z-score", "unit"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkSpace:
    """Where the network works."""

    slice_axis: int
    """Display axis (0 I, 1 P, 2 L) that is cut into slices."""
    spacing_mm: tuple[float, float]
    """In-plane spacing of rows and columns."""
    size: tuple[int, int]
    """Rows and columns of the window."""
    centre: tuple[float, float]
    """Centre of the window as a share of the slice's height and width."""
    normalisation: Normalisation = "z-score"


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The window on one resampled slice; offsets are negative where the slice is padded."""

    resampled: tuple[int, int]
    top: int
    left: int


def in_plane(geometry: Geometry, slice_axis: int) -> tuple[tuple[int, int], tuple[float, float]]:
    """Shape (Y, X) and spacing in mm of the slices along a display axis."""
    axes = [axis for axis in range(3) if axis != slice_axis]
    shape, spacing = geometry.display_shape, geometry.display_spacing
    return (shape[axes[0]], shape[axes[1]]), (spacing[axes[0]], spacing[axes[1]])


def window_of(geometry: Geometry, space: NetworkSpace) -> Window:
    """Place the window on a case; it stays inside the slice where the slice is large enough."""
    shape, spacing = in_plane(geometry, space.slice_axis)
    resampled = (
        max(1, round(shape[0] * spacing[0] / space.spacing_mm[0])),
        max(1, round(shape[1] * spacing[1] / space.spacing_mm[1])),
    )
    top, left = (
        _offset(length, size, share)
        for length, size, share in zip(resampled, space.size, space.centre, strict=True)
    )
    return Window(resampled=resampled, top=top, left=left)


def image_to_network(volume: Volume, space: NetworkSpace, *, whole: bool = False) -> Tensor:
    """Intensities as (S, 1, H, W) float32; 0 in the padding.

    `whole` keeps the resampled slices uncut.
    """
    scale = z_score if space.normalisation == "z-score" else unit_range
    stack = _stack(scale(volume.array), space.slice_axis)[:, None]
    window = window_of(volume.geometry, space)
    resampled = _resize(stack, window.resampled)
    return resampled if whole else _cut(resampled, window, space)


def labels_to_network(label_map: LabelMap, space: NetworkSpace) -> tuple[Tensor, Tensor]:
    """Classes (S, H, W) uint8 and known mask (S, H, W) bool; False in the padding."""
    window = window_of(label_map.geometry, space)
    known = label_map.known
    if known is None:
        known = np.ones(label_map.array.shape, dtype=bool)
    labels = _stack(label_map.array.astype(np.uint8), space.slice_axis)
    label_SHW = _cut(_resize_labels(labels, window.resampled), window, space)
    share = _resize(_stack(known.astype(np.float32), space.slice_axis)[:, None], window.resampled)
    return label_SHW, _cut(share > 0.999, window, space)[:, 0]


def inside_mask(geometry: Geometry, space: NetworkSpace) -> Tensor:
    """(H, W) bool: the window's pixels that lie on the image."""
    window = window_of(geometry, space)
    return _cut(torch.ones(1, 1, *window.resampled, dtype=torch.bool), window, space)[0, 0]


def probabilities_to_image(
    probabilities_SCHW: Tensor, geometry: Geometry, space: NetworkSpace
) -> Tensor:
    """Probabilities on the image's own slices, (S, C, Y, X); background outside the window."""
    window = window_of(geometry, space)
    height, width = window.resampled
    if probabilities_SCHW.shape[-2:] != window.resampled:
        slices, classes = probabilities_SCHW.shape[:2]
        canvas = torch.zeros(slices, classes, height, width)
        canvas[:, 0] = 1.0
        rows, columns = _overlap(window, space)
        canvas[:, :, rows[0], columns[0]] = probabilities_SCHW[:, :, rows[1], columns[1]]
        probabilities_SCHW = canvas
    return _resize(probabilities_SCHW, in_plane(geometry, space.slice_axis)[0])


def slices_to_display(
    values_SYX: npt.NDArray[np.generic], slice_axis: int
) -> npt.NDArray[np.generic]:
    """Put a stack of slices back into (I, P, L) order; a view."""
    return np.moveaxis(values_SYX, 0, slice_axis)


def _stack(array: npt.NDArray[np.generic], slice_axis: int) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, slice_axis, 0)))


def _offset(length: int, size: int, share: float) -> int:
    if length <= size:
        return -((size - length) // 2)
    return min(max(round(share * length - size / 2), 0), length - size)


def _resize(stack: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(stack.shape[-2:]) == tuple(size):
        return stack
    return F.interpolate(stack, size=size, mode="bilinear", align_corners=False, antialias=True)


def _resize_labels(labels_SYX: Tensor, size: tuple[int, int]) -> Tensor:
    """Each class resampled as a share, the largest share wins; slice by slice to bound memory."""
    if tuple(labels_SYX.shape[-2:]) == tuple(size):
        return labels_SYX
    num_classes = int(labels_SYX.max()) + 1
    resized = labels_SYX.new_empty((len(labels_SYX), *size))
    for index, label in enumerate(labels_SYX):
        one_hot = F.one_hot(label.long(), num_classes).permute(2, 0, 1)[None].float()
        resized[index] = _resize(one_hot, size)[0].argmax(0).to(labels_SYX.dtype)
    return resized


def _cut(stack: Tensor, window: Window, space: NetworkSpace) -> Tensor:
    """The window of (…, H', W'), zeros where it leaves the slice."""
    rows, columns = _overlap(window, space)
    result = stack.new_zeros((*stack.shape[:-2], *space.size))
    result[..., rows[1], columns[1]] = stack[..., rows[0], columns[0]]
    return result


def _overlap(window: Window, space: NetworkSpace) -> list[tuple[slice, slice]]:
    """Per axis: the same pixels in the resampled slice and in the window."""
    parts = []
    for start, length, size in zip(
        (window.top, window.left), window.resampled, space.size, strict=True
    ):
        low, high = max(start, 0), min(start + size, length)
        parts.append((slice(low, high), slice(low - start, high - start)))
    return parts

"""From a volume to what the network sees, and back onto the volume's own voxels.

Network space in 2-D: slices along one display axis, resampled in-plane to a common spacing, cut
or padded to a common window around the region of interest. In 3-D the same in all three axes, and
the window is seen in patches. Resampling maps image borders onto image borders, so that no voxel
drifts.

Shape suffixes: S slices, N images (2-D: the slices; 3-D: the one volume), M channels of an image,
C classes, HW the space axes of the window (3-D: slices, rows, columns), Y and X the image's own
rows and columns.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

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
    """Where the network works; lists of axes are rows, columns, in 3-D with the slices first."""

    slice_axis: int
    """Display axis (0 I, 1 P, 2 L) along which slices are counted."""
    spacing_mm: tuple[float, ...]
    """Spacing per space axis."""
    size: tuple[int, ...]
    """Voxels of the window per space axis."""
    centre: tuple[float, ...]
    """Centre of the window as a share of the image per space axis."""
    patch: tuple[int, ...] = ()
    """What the network sees at a time; empty: the whole window."""
    normalisation: Normalisation = "z-score"
    clip: tuple[float, float] | None = None
    """Intensities outside are set to these bounds first (CT: HU)."""
    channel_clips: tuple[tuple[float, float] | None, ...] = ()
    """The same for each channel; empty: `clip` for all of them."""

    @property
    def dims(self) -> int:
        """Space axes of the network."""
        return len(self.size)

    @property
    def patch_size(self) -> tuple[int, ...]:
        """Voxels that the network sees at a time."""
        return self.patch or self.size

    def in_plane(self) -> "NetworkSpace":
        """The 2-D space of its slices."""
        return replace(
            self,
            spacing_mm=self.spacing_mm[-2:],
            size=self.size[-2:],
            centre=self.centre[-2:],
            patch=(),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """The window on one resampled image; starts are negative where the image is padded."""

    resampled: tuple[int, ...]
    start: tuple[int, ...]


def in_plane(geometry: Geometry, slice_axis: int) -> tuple[tuple[int, int], tuple[float, float]]:
    """Shape (Y, X) and spacing in mm of the slices along a display axis."""
    shape, spacing = slices_first(geometry, slice_axis)
    return (shape[1], shape[2]), (spacing[1], spacing[2])


def slices_first(
    geometry: Geometry, slice_axis: int
) -> tuple[tuple[int, int, int], tuple[float, float, float]]:
    """Shape (S, Y, X) and spacing in mm, the slice axis first."""
    first, second, third = (slice_axis, *(axis for axis in range(3) if axis != slice_axis))
    shape, spacing = geometry.display_shape, geometry.display_spacing
    return (
        (shape[first], shape[second], shape[third]),
        (spacing[first], spacing[second], spacing[third]),
    )


def window_of(geometry: Geometry, space: NetworkSpace) -> Window:
    """Place the window on a case; it stays inside the image where the image is large enough."""
    shape, spacing = slices_first(geometry, space.slice_axis)
    resampled = tuple(
        max(1, round(length * own / wanted))
        for length, own, wanted in zip(
            shape[-space.dims :], spacing[-space.dims :], space.spacing_mm, strict=True
        )
    )
    start = tuple(
        _offset(length, size, share)
        for length, size, share in zip(resampled, space.size, space.centre, strict=True)
    )
    return Window(resampled=resampled, start=start)


def image_to_network(volume: Volume, space: NetworkSpace, *, whole: bool = False) -> Tensor:
    """Intensities as (N, M, HW) float32; 0 in the padding.

    Each channel is clipped and brought to mean and deviation (or [0, 1]) by itself.
    `whole` keeps the resampled images uncut.
    """
    window = window_of(volume.geometry, space)
    clips = space.channel_clips or (space.clip,) * len(volume.channels)
    channels = []
    for array, clip in zip(volume.channels, clips, strict=True):
        resampled = _channel_to_network(array, clip, window, space)
        channels.append(resampled if whole else _cut(resampled, window, space))
    return channels[0] if len(channels) == 1 else torch.cat(channels, dim=1)


def labels_to_network(label_map: LabelMap, space: NetworkSpace) -> tuple[Tensor, Tensor]:
    """Classes (N, HW) uint8 and known mask (N, HW) bool; False in the padding.

    In-plane each class is resampled as a share. Along the slices of a 3-D window nothing is
    blended: every known slice of the image stays known on the nearest slice of the window.
    """
    window = window_of(label_map.geometry, space)
    known = label_map.known
    if known is None:
        known = np.ones(label_map.array.shape, dtype=bool)
    labels_SYX = _stack(label_map.array.astype(np.uint8), space.slice_axis)
    known_SYX = _stack(known, space.slice_axis)
    if space.dims == 3:
        chosen = _known_first(known_SYX.flatten(1).any(1), window.resampled[0])
        labels_SYX, known_SYX = labels_SYX[chosen], known_SYX[chosen]
    label = _resize_labels(labels_SYX, window.resampled[-2:])
    share = _resize(known_SYX.float()[:, None], window.resampled[-2:])[:, 0]
    whole = share > 0.999
    if space.dims == 3:
        label, whole = label[None], whole[None]
    return _cut(label, window, space), _cut(whole, window, space)


def inside_mask(geometry: Geometry, space: NetworkSpace) -> Tensor:
    """(HW) bool: the window's voxels that lie on the image."""
    window = window_of(geometry, space)
    return _cut(torch.ones(1, *window.resampled, dtype=torch.bool), window, space)[0]


def window_on_image(geometry: Geometry, space: NetworkSpace) -> Tensor:
    """(S, Y, X) bool: voxels of the image that the window shows; a view."""
    window, (shape, _) = window_of(geometry, space), slices_first(geometry, space.slice_axis)
    inside = []
    for axis, (start, size, resampled) in enumerate(
        zip(window.start, space.size, window.resampled, strict=True), start=-space.dims
    ):
        place = (torch.arange(shape[axis]) + 0.5) * resampled / shape[axis]
        inside.append((place >= start) & (place < start + size))
    rows, columns = inside[-2:]
    slices = inside[0] if space.dims == 3 else torch.ones(1, dtype=torch.bool)
    within = slices[:, None, None] & (rows[:, None] & columns)
    return within.expand(shape[0], -1, -1)


def window_slice(geometry: Geometry, space: NetworkSpace, index: int) -> int | None:
    """Slice of a 3-D window that shows a slice of the image; None where it lies outside."""
    window = window_of(geometry, space)
    total = geometry.display_shape[space.slice_axis]
    place = int((index + 0.5) * window.resampled[0] / total) - window.start[0]
    return place if 0 <= place < space.size[0] else None


def probabilities_by_slice(
    probabilities_NCHW: Tensor, geometry: Geometry, space: NetworkSpace
) -> Tensor:
    """(S, C, H, W) for the image's own slices, in-plane still in network space."""
    if space.dims == 2:
        return probabilities_NCHW
    window = window_of(geometry, space)
    stack_SCHW = probabilities_NCHW[0].transpose(0, 1)
    if len(stack_SCHW) != window.resampled[0] or window.start[0] != 0:
        canvas = stack_SCHW.new_zeros(window.resampled[0], *stack_SCHW.shape[1:])
        canvas[:, 0] = 1.0
        outside, inside = _overlap(window, space)[0]
        canvas[outside] = stack_SCHW[inside]
        stack_SCHW = canvas
    return _resize_slices(stack_SCHW, geometry.display_shape[space.slice_axis])


def probabilities_to_image(
    probabilities_SCHW: Tensor, geometry: Geometry, space: NetworkSpace
) -> Tensor:
    """Probabilities on the image's own slices, (S, C, Y, X); background outside the window.

    Takes slices of a 2-D space, or those of `probabilities_by_slice`.
    """
    space = space.in_plane()
    window = window_of(geometry, space)
    if tuple(probabilities_SCHW.shape[-2:]) != window.resampled:
        canvas = torch.zeros(*probabilities_SCHW.shape[:2], *window.resampled)
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


def _channel_to_network(
    array: npt.NDArray[Any],
    clip: tuple[float, float] | None,
    window: Window,
    space: NetworkSpace,
) -> Tensor:
    """One channel, (N, 1, …resampled)."""
    scale = z_score if space.normalisation == "z-score" else unit_range
    if clip is not None:
        array = np.clip(array, *clip)
    stack = _stack(scale(array), space.slice_axis)[:, None]
    resampled = _resize(stack, window.resampled[-2:])
    if space.dims == 3:
        resampled = _resize_slices(resampled, window.resampled[0]).movedim(0, 1)[None]
    return resampled


def _stack(array: npt.NDArray[np.generic], slice_axis: int) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(array, slice_axis, 0)))


def _offset(length: int, size: int, share: float) -> int:
    if length <= size:
        return -((size - length) // 2)
    return min(max(round(share * length - size / 2), 0), length - size)


def _resize(stack: Tensor, size: tuple[int, ...]) -> Tensor:
    """Rows and columns of (S, channels, Y, X), without aliasing."""
    if tuple(stack.shape[-2:]) == tuple(size):
        return stack
    return F.interpolate(stack, size=size, mode="bilinear", align_corners=False, antialias=True)


def _resize_slices(stack: Tensor, count: int) -> Tensor:
    """The first axis of (S, …), without aliasing."""
    if len(stack) == count:
        return stack
    flat = stack.reshape(1, 1, len(stack), -1)
    resized = F.interpolate(
        flat, size=(count, flat.shape[-1]), mode="bilinear", align_corners=False, antialias=True
    )
    return resized.reshape(count, *stack.shape[1:])


def _resize_labels(labels_SYX: Tensor, size: tuple[int, ...]) -> Tensor:
    """Each class resampled as a share, the largest share wins; slice by slice to bound memory."""
    if tuple(labels_SYX.shape[-2:]) == tuple(size):
        return labels_SYX
    num_classes = int(labels_SYX.max()) + 1
    resized = labels_SYX.new_empty((len(labels_SYX), *size))
    for index, label in enumerate(labels_SYX):
        one_hot = F.one_hot(label.long(), num_classes).permute(2, 0, 1)[None].float()
        resized[index] = _resize(one_hot, size)[0].argmax(0).to(labels_SYX.dtype)
    return resized


def _known_first(known_S: Tensor, count: int) -> Tensor:
    """For each of `count` resampled slices: the image's slice at its place.

    Where several lie within a coarser slice, a known one goes before the others.
    """
    total = len(known_S)
    edges = np.arange(count + 1) * total / count
    chosen = []
    for low, high in pairwise(edges):
        middle = min(total - 1, int((low + high) / 2))
        within = range(int(np.ceil(low - 0.5)), max(int(np.ceil(high - 0.5)), middle + 1))
        known = [index for index in within if 0 <= index < total and bool(known_S[index])]
        chosen.append(min(known, key=lambda index: abs(index - middle)) if known else middle)
    return torch.tensor(chosen)


def _cut(stack: Tensor, window: Window, space: NetworkSpace) -> Tensor:
    """The window of (…, resampled), zeros where it leaves the image."""
    parts = _overlap(window, space)
    result = stack.new_zeros((*stack.shape[: -space.dims], *space.size))
    outside, inside = zip(*parts, strict=True)
    result[(..., *inside)] = stack[(..., *outside)]
    return result


def _overlap(window: Window, space: NetworkSpace) -> list[tuple[slice, slice]]:
    """Per axis: the same voxels in the resampled image and in the window."""
    parts = []
    for start, length, size in zip(window.start, window.resampled, space.size, strict=True):
        low, high = max(start, 0), min(start + size, length)
        parts.append((slice(low, high), slice(low - start, high - start)))
    return parts

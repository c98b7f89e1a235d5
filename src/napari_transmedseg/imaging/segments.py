"""3D Slicer's segmentations: NRRD whose header names and colours its segments (.seg.nrrd)."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import GeometryError, ImageReadError
from napari_transmedseg.imaging.opened import OpenedImage
from napari_transmedseg.imaging.overlap import (
    Covered,
    OverlapRule,
    overlap_notes,
    paint,
    painting_order,
)
from napari_transmedseg.imaging.text_header import numbers
from napari_transmedseg.imaging.volume import LabelMap

_FIELD = re.compile(r"Segment(\d+)_(\w+)")
_TYPES = {np.dtype(np.uint8): "unsigned char", np.dtype(np.uint16): "unsigned short"}
_GZIP_FORMAT = 31
_GREY = "#808080"
_NOWHERE = "0 -1 0 -1 0 -1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """One structure of a segmentation."""

    name: str
    value: int
    """Label value within its layer."""
    layer: int = 0
    """Frame of the file that holds it; segments that overlap lie in different ones."""
    color: str | None = None
    """#rrggbb."""


def has_segments(header: Mapping[str, str]) -> bool:
    """Whether an NRRD header describes segments."""
    return any(_FIELD.fullmatch(key) for key in header)


def segments_of(header: Mapping[str, str]) -> list[Segment]:
    """Segments in the order of their numbers."""
    fields: dict[int, dict[str, str]] = {}
    for key, value in header.items():
        if match := _FIELD.fullmatch(key):
            fields.setdefault(int(match[1][:6]), {})[match[2]] = value
    return [
        Segment(
            name=entry.get("Name", entry.get("ID", f"segment {number}")),
            value=_whole(entry.get("LabelValue"), 1),
            layer=_whole(entry.get("Layer"), 0),
            color=_color(entry.get("Color", "")),
        )
        for number, entry in sorted(fields.items())
    ]


def label_map_of(image: OpenedImage, path: Path, overlap: OverlapRule | None = None) -> LabelMap:
    """Put all segments into one label map.

    Label values are kept where every segment has its own; else segments are counted from 1.

    Raises
    ------
    ImageReadError
        If segments overlap and there is no rule for that, or the file lacks a layer that its
        header names.
    """
    found = segments_of(image.header)
    if missing := [item for item in found if not 0 <= item.layer < image.num_frames]:
        raise ImageReadError(
            f"Expected the layer {missing[0].layer} of segment '{missing[0].name}' in {path}, "
            f"found {image.num_frames} layers; save the segmentation again."
        )
    own = {item.value for item in found}
    keep = len(own) == len(found) and min(own, default=1) > 0 and max(own, default=1) < 65536
    values = [item.value if keep else number for number, item in enumerate(found, 1)]
    names = {value: item.name for value, item in zip(values, found, strict=True)}
    merged = _Merged(image, found, values, path, keep=keep)
    covered: Covered = Counter()
    for place in painting_order(list(names.values()), overlap, path):
        merged.paint(place, covered)
    return LabelMap(
        array=image.geometry.to_display(merged.classes()),
        geometry=image.geometry,
        names=names,
        colors={v: item.color for v, item in zip(values, found, strict=True) if item.color},
        notes=overlap_notes(covered, names, overlap, path),
    )


def encode(array: npt.NDArray[Any], label_map: LabelMap, *, with_segments: bool) -> bytes:
    """Make the bytes of an NRRD label map.

    Parameters
    ----------
    array
        Classes in source order.
    label_map
        The same, with geometry, names and colours.
    with_segments
        Whether 3D Slicer shall open it as a segmentation.

    Raises
    ------
    GeometryError
        If the geometry is unknown.
    """
    geometry = label_map.geometry
    if not geometry.known:
        raise GeometryError(
            "Expected an image that says where its voxels lie, found one without position and "
            "orientation; confirm its voxel size, or convert the original again."
        )
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ geometry.affine
    lines = [
        "NRRD0004",
        f"type: {_TYPES[array.dtype]}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(n) for n in array.shape)}",
        f"space directions: {' '.join(_vector(affine[:3, axis]) for axis in range(3))}",
        "kinds: domain domain domain",
        *(["endian: little"] if array.dtype.itemsize > 1 else []),
        "encoding: gzip",
        f"space origin: {_vector(affine[:3, 3])}",
        *(_segment_lines(array, label_map) if with_segments else []),
    ]
    gzip = zlib.compressobj(1, zlib.DEFLATED, _GZIP_FORMAT, 9, zlib.Z_RLE)
    stored = np.asfortranarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    voxels = gzip.compress(stored.T.data.cast("B")) + gzip.flush()
    return "\n".join([*lines, "", ""]).encode() + voxels


class _Merged:
    """One label map that segments of several layers are painted on."""

    def __init__(
        self, image: OpenedImage, found: list[Segment], values: list[int], path: Path, *, keep: bool
    ) -> None:
        self._image, self._found, self._values, self._path = image, found, values, path
        self._keep = keep
        self._loaded: tuple[int, npt.NDArray[Any]] | None = None
        self._seen: set[int] = set()
        self._array: npt.NDArray[np.uint16] | None = None

    def paint(self, place: int, covered: Covered) -> None:
        """Paint the segment of that place in the header over what is there."""
        item = self._found[place]
        data = self._layer(item.layer)
        if self._array is None:  # not before the voxels are known to be there
            self._array = np.zeros(self._image.geometry.shape, dtype=np.uint16, order="F")
        if item.layer not in self._seen:
            self._seen.add(item.layer)
            self._take_unnamed(item.layer, data, self._array)
        paint(self._array, data == item.value, self._values[place], covered)

    def classes(self) -> npt.NDArray[Any]:
        """What was painted, uint8 where it fits."""
        assert self._array is not None
        fits = self._array.max() <= np.iinfo(np.uint8).max
        return self._array.astype(np.uint8) if fits else self._array

    def _layer(self, layer: int) -> npt.NDArray[Any]:
        if self._loaded is None or self._loaded[0] != layer:
            self._loaded = None  # one at a time
            self._loaded = (layer, self._image.load(layer))
        return self._loaded[1]

    def _take_unnamed(
        self, layer: int, data: npt.NDArray[Any], merged: npt.NDArray[np.uint16]
    ) -> None:
        """Keep labels that the header does not name, where they can only be themselves."""
        named = [item.value for item in self._found if item.layer == layer]
        unnamed = (data != 0) & ~np.isin(data, named)
        if unnamed.any() and not (
            self._keep and merged[unnamed].max() == 0 and _are_labels(data)
        ):  # fmt: skip
            raise ImageReadError(
                f"Expected a segment for every label in {self._path}, found "
                f"{np.count_nonzero(unnamed)} voxels of none; save the segmentation again."
            )
        merged[unnamed] = data[unnamed]


def _are_labels(data: npt.NDArray[Any]) -> bool:
    return data.dtype.kind in "iub" and data.min() >= 0 and data.max() <= np.iinfo(np.uint16).max


def _segment_lines(array: npt.NDArray[Any], label_map: LabelMap) -> Iterator[str]:
    extents = _extents(array)
    for number, value in enumerate(sorted({*extents, *label_map.names} - {0})):
        name = _one_line(label_map.names.get(value, f"class {value}"))
        color = label_map.colors.get(value, _GREY)
        red, green, blue = (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
        key = f"Segment{number}"
        yield f"{key}_Color:={red:.6g} {green:.6g} {blue:.6g}"
        yield f"{key}_Extent:={extents.get(value, _NOWHERE)}"
        yield f"{key}_ID:=Segment_{value}"
        yield f"{key}_LabelValue:={value}"
        yield f"{key}_Layer:=0"
        yield f"{key}_Name:={name}"
        yield f"{key}_NameAutoGenerated:=0"
    yield "Segmentation_ContainedRepresentationNames:=Binary labelmap|"
    yield "Segmentation_MasterRepresentation:=Binary labelmap"
    yield "Segmentation_ReferenceImageExtentOffset:=0 0 0"


def _extents(array: npt.NDArray[Any]) -> dict[int, str]:
    """First and last voxel of each class along each axis, source order."""
    boxes: dict[int, list[int]] = {}
    for z in range(array.shape[2]):
        plane = array[..., z]
        for value in np.flatnonzero(np.bincount(plane.ravel(order="K"))[1:]) + 1:
            inside = plane == value
            x, y = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
            box = boxes.setdefault(int(value), [x[0], x[-1], y[0], y[-1], z, z])
            box[0], box[1] = min(box[0], x[0]), max(box[1], x[-1])
            box[2], box[3] = min(box[2], y[0]), max(box[3], y[-1])
            box[5] = z
    return {value: " ".join(str(int(end)) for end in box) for value, box in boxes.items()}


def _vector(values: npt.NDArray[np.float64]) -> str:
    return f"({','.join(repr(float(value)) for value in values)})"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _whole(text: str | None, default: int) -> int:
    found = numbers(text or "")
    return int(found[0]) if found else default


def _color(text: str) -> str | None:
    parts = numbers(text)
    if len(parts) != 3 or not all(0 <= part <= 1 for part in parts):
        return None
    return "#" + "".join(f"{round(part * 255):02x}" for part in parts)

"""Label maps brought onto the grid of their image: exactly, or resampled with an account of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import GeometryError
from napari_transmedseg.imaging.geometry import Geometry, require_same_space
from napari_transmedseg.imaging.volume import LabelArray, LabelMap, class_counts

_SAME_VOXEL = 0.05
_MOST_SAMPLES = 4
_SHARED = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class ResamplingReport:
    """What became of each class when it was put onto another grid."""

    method: str
    """`nearest` voxel, or `majority` of the points that fall into a coarser voxel."""
    before_ml: dict[int, float]
    after_ml: dict[int, float]
    outside_ml: float
    """Labeled volume that lies beyond the image."""

    def sentence(self, names: dict[int, str]) -> str:
        """For people: volumes before and after."""
        parts = [
            f"{names.get(value, f'class {value}')} {before:.4g} → {self.after_ml.get(value, 0):.4g}"
            for value, before in self.before_ml.items()
        ]
        outside = f", {self.outside_ml:.4g} ml lie beyond the image" if self.outside_ml else ""
        return f"Resampled ({self.method}), ml: {', '.join(parts) or 'nothing labeled'}{outside}."


def onto_same_grid(
    label_map: LabelMap, geometry: Geometry, what: str, image: str, *, sparse: bool = False
) -> LabelMap:
    """Give a label map its image's geometry where both have the same voxels, in any order.

    Parameters
    ----------
    label_map
        On its own geometry.
    geometry
        The image's.
    what, image
        Names for an error.
    sparse
        Whether slices that the label map lacks are empty, as in DICOM SEG.

    Raises
    ------
    GeometryError
        If the voxels are others.
    """
    moved = _by_whole_voxels(label_map.geometry, geometry)
    same_shape = label_map.geometry.display_shape == geometry.display_shape
    if moved is None or not (sparse or (same_shape and not moved.any())):
        require_same_space(geometry, label_map.geometry, what, image)
        return _rewrapped(label_map, label_map.array, label_map.known, geometry)
    if same_shape and not moved.any():
        return _rewrapped(label_map, label_map.array, label_map.known, geometry)
    array = np.zeros(geometry.display_shape, dtype=label_map.array.dtype)
    source, target = _overlap(label_map.array.shape, array.shape, moved)
    array[target] = label_map.array[source]
    if lost := int(np.count_nonzero(label_map.array) - np.count_nonzero(array)):
        raise GeometryError(
            f"Expected all of {what} within {image}, found {lost} labeled voxels beyond it; use "
            "the label map made on this image."
        )
    known = None
    if label_map.known is not None:
        known = np.ones(array.shape, dtype=np.bool_)
        known[target] = label_map.known[source]
    return _rewrapped(label_map, array, known, geometry)


def resample_labels(
    label_map: LabelMap, geometry: Geometry, what: str, image: str
) -> tuple[LabelMap, ResamplingReport]:
    """Put a label map of the same space onto another grid.

    Each voxel takes the class of the nearest one; where the image's voxels are coarser, the
    class that most of the points within it have. What lies beyond the label map's grid is unknown.

    Raises
    ------
    GeometryError
        If most of what is labeled lies beyond the image: then the space is another one.
    """
    before = _volumes(label_map.array, label_map.geometry)
    inside = _inside_ml(label_map, geometry)
    total = sum(before.values())
    if total and inside < _SHARED * total:
        raise GeometryError(
            f"Expected {what} in the space of {image}, found {100 * (1 - inside / total):.0f} % of "
            "what is labeled beyond the image; use the label map made on this image, or register "
            "the two first."
        )
    to_label = np.linalg.inv(label_map.geometry.display_affine) @ geometry.display_affine
    samples = tuple(
        int(np.clip(np.ceil(step - 0.25), 1, _MOST_SAMPLES))
        for step in np.linalg.norm(to_label[:3, :3], axis=0)
    )
    array, known = _vote(label_map.array, geometry.display_shape, to_label, samples)
    if label_map.known is not None:
        open_voxels = (~label_map.known).astype(np.uint8)
        known &= _vote(open_voxels, geometry.display_shape, to_label, samples)[0] == 0
    report = ResamplingReport(
        method="nearest" if max(samples) == 1 else "majority",
        before_ml=before,
        after_ml=_volumes(array, geometry),
        outside_ml=round(max(0.0, total - inside), 6),
    )
    whole = None if known.all() else known
    return _rewrapped(label_map, array, whole, geometry), report


def _rewrapped(
    label_map: LabelMap,
    array: LabelArray,
    known: npt.NDArray[np.bool_] | None,
    geometry: Geometry,
) -> LabelMap:
    return LabelMap(
        array=array, geometry=geometry, known=known, names=label_map.names, colors=label_map.colors
    )


def _by_whole_voxels(source: Geometry, target: Geometry) -> npt.NDArray[np.int64] | None:
    """Display voxels by which two grids of the same voxels are shifted; None for other grids."""
    between = np.linalg.inv(target.display_affine) @ source.display_affine
    shift = np.rint(between[:3, 3]).astype(np.int64)
    ideal = np.eye(4)
    ideal[:3, 3] = shift
    last = np.array(source.display_shape) - 1
    corners = np.array(list(np.ndindex(2, 2, 2))) * last
    off = (corners @ (between - ideal)[:3, :3].T) + (between - ideal)[:3, 3]
    return shift if np.abs(off).max() <= _SAME_VOXEL else None


def _overlap(
    source: tuple[int, ...], target: tuple[int, ...], shift: npt.NDArray[np.int64]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    first = [max(0, int(s)) for s in shift]
    last = [max(0, min(n, m + int(s))) for n, m, s in zip(target, source, shift, strict=True)]
    to = tuple(slice(a, max(a, b)) for a, b in zip(first, last, strict=True))
    of = tuple(
        slice(part.start - int(s), part.stop - int(s)) for part, s in zip(to, shift, strict=True)
    )
    return of, to


def _vote(
    array: LabelArray,
    shape: tuple[int, int, int],
    to_label: npt.NDArray[np.float64],
    samples: tuple[int, ...],
) -> tuple[LabelArray, npt.NDArray[np.bool_]]:
    """Class and known mask of each target voxel, one plane at a time."""
    voted = np.zeros(shape, dtype=array.dtype)
    known = np.zeros(shape, dtype=np.bool_)
    offsets = [[(2 * k + 1) / (2 * n) - 0.5 for k in range(n)] for n in samples]
    grid = np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[2]), indexing="ij"), axis=-1)
    points = np.array(np.meshgrid(*offsets, indexing="ij")).reshape(3, -1).T
    for plane in range(shape[0]):
        drawn = [_classes_at(array, plane, grid, point, to_label) for point in points]
        found = np.stack([classes for classes, _ in drawn])
        known[plane] = np.stack([inside for _, inside in drawn]).any(axis=0)
        voted[plane] = found[0] if len(found) == 1 else _most_frequent(found)
    return voted, known


def _classes_at(
    array: LabelArray,
    plane: int,
    grid: npt.NDArray[np.int64],
    point: npt.NDArray[np.float64],
    to_label: npt.NDArray[np.float64],
) -> tuple[LabelArray, npt.NDArray[np.bool_]]:
    start = to_label[:3, :3] @ (np.array([plane, 0.0, 0.0]) + point) + to_label[:3, 3]
    index = np.rint(grid @ to_label[:3, 1:3].T + start).astype(np.int64)
    inside = np.all((index >= 0) & (index < np.array(array.shape)), axis=-1)
    safe = np.where(inside[..., None], index, 0)
    classes = np.where(inside, array[safe[..., 0], safe[..., 1], safe[..., 2]], 0)
    return classes.astype(array.dtype), inside


def _most_frequent(found: LabelArray) -> LabelArray:
    """Class that most samples have; of equals the highest, so that thin structures stay."""
    best = np.zeros(found.shape[1:], dtype=found.dtype)
    most = np.zeros(found.shape[1:], dtype=np.int64)
    for value in np.unique(found):
        count = np.count_nonzero(found == value, axis=0)
        better = count >= np.maximum(most, 1)
        best[better], most[better] = value, count[better]
    return best


def _volumes(array: LabelArray, geometry: Geometry) -> dict[int, float]:
    voxel_ml = abs(float(np.linalg.det(geometry.affine[:3, :3]))) / 1000.0
    counts = class_counts(array)
    return {value: round(count * voxel_ml, 6) for value, count in counts.items() if value}


def _inside_ml(label_map: LabelMap, geometry: Geometry) -> float:
    """Labeled volume of a label map within another grid."""
    voxel_ml = abs(float(np.linalg.det(label_map.geometry.affine[:3, :3]))) / 1000.0
    between = np.linalg.inv(geometry.display_affine) @ label_map.geometry.display_affine
    labeled = np.argwhere(label_map.array)
    index = labeled @ between[:3, :3].T + between[:3, 3]
    shape = np.array(geometry.display_shape)
    inside = np.all((index >= -0.5) & (index <= shape - 0.5), axis=1)
    return float(np.count_nonzero(inside)) * voxel_ml

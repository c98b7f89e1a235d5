"""Planes of one DICOM series put onto a grid; every irregularity is named with its size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging.dicom_headers import SEGMENTATION_CLASSES, Plane
from napari_transmedseg.imaging.geometry import Affine, Geometry
from napari_transmedseg.imaging.opened import make_geometry

SAME_PLACE = 0.01
"""Planes closer than this, in mm, lie at one place."""
_QUIET = 0.01
_TOLERATED = 0.05
"""Shares of the slice distance by which a slice may lie off an even grid, unsaid and said."""
_TURNED = 0.1
_TILTED = 0.05
"""Degrees."""

Points = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """A series as a grid."""

    geometry: Geometry
    """Voxel axes: columns, rows, slices along the normal of the planes."""
    phases: tuple[tuple[Plane, ...], ...]
    """Planes in slice order, one tuple for each phase."""
    notes: tuple[str, ...]


def make_stack(planes: Sequence[Plane], name: str) -> Stack:
    """Order planes and find their grid.

    Parameters
    ----------
    planes
        All of one series, in any order.
    name
        What the series is called in an error.

    Raises
    ------
    ImageReadError
        If they make no even stack, with the name and the size of the problem.
    """
    planes, notes = _without_copies(planes)
    _refuse_what_is_no_image(planes, name)
    _require_equal(planes, name)
    if not planes[0].position or not planes[0].orientation:
        return _without_place(planes, name, notes)
    normal = _normal(planes[0], name)
    places = _by_place(planes, normal, name)
    phases = tuple(zip(*places, strict=True))
    points = np.array([place[0].position for place in places])
    step, more = _step(points, normal, planes[0], name)
    affine = _affine(planes[0], points, step)
    shape = (*planes[0].size, len(places))
    geometry = make_geometry(planes[0].path, shape=shape, affine=affine)
    return Stack(geometry=geometry, phases=phases, notes=(*notes, *more))


def _without_copies(planes: Sequence[Plane]) -> tuple[list[Plane], list[str]]:
    kept = {plane.uid: plane for plane in planes}
    copies = len(planes) - len(kept)
    notes = [f"{copies} files are copies of others and were left out."] if copies else []
    return list(kept.values()), notes


def _refuse_what_is_no_image(planes: Sequence[Plane], name: str) -> None:
    if any(plane.sop_class in SEGMENTATION_CLASSES for plane in planes):
        raise ImageReadError(
            f"Expected an image in {name}, found a segmentation (DICOM SEG); bring it in as "
            "labels of its image."
        )
    if any(plane.colour for plane in planes):
        raise ImageReadError(
            f"Expected one real number per voxel in {name}, found colours (RGB); choose another "
            "series."
        )


def _require_equal(planes: Sequence[Plane], name: str) -> None:
    sizes = Counter(plane.size for plane in planes)
    if len(sizes) > 1:
        listed = ", ".join(f"{n} of {columns}×{rows}" for (columns, rows), n in sizes.most_common())
        raise ImageReadError(
            f"Expected slices of one size in {name}, found {listed} pixels; separate the series."
        )
    placed = sum(bool(plane.position and plane.orientation) for plane in planes)
    if 0 < placed < len(planes):
        raise ImageReadError(
            f"Expected a place for each slice in {name}, found {len(planes) - placed} of "
            f"{len(planes)} without; leave these out."
        )
    spacings = [plane.spacing for plane in planes]
    if any(len(spacing) != 2 or min(spacing) <= 0 for spacing in spacings):
        if placed or len(planes) > 1:
            raise ImageReadError(
                f"Expected the pixel size of each slice in {name}, found slices without; convert "
                "the original again."
            )
        return
    if np.ptp(np.array(spacings), axis=0).max() > 1e-3 * min(spacings[0]):
        raise ImageReadError(
            f"Expected one pixel size in {name}, found {min(spacings)[0]:.4g} to "
            f"{max(spacings)[0]:.4g} mm; separate the series."
        )
    turned = _largest_angle([plane.orientation for plane in planes]) if placed else 0.0
    if turned > _TURNED:
        raise ImageReadError(
            f"Expected parallel slices in {name}, found mixed orientations, turned by up to "
            f"{turned:.3g}°; separate the series."
        )


def _largest_angle(orientations: Sequence[Sequence[float]]) -> float:
    vectors = np.array(orientations).reshape(-1, 2, 3)
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=2, keepdims=True), 1e-12)
    chord = np.linalg.norm(vectors - vectors[0], axis=2).max()
    return float(np.degrees(2 * np.arcsin(min(1.0, chord / 2))))


def _without_place(planes: list[Plane], name: str, notes: list[str]) -> Stack:
    """One plane that says nothing of its place may be confirmed by a person; a stack may not."""
    if len(planes) > 1:
        raise ImageReadError(
            f"Expected a place for each slice in {name}, found {len(planes)} slices without; "
            "convert the original again."
        )
    rows, columns = planes[0].spacing or (1.0, 1.0)
    affine = np.diag([-columns, -rows, planes[0].thickness or 1.0, 1.0])
    shape = (*planes[0].size, 1)
    geometry = make_geometry(planes[0].path, shape=shape, affine=affine, known=False)
    return Stack(geometry=geometry, phases=((planes[0],),), notes=tuple(notes))


def _normal(plane: Plane, name: str) -> Points:
    rows, columns = np.array(plane.orientation).reshape(2, 3)
    normal = np.cross(rows, columns)
    length = float(np.linalg.norm(normal))
    if not 0.99 < length < 1.01:
        raise ImageReadError(
            f"Expected rows and columns at right angles in {name}, found directions of "
            f"{plane.orientation}; convert the original again."
        )
    return normal / length


def _by_place(planes: Sequence[Plane], normal: Points, name: str) -> list[list[Plane]]:
    """Planes at each place along the normal, ascending; in each the same phases in order."""
    heights = np.array([plane.position for plane in planes]) @ normal
    order = np.argsort(heights, kind="stable")
    places: list[list[Plane]] = []
    last = -np.inf
    for index in order:
        if heights[index] - last > SAME_PLACE:
            places.append([])
        last = heights[index]
        places[-1].append(planes[index])
    counts = Counter(len(place) for place in places)
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        odd = [index for index, place in enumerate(places) if len(place) != usual]
        kind = "duplicate" if len(places[odd[0]]) > usual else "missing"
        raise ImageReadError(
            f"Expected {usual} slice{'s' * (usual > 1)} at each place in {name}, found {kind} "
            f"slices at {len(odd)} of {len(places)} places (first: {len(places[odd[0]])} at "
            f"slice {odd[0] + 1}); separate the series, or add or remove these files."
        )
    return [sorted(place, key=lambda plane: (plane.order, str(plane.path))) for place in places]


def _step(points: Points, normal: Points, plane: Plane, name: str) -> tuple[Points, list[str]]:
    """Vector from slice to slice, and what is uneven about it."""
    if len(points) == 1:
        said = plane.thickness > 0
        note = [] if said else ["The slice does not say how thick it is; 1 mm was taken."]
        return normal * (plane.thickness or 1.0), note
    gaps = np.diff(points @ normal)
    _refuse_missing(gaps, name)
    index = np.arange(len(points)) - (len(points) - 1) / 2
    step = index @ points / (index @ index)
    off = points - (points.mean(axis=0) + index[:, None] * step)
    worst = float(np.linalg.norm(off, axis=1).max())
    distance = float(step @ normal)
    if worst > max(_TOLERATED * distance, SAME_PLACE):
        raise ImageReadError(
            f"Expected evenly spaced slices in {name}, found uneven spacing: {gaps.min():.3g} to "
            f"{gaps.max():.3g} mm, slices up to {worst:.2g} mm off an even grid; resample the "
            "series or leave slices out."
        )
    notes = []
    if worst > max(_QUIET * distance, SAME_PLACE):
        notes.append(
            f"Slices are unevenly spaced ({gaps.min():.3g} to {gaps.max():.3g} mm): they lie up "
            f"to {worst:.2g} mm off the even grid that is used."
        )
    tilt = float(np.degrees(np.arccos(min(1.0, distance / float(np.linalg.norm(step))))))
    if tilt > _TILTED:
        notes.append(
            f"The gantry was tilted by {tilt:.3g}°: voxels lie on a sheared grid, which is kept "
            "exactly; some viewers refuse masks on it."
        )
    return step, notes


def _refuse_missing(gaps: npt.NDArray[np.float64], name: str) -> None:
    usual = float(np.median(gaps))
    times = gaps / usual
    whole = np.rint(times)
    if whole.max() > 1 and np.abs(times - whole).max() < _TOLERATED:
        first = int(np.argmax(whole > 1))
        raise ImageReadError(
            f"Expected slices every {usual:.3g} mm in {name}, found {int((whole - 1).sum())} "
            f"missing slices (first: a gap of {gaps[first]:.3g} mm after slice {first + 1}); add "
            "the missing files."
        )


def _affine(plane: Plane, points: Points, step: Points) -> Affine:
    rows, columns = np.array(plane.orientation).reshape(2, 3)
    between_rows, between_columns = plane.spacing
    affine = np.eye(4)
    affine[:3, 0] = rows * between_columns
    affine[:3, 1] = columns * between_rows
    affine[:3, 2] = step
    index = (len(points) - 1) / 2
    affine[:3, 3] = points.mean(axis=0) - index * step
    ras: Affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    return ras

"""Cleaning predicted classes on a volume: islands and holes. What is known stays."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_transmedseg.imaging.volume import LabelArray

Mask = npt.NDArray[np.bool_]
_CORNERS: Literal[26] = 26
_FACES: Literal[6] = 6


def keep_largest(array: LabelArray, known: Mask | None = None) -> LabelArray:
    """Turn all but the largest piece of each class into background.

    Voxels that touch at a corner belong to one piece. Of equally large pieces the one that
    begins first along I, P, L stays.

    Parameters
    ----------
    array
        Classes (I, P, L).
    known
        Voxels that a person vouches for. They stay as they are, and so does every piece that
        holds one of them: where both kidneys were annotated, both are kept.

    Returns
    -------
    array
        A copy.
    """
    cleaned = array.copy(order="K")
    box = _box(array > 0)
    if box is None:
        return cleaned
    inside = array[box]
    pieces = _components(inside, _CORNERS)
    sizes = np.bincount(pieces.ravel())
    values = np.zeros(len(sizes), dtype=array.dtype)
    values[pieces.ravel()] = inside.ravel()
    keep = _largest_of_each(sizes, values)
    if known is not None:
        keep[np.unique(pieces[known[box]])] = True
    keep[0] = True
    cleaned[box][~keep[pieces]] = 0
    return cleaned


def fill_holes(array: LabelArray, known: Mask | None = None) -> LabelArray:
    """Give background that foreground encloses the class that it touches most.

    A hole is a piece of background, connected by faces, that reaches none of the volume's
    sides: what is open in one slice only is no hole. In a single slice its edges are the sides.

    Parameters
    ----------
    array
        Classes (I, P, L).
    known
        Voxels that a person vouches for; a hole that holds one of them is meant, and stays.

    Returns
    -------
    array
        A copy.
    """
    filled = array.copy(order="K")
    box = _box(array > 0)
    if box is None:
        return filled
    inside = array[box]
    holes = _components((inside == 0).astype(np.uint8), _FACES)
    closed = np.ones(int(holes.max()) + 1, dtype=np.bool_)
    closed[0] = False
    closed[_ids_on_sides(holes, array.shape)] = False
    if known is not None:
        closed[np.unique(holes[known[box]])] = False
    if closed.any():
        chosen = _most_touched(holes, inside, closed)
        here = closed[holes]
        filled[box][here] = chosen[holes[here]]
    return filled


def _largest_of_each(sizes: npt.NDArray[np.intp], values: LabelArray) -> Mask:
    keep = np.zeros(len(sizes), dtype=np.bool_)
    for value in np.unique(values[1:]):
        of_class = np.flatnonzero(values == value)
        keep[of_class[np.argmax(sizes[of_class])]] = True
    return keep


def _most_touched(
    holes: npt.NDArray[Any], classes: LabelArray, closed: Mask
) -> npt.NDArray[np.uint16]:
    """Class with most faces on each hole; the lower one where two have as many."""
    num_classes = int(classes.max()) + 1
    faces = np.zeros((len(closed), num_classes), dtype=np.int64)
    for axis in range(classes.ndim):
        for first, second in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
            hole = holes[_cut(axis, first)]
            beside = classes[_cut(axis, second)]
            met = closed[hole] & (beside > 0)
            np.add.at(faces, (hole[met], beside[met]), 1)
    most: npt.NDArray[np.uint16] = faces.argmax(axis=1).astype(np.uint16)
    return most


def _ids_on_sides(pieces: npt.NDArray[Any], whole: tuple[int, ...]) -> npt.NDArray[Any]:
    sides = [
        pieces.take((0, -1), axis=axis).ravel() for axis in range(pieces.ndim) if whole[axis] > 1
    ]
    return np.unique(np.concatenate(sides)) if sides else np.zeros(0, dtype=np.intp)


def _box(mask: Mask) -> tuple[slice, ...] | None:
    """Smallest block that holds all of a mask; None where it is empty."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        found = np.flatnonzero(mask.any(axis=others))
        if not found.size:
            return None
        box.append(slice(int(found[0]), int(found[-1]) + 1))
    return tuple(box)


def _components(array: npt.NDArray[Any], connectivity: Literal[6, 26]) -> npt.NDArray[Any]:
    """Connected pieces of each value but 0, numbered from 1 through all values."""
    import cc3d

    return cc3d.connected_components(np.ascontiguousarray(array), connectivity=connectivity)


def _cut(axis: int, part: slice) -> tuple[slice, ...]:
    return tuple(part if axis == other else slice(None) for other in range(3))

"""What the classes of an earlier state of annotation are now: values move when one is removed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import count

import numpy as np

from napari_transmedseg.project.schema import (
    SegmentationClass,
    check_class_names,
    default_color,
)
from napari_transmedseg.project.slice_file import StoredSlices

Classes = Sequence[SegmentationClass]


def with_classes_of_now(
    stored: StoredSlices, classes: Classes, removed: Classes
) -> tuple[StoredSlices, list[SegmentationClass]]:
    """Stored slices with the values that their classes have now, whatever they are called.

    Voxels of a class that was removed since go to a class of that name that came later; where
    there is none, one has to be added.

    Parameters
    ----------
    stored
        Slices of an earlier state.
    classes
        Of the project now.
    removed
        Classes that were removed so far, in that order.

    Returns
    -------
    slices, classes
        The slices, and the classes to add to the project for them, in that order.

    Raises
    ------
    ProjectError
        If there would be too many classes.
    """
    values = _values(stored)
    last = max([*values, len(stored.class_names)], default=0)
    fates = {value: _fate(value, stored, classes, removed) for value in range(1, last + 1)}
    taken = {fate for fate in fates.values() if isinstance(fate, int)}
    after, table = list(classes), np.zeros(256, np.uint8)
    for value in values:
        fate = fates[value]
        table[value] = fate if isinstance(fate, int) else _place_for(fate, after, taken)
    slices = {index: table[labels_YX] for index, labels_YX in stored.slices.items()}
    return dataclasses.replace(stored, slices=slices), after[len(classes) :]


def _values(stored: StoredSlices) -> list[int]:
    found = {int(value) for plane in stored.slices.values() for value in np.unique(plane)}
    return sorted(found - {0})


def _fate(
    value: int, stored: StoredSlices, classes: Classes, removed: Classes
) -> int | SegmentationClass:
    """What a stored value is now; the class as it was where it is none any more."""
    if stored.num_removed is None or stored.num_removed > len(removed):
        return _fate_by_name(value, stored.class_names, classes)
    moved = value
    for gone in removed[stored.num_removed :]:
        if gone.value == moved:
            return gone
        moved -= gone.value < moved
    return moved if moved <= len(classes) else _class(value, "")


def _fate_by_name(value: int, names: Sequence[str], classes: Classes) -> int | SegmentationClass:
    """The same for files that do not say how many classes were removed before."""
    name = names[value - 1] if value <= len(names) else ""
    for other in classes:
        if other.name == name:
            return other.value
    is_renamed = value <= len(classes) and classes[value - 1].name not in names
    return value if is_renamed else _class(value, name)


def _place_for(gone: SegmentationClass, after: list[SegmentationClass], taken: set[int]) -> int:
    """Value for a class that was removed; none that another class of that time has."""
    for number in count(1):
        name = gone.name if number == 1 else f"{gone.name} ({number})"
        same = [one.value for one in after if one.name.casefold() == name.casefold()]
        if not same:
            check_class_names([*(one.name for one in after), name])
            same = [len(after) + 1]
            after.append(gone.model_copy(update={"value": same[0], "name": name}))
        if same[0] not in taken:
            break
    taken.add(same[0])
    return same[0]


def _class(value: int, name: str) -> SegmentationClass:
    return SegmentationClass(value=value, name=name or f"class {value}", color=default_color(value))

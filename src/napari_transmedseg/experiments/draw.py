"""Which cases train, which are annotated on which slices, and which are measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from zlib import crc32

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import DataSetError
from napari_transmedseg.experiments.experiment import Labeling, Setup
from napari_transmedseg.imaging.data_sets import DataSet, DataSetCase
from napari_transmedseg.imaging.geometry import require_same_space
from napari_transmedseg.imaging.volume import LabelMap, Volume
from napari_transmedseg.project.slices import spread_slices

_ATTEMPTS = 100
_HELD_OUT_SEED = 0
"""The held-out persons are the same in every run."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Draw:
    """The cases of one run."""

    training: tuple[DataSetCase, ...]
    """Annotated and unlabeled ones."""
    annotations: dict[str, LabelMap]
    """By case id, with the known mask."""
    slices: dict[str, tuple[int, ...]]
    """Annotated slices by case id."""
    test: tuple[DataSetCase, ...]
    """Measured cases."""
    held_out: bool
    """Whether the training does not see the measured cases at all."""
    attempt: int = 0
    """Draws that were thrown away because a class was missing."""


def draw_cases(data: DataSet, setup: Setup, slice_axis: int, seed: int) -> Draw:
    """Split a data set and draw its annotation; the same seed, the same draw for every method.

    A draw that lacks an example of a class is drawn again. Cases and slices are drawn as
    `transmedseg annotate` does.

    Parameters
    ----------
    slice_axis
        Display axis (0 I, 1 P, 2 L) that is cut.

    Raises
    ------
    DataSetError
        If there are too few cases with labels, or no draw shows every class.
    """
    cases = [case for case in data.cases if fnmatch(case.case_id, setup.only)]
    cases = _first_groups(cases, setup)
    held_out = _held_out(cases, setup)
    training = [case for case in cases if case.group not in held_out]
    for attempt in range(_ATTEMPTS):
        chosen = _choose(training, setup.labeling, seed, attempt)
        maps = {case.case_id: sectors_of(_labels(case), setup, slice_axis) for case in chosen}
        slices = _choose_slices(maps, setup.labeling, data, slice_axis, seed, attempt)
        annotations = {
            case_id: _known_on(maps[case_id], slices[case_id], slice_axis) for case_id in slices
        }
        if _shows_all(annotations, len(class_names_of(data, setup))):
            test = [case for case in cases if case.group in held_out]
            return Draw(
                training=tuple(training),
                annotations=annotations,
                slices=slices,
                test=tuple(_measured(training, test, slices)),
                held_out=bool(test),
                attempt=attempt,
            )
        if setup.labeling.groups and setup.labeling.slices_per_case is None:
            break
    raise DataSetError(
        f"Expected annotation that shows {', '.join(class_names_of(data, setup))}, found no draw "
        "that does; annotate more cases or slices."
    )


def class_names_of(data: DataSet, setup: Setup) -> tuple[str, ...]:
    """Foreground names, one per sector where classes are cut."""
    if not setup.sectors:
        return data.class_names
    return tuple(
        f"{name} {sector + 1}" for name in data.class_names for sector in range(setup.sectors)
    )


def sectors_of(label_map: LabelMap, setup: Setup, slice_axis: int) -> LabelMap:
    """Cut every class of a label map into equal sectors around the foreground's centre.

    Class c becomes the classes (c − 1)·n + 1 … c·n; the centre is that of each slice's
    foreground, the first sector begins at its row axis. Many classes with real shapes come so
    from few.
    """
    count = setup.sectors
    if not count:
        return label_map
    label_SYX = np.moveaxis(label_map.array, slice_axis, 0)
    cut_SYX = np.zeros_like(label_SYX)
    for index, label_YX in enumerate(label_SYX):
        rows, columns = np.nonzero(label_YX)
        if rows.size == 0:
            continue
        angle = np.arctan2(columns - columns.mean(), rows - rows.mean()) + math.pi
        sector = np.minimum(count - 1, (angle / (2 * math.pi) * count).astype(int))
        values = label_YX[rows, columns].astype(int)
        cut_SYX[index, rows, columns] = (values - 1) * count + sector + 1
    return _replace_array(label_map, np.moveaxis(cut_SYX, 0, slice_axis))


def _replace_array(label_map: LabelMap, array: npt.NDArray[np.uint8 | np.uint16]) -> LabelMap:
    """Other classes on the same grid."""
    return LabelMap(array=array, geometry=label_map.geometry, known=label_map.known)


def on_image(label_map: LabelMap, image: Volume, case_id: str) -> LabelMap:
    """The label map with its image's geometry, whose headers may differ by rounding.

    Raises
    ------
    GeometryError
        If it lies elsewhere.
    """
    require_same_space(image.geometry, label_map.geometry, f"the labels of {case_id}", case_id)
    return LabelMap(array=label_map.array, geometry=image.geometry, known=label_map.known)


def _first_groups(cases: Sequence[DataSetCase], setup: Setup) -> list[DataSetCase]:
    split, most = setup.split, setup.split.max_groups
    wanted = set(setup.labeling.groups) | set(split.test_groups)
    if split.train_groups and not split.test_others:
        allowed = wanted | set(split.train_groups)
        cases = [case for case in cases if case.group in allowed]
    if most is None:
        return list(cases)
    others = [group for group in _groups(cases) if group not in wanted]
    kept = wanted | set(others[: max(0, most - len(wanted))])
    return [case for case in cases if case.group in kept]


def _held_out(cases: Sequence[DataSetCase], setup: Setup) -> set[str]:
    split = setup.split
    if split.test_groups:
        return set(split.test_groups) & set(_groups(cases))
    if split.test_others:
        return set(_groups(cases)) - set(split.train_groups)
    if split.use_own:
        return {case.group for case in cases if case.split in ("validation", "test")}
    groups = [group for group in _groups(cases) if group not in setup.labeling.groups]
    order = np.random.default_rng(_HELD_OUT_SEED).permutation(len(groups))
    return {groups[index] for index in order[: round(split.test_share * len(_groups(cases)))]}


def _groups(cases: Sequence[DataSetCase]) -> list[str]:
    return sorted({case.group for case in cases})


def _choose(
    training: Sequence[DataSetCase], labeling: Labeling, seed: int, attempt: int
) -> list[DataSetCase]:
    candidates = [
        case
        for case in training
        if case.load_labels is not None
        and (not labeling.domains or case.domain in labeling.domains)
    ]
    if labeling.groups:
        missing = sorted(set(labeling.groups) - {case.group for case in candidates})
        if missing:
            raise DataSetError(
                f"Expected labels of {', '.join(labeling.groups)}, found none of "
                f"{', '.join(missing)}; complete the data set."
            )
        return [case for case in candidates if case.group in labeling.groups]
    rng = np.random.default_rng(seed if attempt == 0 else [seed, attempt])
    if labeling.share is not None:
        groups = _groups(candidates)
        count = max(1, round(labeling.share * len(groups)))
        drawn = {groups[index] for index in rng.permutation(len(groups))[:count]}
        return [case for case in candidates if case.group in drawn]
    count = labeling.cases or len(candidates)
    if count > len(candidates):
        raise DataSetError(
            f"Expected at least {count} cases with labels to annotate, found {len(candidates)}; "
            "complete the data set."
        )
    return [candidates[index] for index in sorted(rng.permutation(len(candidates))[:count])]


def _labels(case: DataSetCase) -> LabelMap:
    if case.load_labels is None:
        raise DataSetError(
            f"Expected a label map of {case.case_id}, found none; complete the data set."
        )
    return case.load_labels()


def _choose_slices(
    maps: dict[str, LabelMap],
    labeling: Labeling,
    data: DataSet,
    slice_axis: int,
    seed: int,
    attempt: int,
) -> dict[str, tuple[int, ...]]:
    chosen: dict[str, tuple[int, ...]] = {}
    for case_id, label_map in maps.items():
        count = label_map.array.shape[slice_axis]
        entropy = [seed, crc32(case_id.encode())] + ([attempt] if attempt else [])
        chosen[case_id] = (
            tuple(range(count))
            if labeling.slices_per_case is None
            else tuple(
                spread_slices(labeling.slices_per_case, count, seed=np.random.default_rng(entropy))
            )
        )
    if not labeling.rare_class:
        return chosen
    value = data.class_names.index(labeling.rare_class) + 1
    return _make_rare(chosen, maps, value, labeling.rare_slices, slice_axis)


def _make_rare(
    chosen: dict[str, tuple[int, ...]],
    maps: dict[str, LabelMap],
    value: int,
    most: int,
    slice_axis: int,
) -> dict[str, tuple[int, ...]]:
    """Leave out the slices that show a class, but for the first few of every person's order."""
    left = most
    kept: dict[str, tuple[int, ...]] = {}
    for case_id, slices in chosen.items():
        label_SYX = np.moveaxis(maps[case_id].array, slice_axis, 0)
        here = []
        for index in slices:
            shows = bool((label_SYX[index] == value).any())
            if shows and left == 0:
                continue
            left -= shows
            here.append(index)
        kept[case_id] = tuple(here)
    return {case_id: slices for case_id, slices in kept.items() if slices}


def _known_on(label_map: LabelMap, slices: Sequence[int], slice_axis: int) -> LabelMap:
    known = np.zeros(label_map.array.shape, bool)
    np.moveaxis(known, slice_axis, 0)[list(slices)] = True
    array = np.where(known, label_map.array, 0).astype(label_map.array.dtype)
    return LabelMap(array=array, geometry=label_map.geometry, known=known)


def _shows_all(annotations: dict[str, LabelMap], num_classes: int) -> bool:
    present: set[int] = set()
    for label_map in annotations.values():
        present.update(int(value) for value in np.unique(label_map.array))
    return present >= set(range(1, num_classes + 1))


def _measured(
    training: Sequence[DataSetCase],
    held_out: Sequence[DataSetCase],
    slices: dict[str, tuple[int, ...]],
) -> list[DataSetCase]:
    """The held-out cases; without any, all with labels but other images of annotated persons."""
    if held_out:
        return [case for case in held_out if case.load_labels is not None]
    seen = {case.group for case in training if case.case_id in slices}
    return [
        case
        for case in training
        if case.load_labels is not None and (case.case_id in slices or case.group not in seen)
    ]

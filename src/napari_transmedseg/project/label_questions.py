"""What label maps of other programs hold, for a person who says which class is which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_transmedseg.errors import OverlapError
from napari_transmedseg.imaging.dicom import is_segmentation
from napari_transmedseg.imaging.io import read_labels
from napari_transmedseg.imaging.label_tables import read_label_table
from napari_transmedseg.imaging.overlap import OverlapRule
from napari_transmedseg.imaging.volume import LabelMap, class_counts
from napari_transmedseg.project.label_classes import BACKGROUND, suggested_class
from napari_transmedseg.project.label_files import Pairing, pair_label_maps
from napari_transmedseg.project.project import Project


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignLabel:
    """One value of label maps, or one name where they have names."""

    key: str
    """Its name, else its value: what a mapping calls it."""
    num_voxels: int
    num_cases: int
    suggestion: str
    """Name of the project's class, or `background` where no class is meant by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedVoxels:
    """Two segments that claim the same voxels, of one file or several."""

    names: tuple[str, str]
    num_voxels: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignLabels:
    """Label maps and the cases that they belong to."""

    files: Mapping[str, Path]
    """By case id."""
    labels: tuple[ForeignLabel, ...] = ()
    advice: tuple[str, ...] = ()
    """What has no partner, in plain sentences."""
    off_grid: tuple[str, ...] = ()
    """Cases whose label map has other voxels than the image."""
    annotated: tuple[str, ...] = ()
    """Cases that have annotation already."""
    overlaps: tuple[SharedVoxels, ...] = ()
    """Segments that claim the same voxels, so that somebody has to say which wins."""


def look_into_labels(
    project: Project,
    labels: Path | Mapping[str, Path],
    *,
    case_id: str = "",
    names: Path | None = None,
    overlap: OverlapRule | None = None,
) -> ForeignLabels:
    """Read label maps for what they hold; nothing is changed.

    Parameters
    ----------
    project
        Whose cases they belong to.
    labels
        A folder, or a file; or files by the ids of their cases.
    case_id
        Case of the file, whatever its name is.
    names
        File that names the labels.
    overlap
        Which of overlapping segments wins in what is counted; without, the later one.

    Raises
    ------
    ImageReadError, ProjectError
        If there is none, one cannot be read, or two claim one case.
    """
    pairing = _paired(project, labels, case_id)
    table = {} if names is None else read_label_table(names)[0]
    voxels: dict[str, int] = {}
    cases: dict[str, int] = {}
    values: dict[str, int] = {}
    off_grid = []
    shared: Counter[tuple[str, str]] = Counter()
    for one, file in pairing.found.items():
        label_map, pairs = _read(file, overlap)
        shared.update(pairs)
        if _is_off_grid(project, one, label_map, file):
            off_grid.append(one)
        for value, count in class_counts(label_map.array).items():
            if value:
                key = _key_of(value, table or label_map.names)
                voxels[key] = voxels.get(key, 0) + count
                cases[key] = cases.get(key, 0) + 1
                values.setdefault(key, value)
    return ForeignLabels(
        files=pairing.found,
        labels=tuple(
            ForeignLabel(
                key=key,
                num_voxels=voxels[key],
                num_cases=cases[key],
                suggestion=_suggestion(project, values[key], key),
            )
            for key in sorted(values, key=lambda key: (values[key], key))
        ),
        advice=pairing.sentences(),
        off_grid=tuple(off_grid),
        annotated=tuple(one for one in pairing.found if is_annotated(project, one)),
        overlaps=tuple(SharedVoxels(names=one, num_voxels=n) for one, n in shared.most_common()),
    )


def is_annotated(project: Project, case_id: str) -> bool:
    """Whether somebody painted on a case, or said what is on its slices."""
    return any(state.is_begun for state in project.ledger(case_id).states)


def _paired(project: Project, labels: Path | Mapping[str, Path], case_id: str) -> Pairing:
    if isinstance(labels, Mapping):
        return Pairing(found=dict(labels))
    if case_id and labels.is_file():
        return Pairing(found={case_id: labels})
    ids = [case.case_id for case in project.cases]
    return pair_label_maps(labels, ids, images=[project.image_path(one) for one in ids])


def _read(file: Path, overlap: OverlapRule | None) -> tuple[LabelMap, dict[tuple[str, str], int]]:
    """Label map, and the voxels that two of its segments claim, whichever is on top."""
    try:
        return read_labels(file), {}
    except OverlapError as error:
        shared: Counter[tuple[str, str]] = Counter()
        for one, other, count in error.pairs:
            first, second = sorted((one, other))
            shared[first, second] += count
    return read_labels(file, overlap=overlap or OverlapRule()), dict(shared)


def _key_of(value: int, names: Mapping[int, str]) -> str:
    return names.get(value, "").strip() or str(value)


def _suggestion(project: Project, value: int, key: str) -> str:
    found = suggested_class(value, "" if key.isdecimal() else key, project.class_names)
    return BACKGROUND if found is None else project.class_names[found]


def _is_off_grid(project: Project, case_id: str, label_map: LabelMap, file: Path) -> bool:
    """DICOM SEG leaves out empty slices, which is no other grid."""
    same = project.geometry(case_id).same_space(label_map.geometry)
    return not same and not is_segmentation(file)

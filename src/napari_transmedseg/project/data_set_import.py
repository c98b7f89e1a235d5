"""A project from a data set: images become cases, label maps annotation, names classes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from napari_transmedseg.errors import ConfigError, DataSetError, TransMedSegError
from napari_transmedseg.imaging.alignment import onto_same_grid
from napari_transmedseg.imaging.data_sets import (
    DataSet,
    DataSetCase,
    ImageFile,
    LayoutName,
    read_data_set,
)
from napari_transmedseg.imaging.dicom import find_series
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.io import open_image
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.case_files import source_of
from napari_transmedseg.project.channel_groups import channel_case
from napari_transmedseg.project.image_sources import ImageSource
from napari_transmedseg.project.import_options import AUTO, CHANNELS, NO_CHOICE, ImportOptions
from napari_transmedseg.project.label_classes import UNKNOWN, map_classes
from napari_transmedseg.project.project import Plane, Project

_LISTED = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSetOptions:
    """What a person decides about a data set."""

    layout: LayoutName | Literal["auto"] = "auto"
    """How the files lie; `auto`: the first layout that fits."""
    classes: tuple[str, ...] = ()
    """Names of the classes by value; empty: the data set's own."""
    with_labels: bool = True
    """Whether label maps become annotation."""
    plane: Plane = "auto"
    """Plane of the slices; `auto`: that of acquisition."""
    images: ImportOptions = NO_CHOICE
    """Which channels of several, and what of images that do not say where they lie."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenedDataSet:
    """A data set that a project can be made of; no voxel is read yet."""

    data: DataSet
    """With names of the classes."""
    options: DataSetOptions
    sources: tuple[ImageSource, ...]
    """Image of each case, as a project keeps it."""

    @property
    def labeled(self) -> list[tuple[DataSetCase, ImageSource]]:
        """Cases whose label maps become annotation; never those of the data set's own test."""
        if not self.options.with_labels:
            return []
        pairs = zip(self.data.cases, self.sources, strict=True)
        return [(case, source) for case, source in pairs if _is_labeled(case)]


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelsTaken:
    """The label map of one case became annotation, or does not fit."""

    case_id: str
    index: int
    """Cases done so far, this one included."""
    total: int
    problem: str = ""
    """Why it was left out; empty where it was taken."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataSetSummary:
    """What a data set brought into a project."""

    annotated: tuple[str, ...]
    """Ids of the cases that have annotation now."""
    notes: tuple[str, ...]
    """What was left out or assumed, in plain sentences."""


def project_from_data_set(
    folder: str | Path, data_set: str | Path, options: DataSetOptions | None = None
) -> tuple[Project, DataSetSummary]:
    """Make a project of a data set as it was unpacked; nothing is copied but label maps.

    Label maps are taken whole: every slice is annotated then, or empty. Their files stand in the
    ledger. Those of the data set's own test cases are left out, as are those that do not fit.

    Parameters
    ----------
    folder
        New or existing folder without a project.
    data_set
        Folder in one of the layouts that `read_data_set` knows.
    options
        What to do where there is a choice.

    Raises
    ------
    DataSetError
        If the layout is not known, the choice of a channel or class names are missing, or its
        images are no medical image files. Nothing is written then.
    ProjectError, ImageReadError, GeometryError
        As `Project.create`; or if none of the label maps fits.
    """
    opened = open_data_set(Path(data_set), options or DataSetOptions())
    project = create_project(Path(folder), opened)
    try:
        events = list(take_labels(project, opened))
    except BaseException:
        project.close()
        raise
    return project, summary_of(opened, events)


def open_data_set(data_set: Path, options: DataSetOptions) -> OpenedDataSet:
    """Read a data set's layout, and check that a project can be made of it; errors as above."""
    frame = options.images.frame
    channel = frame if isinstance(frame, int) else None
    data = read_data_set(data_set, layout=options.layout, channel=channel)
    _require_files(data, data_set)
    _require_channel(data, options)
    names = options.classes or data.class_names or names_in_labels(data)
    if not names:
        raise DataSetError(
            f"Expected names of the classes, found none in {data_set} {_found_values(data)}; name "
            "them in the order of their values (--classes)."
        )
    return OpenedDataSet(
        data=replace(data, class_names=tuple(names)),
        options=options,
        sources=tuple(_source_of(case, data.channel_names, options) for case in data.cases),
    )


def create_project(folder: Path, opened: OpenedDataSet) -> Project:
    """Make the project of a data set's images; nothing is annotated yet.

    Raises
    ------
    ProjectError, ImageReadError, GeometryError
        As `Project.create`; or if there are label maps and none fits. Nothing is written then.
    """
    _require_one_that_fits(opened)
    return Project.create(
        folder,
        images=opened.sources,
        classes=opened.data.class_names,
        plane=opened.options.plane,
        options=opened.options.images,
    )


def take_labels(project: Project, opened: OpenedDataSet) -> Iterator[LabelsTaken]:
    """Bring the data set's label maps in as annotation, case by case."""
    by_address = {
        source_of(case, *project.image_paths(case.case_id)).address: case.case_id
        for case in project.cases
    }
    labeled = opened.labeled
    for index, (case, source) in enumerate(labeled, start=1):
        case_id, problem = by_address[source.address], ""
        try:
            labels = _fitting_labels(case, project.geometry(case_id), opened.data)
        except TransMedSegError as error:
            problem = str(error)
        else:
            project.import_labels(case_id, labels, who=", ".join(p.name for p in case.labels))
        yield LabelsTaken(case_id=case_id, index=index, total=len(labeled), problem=problem)


def summary_of(opened: OpenedDataSet, events: Sequence[LabelsTaken]) -> DataSetSummary:
    """What came in and what did not."""
    data = opened.data
    notes = [*data.notes]
    notes += [f"{one.case_id} has no annotation: {one.problem}" for one in events if one.problem]
    held_back = [case.case_id for case in data.cases if case.split == "test" and case.labels]
    if held_back and opened.options.with_labels:
        notes.append(
            f"Label maps of the data set's test cases are not taken ({_named(held_back)}); bring "
            "them in with transmedseg annotate if you want to train on them."
        )
    return DataSetSummary(
        annotated=tuple(event.case_id for event in events if not event.problem),
        notes=tuple(notes),
    )


def _source_of(
    case: DataSetCase, channel_names: Sequence[str], options: DataSetOptions
) -> ImageSource:
    """Image of a case as a project keeps it, or its images where all channels are asked for."""
    frame = options.images.frame if isinstance(options.images.frame, int) else None
    found = [_image_source(case, image, frame) for image in case.images]
    if len(found) == 1:
        return found[0]
    if frame is not None:
        return found[frame]
    names = _chosen_names(channel_names, options.images)
    return channel_case(case.case_id, dict(zip(names, found, strict=True)))


def _image_source(case: DataSetCase, image: ImageFile, frame: int | None) -> ImageSource:
    series = _series_of(image)
    is_sequence = frame is not None and image.frame is None and (
        open_image(image.path, series=series).num_frames > 1
    )  # fmt: skip
    return ImageSource(
        path=Path(os.path.abspath(image.path)),
        case_id=case.case_id,
        series=series,
        frame=frame if is_sequence else image.frame,
        domain=case.domain,
    )


def _chosen_names(channel_names: Sequence[str], options: ImportOptions) -> Sequence[str]:
    """Names of all channels: those that a person gave, else the data set's own."""
    given = options.channels
    if not given or given == (AUTO,):
        return channel_names
    if len(given) != len(channel_names):
        raise ConfigError(
            f"Expected names for {len(channel_names)} channels ({', '.join(channel_names)}), found "
            f"{', '.join(given)}; name all of them (--channels), or leave the names out."
        )
    return given


def _series_of(image: ImageFile) -> str:
    """Key of the one DICOM series in a folder."""
    if not image.path.is_dir():
        return ""
    found = [one for one in find_series(image.path) if not one.is_segmentation]
    if len(found) != 1:
        raise DataSetError(
            f"Expected one DICOM series in {image.path}, found {len(found)}; leave one there."
        )
    return found[0].key


def _is_labeled(case: DataSetCase) -> bool:
    return case.load_labels is not None and case.split != "test"


def _fitting_labels(case: DataSetCase, geometry: Geometry, data: DataSet) -> LabelMap:
    """Label map of a case on its image's voxels, classes by name where it names them."""
    assert case.load_labels is not None
    labels = case.load_labels()
    classes = dict(enumerate(data.class_names, start=1))
    by_hand = {} if data.ignored is None else {str(data.ignored): UNKNOWN}
    what = ", ".join(path.name for path in case.labels)
    mapped = map_classes(labels, classes, by_hand, what)
    return onto_same_grid(mapped, geometry, what, f"the image of {case.case_id}")


def _require_one_that_fits(opened: OpenedDataSet) -> None:
    """Refuse a data set none of whose label maps fits, with the first one's reason."""
    first: TransMedSegError | None = None
    for case, source in opened.labeled:
        image = open_image(source.path, series=source.series)
        try:
            _fitting_labels(case, image.confirmed().geometry, opened.data)
        except TransMedSegError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first


def _require_files(data: DataSet, data_set: Path) -> None:
    if any(not case.images for case in data.cases):
        raise DataSetError(
            f"Expected images that a project can point to (NIfTI, NRRD, MetaImage, DICOM) in "
            f"{data_set}, found slices or arrays; convert them to NIfTI first."
        )


def _require_channel(data: DataSet, options: DataSetOptions) -> None:
    frame, channels = options.images.frame, options.images.channels
    is_chosen = isinstance(frame, int) or frame == CHANNELS or (channels and frame is None)
    if data.channel_names and not is_chosen:
        listed = ", ".join(f"{number} {name}" for number, name in enumerate(data.channel_names))
        raise DataSetError(
            f"Expected a choice of channels, found {len(data.channel_names)} for each case: "
            f"{listed}; take all of them (--frame {CHANNELS}), or one by its number (--frame 0)."
        )


def names_in_labels(data: DataSet) -> tuple[str, ...]:
    """Names that the first label map gives to the values 1 to N (3D Slicer's segments)."""
    first = _first_labels(data)
    names = {} if first is None else first[1].names
    one_by_one = sorted(names) == list(range(1, len(names) + 1))
    return tuple(names[value] for value in sorted(names)) if one_by_one else ()


def values_in_labels(data: DataSet) -> tuple[int, ...]:
    """Values in the first label map that would be taken; none where there is no such."""
    first = _first_labels(data)
    return () if first is None else tuple(int(one) for one in np.unique(first[1].array) if one)


def _found_values(data: DataSet) -> str:
    first = _first_labels(data)
    if first is None:
        return "and no label map"
    values = values_in_labels(data)
    listed = ", ".join(map(str, values[:_LISTED])) + (", …" if len(values) > _LISTED else "")
    return f"but the labels {listed or '(none)'} in {first[0]}"


def _first_labels(data: DataSet) -> tuple[str, LabelMap] | None:
    """First label map that can be read, and its case."""
    for case in data.cases:
        if case.load_labels is not None and _is_labeled(case):
            return case.case_id, case.load_labels()
    return None


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - _LISTED} more" if len(ids) > _LISTED else ""
    return ", ".join(ids[:_LISTED]) + more

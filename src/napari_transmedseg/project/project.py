"""A project: a folder with classes, cases, annotations, predictions and runs."""

from __future__ import annotations

import dataclasses
import weakref
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
from psygnal import Signal

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.geometry import Geometry, require_same_space
from napari_transmedseg.imaging.io import read_geometry, read_labels, write_labels
from napari_transmedseg.imaging.volume import LabelMap, Volume
from napari_transmedseg.project import cohort
from napari_transmedseg.project.annotation import (
    AnnotationFiles,
    read_annotation,
    read_ledger,
    write_annotation,
)
from napari_transmedseg.project.importing import merge_labels
from napari_transmedseg.project.ledger import (
    Ledger,
    SliceState,
    painted_counts,
    with_paint,
)
from napari_transmedseg.project.lock import ProjectLock
from napari_transmedseg.project.run import Run
from napari_transmedseg.project.schema import (
    PROJECT_FILE,
    Case,
    ProjectFile,
    SegmentationClass,
    check_class_names,
    default_color,
    find_image,
    load_project_file,
    make_classes,
    save_project_file,
)

__all__ = ["Case", "Plane", "Project", "SegmentationClass"]

Plane = Literal["auto", "axial", "coronal", "sagittal"]
_CACHED_VOLUMES = 3


class Project:
    """Cohort, annotation and runs in one folder. Change it on one thread only.

    Human annotation (`annotations/`) and predictions (`predictions/`) never share a file.
    Use `Project.create` or `Project.open`, and `close` (or `with`) to let others write.
    """

    cases_changed: ClassVar[Signal] = Signal()
    classes_changed: ClassVar[Signal] = Signal()
    annotation_changed: ClassVar[Signal] = Signal(str)
    ledger_changed: ClassVar[Signal] = Signal(str)
    runs_changed: ClassVar[Signal] = Signal()

    def __init__(self, folder: Path, content: ProjectFile, lock: ProjectLock | None) -> None:
        self.folder = folder
        self._content = content
        self._cases = {case.case_id: case for case in content.cases}
        self._geometries: dict[str, Geometry] = {}
        self._ledgers: dict[str, Ledger] = {}
        self._volumes: OrderedDict[str, Volume] = OrderedDict()
        self.read_only = lock is None
        self._release = weakref.finalize(self, lock.release) if lock is not None else None

    # --- opening and closing

    @classmethod
    def create(
        cls,
        folder: str | Path,
        *,
        images: Iterable[str | Path],
        classes: Sequence[str],
        plane: Plane = "auto",
    ) -> Project:
        """Make a project; nothing is annotated and nothing is trained.

        Parameters
        ----------
        folder
            New or existing folder without a project.
        images
            Image files, and folders that are searched.
        classes
            Names of the structures; values are 1, 2, … in this order, background is 0.
        plane
            Plane in which slices are cut; `auto` takes the plane of acquisition.

        Raises
        ------
        ProjectError, ImageReadError, GeometryError
            If there is a project already, or an image cannot be used. Nothing is written then.
        """
        folder = Path(folder)
        if (folder / PROJECT_FILE).exists():
            raise ProjectError(
                f"Expected a folder without a project, found {folder / PROJECT_FILE}; open that "
                "project, or choose another folder."
            )
        named = make_classes(classes)
        found = cohort.read_cases(images, folder)
        if not found:
            raise ProjectError(
                "Expected at least one image for the project, found none; choose NIfTI, NRRD or "
                "MetaImage files or a folder that holds some."
            )
        axis = cohort.slice_axis_of([geometry for _, geometry in found], plane)
        content = ProjectFile(
            name=folder.absolute().name,
            slice_axis=axis,
            classes=named,
            cases=tuple(case for case, _ in found),
        )
        cohort.make_folder(folder)
        lock = ProjectLock(folder)
        try:
            save_project_file(folder, content)
        except BaseException:
            lock.release()
            raise
        return cls(folder, content, lock)

    @classmethod
    def open(cls, folder: str | Path, *, read_only: bool = False) -> Project:
        """Open a project; no image is read.

        Raises
        ------
        ProjectError
            If there is none, it is damaged or of a newer version; and, unless `read_only`, if
            another program has it open or the folder cannot be written.
        """
        folder = Path(folder)
        load_project_file(folder)
        lock = None if read_only else ProjectLock(folder)
        try:
            return cls(folder, load_project_file(folder), lock)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    def close(self) -> None:
        """Let other programs write; this object reads only from now on."""
        self.read_only = True
        self._volumes.clear()
        if self._release is not None:
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- cohort

    @property
    def name(self) -> str:
        """Name for titles."""
        return self._content.name

    @property
    def classes(self) -> tuple[SegmentationClass, ...]:
        """Classes by ascending value; background is not among them."""
        return self._content.classes

    @property
    def cases(self) -> tuple[Case, ...]:
        """Cases in the order in which they were added."""
        return self._content.cases

    @property
    def slice_axis(self) -> int:
        """Display axis along which slices are counted: 0 I, 1 P, 2 L."""
        return self._content.slice_axis

    @property
    def config(self) -> TrainingConfig:
        """Training settings that this project prefers."""
        return TrainingConfig(**self._content.config)

    def set_config(self, config: TrainingConfig) -> None:
        """Remember training settings."""
        default = dataclasses.asdict(TrainingConfig())
        given = dataclasses.asdict(config)
        self._update(config={key: value for key, value in given.items() if value != default[key]})

    def add_images(self, paths: Iterable[str | Path]) -> list[Case]:
        """Add images, and those in folders; what is in the project already is left alone.

        Raises
        ------
        ProjectError, ImageReadError, GeometryError
            If one of them cannot be used; none is added then.
        """
        self._require_writable()
        found = cohort.read_cases(paths, self.folder, known=self.cases)
        added = [case for case, _ in found]
        if added:
            self._update(cases=(*self.cases, *added))
            self.cases_changed.emit()
        return added

    def case(self, case_id: str) -> Case:
        """Facts of one case.

        Raises
        ------
        ProjectError
            If there is none of that id.
        """
        try:
            return self._cases[case_id]
        except KeyError:
            some = ", ".join(list(self._cases)[:3])
            raise ProjectError(
                f"Expected a case of this project ({some}, …), found '{case_id}'; add its image "
                "first, or check the name."
            ) from None

    def set_domain(self, case_id: str, domain: str) -> None:
        """Say which site or scanner a case comes from."""
        self._replace_case(self.case(case_id).model_copy(update={"domain": domain.strip()}))

    def relink_image(self, case_id: str, path: str | Path) -> None:
        """Point a case to where its image is now.

        Raises
        ------
        ProjectError
            If that image has another grid.
        """
        case = self.case(case_id)
        found = cohort.describe(Path(path), self.folder)[0]
        cohort.check_facts(case, found.shape, found.spacing, Path(path))
        kept = {"image": found.image, "image_absolute": found.image_absolute}
        self._replace_case(case.model_copy(update=kept))
        self._geometries.pop(case_id, None)
        self._volumes.pop(case_id, None)

    def image_path(self, case_id: str) -> Path:
        """Where the image is, or should be."""
        return find_image(self.case(case_id), self.folder)

    def geometry(self, case_id: str) -> Geometry:
        """Grid of the image.

        Raises
        ------
        ProjectError
            If the image is missing or has become another.
        """
        if case_id not in self._geometries:
            case, path = self.case(case_id), self.image_path(case_id)
            cohort.check_present(case, path)
            geometry = read_geometry(path)
            cohort.check_facts(case, geometry.display_shape, geometry.display_spacing, path)
            self._geometries[case_id] = geometry
        return self._geometries[case_id]

    def volume(self, case_id: str) -> Volume:
        """Read the image; the last few are kept in memory. Errors as in `read_volume`."""
        if case_id not in self._volumes:
            self._volumes[case_id] = cohort.load_case(self.case(case_id), self.image_path(case_id))
            while len(self._volumes) > _CACHED_VOLUMES:
                self._volumes.popitem(last=False)
        self._volumes.move_to_end(case_id)
        return self._volumes[case_id]

    def num_slices(self, case_id: str) -> int:
        """Slices of a case along the project's slice axis."""
        return self.case(case_id).shape[self.slice_axis]

    # --- classes

    @property
    def class_names(self) -> dict[int, str]:
        """Names by value."""
        return {item.value: item.name for item in self.classes}

    def add_class(self, name: str, color: str | None = None) -> SegmentationClass:
        """Add a class; its value is the next number."""
        value = len(self.classes) + 1
        check_class_names([*self.class_names.values(), name])
        added = cohort.make_class(value, name, color or default_color(value))
        self._set_classes((*self.classes, added))
        return added

    def rename_class(self, value: int, name: str) -> None:
        """Give a class another name; its voxels stay."""
        names = {**self.class_names, self._class(value).value: name}
        check_class_names(list(names.values()))
        self._change_class(cohort.make_class(value, name, self._class(value).color))

    def recolor_class(self, value: int, color: str) -> None:
        """Give a class another colour, `#rrggbb`."""
        self._change_class(cohort.make_class(value, self._class(value).name, color))

    # --- annotation

    def annotation(self, case_id: str) -> LabelMap:
        """Read what people said about a case, and what of it is known; a fresh copy.

        Where nothing is annotated yet: zeros, nothing known.
        """
        label_map, ledger = self._read(case_id)
        self._ledgers[case_id] = ledger
        label_map.names = self.class_names
        return label_map

    def ledger(self, case_id: str) -> Ledger:
        """State of every slice of a case; a snapshot."""
        if case_id not in self._ledgers:
            self._ledgers[case_id] = read_ledger(self._files(case_id), self.num_slices(case_id))
        return self._ledgers[case_id]

    def save_annotation(self, case_id: str, label_map: LabelMap, *, who: str = "") -> None:
        """Save painted classes. Painted slices that were not begun are in progress now.

        What is known follows from the ledger; a known mask given here is not read.

        Raises
        ------
        GeometryError
            If the label map does not lie on the image.
        ProjectError
            If it holds classes that the project does not have, or cannot be written.
        """
        self._require_writable()
        checked = self._checked(case_id, label_map, f"the annotation of {case_id}")
        before = self.ledger(case_id)
        painted = painted_counts(checked.array, self.slice_axis)
        after = with_paint(before, painted, who=who, when=_now())
        self._write(case_id, checked, after)
        self.annotation_changed.emit(case_id)
        if after != before:
            self.ledger_changed.emit(case_id)

    def set_slice_state(
        self, case_id: str, index: int, state: SliceState, *, who: str = ""
    ) -> None:
        """Set the state of one slice, and with it what of the slice is known.

        Raises
        ------
        ProjectError
            If there is no such slice, or it carries paint that the state denies.
        """
        self.set_slice_states(case_id, [index], state, who=who)

    def set_slice_states(
        self, case_id: str, indices: Iterable[int], state: SliceState, *, who: str = ""
    ) -> None:
        """Set the state of several slices at once; errors as in `set_slice_state`."""
        self._require_writable()
        label_map, before = self._read(case_id)
        chosen = list(indices)
        after = before.with_states(chosen, SliceState(state), who=who, when=_now())
        if not SliceState(state).may_carry_paint:
            _refuse_paint(label_map, chosen, self.slice_axis, SliceState(state), case_id)
        self._write(case_id, label_map, after, labels_changed=False)
        self.ledger_changed.emit(case_id)

    def import_labels(
        self,
        case_id: str,
        label_map: LabelMap,
        slices: Sequence[int] | None = None,
        *,
        who: str = "",
        overwrite: bool = False,
    ) -> None:
        """Bring in labels of another tool as annotation; slices without a class are empty.

        Parameters
        ----------
        case_id
            Case that they belong to.
        label_map
            On the image's grid. Slices that its known mask leaves open stay open.
        slices
            Which slices to take; None takes all.
        who
            Where they come from, for the ledger.
        overwrite
            Whether slices that are annotated differently already may be replaced.

        Raises
        ------
        GeometryError
            If the label map does not lie on the image.
        ProjectError
            If it holds other classes, or would replace annotation.
        """
        self._require_writable()
        incoming = self._checked(case_id, label_map, f"the labels for {case_id}")
        current, ledger = self._read(case_id)
        chosen = range(self.num_slices(case_id)) if slices is None else slices
        merged, after = merge_labels(
            current, ledger, incoming, chosen, self.slice_axis,
            who=who, when=_now(), overwrite=overwrite,
        )  # fmt: skip
        self._write(case_id, merged, after)
        self.annotation_changed.emit(case_id)
        self.ledger_changed.emit(case_id)

    def training_cases(self) -> list[TrainingCase]:
        """All cases as the engine wants them: images on demand, annotation where there is any.

        Raises
        ------
        ProjectError
            If an image is missing.
        """
        cases = []
        for case in self.cases:
            path = self.image_path(case.case_id)
            cohort.check_present(case, path)
            annotation = self._known_annotation(case.case_id)
            cases.append(
                TrainingCase(
                    case_id=case.case_id,
                    load=partial(cohort.load_case, case, path),
                    annotation=annotation,
                    domain=case.domain,
                )
            )
        return cases

    # --- runs and predictions

    @property
    def runs(self) -> tuple[Run, ...]:
        """Training runs, oldest first."""
        folders = sorted((self.folder / "runs").glob("run-*"), key=_run_number)
        return tuple(Run(folder) for folder in folders if folder.is_dir())

    def run(self, run_id: str | None = None) -> Run:
        """One run; without an id the latest.

        Raises
        ------
        ProjectError
            If there is none.
        """
        runs = {run.run_id: run for run in self.runs}
        if not runs:
            raise ProjectError(
                f"Expected a training run in {self.folder}, found none; train first."
            )
        if run_id is None:
            return list(runs.values())[-1]
        if run_id not in runs:
            raise ProjectError(
                f"Expected one of the runs {', '.join(runs)}, found '{run_id}'; choose one of them."
            )
        return runs[run_id]

    def new_run(self, config: TrainingConfig, **facts: Any) -> Run:
        """Make the folder of the next run."""
        self._require_writable()
        number = max((_run_number(run.folder) for run in self.runs), default=0) + 1
        about = {
            "project": self.name,
            "classes": [item.name for item in self.classes],
            "slice_axis": self.slice_axis,
        }
        run = Run.create(self.folder / "runs" / f"run-{number:03d}", config, {**about, **facts})
        self.runs_changed.emit()
        return run

    def prediction_path(self, run_id: str, case_id: str) -> Path:
        """Where a run's prediction of a case is, or will be."""
        return self.folder / "predictions" / run_id / f"{self.case(case_id).case_id}.nii.gz"

    def save_prediction(self, run_id: str, case_id: str, label_map: LabelMap) -> Path:
        """Write what a run predicted, apart from all annotation; returns the file."""
        self._require_writable()
        checked = self._checked(case_id, label_map, f"the prediction of {case_id}")
        path = self.prediction_path(self.run(run_id).run_id, case_id)
        cohort.make_folder(path.parent)
        write_labels(path, checked)
        return path

    def prediction(self, case_id: str, run_id: str | None = None) -> LabelMap | None:
        """Read what a run predicted; without an id the latest run that predicted this case."""
        runs = [self.run(run_id)] if run_id is not None else list(reversed(self.runs))
        for run in runs:
            path = self.prediction_path(run.run_id, case_id)
            if path.exists():
                found = read_labels(path)
                geometry = self.geometry(case_id)
                require_same_space(geometry, found.geometry, str(path), f"the image of {case_id}")
                return LabelMap(array=found.array, geometry=geometry, names=self.class_names)
        return None

    # --- helpers

    def _files(self, case_id: str) -> AnnotationFiles:
        return AnnotationFiles.of(self.folder, self.case(case_id).case_id)

    def _read(self, case_id: str) -> tuple[LabelMap, Ledger]:
        return read_annotation(
            self._files(case_id),
            self.geometry(case_id),
            self.num_slices(case_id),
            self.slice_axis,
        )

    def _write(
        self, case_id: str, label_map: LabelMap, ledger: Ledger, *, labels_changed: bool = True
    ) -> None:
        files = self._files(case_id)
        cohort.make_folder(files.labels.parent)
        write_annotation(files, label_map, ledger, self.slice_axis, labels_changed=labels_changed)
        self._ledgers[case_id] = ledger

    def _known_annotation(self, case_id: str) -> LabelMap | None:
        if not self._files(case_id).labels.exists():
            return None
        annotation = self.annotation(case_id)
        assert annotation.known is not None
        return annotation if annotation.known.any() else None

    def _checked(self, case_id: str, label_map: LabelMap, what: str) -> LabelMap:
        geometry = self.geometry(case_id)
        require_same_space(geometry, label_map.geometry, what, f"the image of {case_id}")
        highest = int(label_map.array.max())
        if highest > len(self.classes):
            values = [int(v) for v in np.unique(label_map.array) if v > len(self.classes)]
            raise ProjectError(
                f"Expected the classes 0 to {len(self.classes)} "
                f"({', '.join(self.class_names.values())}) in {what}, found "
                f"{', '.join(map(str, values[:5]))}; add the missing classes, or remove these "
                "labels."
            )
        array = label_map.array.astype(np.uint8, copy=False)
        return LabelMap(array=array, geometry=geometry, known=label_map.known)

    def _class(self, value: int) -> SegmentationClass:
        if not 1 <= value <= len(self.classes):
            raise ProjectError(
                f"Expected a class from 1 to {len(self.classes)}, found {value}; add it first."
            )
        return self.classes[value - 1]

    def _change_class(self, changed: SegmentationClass) -> None:
        self._set_classes(
            tuple(changed if item.value == changed.value else item for item in self.classes)
        )

    def _set_classes(self, classes: tuple[SegmentationClass, ...]) -> None:
        self._update(classes=classes)
        self.classes_changed.emit()

    def _replace_case(self, changed: Case) -> None:
        self._update(
            cases=tuple(changed if c.case_id == changed.case_id else c for c in self.cases)
        )
        self.cases_changed.emit()

    def _update(self, **changes: Any) -> None:
        self._require_writable()
        content = self._content.model_copy(update=changes)
        save_project_file(self.folder, content)
        self._content = content
        self._cases = {case.case_id: case for case in content.cases}

    def _require_writable(self) -> None:
        if self.read_only:
            raise ProjectError(
                f"Expected a project that may be changed, found {self.folder} opened read-only or "
                "closed; open it again for writing."
            )


def _refuse_paint(
    label_map: LabelMap, indices: Sequence[int], slice_axis: int, state: SliceState, case_id: str
) -> None:
    painted = painted_counts(label_map.array, slice_axis)
    for index in indices:
        if painted[index]:
            raise ProjectError(
                f"Expected slice {index} of {case_id} without paint to mark it {state}, found "
                f"{painted[index]} painted voxels; erase them, or mark the slice done."
            )


def _run_number(folder: Path) -> int:
    number = folder.name.removeprefix("run-")
    return int(number) if number.isdecimal() else 0


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")

"""Finished masks: what people said where they said it, the prediction elsewhere."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.atomic import left_stages, staged, write_bytes
from napari_transmedseg.imaging.cleanup import fill_holes, keep_largest
from napari_transmedseg.imaging.io import write_labels
from napari_transmedseg.imaging.label_tables import (
    JSON_SUFFIX,
    SLICER_SUFFIX,
    SNAP_SUFFIX,
    json_table,
    slicer_table,
    snap_table,
)
from napari_transmedseg.imaging.volume import LabelArray, LabelMap, class_counts
from napari_transmedseg.project.annotation import AnnotationFiles
from napari_transmedseg.project.case_files import make_folder
from napari_transmedseg.project.export_options import EVERYTHING, Cleanup, ExportOptions
from napari_transmedseg.project.export_summary import (
    ALL_FILES,
    SUMMARY_FILE,
    ExportedCase,
    write_summary,
)
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.links import OWN_FOLDERS
from napari_transmedseg.project.lock import ProjectLock
from napari_transmedseg.project.mask_files import MaskWriter
from napari_transmedseg.project.opening import read_description
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.rejected import rejected_slices

LOCK_FILE = ".export.lock"
__all__ = [
    "CaseExported",
    "ExportOptions",
    "ExportedCase",
    "combine",
    "export",
    "export_one_by_one",
]

TABLE_NAME = "classes"
"""Stem of the files that hold names and colours."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseExported:
    """The files of one case are ready; they appear in the folder together with the others."""

    exported: ExportedCase
    index: int
    """Cases done so far, this one included."""
    total: int


class _CancelledError(Exception):
    """Somebody asked to stop; what was staged is thrown away."""


_Chosen = list[tuple[str, str | None]]
"""Cases, and for each the run whose prediction fills what nobody annotated."""


def export(
    project: Project, out: str | Path, options: ExportOptions = EVERYTHING
) -> list[ExportedCase]:
    """Write a mask for each case, on exactly its image's grid, and a summary of them all.

    Names and colours of the classes lie beside the masks, for ITK-SNAP, 3D Slicer and programs.
    All files appear together, when the last of them is written.

    Parameters
    ----------
    project
        May be open read-only.
    out
        Folder for `<case>.<format>`, the tables of classes, `export.json` and, for people,
        `export.html`, `export.csv` and `slices.csv`.
    options
        Which cases and runs, in which form.

    Raises
    ------
    ProjectHeldError
        If another export writes into the folder.
    ProjectError
        If a case that is not annotated as a whole has no prediction, a format does not suit a
        case, a file would be overwritten that is no earlier export, or a case was removed
        meanwhile. Nothing is written then.
    """
    return [event.exported for event in export_one_by_one(project, out, options)]


def export_one_by_one(
    project: Project,
    out: str | Path,
    options: ExportOptions = EVERYTHING,
    *,
    control: TrainingControl | None = None,
) -> Iterator[CaseExported]:
    """As `export`, telling of each case; work is done while the events are asked for.

    A stop request of `control` is honoured between two cases: then no file is written. Files
    appear after the last event.
    """
    out = Path(out)
    chosen = _reviewed(project, options) if options.reviewed_only else _complete(project, options)
    if not chosen:
        raise ProjectError(
            f"Expected annotated slices to export, found none in {project.folder}; mark slices as "
            "done or accept predictions, or export everything."
        )
    writer = MaskWriter(
        project,
        options.file_format,
        per_class=options.per_class,
        probabilities=options.probabilities,
    )
    for case_id, run in chosen:
        writer.check(case_id, run)
    names = {id_: writer.names(id_, run) for id_, run in chosen}
    _protect(project, out, names)
    make_folder(out)
    done: list[ExportedCase] = []
    with _only_export(out), contextlib.suppress(_CancelledError):
        _protect(project, out, names)
        for left in left_stages(out):
            shutil.rmtree(left, ignore_errors=True)
        with staged(out) as stage:
            for case_id, run in chosen:
                if control is not None and control.stop_requested:
                    raise _CancelledError
                done.append(_write(writer, stage, out, case_id, run, options))
                yield CaseExported(exported=done[-1], index=len(done), total=len(chosen))
            _write_tables(project, stage)
            write_summary(project, stage, done, options)
            _require_still_there(project, done)


def combine(
    project: Project, case_id: str, run_id: str | None, cleanup: Cleanup = "none"
) -> LabelMap:
    """Annotation on known voxels, the run's prediction elsewhere, and that cleaned if asked for.

    Without a run, and on slices whose prediction was rejected, unknown voxels are 0; the known
    mask says which these are.
    """
    annotation = project.annotation(case_id)
    prediction = None if run_id is None else project.prediction(case_id, run_id)
    known = annotation.known
    assert known is not None
    rest = np.zeros((), dtype=np.uint8) if prediction is None else prediction.array
    if rejected := rejected_slices(project, case_id, run_id):
        rest = np.array(rest)
        np.moveaxis(rest, project.slice_axis, 0)[rejected] = 0
    array: LabelArray = np.where(known, annotation.array, rest).astype(np.uint8)
    if prediction is not None and "largest" in cleanup:
        array = keep_largest(array, known)
    if prediction is not None and "holes" in cleanup:
        array = fill_holes(array, known)
    return LabelMap(
        array=array,
        geometry=annotation.geometry,
        known=known,
        names=project.class_names,
        colors={item.value: item.color for item in project.classes},
    )


def _reviewed(project: Project, options: ExportOptions) -> _Chosen:
    annotated = {case.case_id for case in project.training_cases() if case.annotation is not None}
    return [(case_id, None) for case_id in _asked_for(project, options) if case_id in annotated]


def _complete(project: Project, options: ExportOptions) -> _Chosen:
    chosen: _Chosen = []
    missing = []
    for case_id in _asked_for(project, options):
        run = project.predicted_by(case_id, options.run_id)
        whole = all(state.is_labeled for state in project.ledger(case_id).states)
        if run is None and not whole:
            missing.append(case_id)
        chosen.append((case_id, run))
    if missing:
        names = ", ".join(missing[:3]) + (", …" if len(missing) > 3 else "")
        by_run = f" of {options.run_id}" if options.run_id else ""
        raise ProjectError(
            f"Expected a prediction for every case, found none{by_run} for {len(missing)} of "
            f"{len(chosen)} ({names}); predict first, or export only what is reviewed."
        )
    return chosen


def _asked_for(project: Project, options: ExportOptions) -> list[str]:
    if options.cases:
        return [project.case(case_id).case_id for case_id in dict.fromkeys(options.cases)]
    return [case.case_id for case in project.cases]


def _protect(project: Project, out: Path, names: dict[str, list[str]]) -> None:
    """Refuse to write over images, annotation, or anything that is no earlier export."""
    place = Path(os.path.abspath(out))
    for name in OWN_FOLDERS:
        if place.is_relative_to(Path(os.path.abspath(project.folder)) / name):
            raise ProjectError(
                f"Expected a folder for the masks outside the project's own {name}, found {out}; "
                "choose another folder."
            )
    exported = (out / SUMMARY_FILE).exists() or bool(left_stages(out))  # or one that was cut off
    for path in (out / name for name in ALL_FILES):
        if path.exists() and not exported:
            raise ProjectError(
                f"Expected a place for the summary, found that {path} would be overwritten, which "
                "is no earlier export; choose an empty folder."
            )
    for case_id, files in names.items():
        images = [path for path in project.image_paths(case_id) if path.exists()]
        for path in (out / name for name in files):
            if not path.exists():
                continue
            if not exported or any(path.samefile(image) for image in images):
                raise ProjectError(
                    f"Expected a place for the mask of {case_id}, found that {path} would be "
                    "overwritten, which is no earlier export; choose an empty folder."
                )


@contextlib.contextmanager
def _only_export(out: Path) -> Iterator[None]:
    """Keep other exports out of the folder meanwhile."""
    lock = ProjectLock(out, name=LOCK_FILE)
    try:
        yield
    finally:
        lock.release()


def _require_still_there(project: Project, done: Sequence[ExportedCase]) -> None:
    """Refuse masks of cases that were removed, or lost their annotation, while being written."""
    present = {case.case_id for case in read_description(project.folder)[0].cases}
    for case in done:
        files = AnnotationFiles.of(project.folder, case.case_id)
        was_annotated = any(state != SliceState.UNSEEN for state in case.slice_states)
        is_annotated = files.ledger.exists() or files.autosave.exists()
        if case.case_id not in present or (was_annotated and not is_annotated):
            raise ProjectError(
                f"Expected {case.case_id} to stay in the project while it is exported, found that "
                "it was removed; export again."
            )


def _write(
    writer: MaskWriter,
    stage: Path,
    out: Path,
    case_id: str,
    run_id: str | None,
    options: ExportOptions,
) -> ExportedCase:
    project = writer.project
    mask = combine(project, case_id, run_id, options.cleanup)
    assert mask.known is not None
    names = writer.write(stage, case_id, run_id, mask)
    known_path = out / f"{case_id}.known.nii.gz" if options.reviewed_only else None
    if known_path is not None:
        known = LabelMap(array=mask.known.astype(np.uint8), geometry=mask.geometry)
        write_labels(stage / known_path.name, known)
    return ExportedCase(
        case_id=case_id,
        path=out / names[0],
        known_path=known_path,
        run_id=run_id,
        volumes_ml=dict(_volumes(mask, project.class_names)),
        known_share=float(mask.known.mean()),
        slice_states=tuple(state.value for state in project.ledger(case_id).states),
        rejected=tuple(rejected_slices(project, case_id, run_id)),
        files=tuple(names),
    )


def _volumes(mask: LabelMap, names: dict[int, str]) -> Iterator[tuple[str, float]]:
    voxel_ml = abs(float(np.linalg.det(mask.geometry.affine[:3, :3]))) / 1000.0
    counts = class_counts(mask.array)
    for value, name in names.items():
        yield name, float(counts.get(value, 0) * voxel_ml)


def _write_tables(project: Project, out: Path) -> None:
    colors = {item.value: item.color for item in project.classes}
    for suffix, table in (
        (SNAP_SUFFIX, snap_table), (SLICER_SUFFIX, slicer_table), (JSON_SUFFIX, json_table)
    ):  # fmt: skip
        content = table(project.class_names, colors).encode()
        write_bytes(out / f"{TABLE_NAME}{suffix}", content)

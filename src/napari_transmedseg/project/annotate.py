"""Label maps of other tools, or some slices of them, brought in as annotation."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from napari_transmedseg.errors import ConfigError, GeometryError, ProjectError
from napari_transmedseg.imaging.alignment import onto_same_grid, resample_labels
from napari_transmedseg.imaging.dicom import is_segmentation
from napari_transmedseg.imaging.io import read_labels
from napari_transmedseg.imaging.label_tables import read_label_table
from napari_transmedseg.imaging.overlap import OverlapRule
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.known_parts import Known, known_as, with_own_mask
from napari_transmedseg.project.label_classes import map_classes
from napari_transmedseg.project.label_files import CASE_PLACEHOLDER, Pairing, pair_label_maps
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.slices import spread_slices


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnotatedCase:
    """One case that received annotation."""

    case_id: str
    source: Path
    slices: tuple[int, ...]
    """Indices along the project's slice axis."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AnnotationSummary:
    """What was brought in, and what to know about it."""

    cases: tuple[AnnotatedCase, ...]
    advice: tuple[str, ...] = ()
    """Plain sentences about the annotation that the project now holds."""


def annotate_from_labels(
    project: Project,
    labels: Path | str | Mapping[str, Path],
    *,
    num_cases: int | None = None,
    slices_per_case: int | None = None,
    case_ids: Sequence[str] | None = None,
    seed: int = 0,
    pattern: str = CASE_PLACEHOLDER,
    replace: bool = False,
    mapping: Mapping[str, str] | None = None,
    names: Path | str | None = None,
    resample: bool = False,
    overlap: OverlapRule | None = None,
    known: Known = "all",
    who: Mapping[str, str] | None = None,
    allow_unused: bool = False,
) -> AnnotationSummary:
    """Take label maps, paired by case id, as annotation of a project.

    Nothing is written before every chosen label map was found to fit.

    Parameters
    ----------
    labels
        Folder of label maps, or one file; or label maps by the ids of their cases.
    num_cases
        How many cases, drawn by the seed among those with a label map; None: all.
    slices_per_case
        How many slices of each, spread over the whole stack, empty ones included;
        None: whole label maps.
    case_ids
        These cases instead of drawn ones.
    pattern
        Name of a label map after its case, for example ``{case}_gt``; without one, usual
        suffixes are found by themselves.
    replace
        Whether annotation that a chosen slice already has may be given up.
    mapping
        Values or names in the label maps to classes, `background` or `unknown`, by hand.
    names
        File that names the labels, of ITK-SNAP, 3D Slicer or `.labels.json`.
    resample
        Whether label maps on another grid of the same space may be resampled; what became of
        each class is then told.
    overlap
        Which segment wins where several claim a voxel; how many voxels that were is then told.
        Without, such files are refused.
    known
        What counts as known: `all`, slices without labels being empty then; `slices`: slices that
        have labels, as a whole; `voxels`: only what is labeled. Never more than a known mask
        beside a label map (`<case>.known.nii.gz`) says.
    who
        Where they come from, by case, for the ledger; without, the names of the files.
    allow_unused
        Whether the mapping may name what some of the label maps do not hold.

    Raises
    ------
    ConfigError, GeometryError, ImageReadError, ProjectError
        With a sentence that names the file or the case.
    """
    images = [path for case in project.cases for path in project.image_paths(case.case_id)]
    ids = [case.case_id for case in project.cases]
    pairing = (
        Pairing(found=dict(labels))
        if isinstance(labels, Mapping)
        else pair_label_maps(Path(labels), ids, pattern=pattern, images=images)
    )
    found = pairing.found
    reader = _LabelReader(
        project=project,
        mapping=mapping or {},
        table=None if names is None else read_label_table(Path(names)),
        resample=resample,
        overlap=overlap,
        known=known,
        allow_unused=allow_unused,
    )
    planned = tuple(
        AnnotatedCase(
            case_id=case_id,
            source=found[case_id],
            slices=_slices_of(project, case_id, slices_per_case, seed),
        )
        for case_id in _choose(project, pairing, num_cases, case_ids, seed)
    )
    told = []
    for case in planned:
        told += reader.read(case)[1]
        if not replace:
            _require_free(project, case)
    for case in planned:
        project.import_labels(
            case.case_id,
            reader.read(case)[0],
            case.slices,
            who=(who or {}).get(case.case_id, case.source.name),
            overwrite=replace,
        )
    unpaired = pairing.sentences() if case_ids is None else ()
    return AnnotationSummary(cases=planned, advice=(*told, *unpaired, *annotation_advice(project)))


@dataclass(frozen=True, kw_only=True, slots=True)
class _LabelReader:
    """Label maps as they fit into a project."""

    project: Project
    mapping: Mapping[str, str]
    table: tuple[dict[int, str], dict[int, str]] | None
    resample: bool
    overlap: OverlapRule | None
    known: Known
    allow_unused: bool

    def read(self, case: AnnotatedCase) -> tuple[LabelMap, list[str]]:
        """Label map on the image's grid in the project's classes, and what to know about it."""
        label_map = with_own_mask(read_labels(case.source, overlap=self.overlap), case.source)
        notes = [f"{case.case_id}: {note}" for note in label_map.notes]
        if self.table is not None:
            label_map = dataclasses.replace(label_map, names=self.table[0])
        mapped = map_classes(
            label_map, self.project.class_names, self.mapping, str(case.source),
            allow_unused=self.allow_unused,
        )  # fmt: skip
        moved, told = self._on_grid(case, mapped)
        return known_as(moved, self.known, self.project.slice_axis), [*notes, *told]

    def _on_grid(self, case: AnnotatedCase, mapped: LabelMap) -> tuple[LabelMap, list[str]]:
        image, name = self.project.geometry(case.case_id), f"the image of {case.case_id}"
        sparse = is_segmentation(case.source)
        try:
            return onto_same_grid(mapped, image, str(case.source), name, sparse=sparse), []
        except GeometryError:
            if not self.resample:
                raise
        moved, report = resample_labels(mapped, image, str(case.source), name)
        return moved, [f"{case.case_id}: {report.sentence(self.project.class_names)}"]


def annotation_advice(project: Project) -> tuple[str, ...]:
    """Say in plain sentences what would make the annotation of a project better."""
    states = [state for case in project.cases for state in project.ledger(case.case_id).states]
    labeled = sum(state.is_labeled for state in states)
    advice = []
    if labeled and SliceState.EMPTY not in states and labeled < len(states):
        advice.append(
            "No annotated slice is empty, so the model may see the structure everywhere; mark "
            "two slices above and two below it as empty."
        )
    if in_progress := states.count(SliceState.IN_PROGRESS):
        advice.append(
            f"{in_progress} slices are in progress: only their painted voxels are known until "
            "they are marked done."
        )
    return tuple(advice)


def _choose(
    project: Project,
    pairing: Pairing,
    num_cases: int | None,
    case_ids: Sequence[str] | None,
    seed: int,
) -> list[str]:
    candidates = [case.case_id for case in project.cases if case.case_id in pairing.found]
    if case_ids is not None:
        if missing := [case_id for case_id in case_ids if case_id not in candidates]:
            raise ProjectError(
                f"Expected a case and a label map named '{missing[0]}', found none; check the "
                "name of the case."
            )
        return list(case_ids)
    if not candidates:
        raise ProjectError(
            f"Expected label maps named after the project's cases, such as "
            f"'{_first_case(project)}', found {_example(pairing)}; rename the files or give their "
            "pattern, for example '{case}_gt'."
        )
    if num_cases is None:
        return candidates
    if not 1 <= num_cases <= len(candidates):
        raise ConfigError(
            f"Expected 1 to {len(candidates)} cases, which is how many have a label map, found "
            f"{num_cases}; choose a number in between."
        )
    order = np.random.default_rng(seed).permutation(len(candidates))
    return sorted(candidates[index] for index in order[:num_cases])


def _example(pairing: Pairing) -> str:
    return f"for example '{min(pairing.without_case)}'" if pairing.without_case else "none"


def _first_case(project: Project) -> str:
    return project.cases[0].case_id if project.cases else "none, the project has no cases"


def _slices_of(
    project: Project, case_id: str, slices_per_case: int | None, seed: int
) -> tuple[int, ...]:
    num_slices = project.num_slices(case_id)
    if slices_per_case is None:
        return tuple(range(num_slices))
    if slices_per_case < 1:
        raise ConfigError(
            f"Expected at least 1 slice per case, found {slices_per_case}; leave it out to take "
            "whole label maps."
        )
    rng = np.random.default_rng([seed, crc32(case_id.encode())])
    return tuple(spread_slices(slices_per_case, num_slices, seed=rng))


def _require_free(project: Project, case: AnnotatedCase) -> None:
    states = project.ledger(case.case_id).states
    taken = [index for index in case.slices if states[index].is_begun]
    if taken:
        raise ProjectError(
            f"Expected slices without annotation in '{case.case_id}', found {len(taken)} that "
            f"have some (slice {taken[0] + 1} first); choose to replace it (--replace) or take "
            "other cases."
        )

"""Label maps of other tools, or some slices of them, brought in as annotation."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from napari_transmedseg.errors import ConfigError, ProjectError
from napari_transmedseg.imaging.geometry import require_same_space
from napari_transmedseg.imaging.io import read_labels
from napari_transmedseg.project.label_files import CASE_PLACEHOLDER, find_label_maps
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
    labels: Path | str,
    *,
    num_cases: int | None = None,
    slices_per_case: int | None = None,
    case_ids: Sequence[str] | None = None,
    seed: int = 0,
    pattern: str = CASE_PLACEHOLDER,
    replace: bool = False,
) -> AnnotationSummary:
    """Take label maps, paired by case id, as annotation of a project.

    Nothing is written before every chosen label map was found to fit.

    Parameters
    ----------
    labels
        Folder of label maps, or one file.
    num_cases
        How many cases, drawn by the seed among those with a label map; None: all.
    slices_per_case
        How many slices of each, spread over the whole stack, empty ones included;
        None: whole label maps.
    case_ids
        These cases instead of drawn ones.
    pattern
        Name of a label map after its case, for example ``{case}_gt``.
    replace
        Whether annotation that a chosen slice already has may be given up.

    Raises
    ------
    ConfigError, GeometryError, ImageReadError, ProjectError
        With a sentence that names the file or the case.
    """
    found = find_label_maps(Path(labels), pattern=pattern)
    planned = tuple(
        AnnotatedCase(
            case_id=case_id,
            source=found[case_id],
            slices=_slices_of(project, case_id, slices_per_case, seed),
        )
        for case_id in _choose(project, found, num_cases, case_ids, seed)
    )
    for case in planned:
        _require_fits(project, case)
        if not replace:
            _require_free(project, case)
    for case in planned:
        project.import_labels(
            case.case_id,
            read_labels(case.source),
            case.slices,
            who=case.source.name,
            overwrite=replace,
        )
    return AnnotationSummary(cases=planned, advice=annotation_advice(project))


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
    found: dict[str, Path],
    num_cases: int | None,
    case_ids: Sequence[str] | None,
    seed: int,
) -> list[str]:
    candidates = [case.case_id for case in project.cases if case.case_id in found]
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
            f"'{_first_case(project)}', found for example '{min(found)}'; rename the files or "
            "give their pattern, for example '{case}_gt'."
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


def _require_fits(project: Project, case: AnnotatedCase) -> None:
    label_map = read_labels(case.source)
    image, name = project.geometry(case.case_id), str(project.image_path(case.case_id))
    require_same_space(image, label_map.geometry, str(case.source), name)
    highest = int(label_map.array.max())
    if highest not in {0, *project.class_names}:
        raise ProjectError(
            f"Expected the classes 1 to {len(project.classes)} "
            f"({', '.join(project.class_names.values())}) in {case.source}, found {highest}; "
            "make the project with all classes, or remove this one from the label map."
        )


def _require_free(project: Project, case: AnnotatedCase) -> None:
    states = project.ledger(case.case_id).states
    taken = [
        index
        for index in case.slices
        if states[index].is_labeled or states[index] is SliceState.IN_PROGRESS
    ]
    if taken:
        raise ProjectError(
            f"Expected slices without annotation in '{case.case_id}', found {len(taken)} that "
            f"have some (slice {taken[0]} first); choose to replace it (--replace) or take other "
            "cases."
        )

"""Dice per case and class, over all voxels or over those that nobody annotated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import GeometryError, ProjectError
from napari_transmedseg.imaging.geometry import require_same_space
from napari_transmedseg.imaging.io import case_id_of, read_labels
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.evaluation_table import CaseDice, EvaluationTable
from napari_transmedseg.project.label_files import CASE_PLACEHOLDER, KNOWN_SUFFIX, find_label_maps
from napari_transmedseg.project.project import Project


def evaluate(
    predictions: Path | str,
    references: Path | str,
    *,
    only_unannotated: Project | None = None,
    pattern: str = CASE_PLACEHOLDER,
) -> EvaluationTable:
    """Dice of predicted against reference label maps, paired by case id.

    A class that both lack is left out (nan); one that only one of them has counts 0.
    Voxels outside a known mask beside either file (``<case>.known.nii.gz``) do not count.

    Parameters
    ----------
    predictions, references
        Folders of label maps, or one file each.
    only_unannotated
        Leaves out the voxels that this project's annotation knows, and takes its classes;
        a case without annotation counts whole.
    pattern
        Name of a reference file after its case, for example ``{case}_gt``.

    Raises
    ------
    GeometryError
        Where a pair does not lie on the same voxels.
    ProjectError
        Where nothing can be paired, or a class is not the project's.
    """
    pairs, missing = _pair(Path(predictions), Path(references), pattern)
    counted = [_count_case(case_id, *pair, only_unannotated) for case_id, pair in pairs.items()]
    names = _class_names(counted, only_unannotated)
    return EvaluationTable(
        class_names=tuple(names.values()),
        cases=tuple(case.as_dice(names) for case in counted),
        without_prediction=missing,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _CountedCase:
    case_id: str
    annotated: bool | None
    num_voxels: int
    counts: dict[int, tuple[int, int, int]]
    """Class value -> voxels in both, in the prediction, in the reference."""
    source: Path

    def as_dice(self, names: dict[int, str]) -> CaseDice:
        dice = {name: _dice(*self.counts.get(value, (0, 0, 0))) for value, name in names.items()}
        return CaseDice(
            case_id=self.case_id, annotated=self.annotated, num_voxels=self.num_voxels, dice=dice
        )


def _pair(
    predictions: Path, references: Path, pattern: str
) -> tuple[dict[str, tuple[Path, Path]], tuple[str, ...]]:
    if predictions.is_file() and references.is_file():
        return {case_id_of(predictions): (predictions, references)}, ()
    predicted = find_label_maps(predictions)
    expected = find_label_maps(references, pattern=pattern)
    pairs = {
        case_id: (predicted[case_id], expected[case_id])
        for case_id in sorted(expected)
        if case_id in predicted
    }
    if not pairs:
        raise ProjectError(
            f"Expected predictions and references of the same cases, found for example "
            f"'{min(predicted)}' in {predictions} and '{min(expected)}' in {references}; name "
            "the files after their case or give the pattern of the references."
        )
    return pairs, tuple(sorted(set(expected) - set(predicted)))


def _count_case(
    case_id: str, predicted_path: Path, reference_path: Path, project: Project | None
) -> _CountedCase:
    predicted, reference = read_labels(predicted_path), read_labels(reference_path)
    require_same_space(
        reference.geometry, predicted.geometry, str(predicted_path), str(reference_path)
    )
    counted = np.ones(reference.array.shape, bool)
    for path in (predicted_path, reference_path):
        _exclude_unknown(counted, path)
    annotated = None
    if project is not None:
        annotated = _exclude_annotated(counted, case_id, predicted, predicted_path, project)
    return _CountedCase(
        case_id=case_id,
        annotated=annotated,
        num_voxels=int(counted.sum()),
        counts=_counts(predicted.array[counted], reference.array[counted]),
        source=reference_path,
    )


def _exclude_unknown(counted: npt.NDArray[np.bool_], path: Path) -> None:
    known_path = path.with_name(f"{case_id_of(path)}{KNOWN_SUFFIX}.nii.gz")
    if known_path.is_file():
        known = read_labels(known_path).array
        if known.shape != counted.shape:
            raise GeometryError(
                f"Expected {known_path} to lie on the voxels of {path}, found another shape; "
                "remove it or write it anew."
            )
        counted &= known > 0


def _exclude_annotated(
    counted: npt.NDArray[np.bool_],
    case_id: str,
    predicted: LabelMap,
    predicted_path: Path,
    project: Project,
) -> bool:
    if case_id not in {case.case_id for case in project.cases}:
        return False
    annotation = project.annotation(case_id)
    require_same_space(
        annotation.geometry, predicted.geometry, str(predicted_path), f"the project's '{case_id}'"
    )
    assert annotation.known is not None
    counted &= ~annotation.known
    return bool(annotation.known.any())


def _counts(
    predicted: npt.NDArray[np.integer[Any]], reference: npt.NDArray[np.integer[Any]]
) -> dict[int, tuple[int, int, int]]:
    size = 1 + max(int(predicted.max(initial=0)), int(reference.max(initial=0)))
    in_predicted = np.bincount(predicted, minlength=size)
    in_reference = np.bincount(reference, minlength=size)
    in_both = np.bincount(reference[predicted == reference], minlength=size)
    return {
        value: (int(in_both[value]), int(in_predicted[value]), int(in_reference[value]))
        for value in range(1, size)
        if in_predicted[value] or in_reference[value]
    }


def _class_names(counted: Sequence[_CountedCase], project: Project | None) -> dict[int, str]:
    values = sorted({value for case in counted for value in case.counts})
    if project is None:
        return {value: f"class {value}" for value in values}
    names = {item.value: item.name for item in project.classes}
    for case in counted:
        for value in case.counts:
            if value not in names:
                raise ProjectError(
                    f"Expected the classes {_listed(names)} in {case.source}, found the value "
                    f"{value}; evaluate against label maps of the project's classes."
                )
    return names


def _listed(names: dict[int, str]) -> str:
    return ", ".join(f"{value} {name}" for value, name in names.items())


def _dice(in_both: int, in_predicted: int, in_reference: int) -> float:
    total = in_predicted + in_reference
    return 2 * in_both / total if total else math.nan

"""How well one case was predicted, and the means over cases: Dice, Jaccard, hd95, asd."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.engine.metrics import asd, dice, hd95, jaccard
from napari_transmedseg.imaging.volume import LabelArray, LabelMap

METRICS = ("dice", "jaccard", "hd95", "asd")
MEAN = "mean"
"""Key of the mean over classes, beside the class names."""

PerClass = dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseScores:
    """One measured case."""

    case_id: str
    annotated: bool
    """Whether some of its slices were annotated; only the other voxels count."""
    domain: str
    values: Mapping[str, PerClass]
    """Metric, class name → value; nan where the metric has none."""


def score_case(
    case_id: str,
    predicted: LabelArray,
    reference: LabelMap,
    class_names: Sequence[str],
    *,
    known: npt.NDArray[np.bool_] | None,
    domain: str = "",
) -> CaseScores:
    """Measure a prediction on the voxels that nobody annotated.

    Parameters
    ----------
    predicted
        Classes on the reference's grid, (I, P, L).
    known
        Voxels that were annotated for the training; None: none.

    Notes
    -----
    Dice and Jaccard: a class that both lack is nan, one that only one has is 0. Distances are in
    mm of the reference's spacing, nan where either lacks the class.
    """
    counted = None if known is None else ~known
    count = len(class_names) + 1
    spacing = reference.geometry.display_spacing
    pair = (predicted, reference.array, count)
    found = {
        "dice": dice(*pair, counted),
        "jaccard": jaccard(*pair, counted),
        "hd95": hd95(*pair, spacing, counted),
        "asd": asd(*pair, spacing, counted),
    }
    return CaseScores(
        case_id=case_id,
        annotated=known is not None,
        domain=domain,
        values={
            metric: {name: float(value) for name, value in zip(class_names, row[1:], strict=True)}
            for metric, row in found.items()
        },
    )


def mean_scores(
    cases: Sequence[CaseScores], *, by_domain: bool = False
) -> dict[str, dict[str, Any]]:
    """Means by group: `annotated` and `unannotated` cases, `all`, and `domain …` if asked for.

    The mean goes over cases, then over classes. Groups without a case are absent; `cases` says
    how many each has.
    """
    groups = {
        "annotated": [case for case in cases if case.annotated],
        "unannotated": [case for case in cases if not case.annotated],
        "all": list(cases),
    }
    if by_domain:
        domains = sorted({case.domain for case in cases})
        groups |= {f"domain {name}": [c for c in cases if c.domain == name] for name in domains}
    return {
        name: {"cases": len(group), **{metric: _mean(group, metric) for metric in METRICS}}
        for name, group in groups.items()
        if group
    }


def finite_mean(values: Sequence[float]) -> float:
    """Mean of what is a number; nan where nothing is."""
    finite = [value for value in values if not math.isnan(value)]
    return sum(finite) / len(finite) if finite else math.nan


def _mean(cases: Sequence[CaseScores], metric: str) -> PerClass:
    names = cases[0].values[metric]
    means = {name: finite_mean([case.values[metric][name] for case in cases]) for name in names}
    return {**means, MEAN: finite_mean(list(means.values()))}

"""Dice of a set of cases: rows, means, and their plain form for JSON."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseDice:
    """Agreement of one case's prediction with its reference."""

    case_id: str
    annotated: bool | None
    """Whether the project holds annotation for the case; None without a project."""
    num_voxels: int
    """Voxels that were compared."""
    dice: dict[str, float]
    """Dice per class name in [0, 1]; nan where neither holds the class."""

    @property
    def mean(self) -> float:
        """Mean over the classes that are present."""
        return _mean(list(self.dice.values()))


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationTable:
    """Dice of a set of cases."""

    class_names: tuple[str, ...]
    cases: tuple[CaseDice, ...]
    without_prediction: tuple[str, ...] = ()
    """Case ids with a reference but no prediction; they count nowhere."""

    def select(self, annotated: bool) -> tuple[CaseDice, ...]:
        """Cases with (True) or without (False) annotation in the project."""
        return tuple(case for case in self.cases if case.annotated is annotated)

    def class_means(self, annotated: bool | None = None) -> dict[str, float]:
        """Mean over cases per class name; nan where no case holds the class."""
        cases = self.cases if annotated is None else self.select(annotated)
        return {name: _mean([case.dice[name] for case in cases]) for name in self.class_names}

    def mean(self, annotated: bool | None = None) -> float:
        """Mean over cases, then over classes; nan where there is none."""
        return _mean(list(self.class_means(annotated).values()))

    @property
    def groups(self) -> dict[str, bool | None]:
        """Rows of means that say something: group name -> value for `class_means`."""
        groups: dict[str, bool | None] = {}
        for name, annotated in (("annotated", True), ("unannotated", False)):
            if self.select(annotated):
                groups[name] = annotated
        return groups | {"all": None}

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; a Dice that does not exist is None."""
        return {
            "classes": list(self.class_names),
            "cases": [
                {
                    "case": case.case_id,
                    "annotated": case.annotated,
                    "voxels": case.num_voxels,
                    "dice": {name: _or_none(value) for name, value in case.dice.items()},
                    "mean": _or_none(case.mean),
                }
                for case in self.cases
            ],
            "means": {
                name: {
                    "cases": len(self.cases if which is None else self.select(which)),
                    "dice": {k: _or_none(v) for k, v in self.class_means(which).items()},
                    "mean": _or_none(self.mean(which)),
                }
                for name, which in self.groups.items()
            },
            "without_prediction": list(self.without_prediction),
        }


def _mean(values: Sequence[float]) -> float:
    present = [value for value in values if not math.isnan(value)]
    return sum(present) / len(present) if present else math.nan


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value

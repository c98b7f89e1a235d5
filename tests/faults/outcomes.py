"""How many faults were tried, and how many were survived; reduced counts unless asked for more.

`TRANSMEDSEG_FAULTS=full pytest -m slow tests/faults` takes the full counts.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.project.ledger import Ledger
from napari_transmedseg.project.project import Project

IS_FULL = os.environ.get("TRANSMEDSEG_FAULTS") == "full"
CASE = "case_1"
DONE = (1, 2, 4)
"""Slices that are annotated at the beginning."""

Count = TypeVar("Count", int, float)
State = tuple[np.ndarray, Ledger]
"""Classes and ledger of the annotated case."""


class Tally:
    """Outcomes by fault, for the table at the end of the session."""

    def __init__(self) -> None:
        self.tried: Counter[str] = Counter()
        self.lost: dict[str, list[str]] = {}

    def count(self, fault: str, problem: str = "") -> None:
        """Note one try, and what was lost, if anything."""
        self.tried[fault] += 1
        if problem:
            self.lost.setdefault(fault, []).append(problem)

    def check(self, fault: str) -> None:
        """Fail the test when nothing was tried or something was lost."""
        assert self.tried[fault] > 0, fault
        lost = self.lost.get(fault, [])
        assert not lost, "\n".join([f"{len(lost)} lost during {fault}:", *lost[:20]])

    def lines(self) -> list[str]:
        """The table."""
        rows = [("fault", "tried", "survived", "lost")]
        for fault, tried in self.tried.items():
            lost = len(self.lost.get(fault, []))
            rows.append((fault, str(tried), str(tried - lost), str(lost)))
        total, lost = sum(self.tried.values()), sum(map(len, self.lost.values()))
        rows.append(("all", str(total), str(total - lost), str(lost)))
        width = max(len(row[0]) for row in rows)
        return [f"{row[0]:<{width}}  {row[1]:>6}  {row[2]:>8}  {row[3]:>5}" for row in rows]


TALLY = Tally()
REPORTS: dict[str, list[str]] = {}
"""Lines by what they are about, for the end of the session."""


def times(reduced: Count, full: Count) -> Count:
    """How often a fault is tried in this session, or another figure that differs."""
    return full if IS_FULL else reduced


def state_of(project: Project) -> State:
    """Classes and ledger of the annotated case, whenever its slices were annotated."""
    array = project.annotation(CASE).array.copy()
    entries = project.ledger(CASE).entries
    return array, Ledger(tuple(replace(entry, when="") for entry in entries))


def is_same(one: State, other: State) -> bool:
    return np.array_equal(one[0], other[0]) and one[1] == other[1]


def is_one_of(found: State, allowed: Sequence[State]) -> bool:
    return any(is_same(found, state) for state in allowed)


def problem_with(error: BaseException) -> str:
    """What is wrong with an error that a person would read; empty where nothing is."""
    text = str(error)
    if not isinstance(error, TransMedSegError):
        return f"no sentence: {type(error).__name__}: {text}"
    if "\n" in text or "Expected" not in text or "found" not in text or not text.endswith("."):
        return f"no sentence: {text}"
    return ""

"""Which slice to annotate or to look at next, and why.

A greedy choice: what the model is unsure of, less what is close to slices that were annotated or
suggested already, in the same case, at the same place of other cases, or in the same domain.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.slice_scores import SliceScores, latest_scores

Scores = npt.NDArray[np.float64]

_DISAGREEMENT_SHARE = 0.4
_CLOSE = 0.1
"""Distance, as a share of the stack, at which two slices show nearly the same."""
_NEAR_WEIGHT, _PLACE_WEIGHT, _CASE_WEIGHT, _DOMAIN_WEIGHT = 0.6, 0.3, 0.3, 0.2
_END_DISCOUNT = 0.3
"""Unscored slices at the ends of a stack are worth less by this: they rarely show anything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseSlices:
    """A case as the choice sees it."""

    case_id: str
    states: Sequence[SliceState]
    domain: str = ""
    uncertainty: Sequence[float] = ()
    """By slice, NaN where not predicted; empty where nothing was."""
    disagreement: Sequence[float] = ()
    """Of student and teacher, by slice; NaN or empty as above."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Suggestion:
    """A slice that is worth a look."""

    case_id: str
    index: int
    score: float
    """How unsure the model is there, in [0, 1] of the cohort's most unsure slice."""
    reason: str
    """A few plain words."""


def suggest(
    project: Project, count: int = 1, *, avoid: Collection[tuple[str, int]] = ()
) -> list[Suggestion]:
    """Slices of a project that are worth annotating next, by its latest predictions."""
    return suggest_slices(project_slices(project, latest_scores(project)), count, avoid=avoid)


def project_slices(
    project: Project,
    scores_of: Mapping[str, SliceScores],
    seen: Mapping[tuple[str, int], float] | None = None,
) -> list[CaseSlices]:
    """Cases of a project as the choice sees them.

    Parameters
    ----------
    project
        Its ledgers are read.
    scores_of
        Scores of the predicted cases, by case id.
    seen
        Uncertainty of single slices that was seen since, by case id and slice index.
    """
    cases = []
    for case in project.cases:
        ledger = project.readable_ledger(case.case_id)
        if ledger is None:
            continue
        states = ledger.states
        scores = scores_of.get(case.case_id, SliceScores(slice_uncertainty=()))
        uncertainty = list(scores.slice_uncertainty) or [np.nan] * len(states)
        for (case_id, index), value in (seen or {}).items():
            if case_id == case.case_id and index < len(uncertainty):
                uncertainty[index] = value
        cases.append(
            CaseSlices(
                case_id=case.case_id,
                domain=case.domain,
                states=states,
                uncertainty=uncertainty,
                disagreement=scores.slice_disagreement,
            )
        )
    return cases


def suggest_slices(
    cases: Sequence[CaseSlices], count: int = 1, *, avoid: Collection[tuple[str, int]] = ()
) -> list[Suggestion]:
    """Choose slices one after the other, each with an eye on those before it.

    Slices that nobody has seen go first; then those that were suggested and left.

    Parameters
    ----------
    cases
        The cohort.
    count
        How many; fewer where nothing else is open.
    avoid
        Slices (case id, index) that are not to be suggested now.
    """
    if not any(len(case.states) for case in cases):
        return []
    cohort = _Cohort(cases, avoid)
    chosen: list[Suggestion] = []
    for _ in range(count):
        place = cohort.best()
        if place is None:
            break
        chosen.append(cohort.take(place))
    return chosen


class _Cohort:
    """All slices of a cohort in a row, with what speaks for and against each."""

    def __init__(self, cases: Sequence[CaseSlices], avoid: Collection[tuple[str, int]]) -> None:
        sizes = [len(case.states) for case in cases]
        self.cases = cases
        self.case_N = np.repeat(np.arange(len(cases)), sizes)
        self.index_N = np.concatenate([np.arange(size) for size in sizes])
        self.place_N = np.concatenate([(np.arange(n) + 0.5) / n for n in sizes if n])
        domains = sorted({case.domain for case in cases})
        self.domain_K = np.array([domains.index(case.domain) for case in cases])
        states = np.array([state for case in cases for state in case.states], dtype=object)
        self.taken_N = np.isin(states, [SliceState.UNSEEN, SliceState.REJECTED], invert=True)
        avoided = np.array([(case.case_id, i) in avoid for case in cases
                            for i in range(len(case.states))], dtype=bool)  # fmt: skip
        unseen = (states == SliceState.UNSEEN) & ~avoided
        left = (states == SliceState.SUGGESTED) & ~avoided
        self.open_N = unseen if unseen.any() else left
        self.is_scored_N, self.score_N = self._scores()

    def best(self) -> int | None:
        """Place in the row of the slice to take next; None where none is open."""
        if not self.open_N.any():
            return None
        utility = (
            self.score_N
            - _NEAR_WEIGHT * self._nearness()
            - _PLACE_WEIGHT * self._crowding()
            - _CASE_WEIGHT * self._share_of(self._taken_per_case())[self.case_N]
            - _DOMAIN_WEIGHT * self._share_of(self._taken_per_domain())[self.domain_K][self.case_N]
        )
        return int(np.argmax(np.where(self.open_N, utility, -np.inf)))

    def take(self, place: int) -> Suggestion:
        """Count a slice as suggested."""
        suggestion = Suggestion(
            case_id=self.cases[self.case_N[place]].case_id,
            index=int(self.index_N[place]),
            score=float(self.score_N[place]) if self.is_scored_N[place] else 0.0,
            reason=self._reason(place),
        )
        self.taken_N[place], self.open_N[place] = True, False
        return suggestion

    def _scores(self) -> tuple[npt.NDArray[np.bool_], Scores]:
        uncertainty = self._row([case.uncertainty for case in self.cases])
        disagreement = self._row([case.disagreement for case in self.cases])
        prior = 1.0 - _END_DISCOUNT * np.abs(2.0 * self.place_N - 1.0)
        is_scored = ~np.isnan(uncertainty)
        if not is_scored.any():
            return is_scored, prior
        most = max(float(uncertainty[is_scored].max()), 1e-6)
        score = uncertainty / most
        both = is_scored & ~np.isnan(disagreement)
        score[both] += _DISAGREEMENT_SHARE * (disagreement[both] - score[both])
        return is_scored, np.where(is_scored, score, float(score[is_scored].mean()) * prior)

    def _row(self, values: Sequence[Sequence[float]]) -> Scores:
        """Values of all slices; NaN for cases that have none."""
        filled = [
            np.asarray(given, np.float64)
            if len(given) == len(case.states)
            else np.full(len(case.states), np.nan)
            for given, case in zip(values, self.cases, strict=True)
        ]
        return np.concatenate(filled)

    def _nearness(self) -> Scores:
        """Closeness to the nearest taken slice of the same case, in [0, 1]."""
        near = np.zeros(len(self.case_N))
        for case in np.unique(self.case_N[self.taken_N]):
            rows = np.flatnonzero(self.case_N == case)
            taken = self.place_N[rows[self.taken_N[rows]]]
            distance = np.abs(self.place_N[rows][:, None] - taken).min(1)
            near[rows] = _closeness(distance)
        return near

    def _crowding(self) -> Scores:
        """Share of the taken slices of the cohort that lie at the same place of their stack."""
        taken = np.bincount((self.place_N[self.taken_N] * 50).astype(int), minlength=50)
        if not taken.any():
            return np.zeros(len(self.place_N))
        places = (np.arange(50) + 0.5) / 50
        closeness = _closeness(np.abs(self.place_N[:, None] - places))
        shares: Scores = closeness @ taken / taken.sum()
        return shares

    def _taken_per_case(self) -> npt.NDArray[np.int64]:
        counts: npt.NDArray[np.int64] = np.bincount(
            self.case_N[self.taken_N], minlength=len(self.cases)
        )
        return counts

    def _taken_per_domain(self) -> Scores:
        """Mean over the cases of each domain."""
        summed = np.bincount(self.domain_K, weights=self._taken_per_case())
        means: Scores = summed / np.maximum(1, np.bincount(self.domain_K))
        return means

    def _share_of(self, counts: npt.NDArray[np.number]) -> Scores:
        """Counts as shares of the largest; nothing where all are alike."""
        if counts.max() == counts.min():
            return np.zeros(len(counts))
        return np.asarray(counts / counts.max(), np.float64)

    def _reason(self, place: int) -> str:
        case = self.case_N[place]
        words = [self._how_sure(place)]
        if self.domain_K.max() and not self._taken_per_domain()[self.domain_K[case]]:
            words.append(f"first slice of {self.cases[case].domain or 'cases without a domain'}")
        elif not self._taken_per_case()[case]:
            words.append("nothing annotated in this case")
        elif self._nearness()[place] < 0.2:
            words.append("far from what is annotated")
        return ", ".join(word for word in words if word) or "the least sure of what is left"

    def _how_sure(self, place: int) -> str:
        if not self.is_scored_N.any():
            return "no prediction yet"
        if not self.is_scored_N[place]:
            return "not predicted yet"
        disagreement = self._row([case.disagreement for case in self.cases])[place]
        if disagreement >= 0.3:
            return "student and teacher disagree"
        known = self.score_N[self.is_scored_N]
        return "unsure here" if self.score_N[place] >= np.quantile(known, 0.75) else ""


def _closeness(distance: Scores) -> Scores:
    """1 at a distance of 0, nearly 0 at twice the distance that counts as close."""
    closeness: Scores = np.exp(-((distance / _CLOSE) ** 2))
    return closeness

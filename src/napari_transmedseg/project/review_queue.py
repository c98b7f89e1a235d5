"""Predicted slices that nobody has looked at, the most unsure first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import nlargest

from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.slice_scores import SliceScores

_OPEN = frozenset({SliceState.UNSEEN, SliceState.SUGGESTED, SliceState.IN_PROGRESS})


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuedSlice:
    """A predicted slice that waits for review."""

    case_id: str
    index: int
    uncertainty: float
    """Mean entropy over log C, in [0, 1]."""
    class_name: str
    """Class with most voxels; empty where only background was predicted, or it is not known."""


@dataclass(frozen=True, slots=True)
class ReviewQueue:
    """The head of the queue, and how long the whole is."""

    head: tuple[QueuedSlice, ...] = ()
    total: int = 0


def review_queue(
    project: Project, scores_of: Mapping[str, SliceScores], limit: int = 200
) -> ReviewQueue:
    """Open slices of all predicted cases, the most unsure first.

    Parameters
    ----------
    project
        Its ledgers are read.
    scores_of
        Scores of the predicted cases, by case id.
    limit
        Longest head.
    """
    waiting = list(_waiting(project, scores_of))
    names = project.class_names
    head = tuple(
        QueuedSlice(
            case_id=case_id,
            index=index,
            uncertainty=uncertainty,
            class_name=names.get(_class_of(scores_of[case_id], index), ""),
        )
        for uncertainty, case_id, index in nlargest(limit, waiting, key=lambda one: one[0])
    )
    return ReviewQueue(head, len(waiting))


def _waiting(
    project: Project, scores_of: Mapping[str, SliceScores]
) -> Iterator[tuple[float, str, int]]:
    for case_id, scores in scores_of.items():
        ledger = project.readable_ledger(case_id)
        if ledger is None:
            continue
        for index, uncertainty in enumerate(scores.slice_uncertainty):
            if ledger.states[index] in _OPEN:
                yield uncertainty, case_id, index


def _class_of(scores: SliceScores, index: int) -> int:
    return scores.slice_class[index] if scores.slice_class else 0

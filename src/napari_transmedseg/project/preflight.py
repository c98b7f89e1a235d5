"""What a training would learn from, what it needs, and what stands in its way, in plain words.

Images are not read: sizes come from the project file, states from the ledgers, and what is
painted from the annotation. Torch is loaded when a plan is made, not with this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.config import TrainingConfig, validate_config
from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.imaging.volume import LabelArray, LabelMap
from napari_transmedseg.project.ledger import Ledger, SliceState
from napari_transmedseg.project.project import Project

Severity = Literal["obstacle", "advice", "fact"]
_NAMED = 3
"""Most names in a sentence; the others are counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PreflightLine:
    """One sentence, and whether it keeps a training from starting."""

    severity: Severity
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenSlice:
    """A slice in progress: of it only the painted voxels are known."""

    case_id: str
    index: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Preflight:
    """Everything to know before a training; obstacles first, then advice, then facts."""

    lines: tuple[PreflightLine, ...]
    in_progress: tuple[OpenSlice, ...]

    @property
    def is_clear(self) -> bool:
        """Whether nothing keeps the training from starting."""
        return not self.of("obstacle")

    def of(self, severity: Severity) -> tuple[str, ...]:
        """Sentences of one severity."""
        return tuple(line.sentence for line in self.lines if line.severity == severity)


def preflight(project: Project, config: TrainingConfig) -> Preflight:
    """Look at what a project's next training would learn from.

    Parameters
    ----------
    project
        May be open read-only. Annotation that is being saved is waited for.
    config
        Settings of that training.

    Returns
    -------
    Preflight
        Whatever is wrong with the project or the settings is an obstacle in it, not an error.
    """
    ledgers = _readable_ledgers(project)
    in_progress = tuple(
        OpenSlice(case_id=case.case_id, index=index)
        for case in project.cases
        if case.case_id in ledgers
        for index, state in enumerate(ledgers[case.case_id].states)
        if state is SliceState.IN_PROGRESS
    )
    obstacles, advice, facts = [], [], [*_slices(ledgers)]
    try:
        validate_config(config)
        cases = project.training_cases()
        counts = _slices_per_class(project, cases)
        facts += _classes(counts)
        advice += [*_rare_classes(counts), *_domains(cases)]
        plan_advice, plan_facts = _planned(project, config, cases)
        advice += plan_advice
        facts += plan_facts
    except (TransMedSegError, OSError) as error:
        obstacles.append(str(error))
    if in_progress:
        advice.insert(0, _open_slices(in_progress))
    by_severity: dict[Severity, list[str]] = {
        "obstacle": obstacles, "advice": advice, "fact": facts
    }  # fmt: skip
    lines = tuple(
        PreflightLine(severity=severity, sentence=sentence)
        for severity, sentences in by_severity.items()
        for sentence in sentences
    )
    return Preflight(lines=lines, in_progress=in_progress)


def _readable_ledgers(project: Project) -> dict[str, Ledger]:
    """Ledgers by case; a damaged one is left out here and becomes an obstacle further on."""
    ledgers = {case.case_id: project.readable_ledger(case.case_id) for case in project.cases}
    return {case_id: ledger for case_id, ledger in ledgers.items() if ledger is not None}


def _slices(ledgers: Mapping[str, Ledger]) -> list[str]:
    """Slices that are labeled and those that are not, from the ledgers."""
    states = [state for ledger in ledgers.values() for state in ledger.states]
    labeled = sum(state.is_labeled for state in states)
    untouched = [
        case_id
        for case_id, ledger in ledgers.items()
        if not any(state.is_begun for state in ledger.states)
    ]
    if not labeled:
        return []
    begun = len(ledgers) - len(untouched)
    facts = [
        f"{_count(labeled, 'slice')} of {_count(begun, 'case')} {_are(labeled)} annotated, "
        f"{states.count(SliceState.EMPTY)} of them as empty."
    ]
    if unlabeled := len(states) - labeled:
        whole = f", those of {_names(untouched)} as a whole" if untouched else ""
        facts.append(
            f"{_count(unlabeled, 'slice')} without annotation {_are(unlabeled)} learned from, "
            f"too{whole}."
        )
    return facts


def _open_slices(in_progress: Sequence[OpenSlice]) -> str:
    cases = list(dict.fromkeys(one.case_id for one in in_progress))
    return (
        f"{_count(len(in_progress), 'slice')} of {_names(cases)} {_are(len(in_progress))} still "
        "in progress: only the painted voxels count, the rest of them is unknown. Mark those "
        "done that you finished."
    )


def _classes(counts: Mapping[str, int]) -> list[str]:
    told = [f"{name} on {_count(count, 'slice')}" for name, count in counts.items() if count]
    return [f"Painted: {', '.join(told)}."] if told else []


def _rare_classes(counts: Mapping[str, int]) -> list[str]:
    rare = [name for name, count in counts.items() if count == 1]
    return [f"{name} is on one slice only; annotate 2 more that show it." for name in rare]


def _slices_per_class(project: Project, cases: Sequence[TrainingCase]) -> dict[str, int]:
    """By class name: how many slices show it among the known voxels."""
    counts = dict.fromkeys(project.class_names.values(), 0)
    others = tuple(axis for axis in range(3) if axis != project.slice_axis)
    for case in cases:
        if case.annotation is not None:
            known = _known_labels(case.annotation)
            for value, name in project.class_names.items():
                counts[name] += int((known == value).any(axis=others).sum())
    return counts


def _known_labels(annotation: LabelMap) -> LabelArray:
    """Classes (I, P, L), 0 where nothing is known."""
    assert annotation.known is not None
    return np.where(annotation.known, annotation.array, np.uint8(0))


def _domains(cases: Sequence[TrainingCase]) -> list[str]:
    domains = {case.domain for case in cases if case.domain}
    shown = {case.domain for case in cases if case.annotation is not None}
    if len(domains) < 2 or not shown:
        return []
    return [
        f"No case of {domain} is annotated; 2 slices of it would show how it looks there."
        for domain in sorted(domains - shown)
    ]


def _planned(
    project: Project, config: TrainingConfig, cases: Sequence[TrainingCase]
) -> tuple[list[str], list[str]]:
    """Advice and facts of the plan that the training would follow."""
    from napari_transmedseg.engine.plan import plan_training
    from napari_transmedseg.engine.plan_space import choose_dimensions
    from napari_transmedseg.project.expected_cost import device_in_words, memory_of, time_of

    names = list(project.class_names.values())
    plan = plan_training(config, cases, names, project.slice_axis)
    annotations = [case.annotation for case in cases if case.annotation is not None]
    why = choose_dimensions(config, annotations, project.slice_axis, plan.device)[1]
    images = len(cases)
    if plan.dims == 2:
        images = sum(project.num_slices(case.case_id) for case in cases)
    memory_fact, memory_advice = memory_of(plan, images)
    facts = [why, device_in_words(plan), time_of(plan, config, project.runs), memory_fact]
    return [*(note for note in plan.notes if note != why), *memory_advice], facts


def _names(names: Sequence[str]) -> str:
    if len(names) <= _NAMED:
        return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return f"{', '.join(names[:_NAMED])} and {len(names) - _NAMED} more"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"

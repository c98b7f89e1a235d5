"""Looks at the teacher every few steps: Dice on annotated slices, phase changes, monitors."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_transmedseg.engine import monitors
from napari_transmedseg.engine.calibration import calibrate
from napari_transmedseg.engine.events import (
    DiceReport,
    MonitorReport,
    Notice,
    PhaseChanged,
    TrainingEvent,
)
from napari_transmedseg.engine.metrics import DiceCounter
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.pseudo_labels import normalized_entropy, predict_labels
from napari_transmedseg.engine.recipe import Recipe
from napari_transmedseg.engine.sampling import SliceStore
from napari_transmedseg.engine.state import MEMORY_FORMAT, TrainingState

CHECK_EVERY = 25
"""Steps between two looks; steps, not seconds, so that runs can be repeated exactly."""
_MOST_SLICES = 48
_BATCH = 16
_MOST_VOXELS = 1024
_LATE = 0.6
"""Share of the budget after which a warm-up that goes on is explained."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherDice:
    """Dice per class (background first) on annotated and on held-out slices; NaN where absent."""

    annotated: tuple[float, ...]
    held_out: tuple[float, ...]
    annotated_share: tuple[float, ...]
    """Share of annotated voxels that are of each class."""

    @property
    def honest(self) -> tuple[float, ...]:
        """Held-out where there is any, else annotated."""
        return tuple(
            a if math.isnan(h) else h for a, h in zip(self.annotated, self.held_out, strict=True)
        )


@torch.no_grad()
def teacher_dice(state: TrainingState, store: SliceStore, plan: TrainingPlan) -> TeacherDice:
    """Measure the teacher on annotated voxels, in network space."""
    annotated, shares = _pooled(state, store, plan, _spread(store.training_rows))
    held_out, _ = _pooled(state, store, plan, _spread(store.held_out_rows))
    return TeacherDice(annotated=annotated, held_out=held_out, annotated_share=shares)


def oversee(
    state: TrainingState,
    store: SliceStore,
    plan: TrainingPlan,
    progress: float,
    entropy: float,
) -> Iterator[TrainingEvent]:
    """Measure, change the phase by competence, trust or distrust the teacher, report."""
    if state.phase == "self-training":
        slices = plan.recipe.calibration_slices
        calibrate(state.teacher, store.image_N1HW, slices, plan.device)
    measured = teacher_dice(state, store, plan)
    yield DiceReport(
        step=state.step,
        annotated=_by_name(plan, measured.annotated),
        held_out=_by_name(plan, measured.held_out),
    )
    if state.phase == "self-training":
        yield from _guard(state, plan, measured)
        yield from _monitor(state, store, plan, measured, entropy)
    elif plan.method != "supervised":
        yield from _consider_self_training(state, plan, measured, progress)


def _consider_self_training(
    state: TrainingState, plan: TrainingPlan, measured: TeacherDice, progress: float
) -> Iterator[TrainingEvent]:
    if progress < plan.recipe.warmup_share:
        return
    behind = [
        name
        for value, name in enumerate(plan.class_names, 1)
        if not _is_competent(plan.recipe, measured.annotated[value], measured.held_out[value])
    ]
    if not behind:
        state.phase = "self-training"
        state.self_training_start = progress
        yield PhaseChanged(
            step=state.step,
            phase="self-training",
            sentence=(
                "The model reproduces the annotated slices; it now learns from the others too."
            ),
        )
    elif progress >= _LATE and state.step % (10 * CHECK_EVERY) == 0:
        yield Notice(
            step=state.step,
            sentence=(
                f"The model does not yet reproduce the annotated {', '.join(behind)}, so it still "
                "trains on annotated slices only; give it more time or annotate more slices."
            ),
        )


def _is_competent(recipe: Recipe, annotated: float, held_out: float) -> bool:
    if math.isnan(held_out):
        return annotated >= recipe.competence
    return held_out >= recipe.held_out_competence


def _guard(
    state: TrainingState, plan: TrainingPlan, measured: TeacherDice
) -> Iterator[TrainingEvent]:
    failing = [
        name
        for value, name in enumerate(plan.class_names, 1)
        if not monitors.teacher_is_trusted(
            measured.honest[value], state.predicted_share[value], measured.annotated_share[value]
        )
    ]
    if state.trusted and failing:
        sentence = (
            f"The proposals for {', '.join(failing)} are not used for training until the model "
            f"finds {'it' if len(failing) == 1 else 'them'} again; annotate 2 more slices that "
            f"show {failing[0]} if this stays."
        )
        yield Notice(step=state.step, sentence=sentence)
    elif not state.trusted and not failing:
        yield Notice(step=state.step, sentence="The model's proposals are used for training again.")
    state.trusted = not failing


def _monitor(
    state: TrainingState,
    store: SliceStore,
    plan: TrainingPlan,
    measured: TeacherDice,
    entropy: float,
) -> Iterator[MonitorReport]:
    yield monitors.entropy_report(state.step, entropy)
    entropies, modes = _by_class_on_unlabeled(state, store, plan)
    conditions = monitors.condition_numbers(state.target.covariance_CAA)
    counts = state.source.count_C.tolist()
    slices = state.source.distinct_slices_C.tolist()
    num_features = state.source.num_features
    for value, name in enumerate(plan.class_names, 1):
        yield monitors.teacher_dice_report(state.step, measured.honest[value], name)
        yield monitors.entropy_report(state.step, entropies[value], name)
        yield monitors.multi_modal_report(state.step, modes[value], name)
        yield monitors.pseudo_share_report(
            state.step, state.predicted_share[value], measured.annotated_share[value], name
        )
        if plan.tsa_weight > 0:
            yield monitors.condition_number_report(state.step, float(conditions[value]), name)
            yield monitors.count_report(
                state.step, counts[value], slices[value], num_features, name
            )


@torch.no_grad()
def _by_class_on_unlabeled(
    state: TrainingState, store: SliceStore, plan: TrainingPlan
) -> tuple[list[float], list[float]]:
    """Per predicted class: the teacher's mean entropy, and how bimodal its features are."""
    rows = _spread(store.unlabeled_U, _BATCH)
    image = store.image_N1HW[rows.to(store.image_N1HW.device)].to(plan.device)
    output = state.teacher(image.contiguous(memory_format=MEMORY_FORMAT[plan.dims]))
    probability = output.logits.float().softmax(1)
    inside = store.inside_KHW[store.inside_N[rows].to(plan.device)]
    label = torch.where(inside, predict_labels(probability), -1)
    entropies = monitors.class_means(normalized_entropy(probability), label, plan.num_classes)
    features = output.features.movedim(1, -1)
    modes = []
    for value in range(plan.num_classes):
        of_class = features[label == value]
        modes.append(monitors.two_means_share(of_class[:: max(1, len(of_class) // _MOST_VOXELS)]))
    return entropies.tolist(), modes


def _pooled(
    state: TrainingState, store: SliceStore, plan: TrainingPlan, rows: Tensor
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    counter = DiceCounter(plan.num_classes)
    for part in rows.split(_BATCH):
        if len(part) == 0:
            continue
        image = store.image_N1HW[store.labeled_L[part].to(store.image_N1HW.device)]
        image = image.to(plan.device).contiguous(memory_format=MEMORY_FORMAT[plan.dims])
        label = state.teacher(image).logits.argmax(1)
        where = part.to(store.label_LHW.device)
        counter.update(label, store.label_LHW[where], store.known_LHW[where])
    counts = counter.confusion.sum(1)
    total = max(1, int(counts.sum()))
    return tuple(counter.dice().tolist()), tuple((counts / total).tolist())


def _spread(rows: Tensor, most: int = _MOST_SLICES) -> Tensor:
    """At most so many of the rows, evenly spread."""
    if len(rows) <= most:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, most).round().long()]


def _by_name(plan: TrainingPlan, dice: tuple[float, ...]) -> dict[str, float]:
    return {
        name: value
        for name, value in zip(plan.class_names, dice[1:], strict=True)
        if not math.isnan(value)
    }

"""Looks at the teacher every few steps: Dice on annotated slices, phase changes, monitors."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_transmedseg.engine import monitors
from napari_transmedseg.engine.calibration import calibrate, spread_batches
from napari_transmedseg.engine.class_statistics import ClassStatistics, mean_shift
from napari_transmedseg.engine.events import (
    DiceReport,
    MonitorReport,
    Notice,
    PhaseChanged,
    TrainingEvent,
)
from napari_transmedseg.engine.forward import run_network
from napari_transmedseg.engine.images import ImageStore
from napari_transmedseg.engine.keeping import ENOUGH_HELD_OUT
from napari_transmedseg.engine.metrics import DiceCounter
from napari_transmedseg.engine.patches import (
    cut_images,
    cut_inside,
    cut_labels,
    known_starts,
    middle_starts,
)
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.pseudo_labels import normalized_entropy, predict_labels
from napari_transmedseg.engine.recipe import Recipe
from napari_transmedseg.engine.state import TrainingState
from napari_transmedseg.networks import SegmentationNetwork

CHECK_EVERY = 25
"""Steps between two looks; steps, not seconds, so that runs can be repeated exactly."""
_MOST_IMAGES = {2: 48, 3: 8}
"""Annotated images (in 3-D: patches) that a look takes."""
_BATCH = {2: 16, 3: 2}
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
def teacher_dice(state: TrainingState, store: ImageStore, plan: TrainingPlan) -> TeacherDice:
    """Measure the teacher on annotated voxels, in network space."""
    most = _MOST_IMAGES[plan.dims]
    training, held_out = (_spread(r, most) for r in (store.training_rows, store.held_out_rows))
    annotated, shares = _pooled(state.teacher, store, plan, training)
    return TeacherDice(
        annotated=annotated,
        held_out=_pooled(state.teacher, store, plan, held_out)[0],
        annotated_share=shares,
    )


@torch.no_grad()
def held_out_dice(network: SegmentationNetwork, store: ImageStore, plan: TrainingPlan) -> float:
    """Mean Dice over the classes on all held-out images; NaN where too few are held out."""
    if len(store.held_out_rows) < ENOUGH_HELD_OUT:
        return float("nan")
    dice, _ = _pooled(network, store, plan, store.held_out_rows)
    shown = [value for value in dice[1:] if not math.isnan(value)]
    return sum(shown) / len(shown) if shown else float("nan")


def oversee(
    state: TrainingState,
    store: ImageStore,
    plan: TrainingPlan,
    progress: float,
    entropy: float,
) -> Iterator[TrainingEvent]:
    """Measure, change the phase by competence, trust or distrust the teacher, report."""
    if state.phase == "self-training":
        calibrate(state.teacher, spread_batches(store, plan.recipe.calibration_images, plan.device))
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
        passes = state.step * plan.recipe.batch_size / len(store.training_rows)
        if passes < plan.recipe.warmup_passes:
            yield from _say_that_time_is_short(state, plan, passes, progress)
        elif progress >= plan.recipe.warmup_share:
            yield from _consider_self_training(state, plan, measured, progress)


def _say_that_time_is_short(
    state: TrainingState, plan: TrainingPlan, passes: float, progress: float
) -> Iterator[Notice]:
    """Once, late in a run: how long it would take until the unlabeled images pay."""
    if progress < _LATE or state.told_of_time or passes == 0:
        return
    state.told_of_time = True
    minutes = state.elapsed_s / 60 * plan.recipe.warmup_passes / passes
    yield Notice(
        step=state.step,
        sentence=(
            "With this much annotation and this little time the run learns from the annotated "
            f"slices only; give it {max(1, math.ceil(2 * minutes))} minutes to learn from the "
            "others too."
        ),
    )


def _consider_self_training(
    state: TrainingState, plan: TrainingPlan, measured: TeacherDice, progress: float
) -> Iterator[TrainingEvent]:
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
    predicted = state.predicted_share.tolist()
    failing = [
        name
        for value, name in enumerate(plan.class_names, 1)
        if not monitors.teacher_is_trusted(
            measured.honest[value], predicted[value], measured.annotated_share[value]
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
    store: ImageStore,
    plan: TrainingPlan,
    measured: TeacherDice,
    entropy: float,
) -> Iterator[MonitorReport]:
    yield monitors.entropy_report(state.step, entropy)
    entropies, modes = _by_class_on_unlabeled(state, store, plan)
    predicted = state.predicted_share.tolist()
    for value, name in enumerate(plan.class_names, 1):
        yield monitors.teacher_dice_report(state.step, measured.honest[value], name)
        yield monitors.entropy_report(state.step, entropies[value], name)
        yield monitors.multi_modal_report(state.step, modes[value], name)
        yield monitors.pseudo_share_report(
            state.step, predicted[value], measured.annotated_share[value], name
        )
    if plan.tsa_weight > 0:
        yield from _monitor_statistics(state, plan)


def _monitor_statistics(state: TrainingState, plan: TrainingPlan) -> Iterator[MonitorReport]:
    """What semantic augmentation rests on: counts, mean shift, covariance, per class."""
    source, target = state.source, state.targets[0]
    for other in state.targets[1:]:
        target = other if other.count_C.sum() > target.count_C.sum() else target
    conditions = monitors.condition_numbers(target.covariance_CAA)
    shifts = monitors.relative_mean_shifts(mean_shift(source, target), target.covariance_CAA)
    sides: tuple[tuple[ClassStatistics, monitors.Side], ...] = (
        (source, "source"), (target, "target"),
    )  # fmt: skip
    for value, name in enumerate(plan.class_names, 1):
        yield monitors.condition_number_report(state.step, float(conditions[value]), name)
        yield monitors.mean_shift_report(state.step, float(shifts[value]), name)
        for statistics, side in sides:
            yield monitors.count_report(
                state.step,
                float(statistics.count_C[value]),
                int(statistics.distinct_slices_C[value]),
                statistics.num_features,
                name,
                side,
            )


@torch.no_grad()
def _by_class_on_unlabeled(
    state: TrainingState, store: ImageStore, plan: TrainingPlan
) -> tuple[list[float], list[float]]:
    """Per predicted class: the teacher's mean entropy, and how bimodal its features are."""
    images = _spread(store.unlabeled_U, _BATCH[plan.dims])
    starts = middle_starts(store, len(images))
    output = run_network(state.teacher, cut_images(store, images, starts, plan.device), plan)
    probability = output.logits.float().softmax(1)
    inside = cut_inside(store, images, starts)
    label = torch.where(inside, predict_labels(probability), -1)
    entropies = monitors.class_means(normalized_entropy(probability), label, plan.num_classes)
    features = output.features.float().movedim(1, -1)
    modes = []
    for value in range(plan.num_classes):
        of_class = features[label == value]
        modes.append(monitors.two_means_share(of_class[:: max(1, len(of_class) // _MOST_VOXELS)]))
    return entropies.tolist(), modes


def _pooled(
    network: SegmentationNetwork, store: ImageStore, plan: TrainingPlan, rows: Tensor
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Dice of every class over the known voxels of some labeled images, and their shares."""
    counter = DiceCounter(plan.num_classes)
    for part in rows.split(_BATCH[plan.dims]):
        if len(part) == 0:
            continue
        starts = known_starts(store, part)
        image = cut_images(store, store.labeled_L[part], starts, plan.device)
        label = run_network(network, image, plan).logits.argmax(1)
        counter.update(label, *cut_labels(store, part, starts))
    counts = counter.confusion.sum(1)
    total = max(1, int(counts.sum()))
    return tuple(counter.dice().tolist()), tuple((counts / total).tolist())


def _spread(rows: Tensor, most: int) -> Tensor:
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

"""Decide how to train from the data: window, spacing, network, device, memory; or say why not.

`plan_training` is the one place that knows how many space axes the network has.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.channels import channel_clips, common_channels, in_words
from napari_transmedseg.engine.config import (
    Direction,
    Method,
    TrainingConfig,
    effective_weights,
    validate_config,
)
from napari_transmedseg.engine.machine import (
    available_cores,
    free_memory_bytes,
    resolve_device,
)
from napari_transmedseg.engine.one_piece import one_piece_classes
from napari_transmedseg.engine.plan_space import choose_dimensions, plan_space
from napari_transmedseg.engine.precision import Precision, choose_precision
from napari_transmedseg.engine.preprocess import NetworkSpace
from napari_transmedseg.engine.recipe import Recipe, recipe_of
from napari_transmedseg.errors import PlanError
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.networks import required_multiple

_SMALL_SIDE = 72
"""Windows up to this side need four levels only."""
_NOTHING_UNLABELED = (
    "Every slice is annotated, so there is nothing unlabeled to learn from; "
    "the run trains supervised."
)
_MEMORY_SHARE = 0.4
"""Share of the free memory that preprocessed images may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingPlan:
    """Everything decided before the first step."""

    space: NetworkSpace
    network: str
    channels: tuple[int, ...]
    class_names: tuple[str, ...]
    """Foreground names; the value of a class is its position + 1."""
    domains: tuple[str, ...]
    """Domains whose target statistics are kept apart; one where they are not."""
    method: Method
    """As asked for, or `supervised` where nothing is left to learn from."""
    graph_weight: float
    graph_alpha: float
    graph_clusters: int
    tsa_weight: float
    tsa_strength: float
    tsa_samples: int
    tsa_direction: Direction
    recipe: Recipe
    largest_component: tuple[int, ...]
    """Values of the classes of which only the largest connected component is kept."""
    device: str
    precision: Precision
    compile: bool
    threads: int
    in_memory: bool
    """False: preprocessed images are memory-mapped from a cache."""
    notes: tuple[str, ...]
    """Plain sentences: what was decided and why, and advice."""
    image_channels: tuple[str, ...] = ()
    """Names of the channels of every image; empty where cases are single images."""

    @property
    def num_classes(self) -> int:
        """C, with the background."""
        return len(self.class_names) + 1

    @property
    def in_channels(self) -> int:
        """M, the channels that the network takes."""
        return max(1, len(self.image_channels))

    @property
    def dims(self) -> int:
        """Space axes of the network, 2 or 3."""
        return self.space.dims


def plan_training(
    config: TrainingConfig,
    cases: Sequence[TrainingCase],
    class_names: Sequence[str],
    slice_axis: int,
) -> TrainingPlan:
    """Plan a run, or raise with the way out.

    Parameters
    ----------
    config
        The person's choices.
    cases
        The cohort; images are not read here.
    class_names
        Foreground names in the order of their values.
    slice_axis
        Display axis (0 I, 1 P, 2 L) along which slices were annotated.

    Raises
    ------
    ConfigError, PlanError
        When settings contradict or there is nothing to train on.
    """
    validate_config(config)
    annotations = _annotations(cases)
    _check_classes(annotations, class_names)
    image_channels = common_channels(cases)
    device = resolve_device(config.device)
    dims, why = choose_dimensions(config, annotations, slice_axis, device)
    recipe = recipe_of(config, dims)
    network = recipe.network if config.network == "auto" else config.network
    space, channels = _space_and_channels(
        config, annotations, slice_axis, recipe, dims=dims, device=device, network=network
    )
    space = replace(space, channel_clips=channel_clips(config, image_channels))
    one_piece, pieces_in_words = one_piece_classes(
        config, annotations, class_names, slice_axis=slice_axis, dims=dims
    )
    notes = [why, *pieces_in_words, *_advice(annotations, slice_axis)]
    if image_channels:
        notes.insert(0, f"The network sees {in_words(image_channels)} of every case.")
    method: Method = config.method
    if not _has_unlabeled(cases) and method != "supervised":
        method = "supervised"
        notes.insert(0, _NOTHING_UNLABELED)
    graph_weight, tsa_weight = effective_weights(config) if method != "supervised" else (0.0, 0.0)
    return TrainingPlan(
        space=space,
        network=network,
        channels=channels,
        class_names=tuple(class_names),
        domains=_domains(config, cases),
        method=method,
        graph_weight=graph_weight,
        graph_alpha=config.graph_alpha,
        graph_clusters=config.graph_clusters or 2 * (len(class_names) + 1),
        tsa_weight=tsa_weight,
        tsa_strength=config.tsa_strength,
        tsa_samples=config.tsa_samples,
        tsa_direction=config.tsa_direction,
        recipe=recipe,
        largest_component=one_piece,
        device=device,
        precision=choose_precision(device) if config.mixed_precision else "float32",
        compile=config.compile,
        threads=config.threads or available_cores(),
        in_memory=_fits_memory(
            len(cases) * max(1, len(image_channels)), annotations, space, device
        ),
        notes=tuple(notes),
        image_channels=image_channels,
    )


def supervised_plan(plan: TrainingPlan) -> TrainingPlan:
    """The same run without terms that need unlabeled slices; it says why."""
    if plan.method == "supervised":
        return plan
    return replace(
        plan, method="supervised", graph_weight=0.0, tsa_weight=0.0,
        notes=(*plan.notes, _NOTHING_UNLABELED),
    )  # fmt: skip


def _annotations(cases: Sequence[TrainingCase]) -> list[LabelMap]:
    if not cases:
        raise PlanError("Expected at least one case, found none; add images to the project.")
    annotations = [
        case.annotation
        for case in cases
        if case.annotation is not None
        and (case.annotation.known is None or bool(case.annotation.known.any()))
    ]
    if not annotations:
        raise PlanError(
            f"Expected at least one annotated slice, found none in {len(cases)} cases; "
            "annotate a few slices first."
        )
    return annotations


def _check_classes(annotations: Sequence[LabelMap], class_names: Sequence[str]) -> None:
    if not class_names:
        raise PlanError("Expected at least one class, found none; add a class to the project.")
    present: set[int] = set()
    for annotation in annotations:
        values = (
            annotation.array if annotation.known is None else annotation.array[annotation.known]
        )
        present.update(int(value) for value in np.unique(values))
    if max(present) > len(class_names):
        raise PlanError(
            f"Expected classes up to {len(class_names)} ({', '.join(class_names)}), found "
            f"{max(present)}; repaint it or add the class to the project."
        )
    if present <= {0}:
        raise PlanError(
            "Expected annotated voxels of a class, found only background; "
            f"annotate a slice that shows {' or '.join(class_names)}."
        )
    missing = [name for value, name in enumerate(class_names, 1) if value not in present]
    if missing:
        raise PlanError(
            f"Expected an example of every class, found none of {', '.join(missing)}; "
            f"annotate a slice that shows it or remove the class."
        )


def _has_unlabeled(cases: Sequence[TrainingCase]) -> bool:
    for case in cases:
        if case.annotation is None:
            return True
        if case.annotation.known is not None and not bool(case.annotation.known.all()):
            return True
    return False


def _space_and_channels(
    config: TrainingConfig,
    annotations: Sequence[LabelMap],
    slice_axis: int,
    recipe: Recipe,
    *,
    dims: int,
    device: str,
    network: str,
) -> tuple[NetworkSpace, tuple[int, ...]]:
    """The window, and the channels of the network; small slices need one level less."""

    def planned(channels: tuple[int, ...]) -> NetworkSpace:
        multiple = required_multiple(network, dims=dims, channels=channels)
        return plan_space(
            config, annotations, slice_axis, recipe, dims=dims, device=device, multiple=multiple
        )

    if dims == 2 and network == "unet":
        space = planned(recipe.channels[:-1])
        if max(space.size) <= _SMALL_SIDE:
            return space, recipe.channels[:-1]
    return planned(recipe.channels), recipe.channels


def _domains(config: TrainingConfig, cases: Sequence[TrainingCase]) -> tuple[str, ...]:
    if not config.tsa_per_domain:
        return ("",)
    return tuple(sorted({case.domain for case in cases}))


def _advice(annotations: Sequence[LabelMap], slice_axis: int) -> list[str]:
    """Warn when no annotated slice is empty: the model would see the organ everywhere."""
    for annotation in annotations:
        labels = np.moveaxis(annotation.array, slice_axis, 0)
        known = (
            labels >= 0
            if annotation.known is None
            else np.moveaxis(annotation.known, slice_axis, 0)
        )
        whole = known.all(axis=(1, 2))
        if bool((whole & ~(labels > 0).any(axis=(1, 2))).any()):
            return []
    return [
        "No annotated slice is empty, so the model may see the structure everywhere; "
        "mark two slices above and below it as empty."
    ]


def _fits_memory(
    num_channels: int, annotations: Sequence[LabelMap], space: NetworkSpace, device: str
) -> bool:
    """Whether the channels of all cases, preprocessed, leave room for the training."""
    images = 1.0
    if space.dims == 2:
        images = float(np.mean([a.geometry.display_shape[space.slice_axis] for a in annotations]))
    needed = num_channels * images * math.prod(space.size) * 4
    return needed < _MEMORY_SHARE * free_memory_bytes(device)

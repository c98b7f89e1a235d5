"""Decide how to train from the data: window, spacing, network, device, memory; or say why not.

`plan_training` is the one place that knows how many space axes the network has.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.config import (
    DEFAULT_MINUTES,
    Method,
    TrainingConfig,
    effective_weights,
    validate_config,
)
from napari_transmedseg.engine.preprocess import NetworkSpace, in_plane
from napari_transmedseg.engine.recipe import RECIPES, Recipe
from napari_transmedseg.errors import ConfigError, PlanError
from napari_transmedseg.imaging.volume import LabelMap

_MARGIN_SHARE = 0.2
"""Room around what is annotated, as a share of its extent, on each side."""
_WHOLE_SLICE_SHARE = 0.85
"""Windows that would cover more of the slice than this take all of it."""
_SMALL_SIDE = 72
"""Windows up to this side need four levels only."""
_CHANNELS_SMALL = (16, 32, 64, 128)
_CHANNELS_LARGE = (16, 32, 64, 128, 256)
_MAX_PIXELS = {"cpu": 160 * 160, "cuda": 320 * 320, "mps": 256 * 256}
"""Pixels of a window; larger ones are resampled to a coarser spacing."""
_MIN_PIXELS = 64 * 64
"""What a window may have however short the budget."""
_PIXELS_PER_CORE_SECOND = 18.0
"""Pixels per second of budget and CPU core at which some 800 steps fit (measured with the
default preset's batch of 8 on a 2.4 GHz core; a step costs in proportion to its pixels)."""
_NOTHING_UNLABELED = (
    "Every slice is annotated, so there is nothing unlabeled to learn from; "
    "the run trains supervised."
)
_MEMORY_SHARE = 0.4
"""Share of the free memory that preprocessed slices may take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingPlan:
    """Everything decided before the first step."""

    space: NetworkSpace
    network: str
    channels: tuple[int, ...]
    dims: int
    class_names: tuple[str, ...]
    """Foreground names; the value of a class is its position + 1."""
    method: Method
    """As asked for, or `supervised` where nothing is left to learn from."""
    graph_weight: float
    tsa_weight: float
    tsa_strength: float
    recipe: Recipe
    largest_component: bool
    device: str
    threads: int
    in_memory: bool
    """False: preprocessed slices are memory-mapped from a cache."""
    notes: tuple[str, ...]
    """Plain sentences: what was decided and why, and advice."""

    @property
    def num_classes(self) -> int:
        """C, with the background."""
        return len(self.class_names) + 1


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
    device = resolve_device(config.device)
    recipe = RECIPES[config.preset]
    notes: list[str] = []
    unlabeled = _has_unlabeled(cases)
    method: Method = config.method
    if not unlabeled and method != "supervised":
        method = "supervised"
        notes.append(_NOTHING_UNLABELED)
    graph_weight, tsa_weight = effective_weights(config)
    pixels = affordable_pixels(config, device)
    space = _plan_space(annotations, slice_axis, pixels, recipe)
    channels = _CHANNELS_SMALL if max(space.size) <= _SMALL_SIDE else _CHANNELS_LARGE
    notes += _advice(annotations, slice_axis)
    supervised = method == "supervised"
    return TrainingPlan(
        space=space,
        network="unet",
        channels=channels,
        dims=2,
        class_names=tuple(class_names),
        method=method,
        graph_weight=0.0 if supervised else graph_weight,
        tsa_weight=0.0 if supervised else tsa_weight,
        tsa_strength=config.tsa_strength,
        recipe=recipe,
        largest_component=config.largest_component,
        device=device,
        threads=config.threads or available_cores(),
        in_memory=_fits_memory(len(cases), annotations, space, device),
        notes=tuple(notes),
    )


def supervised_plan(plan: TrainingPlan) -> TrainingPlan:
    """The same run without terms that need unlabeled slices; it says why."""
    if plan.method == "supervised":
        return plan
    return replace(
        plan, method="supervised", graph_weight=0.0, tsa_weight=0.0,
        notes=(*plan.notes, _NOTHING_UNLABELED),
    )  # fmt: skip


def affordable_pixels(config: TrainingConfig, device: str) -> float:
    """Pixels of a window that leave time for enough steps.

    Within minutes on a CPU, many steps on coarser slices beat few on fine ones; with a budget in
    steps or on an accelerator, only the device's limit counts.
    """
    most = float(_MAX_PIXELS[device])
    if device != "cpu" or config.steps is not None:
        return most
    cores = config.threads or available_cores()
    seconds = 60 * (config.minutes or DEFAULT_MINUTES)
    affordable: float = _PIXELS_PER_CORE_SECOND * seconds * cores**0.8
    return min(most, max(_MIN_PIXELS, affordable))


def resolve_device(name: str) -> str:
    """Turn `auto` into the best device at hand, and check the others.

    Raises
    ------
    ConfigError
        When the device that was asked for is not there.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return next(device for device, there in available.items() if there)
    if not available[name]:
        raise ConfigError(
            f"Expected a '{name}' device, found none on this machine; use --device auto or cpu."
        )
    return name


def available_cores() -> int:
    """CPU cores that this process may use; fewer than the machine's in a container."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity is not None else (os.cpu_count() or 1)


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


def _plan_space(
    annotations: Sequence[LabelMap], slice_axis: int, max_pixels: float, recipe: Recipe
) -> NetworkSpace:
    shapes, spacings = zip(
        *(in_plane(annotation.geometry, slice_axis) for annotation in annotations), strict=True
    )
    extents = np.array(shapes) * np.array(spacings)
    spacing = np.median(np.array(spacings), axis=0)
    largest = extents.max(axis=0)
    low, high = _region_of_interest(annotations, slice_axis)
    size_mm = (high - low) * largest
    centre = (low + high) / 2
    for axis in range(2):
        if size_mm[axis] > _WHOLE_SLICE_SHARE * largest[axis]:
            size_mm[axis], centre[axis] = largest[axis], 0.5
    pixels = float(np.prod(size_mm / spacing))
    if pixels > max_pixels:
        spacing = spacing * math.sqrt(pixels / max_pixels)
    side = size_mm / spacing
    multiple = 2 ** (len(_CHANNELS_SMALL if side.max() <= _SMALL_SIDE else _CHANNELS_LARGE) - 1)
    rows, columns = (int(math.ceil(round(length, 3) / multiple) * multiple) for length in side)
    return NetworkSpace(
        slice_axis=slice_axis,
        spacing_mm=(float(spacing[0]), float(spacing[1])),
        size=(rows, columns),
        centre=(float(centre[0]), float(centre[1])),
        normalisation=recipe.normalisation,
    )


def _region_of_interest(
    annotations: Sequence[LabelMap], slice_axis: int
) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of all annotated foreground with a margin, as shares of the slice's sides."""
    low, high = np.ones(2), np.zeros(2)
    for annotation in annotations:
        painted = annotation.array > 0
        if annotation.known is not None:
            painted &= annotation.known
        plane = np.any(painted, axis=slice_axis)
        if not plane.any():
            continue
        for axis in range(2):
            (where,) = np.nonzero(plane.any(axis=1 - axis))
            low[axis] = min(low[axis], where[0] / plane.shape[axis])
            high[axis] = max(high[axis], (where[-1] + 1) / plane.shape[axis])
    margin = _MARGIN_SHARE * (high - low)
    return np.clip(low - margin, 0, 1), np.clip(high + margin, 0, 1)


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
    num_cases: int, annotations: Sequence[LabelMap], space: NetworkSpace, device: str
) -> bool:
    slices = np.mean([a.geometry.display_shape[space.slice_axis] for a in annotations])
    needed = num_cases * float(slices) * space.size[0] * space.size[1] * 4
    return needed < _MEMORY_SHARE * free_memory_bytes(device)


def free_memory_bytes(device: str) -> float:
    """Memory that is free for slices on a device."""
    if device == "cuda":
        return float(torch.cuda.mem_get_info()[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable"):
                    return float(line.split()[1]) * 1024
    except OSError:
        pass
    return 4 * 1024.0**3

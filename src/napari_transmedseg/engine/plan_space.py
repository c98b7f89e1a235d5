"""Decide what the network sees: slices or volumes, the window, its spacing, the patch.

Sizes of space axes are rows, columns; in 3-D slices, rows, columns.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from napari_transmedseg.engine.config import DEFAULT_MINUTES, TrainingConfig
from napari_transmedseg.engine.machine import available_cores
from napari_transmedseg.engine.preprocess import NetworkSpace, slices_first
from napari_transmedseg.engine.recipe import Recipe
from napari_transmedseg.imaging.volume import LabelMap

_MARGIN_SHARE = 0.2
"""Room around what is annotated, as a share of its extent, on each side."""
_WHOLE_SHARE = 0.85
"""Windows that would cover more of the image than this take all of it."""
_MAX_VOXELS = {
    2: {"cpu": 160 * 160, "cuda": 320 * 320, "mps": 256 * 256},
    3: {"cpu": 64 * 64 * 48, "cuda": 112 * 112 * 80, "mps": 96 * 96 * 64},
}
"""Voxels of a patch; larger windows are resampled to a coarser spacing or seen in parts."""
_MIN_VOXELS = {2: 64 * 64, 3: 32 * 32 * 24}
"""What a patch may have however short the budget."""
_VOXELS_PER_CORE_SECOND = {2: 18.0, 3: 170.0}
"""Voxels per second of budget and CPU core at which some 800 steps fit (measured with the
default preset's batch on a 2.4 GHz core; a step costs in proportion to its voxels)."""
_STEPS = 800
"""Those steps."""
_PATCHES_PER_WINDOW = {True: 2.0, False: 24.0}
"""Most patches' worth of voxels in a 3-D window, by whether time is short."""
_ANISOTROPIC = 2.0
"""Slices so many times thicker than their pixels say little about their neighbours."""
_FEW_SLICES = 24
_WHOLE_VOLUMES = 3
"""Volumes annotated as a whole from which a 3-D network is worth its time."""


def choose_dimensions(
    config: TrainingConfig, annotations: Sequence[LabelMap], slice_axis: int, device: str
) -> tuple[int, str]:
    """2-D or 3-D, and why in a plain sentence."""
    if config.dimensions != "auto":
        dims = int(config.dimensions[0])
        return dims, f"The network is {dims}-D because the settings say so."
    shapes, spacings = zip(
        *(slices_first(a.geometry, slice_axis) for a in annotations), strict=True
    )
    ratio = float(np.median([s[0] / max(s[1], s[2]) for s in spacings]))
    slices = int(np.median([shape[0] for shape in shapes]))
    whole = sum(_is_whole(annotation) for annotation in annotations)
    if ratio >= _ANISOTROPIC:
        return 2, f"The network is 2-D: slices are {ratio:.1f} times as thick as their pixels."
    if slices < _FEW_SLICES:
        return 2, f"The network is 2-D: a volume has only {slices} slices."
    if whole < _WHOLE_VOLUMES:
        return 2, (
            f"The network is 2-D: {whole} volumes are annotated as a whole; with single slices "
            "it learns more from the same time."
        )
    if device == "cpu" and _is_short(config, device):
        return 2, "The network is 2-D: a 3-D one needs a GPU or more than half an hour."
    return 3, (
        f"The network is 3-D: {whole} volumes with near-cubic voxels are annotated as a whole."
    )


def plan_space(
    config: TrainingConfig,
    annotations: Sequence[LabelMap],
    slice_axis: int,
    recipe: Recipe,
    *,
    dims: int,
    device: str,
    multiple: int,
) -> NetworkSpace:
    """Window, spacing and patch around everything that is annotated.

    Parameters
    ----------
    multiple
        Sides of what the network sees must divide by it.
    """
    shapes, spacings = zip(
        *(slices_first(a.geometry, slice_axis) for a in annotations), strict=True
    )
    shapes_KD, spacings_KD = np.array(shapes)[:, -dims:], np.array(spacings)[:, -dims:]
    largest_mm = (shapes_KD * spacings_KD).max(axis=0)
    spacing = np.median(spacings_KD, axis=0)
    low, high = _region_of_interest(annotations, slice_axis)
    size_mm, centre = (high - low)[-dims:] * largest_mm, ((low + high) / 2)[-dims:]
    if recipe.whole_images:
        size_mm, centre = largest_mm.copy(), np.full(dims, 0.5)
    for axis in range(dims):
        if size_mm[axis] > _WHOLE_SHARE * largest_mm[axis]:
            size_mm[axis], centre[axis] = largest_mm[axis], 0.5
    most = affordable_voxels(config, device, dims)
    room = most if dims == 2 else most * _PATCHES_PER_WINDOW[_is_short(config, device)]
    spacing = _coarsened(size_mm, spacing, room)
    size = rounded_up(size_mm / spacing, multiple)
    patch = () if dims == 2 else _patch(size, most, multiple)
    return NetworkSpace(
        slice_axis=slice_axis,
        spacing_mm=tuple(float(value) for value in spacing),
        size=size,
        centre=tuple(float(value) for value in centre),
        patch=patch,
        normalisation=recipe.normalisation,
        clip=_clip(config),
    )


def affordable_voxels(config: TrainingConfig, device: str, dims: int = 2) -> float:
    """Voxels of a patch that leave time for enough steps.

    Within minutes on a CPU, many steps on coarser images beat few on fine ones; with a budget in
    steps or on an accelerator, only the device's limit counts.
    """
    most = float(_MAX_VOXELS[dims][device])
    if not _is_short(config, device):
        return most
    cores = config.threads or available_cores()
    seconds = 60 * (config.minutes or DEFAULT_MINUTES)
    affordable: float = _VOXELS_PER_CORE_SECOND[dims] * seconds * cores**0.8
    return min(most, max(_MIN_VOXELS[dims], affordable))


def cpu_steps_per_second(voxels: float, cores: int, dims: int) -> float:
    """Training steps per second on CPU cores, of the default preset on windows of that size."""
    return _STEPS * _VOXELS_PER_CORE_SECOND[dims] * float(cores**0.8) / voxels


def rounded_up(sides: Iterable[float], multiple: int) -> tuple[int, ...]:
    """Sides of a window, in voxels, as the network can take them."""
    return tuple(int(math.ceil(round(side, 3) / multiple) * multiple) for side in sides)


def _is_short(config: TrainingConfig, device: str) -> bool:
    """Whether time is what limits the number of steps."""
    return device == "cpu" and config.steps is None


def _is_whole(annotation: LabelMap) -> bool:
    return annotation.known is None or float(annotation.known.mean()) > 0.9


def _region_of_interest(
    annotations: Sequence[LabelMap], slice_axis: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Bounds of all annotated foreground with a margin, as shares of (slices, rows, columns).

    Along the slices only whole annotations tell where a structure ends.
    """
    low, high = np.ones(3), np.zeros(3)
    for annotation in annotations:
        painted = annotation.array > 0
        if annotation.known is not None:
            painted = painted & annotation.known
        painted = np.moveaxis(painted, slice_axis, 0)
        for axis in range(3):
            (where,) = np.nonzero(painted.any(axis=tuple(a for a in range(3) if a != axis)))
            if len(where):
                low[axis] = min(low[axis], where[0] / painted.shape[axis])
                high[axis] = max(high[axis], (where[-1] + 1) / painted.shape[axis])
    margin = _MARGIN_SHARE * (high - low)
    low, high = np.clip(low - margin, 0, 1), np.clip(high + margin, 0, 1)
    if not all(_is_whole(annotation) for annotation in annotations):
        low[0], high[0] = 0.0, 1.0
    return low, high


def _coarsened(
    size_mm: npt.NDArray[np.float64], spacing: npt.NDArray[np.float64], room: float
) -> npt.NDArray[np.float64]:
    """Spacing at which the window has at most `room` voxels; the finest axes give way first."""
    excess = float(np.prod(size_mm / spacing)) / room
    if excess <= 1:
        return spacing
    if len(spacing) == 2:
        coarser: npt.NDArray[np.float64] = spacing * math.sqrt(excess)
        return coarser
    low, high = float(spacing.min()), float(spacing.max()) * excess
    for _ in range(40):  # the one spacing that no axis may fall below
        middle = (low + high) / 2
        if np.prod(size_mm / np.maximum(spacing, middle)) > room:
            low = middle
        else:
            high = middle
    return np.maximum(spacing, high)


def _patch(size: tuple[int, ...], most: float, multiple: int) -> tuple[int, ...]:
    """The largest patch of the window's shape with at most so many voxels; empty if it fits."""
    patch = list(size)
    while math.prod(patch) > most and max(patch) > multiple:
        longest = max(range(len(patch)), key=lambda axis: patch[axis])
        patch[longest] -= multiple
    return () if tuple(patch) == size else tuple(patch)


def _clip(config: TrainingConfig) -> tuple[float, float] | None:
    if config.clip_low is None or config.clip_high is None:
        return None
    return config.clip_low, config.clip_high

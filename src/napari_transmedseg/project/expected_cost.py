"""How long a planned training will take and how much memory, before it begins."""

from __future__ import annotations

import math
from collections.abc import Sequence

from napari_transmedseg.engine.config import DEFAULT_MINUTES, TrainingConfig
from napari_transmedseg.engine.machine import available_cores, free_memory_bytes
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.plan_space import cpu_steps_per_second
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.run import Run

_GIB = 2.0**30
_MAPS_PER_CHANNEL = 36
"""Feature maps at a time, per channel of a level: twelve of a U-Net (two blocks down and up of
convolution, norm and activation) in two student passes wait for the backward pass, and half as
many are worked on. Measured on the sample hearts: 0.27 GiB in 2-D, 0.47 in 3-D; said: 0.4."""
_FIXED = 0.15 * _GIB
"""What networks, optimizer and libraries take whatever the images."""
_BYTES = 4


def time_of(plan: TrainingPlan, config: TrainingConfig, runs: Sequence[Run]) -> str:
    """Say how long a training will take.

    Steps become minutes by the latest run on such a device, or on the CPU by what was measured
    when the program was made.
    """
    if config.steps is None:
        minutes = config.minutes or DEFAULT_MINUTES
        return f"It takes {minutes:g} min, preparation included; you can stop earlier and keep it."
    rate, source = _measured_rate(plan, runs)
    if rate is None and plan.device == "cpu":
        rate, source = cpu_steps_per_second(math.prod(_seen(plan)), plan.threads, plan.dims), ""
    if rate is None:
        return f"It takes {config.steps} steps; the first ones will tell how long a step takes."
    minutes = config.steps / rate / 60
    shown = f"{minutes:.0f} min" if minutes >= 1.5 else f"{60 * minutes:.0f} s"
    return (
        f"It takes about {shown} for {config.steps} steps, at {rate:.1f} steps/s"
        f"{source}; you can stop earlier and keep it."
    )


def memory_of(plan: TrainingPlan, num_images: int) -> tuple[str, list[str]]:
    """Say how much memory a training will take beside the program, and advice if it is too much.

    Parameters
    ----------
    plan
        What was decided.
    num_images
        Slices in 2-D, volumes in 3-D.
    """
    voxels = math.prod(_seen(plan))
    images = 0
    if plan.in_memory:
        images = num_images * plan.in_channels * math.prod(plan.space.size) * _BYTES
    per_image = sum(
        channels * voxels / 2 ** (plan.dims * level) for level, channels in enumerate(plan.channels)
    )
    needed = _FIXED + images + _MAPS_PER_CHANNEL * plan.recipe.batch_size * per_image * _BYTES
    free = free_memory_bytes(plan.device)
    where = "on the GPU" if plan.device == "cuda" else "beside the program"
    fact = f"It needs about {needed / _GIB:.1f} GiB of memory {where}; {free / _GIB:.1f} are free."
    if needed < free:
        return fact, []
    return fact, [
        "The memory may not suffice; close other programs, or choose the CPU or the U-Net under "
        "'Advanced settings'."
    ]


def device_in_words(plan: TrainingPlan) -> str:
    """Say where a training runs."""
    if plan.device == "cpu":
        cores = available_cores()
        return f"It trains on the CPU, with {plan.threads} of {cores} core{'s' * (cores != 1)}."
    return f"It trains on the GPU ({plan.device})."


def _measured_rate(plan: TrainingPlan, runs: Sequence[Run]) -> tuple[float | None, str]:
    for run in reversed(runs):
        try:
            rows = run.metrics()
        except (ProjectError, OSError):
            continue
        starts = [row for row in rows if row.get("event") == "TrainingStarted"]
        rates = [
            row["steps_per_second"]
            for row in rows
            if row.get("event") == "StepReport" and row.get("phase") == "self-training"
        ]
        if starts and rates and _is_alike(starts[-1], plan):
            return max(1e-6, float(rates[-1])), f" as {run.run_id} made them"
    return None, ""


def _is_alike(started: dict[str, object], plan: TrainingPlan) -> bool:
    network = str(started.get("network"))
    return started.get("device") == plan.device and network.startswith(
        f"{plan.network} {plan.dims}-D"
    )


def _seen(plan: TrainingPlan) -> tuple[int, ...]:
    return plan.space.patch or plan.space.size

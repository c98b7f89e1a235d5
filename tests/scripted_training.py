"""A small generator of real events, steered by a real control: what a training sends."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import (
    CheckpointSaved,
    DiceReport,
    MonitorReport,
    PhaseChanged,
    SlicePrediction,
    StepReport,
    TrainingEvent,
    TrainingFinished,
    TrainingStarted,
)


def scripted_training(
    control: TrainingControl,
    *,
    shape_YX: tuple[int, int] = (24, 20),
    class_names: tuple[str, ...] = ("ring", "core"),
    steps: int = 30,
    step_s: float = 0.01,
    run_id: str = "run-001",
    slice_axis: int = 0,
) -> Iterator[TrainingEvent]:
    """Events of a training of `steps` steps that honours stop, pause and the watched slice."""
    start = time.monotonic()
    yield TrainingStarted(
        run_id=run_id, device="cpu", network="UNet", num_labeled_slices=12,
        num_unlabeled_slices=68, notes=("12 slices are labeled, 68 are not.",),
    )  # fmt: skip
    step, reason = 0, "budget"
    while step < steps:
        while control.paused:
            control.wait_while_paused(0.05)
        if control.stop_requested:
            reason = "stopped"
            break
        step += 1
        time.sleep(step_s)
        yield _report(step, steps, time.monotonic() - start, step_s)
        if step == steps // 3:
            yield PhaseChanged(step=step, phase="self-training", sentence="Self-training began.")
        if step % 5 == 0:
            dice = {name: min(0.95, 0.3 + step / steps) for name in class_names}
            yield DiceReport(step=step, annotated=dice, held_out={})
            yield MonitorReport(
                step=step, name="entropy", class_name="", value=0.6, light="advice",
                sentence="The model is unsure on many slices: annotate one more.",
            )  # fmt: skip
        if step % 2 == 0 and control.watched is not None:
            yield _prediction(step, steps, control.watched, shape_YX, slice_axis)
    yield CheckpointSaved(step=step, path=Path("last.pt"))
    yield TrainingFinished(
        step=step, reason=reason, elapsed_s=time.monotonic() - start, self_training_steps=step // 2,
        sentence=f"Training ended after {step} steps; the model is saved.",
    )  # fmt: skip


def _report(step: int, steps: int, elapsed_s: float, step_s: float) -> StepReport:
    decay = np.exp(-3 * step / steps)
    losses = {"total": 1.2 * decay + 0.2, "supervised": 0.9 * decay + 0.1}
    if step > steps // 3:
        losses |= {"pseudo": 0.3 * decay, "graph": 0.05, "tsa": 0.1 * decay}
    return StepReport(
        step=step, phase="self-training" if "tsa" in losses else "warm-up", progress=step / steps,
        losses={name: float(value) for name, value in losses.items()}, learning_rate=1e-3,
        steps_per_second=1 / step_s, elapsed_s=elapsed_s, remaining_s=(steps - step) * step_s,
        pseudo_label_share=0.4, memory_mib=512.0,
    )  # fmt: skip


def _prediction(
    step: int, steps: int, watched: tuple[str, int], shape_YX: tuple[int, int], slice_axis: int
) -> SlicePrediction:
    y, x = np.ogrid[: shape_YX[0], : shape_YX[1]]
    radius = np.hypot(y - shape_YX[0] / 2, x - shape_YX[1] / 2)
    size = shape_YX[0] / 3 * (0.5 + step / steps / 2)
    labels = np.where(radius < size, 1, 0)
    labels = np.where(radius < size / 2, 2, labels).astype(np.uint8)
    return SlicePrediction(
        step=step, case_id=watched[0], slice_axis=slice_axis, slice_index=watched[1],
        pseudo_label_YX=labels, uncertainty_YX=np.exp(-((radius - size) ** 2) / 8).astype("f4"),
    )  # fmt: skip

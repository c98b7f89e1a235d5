"""What a training run tells while it goes on: frozen, small, on the CPU."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

Phase = Literal["preparing", "warm-up", "self-training"]
StopReason = Literal["budget", "stopped", "early"]
Light = Literal["ok", "advice", "warning"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingStarted:
    """The plan is made and the first step is about to run."""

    run_id: str
    device: str
    network: str
    num_labeled_slices: int
    num_unlabeled_slices: int
    notes: tuple[str, ...]
    """Plain sentences: what was planned and why, and any pre-flight advice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StepReport:
    """Means over the steps since the last report."""

    step: int
    phase: Phase
    progress: float
    """Share of the whole budget that is spent, in [0, 1]."""
    losses: dict[str, float]
    """By term: `total`, `supervised`, `pseudo`, `graph`, `tsa`; absent where off."""
    learning_rate: float
    steps_per_second: float
    elapsed_s: float
    remaining_s: float
    pseudo_label_share: float
    """Share of unlabeled voxels that carried a pseudo-label, in [0, 1]."""
    memory_mib: float
    """Memory of the process (CPU) or of the accelerator, in MiB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhaseChanged:
    """Warm-up ended by competence, or self-training had to fall back."""

    step: int
    phase: Phase
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class DiceReport:
    """Dice of the teacher on annotated slices, pooled over voxels, per class name."""

    step: int
    annotated: dict[str, float]
    """On the slices that it was trained on."""
    held_out: dict[str, float]
    """On annotated slices that were held out; empty when there are none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MonitorReport:
    """One monitored value and whether it is healthy."""

    step: int
    name: str
    """`entropy`, `condition_number`, `mean_shift`, `source_count`, `target_count`,
    `teacher_dice`, `pseudo_share`, `multi_modal`."""
    class_name: str
    """Empty where the value belongs to no class."""
    value: float
    light: Light
    sentence: str
    """What it means and what to do, for a clinician; empty when ok."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SlicePrediction:
    """The teacher's view of the watched slice, on the image's own pixels."""

    step: int
    case_id: str
    slice_axis: int
    """Display axis (0 I, 1 P, 2 L) that is cut."""
    slice_index: int
    pseudo_label_YX: npt.NDArray[np.uint8]
    uncertainty_YX: npt.NDArray[np.float32]
    """Entropy over log C, in [0, 1]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckpointSaved:
    """A checkpoint was written; training can go on from it."""

    step: int
    path: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Notice:
    """A plain sentence that needs no reaction by the program."""

    step: int
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingFinished:
    """The last event of a run; a run that fails raises instead."""

    step: int
    reason: StopReason
    elapsed_s: float
    self_training_steps: int
    sentence: str


TrainingEvent = (
    TrainingStarted
    | StepReport
    | PhaseChanged
    | DiceReport
    | MonitorReport
    | SlicePrediction
    | CheckpointSaved
    | Notice
    | TrainingFinished
)

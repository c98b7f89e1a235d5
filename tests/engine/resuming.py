"""Short runs that can be killed: `python resuming.py SETUP FOLDER STEP` ends itself by kill -9."""

import math
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_cohort import case, config, ellipses, whole_slices
from volumes import ORGAN, sparse_cohort

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.checkpoint import load_checkpoint
from napari_transmedseg.engine.events import StepReport
from napari_transmedseg.engine.recipe import RECIPES
from napari_transmedseg.engine.trainer import fit

STEPS = 40
"""From the 26th on they learn from unlabeled images too."""
SHAPE = (6, 16, 16)
SETUPS: dict[str, dict[str, Any]] = {
    "2-D": {},
    "2-D, held-out slices choose": {"validation_share": 0.5},
    "3-D": {"dimensions": "3d"},
    "paper": {"preset": "paper"},
}


def losses_of(setup: str, folder: Path, *, kill_at: int | None = None) -> list[dict[str, float]]:
    """Losses of the steps of a run that begins, or goes on where there is a checkpoint."""
    _let_self_training_begin()
    last = folder / "checkpoints" / "last.pt"
    settings: dict[str, Any] = {"steps": STEPS, "overlay_interval_s": 1e6, **SETUPS[setup]}
    if kill_at is not None:
        settings["checkpoint_interval_s"] = 1e-9
    events = fit(
        _cohort(setup), ORGAN, config(**settings), slice_axis=0, folder=folder,
        resume_from=last if last.exists() else None,
    )  # fmt: skip
    losses = []
    for event in events:
        if isinstance(event, StepReport):
            losses.append(event.losses)
            if event.step == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
    return losses


def difference(one: Any, other: Any, at: str = "") -> str:
    """Place of the first difference between two contents of checkpoints, bit for bit; or empty."""
    if isinstance(one, torch.Tensor):
        alike = one.dtype == other.dtype and one.shape == other.shape
        return "" if alike and _bits(one) == _bits(other) else at
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return f"{at}: {sorted(map(str, one.keys() ^ other.keys()))}"
        return next((d for k in one if (d := difference(one[k], other[k], f"{at}/{k}"))), "")
    if isinstance(one, (list, tuple)):
        if len(one) != len(other):
            return f"{at}: {len(one)} and {len(other)}"
        pairs = enumerate(zip(one, other, strict=True))
        return next((d for i, (a, b) in pairs if (d := difference(a, b, f"{at}/{i}"))), "")
    nan = isinstance(one, float) and isinstance(other, float) and math.isnan(one + other)
    return "" if one == other or nan else f"{at}: {one} and {other}"


def kept(folder: Path) -> dict[str, Any]:
    """What a run's checkpoint holds, without what a clock or another run's start decides."""
    content = load_checkpoint(folder / "checkpoints" / "last.pt")
    del content["counters"]["elapsed_s"]
    if not content["plan"]["recipe"]["dropout"]:
        del content["global_generator"]
    return content


def _bits(value: torch.Tensor) -> bytes:
    return value.detach().contiguous().numpy().tobytes()


def _let_self_training_begin() -> None:
    for key, recipe in RECIPES.items():
        dropout = recipe.dropout[:4]
        RECIPES[key] = replace(
            recipe, competence=0.0, held_out_competence=0.0, warmup_passes=0, warmup_share=0.3,
            channels=(4, 8, 16, 32), dropout=dropout,
        )  # fmt: skip


def _cohort(setup: str) -> list[TrainingCase]:
    if setup == "3-D":
        return sparse_cohort()
    whole = setup.endswith("choose")
    known = [None, None] if whole else [whole_slices([0, 2, 3], SHAPE), whole_slices([1, 2], SHAPE)]
    return [
        _organ("a", -1, known[0]),
        _organ("b", 1, known[1]),
        *([_organ("e", 0, None), _organ("f", 2, None)] if whole else []),
        _organ("c", 0, None, annotated=False),
        _organ("d", 1, None, annotated=False),
    ]


def _organ(
    name: str, shift: float, known: np.ndarray | None, *, annotated: bool = True
) -> TrainingCase:
    return case(name, np.minimum(ellipses(SHAPE, shift), 1), known, annotated=annotated)


if __name__ == "__main__":
    losses_of(sys.argv[1], Path(sys.argv[2]), kill_at=int(sys.argv[3]))

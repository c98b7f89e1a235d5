"""Where a self-training step's time goes, part by part, within one run.

    python benchmarks/step_time.py [--side 64] [--steps 60] [--method transmedseg] [--threads 1]

Trains on a synthetic cohort of noisy discs, whole steps as the trainer takes them, and times the
functions that they call. Prints median milliseconds per step and the share of the step's time;
a part that is called within another (target statistics within the pseudo-labels) counts once.
With one thread it is processor time, which other programs on the machine do not lengthen.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

PARTS = {
    "labeled": "sampling and augmentation",
    "unlabeled": "sampling and augmentation",
    "teacher": "teacher forward",
    "largest_components": "largest component",
    "predict_labels": "pseudo-labels, other",
    "normalized_entropy": "pseudo-labels, other",
    "_note_shares": "pseudo-labels, other",
    "copy_paste_batch": "copy-paste",
    "whole_slice_batch": "copy-paste",
    "student": "student forward",
    "masked_segmentation_losses": "CE and Dice",
    "graph": "graph term",
    "_tsa": "TSA (statistics, table, loss)",
    "target.update_maps": "TSA (statistics, table, loss)",
    "backward": "backward",
    "optimizer": "optimizer",
    "update_teacher": "EMA",
}


def main() -> None:
    arguments = parser(__doc__.splitlines()[0]).parse_args()
    run = timed_run(arguments)
    print(describe(arguments, run))
    print(f"{'part':<34}{'ms':>9}{'share':>9}")
    total = run.median("step")
    spent = 0.0
    for part in dict.fromkeys(PARTS.values()):
        milliseconds = run.median(part)
        spent += milliseconds
        print(f"{part:<34}{milliseconds:>9.2f}{milliseconds / total:>9.1%}")
    print(f"{'the rest':<34}{total - spent:>9.2f}{(total - spent) / total:>9.1%}")
    print(f"{'step':<34}{total:>9.2f}{1:>9.1%}")


def parser(description: str) -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--side", type=int, default=64, help="rows and columns of a slice")
    options.add_argument("--classes", type=int, default=2, help="foreground classes")
    options.add_argument("--steps", type=int, default=60, help="steps that are timed")
    options.add_argument("--method", default="transmedseg")
    options.add_argument("--preset", default="default")
    options.add_argument("--batch", type=int, default=0, help="images per step; 0: the preset's")
    options.add_argument("--threads", type=int, default=1)
    return options


def timed_run(arguments: argparse.Namespace) -> Timed:
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)
    import torch

    from napari_transmedseg.engine.sampling import Sampler, build_store
    from napari_transmedseg.engine.state import make_state
    from napari_transmedseg.engine.step import train_step

    torch.set_num_threads(arguments.threads)
    plan, cases = _plan(arguments)
    store = build_store(cases, plan, validation_share=0, seed=0, cache=None)
    state = make_state(plan, num_slices=store.num_slices, seed=0)
    state.phase, state.self_training_start = "self-training", 0.0
    state.student.train()
    sampler = Sampler(store, plan.recipe.augmentation, state.generator, torch.device("cpu"))
    timed = Timed(plan, clock_for(arguments.threads))
    with timed.watching(state, sampler):
        for step in range(arguments.steps + 10):
            start = timed.clock()
            train_step(state, plan, sampler, step / (arguments.steps + 10))
            timed.end_step(timed.clock() - start, keep=step >= 10)
    return timed


def clock_for(threads: int) -> Callable[[], float]:
    """Processor time where one thread does it all, else the time on the wall."""
    return time.process_time if threads == 1 else time.perf_counter


def describe(arguments: argparse.Namespace, run: Timed) -> str:
    import torch

    plan = run.plan
    return (
        f"{plan.method}, preset {arguments.preset}, batch {plan.recipe.batch_size} of "
        f"{plan.space.size[0]}x{plan.space.size[1]}, channels {plan.channels}, "
        f"{plan.num_classes} classes, {arguments.steps} steps, {arguments.threads} thread(s), "
        f"torch {torch.__version__}"
    )


class Timed:
    """Milliseconds of each part, step by step."""

    def __init__(self, plan: Any, clock: Callable[[], float]) -> None:
        self.plan, self.clock = plan, clock
        self.steps: dict[str, list[float]] = defaultdict(list)
        self._current: dict[str, float] = defaultdict(float)
        self._open: list[float] = []

    def median(self, part: str) -> float:
        return statistics.median(self.steps[part]) if self.steps[part] else 0.0

    def end_step(self, seconds: float, *, keep: bool) -> None:
        if keep:
            for part in dict.fromkeys(PARTS.values()):
                self.steps[part].append(self._current[part])
            self.steps["step"].append(1e3 * seconds)
        self._current.clear()

    def watching(self, state: Any, sampler: Any) -> _Watch:
        """Time the parts of a state's steps from now on."""
        import torch

        from napari_transmedseg.engine import step

        watch = _Watch(self)
        functions = "predict_labels largest_components normalized_entropy _note_shares"
        functions += " copy_paste_batch whole_slice_batch masked_segmentation_losses _tsa"
        for name in (*functions.split(), "update_teacher"):
            watch.replace(step, name, name)
        for name in ("labeled", "unlabeled"):
            watch.replace(sampler, name, name)
        watch.replace(state.student, "forward", "student")
        watch.replace(state.teacher, "forward", "teacher")
        watch.replace(state.optimizer, "step", "optimizer")
        watch.replace(torch.Tensor, "backward", "backward")
        watch.replace(state.target, "update_maps", "target.update_maps")
        if state.graph is not None:
            watch.replace(state.graph, "forward", "graph")
        return watch

    def call(self, part: str, function: Callable[..., Any], *values: Any, **more: Any) -> Any:
        """Time a call; what it calls in turn counts for its own part only."""
        self._open.append(0.0)
        start = self.clock()
        result = function(*values, **more)
        seconds = self.clock() - start
        within = self._open.pop()
        self._current[part] += 1e3 * (seconds - within)
        if self._open:
            self._open[-1] += seconds
        return result


class _Watch:
    """Functions replaced by timed ones, put back at the end."""

    def __init__(self, timed: Timed) -> None:
        self._timed = timed
        self._kept: list[tuple[Any, str, Any]] = []

    def replace(self, owner: Any, name: str, key: str) -> None:
        function, part = getattr(owner, name), PARTS[key]

        def timed(*values: Any, **more: Any) -> Any:
            return self._timed.call(part, function, *values, **more)

        self._kept.append((owner, name, function))
        setattr(owner, name, timed)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_exc: object) -> None:
        for owner, name, function in self._kept:
            setattr(owner, name, function)


def _plan(arguments: argparse.Namespace) -> tuple[Any, Any]:
    import numpy as np

    from napari_transmedseg.engine.cases import TrainingCase
    from napari_transmedseg.engine.config import TrainingConfig
    from napari_transmedseg.engine.plan import plan_training
    from napari_transmedseg.imaging.geometry import Geometry
    from napari_transmedseg.imaging.volume import LabelMap, Volume

    side, rng = arguments.side, np.random.default_rng(0)
    geometry = Geometry.from_spacing((side, side, 12), (1.0, 1.0, 4.0), orientation="LPS")
    cases = []
    for number in range(8):
        z, y, x = np.ogrid[:12, :side, :side]
        radius = np.hypot(y - side / 2, x - side / 2 - number % 3) / side
        shown = (radius < 0.42) & (z > 0) & (z < 11)
        rings = arguments.classes - (radius / 0.42 * arguments.classes).astype(int)
        classes = np.where(shown, rings, 0).astype(np.uint8)
        array = (classes * 100 + rng.normal(0, 15, classes.shape)).astype(np.float32)
        volume = Volume(array=array, geometry=geometry)
        known = np.zeros(classes.shape, bool)
        known[[0, 4, 8]] = True
        annotation = LabelMap(array=classes, geometry=geometry, known=known)
        cases.append(
            TrainingCase(
                case_id=f"case_{number}",
                load=lambda volume=volume: volume,
                annotation=annotation if number < 4 else None,
            )
        )
    names = [f"class {value}" for value in range(1, arguments.classes + 1)]
    config = TrainingConfig(
        steps=arguments.steps, device="cpu", threads=arguments.threads,
        method=arguments.method, preset=arguments.preset,
    )  # fmt: skip
    if arguments.method == "supervised":
        sys.exit("Expected a method that learns from unlabeled slices, found supervised.")
    plan = plan_training(config, cases, names, 0)
    batch = arguments.batch or plan.recipe.batch_size
    return replace(plan, recipe=replace(plan.recipe, batch_size=batch)), cases


if __name__ == "__main__":
    main()

"""Where a self-training step's time goes, part by part, within one run.

    python benchmarks/step_time.py [--dims 2] [--side 64] [--steps 60] [--method transmedseg]

Trains on a synthetic cohort of noisy discs, whole steps as the trainer takes them, and times the
functions that they call. Prints mean milliseconds per step and the share of the step's time;
a part that is called within another (target statistics within the pseudo-labels) counts once.
With one thread it is processor time, which other programs on the machine do not lengthen.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from synthetic import Setting, SteppedRun

PARTS = {
    "labeled": "sampling and augmentation",
    "unlabeled": "sampling and augmentation",
    "pseudo_labeled": "sampling and augmentation",
    "teacher": "teacher forward",
    "begin_largest_components": "largest component",
    "largest_components": "largest component",
    "predict_labels": "pseudo-labels, other",
    "normalized_entropy": "pseudo-labels, other",
    "note_shares": "pseudo-labels, other",
    "copy_paste": "copy-paste",
    "whole_images": "copy-paste",
    "with_targets": "copy-paste",
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
    setting = Setting(**vars(parser(__doc__.splitlines()[0]).parse_args()))
    run = timed_run(setting)
    print(describe(setting, run.plan))
    print(f"{'part':<34}{'ms':>9}{'share':>9}")
    total = run.mean("step")
    spent = 0.0
    for part in dict.fromkeys(PARTS.values()):
        milliseconds = run.mean(part)
        spent += milliseconds
        print(f"{part:<34}{milliseconds:>9.2f}{milliseconds / total:>9.1%}")
    print(f"{'the rest':<34}{total - spent:>9.2f}{(total - spent) / total:>9.1%}")
    print(f"{'step':<34}{total:>9.2f}{1:>9.1%}")


def parser(description: str) -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--dims", type=int, choices=(2, 3), default=2)
    options.add_argument("--side", type=int, default=64, help="rows and columns of a slice")
    options.add_argument("--classes", type=int, default=2, help="foreground classes")
    options.add_argument("--steps", type=int, default=60, help="steps that are timed")
    options.add_argument("--method", default="transmedseg")
    options.add_argument("--preset", default="default")
    options.add_argument("--batch", type=int, default=0, help="images per step; 0: the preset's")
    options.add_argument("--threads", type=int, default=1)
    return options


def timed_run(setting: Setting) -> Timed:
    """Times of the parts of a setting's steps; the first ten are left out."""
    if setting.method == "supervised":
        sys.exit("Expected a method that learns from unlabeled slices, found supervised.")
    run = SteppedRun(setting)
    timed = Timed(run.plan, clock_for(setting.threads))
    with timed.watching(run.state, run.sampler):
        for step in range(setting.steps + 10):
            start = timed.clock()
            run.step(step / (setting.steps + 10))
            timed.end_step(timed.clock() - start, keep=step >= 10)
    return timed


def clock_for(threads: int) -> Callable[[], float]:
    """Processor time where one thread does it all, else the time on the wall."""
    return time.process_time if threads == 1 else time.perf_counter


def describe(setting: Setting, plan: Any) -> str:
    """One line that says what was timed."""
    import torch

    sides = "x".join(map(str, plan.space.patch_size))
    return (
        f"{plan.method}, preset {setting.preset}, {plan.network} {plan.dims}-D, batch "
        f"{plan.recipe.batch_size} of {sides}, channels {plan.channels}, {plan.num_classes} "
        f"classes, {setting.steps} steps, {setting.threads} thread(s), torch {torch.__version__}"
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

    def mean(self, part: str) -> float:
        """Mean per step; some parts do not run in every one (the teacher's looks at volumes)."""
        return statistics.mean(self.steps[part]) if self.steps[part] else 0.0

    def end_step(self, seconds: float, *, keep: bool) -> None:
        if keep:
            for part in dict.fromkeys(PARTS.values()):
                self.steps[part].append(self._current[part])
            self.steps["step"].append(1e3 * seconds)
        self._current.clear()

    def watching(self, state: Any, sampler: Any) -> _Watch:
        """Time the parts of a state's steps from now on."""
        import torch

        from napari_transmedseg.engine import pseudo_bank, step, teaching

        watch = _Watch(self)
        named = {
            step: "copy_paste whole_images with_targets masked_segmentation_losses _tsa",
            teaching: "begin_largest_components predict_labels normalized_entropy note_shares",
            pseudo_bank: "largest_components predict_labels normalized_entropy note_shares",
        }
        for module, functions in named.items():
            for name in functions.split():
                watch.replace(module, name, name)
        watch.replace(step, "update_teacher", "update_teacher")
        for name in ("labeled", "unlabeled", "pseudo_labeled"):
            watch.replace(sampler, name, name)
        watch.replace(state.student, "forward", "student")
        watch.replace(state.teacher, "forward", "teacher")
        watch.replace(state.optimizer, "step", "optimizer")
        watch.replace(torch.Tensor, "backward", "backward")
        for target in state.targets:
            watch.replace(target, "update_maps", "target.update_maps")
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


if __name__ == "__main__":
    main()

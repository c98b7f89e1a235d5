"""Every speed table of RESULTS.md, by one command; ratios within one run.

    python benchmarks/speed.py [--threads 1] [--quick]

Prints markdown: a training step by part, semantic augmentation against the same run with β = 0,
throughput as batch, classes and image size grow, and inference per slice and per volume. Measure
on a quiet machine. `tsa_cost.py` (table form against the naive form, time and memory) and
`tsa_share.py` print the others.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from typing import Any

from step_time import PARTS, describe, timed_run
from synthetic import Setting, SteppedRun


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--quick", action="store_true", help="fewer repeats")
    arguments = options.parse_args()
    repeats = 6 if arguments.quick else 30
    base = Setting(threads=arguments.threads, steps=repeats)
    _print_parts([base, replace(base, side=128), replace(base, dims=3, side=32)])
    _print_overhead([base, replace(base, side=128), replace(base, dims=3, side=32)], repeats)
    _print_throughput(base, repeats)
    _print_inference([base, replace(base, side=128), replace(base, dims=3, side=32)], repeats)


def _print_parts(settings: list[Setting]) -> None:
    runs = [timed_run(setting) for setting in settings]
    print("### A self-training step by part (mean ms, share)\n")
    for setting, run in zip(settings, runs, strict=True):
        print(f"- {describe(setting, run.plan)}")
    _row("part", *(_seen(run.plan) for run in runs))
    _row("---", *("---" for _ in runs))
    for part in dict.fromkeys(PARTS.values()):
        shares = ((run.mean(part), run.mean(part) / run.mean("step")) for run in runs)
        _row(part, *(f"{milliseconds:.1f} ({share:.1%})" for milliseconds, share in shares))
    _row("step", *(f"{run.mean('step'):.1f}" for run in runs))
    print()


def _print_overhead(settings: list[Setting], repeats: int) -> None:
    """Two runs side by side, step by step, so that the machine's moods meet both."""
    print("### TransMedSeg against the same run with β = 0 (GraphCL), and γ = β = 0 (BCP)\n")
    _row("seen", "BCP, ms", "GraphCL, ms", "TransMedSeg, ms", "TSA adds")
    _row(*["---"] * 5)
    for setting in settings:
        methods = ("bcp", "graphcl", "transmedseg")
        runs = [SteppedRun(replace(setting, method=method)) for method in methods]
        bcp, graphcl, full = _interleaved([run.step for run in runs], repeats)
        added = f"{full / graphcl - 1:+.1%}"
        _row(_seen(runs[0].plan), f"{bcp:.1f}", f"{graphcl:.1f}", f"{full:.1f}", added)
    print()


def _print_throughput(base: Setting, repeats: int) -> None:
    print("### Throughput as batch, classes and image size grow\n")
    _row("batch", "classes", "seen", "ms a step", "images a second", "against the first")
    _row(*["---"] * 6)
    first = 0.0
    changes: list[dict[str, Any]] = [
        {}, {"batch": 4}, {"batch": 16}, {"classes": 8}, {"classes": 20}, {"side": 128},
        {"side": 160}, {"dims": 3, "side": 32}, {"dims": 3, "side": 48},
    ]  # fmt: skip
    for change in changes:
        run = SteppedRun(replace(base, **change))
        (milliseconds,) = _interleaved([run.step], repeats)
        batch, plan = run.plan.recipe.batch_size, run.plan
        rate = 1e3 * batch / milliseconds
        first = first or rate
        _row(
            batch, plan.num_classes, _seen(plan), f"{milliseconds:.1f}", f"{rate:.1f}",
            f"{rate / first:.2f}",
        )  # fmt: skip
    print()


def _print_inference(settings: list[Setting], repeats: int) -> None:
    from synthetic import cohort

    from napari_transmedseg.engine.inference import Predictor

    print("### Inference\n")
    _row("volume", "seen", "one slice (overlay), ms", "whole volume, ms", "slices a second")
    _row(*["---"] * 5)
    for setting in settings:
        run = SteppedRun(setting)
        predictor, case = Predictor(run.state.teacher, run.plan), cohort(setting)[-1]
        volume = case.load()
        index = volume.array.shape[0] // 2
        place = run.store.start[case.case_id] + (index if setting.dims == 2 else 0)
        image = run.store.image_N1HW[place]
        of_slice, of_volume = _interleaved(
            [
                lambda p=predictor, i=image, v=volume, n=index: p.predict_slice(i, v.geometry, n),
                lambda p=predictor, v=volume: p.predict_volume(v),
            ],
            max(3, repeats // 3),
        )
        shape = "×".join(map(str, volume.array.shape))
        rate = 1e3 * volume.array.shape[0] / of_volume
        _row(shape, _seen(run.plan), f"{of_slice:.1f}", f"{of_volume:.1f}", f"{rate:.0f}")
    print()


def _interleaved(functions: list[Any], repeats: int) -> list[float]:
    """Median milliseconds of each, called in turn."""
    taken: list[list[float]] = [[] for _ in functions]
    for repeat in range(repeats + 3):
        for place, function in enumerate(functions):
            start = time.perf_counter()
            function()
            if repeat >= 3:
                taken[place].append(1e3 * (time.perf_counter() - start))
    return [statistics.median(values) for values in taken]


def _seen(plan: Any) -> str:
    return "×".join(map(str, plan.space.patch_size))


def _row(*values: Any) -> None:
    print(f"| {' | '.join(map(str, values))} |")


if __name__ == "__main__":
    main()

"""TSA's own share of a self-training step: statistics, table and loss, within one run.

    python benchmarks/tsa_share.py [--steps 60] [--dims 2] [--sides 48 64 128] [--threads 1]

METHOD: less than 3 % of the step (oracle 8). The forward part is timed within the very steps that
it is a share of; its backward part is timed apart on the same tensors' shapes and added. Prints
one row per slice size. Measure on a quiet machine.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from step_time import describe, parser, timed_run
from synthetic import Setting

LIMIT = 0.03
_PART = "TSA (statistics, table, loss)"


def main() -> None:
    options = parser(__doc__.splitlines()[0])
    options.set_defaults(method="transmedseg")
    options.add_argument("--sides", type=int, nargs="+", default=[48, 64, 128])
    arguments = options.parse_args()
    header = f"{'seen':>12}{'classes':>9}{'step/ms':>10}{'forward/ms':>12}{'backward/ms':>13}"
    sides = arguments.sides
    del arguments.sides
    rows = []
    for side in sides:
        setting = Setting(**{**vars(arguments), "side": side})
        run = timed_run(setting)
        step, forward = run.median("step"), run.median(_PART)
        backward = _backward_ms(run.plan, run.clock)
        share = (forward + backward) / step
        verdict = "holds" if share < LIMIT else "MISSED"
        shown = "x".join(map(str, run.plan.space.patch_size))
        rows.append(
            f"{shown:>12}{run.plan.num_classes:>9}{step:>10.1f}{forward:>12.2f}"
            f"{backward:>13.2f}{share:>9.2%}  {verdict}"
        )
        print(describe(setting, run.plan))
    print(f"{header}{'share':>9}  below {LIMIT:.0%}")
    print("\n".join(rows))


def _backward_ms(plan: Any, clock: Callable[[], float]) -> float:
    """Gradient of L_tsa with respect to logits and weight, the table included."""
    import torch

    from napari_transmedseg.engine.semantic_augmentation import (
        augmentation_table,
        transferable_cross_entropy,
    )

    classes, features = plan.num_classes, plan.channels[0]
    generator = torch.Generator().manual_seed(0)
    shape = (plan.recipe.batch_size, classes, *plan.space.patch_size)
    logits = torch.randn(shape, generator=generator, requires_grad=True)
    labels = torch.randint(-1, classes, (shape[0], *shape[2:]), generator=generator)
    weight = torch.randn(classes, features, generator=generator, requires_grad=True)
    shift = torch.randn(classes, features, generator=generator)
    covariance = torch.eye(features).expand(classes, -1, -1)
    taken = []
    for _ in range(30):
        table = augmentation_table(weight, shift, covariance, 0.25)
        loss = transferable_cross_entropy(logits, labels, table)
        start = clock()
        loss.backward()
        taken.append(1e3 * (clock() - start))
    return statistics.median(taken[5:])


if __name__ == "__main__":
    main()

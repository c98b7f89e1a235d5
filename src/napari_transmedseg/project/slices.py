"""Which slices of a case to annotate first."""

from __future__ import annotations

import numpy as np

from napari_transmedseg.errors import ProjectError


def spread_slices(count: int, num_slices: int, seed: int | np.random.Generator = 0) -> list[int]:
    """Choose slices spread over the whole stack, those without the organ included.

    The stack is cut into `count` equal parts and one slice is drawn from each: a labeled set
    without empty slices teaches a model to see the organ everywhere.

    Parameters
    ----------
    count
        How many slices; all of them where there are fewer.
    num_slices
        Slices in the stack.
    seed
        Seed, or a generator that several cases share.

    Returns
    -------
    list of int
        Ascending, distinct.
    """
    if count < 1 or num_slices < 1:
        raise ProjectError(
            f"Expected at least one slice to annotate, found {count} of {num_slices}; "
            "ask for one or more."
        )
    rng = np.random.default_rng(seed)
    edges = np.linspace(0, num_slices, min(count, num_slices) + 1)
    starts, stops = np.ceil(edges[:-1]).astype(int), np.ceil(edges[1:]).astype(int)
    return [int(rng.integers(start, stop)) for start, stop in zip(starts, stops, strict=True)]

"""The experiments that can be run by name."""

from __future__ import annotations

from napari_transmedseg.experiments.experiment import Experiment, Labeling, Row, Setup

METHODS = ("supervised", "mean-teacher", "bcp", "graphcl", "transmedseg")
METHOD_ROWS = tuple(Row(label=name, settings={"method": name}) for name in METHODS)


def _few_slices(count: int, cases: int, slices: int, minutes: float) -> Experiment:
    return Experiment(
        name=f"few-slices-{count}",
        title=f"Hippocampus, coronal, {count} annotated slices: {slices} in each of {cases} cases",
        rows=METHOD_ROWS,
        setup=Setup(
            source="hippocampus", plane="coronal", minutes=minutes,
            labeling=Labeling(cases=cases, slices_per_case=slices), settings={"dimensions": "2d"},
        ),
        note="The same minutes for every method; cases and slices are drawn by the seed, the same "
        "for all methods, so that the spread covers the choice of slices.",
    )  # fmt: skip


EXPERIMENTS: tuple[Experiment, ...] = (
    _few_slices(10, 5, 2, 1.5),
    _few_slices(30, 10, 3, 4.0),
    _few_slices(100, 20, 5, 1.5),
)

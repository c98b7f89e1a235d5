"""What an experiment is: data, split, annotation, budget, and the rows of its table; frozen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from napari_transmedseg.engine.config import TrainingConfig, validate_config
from napari_transmedseg.errors import ExperimentError

Plane = Literal["auto", "axial", "coronal", "sagittal"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Labeling:
    """Which cases are annotated, and on how many slices."""

    groups: tuple[str, ...] = ()
    """These persons; empty: drawn with the run's seed."""
    cases: int | None = None
    """How many cases are drawn."""
    share: float | None = None
    """Which share of the training persons is drawn, all their cases."""
    slices_per_case: int | None = None
    """Slices of each, spread over the whole stack, empty ones included; None: all."""
    domains: tuple[str, ...] = ()
    """Only cases of these domains are annotated; empty: of all."""
    rare_class: str = ""
    """Class that is annotated on few slices only; the other slices that show it stay unknown."""
    rare_slices: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Which cases are trained on and which are measured.

    Without test cases the unlabeled ones are measured themselves: training sees their images,
    never their labels.
    """

    test_groups: tuple[str, ...] = ()
    """These persons are held out; where none of them is there, nobody is."""
    train_groups: tuple[str, ...] = ()
    """These persons are trained on; others that are not held out take no part."""
    test_others: bool = False
    """Hold out who is not in `train_groups`; where nobody else is there, nobody is."""
    test_share: float = 0.0
    """Share of the persons that is held out, drawn once for all runs."""
    use_own: bool = False
    """Hold out what the data set itself calls validation or test."""
    test_source: str = ""
    """Another data set, on which is measured instead."""
    max_groups: int | None = None
    """Most persons that take part, the first by name; the annotated ones always do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """Data and budget, the same for all rows."""

    source: str
    """Name in `sources.SOURCES`."""
    labeling: Labeling
    split: Split = field(default_factory=Split)
    plane: Plane = "auto"
    """Plane of the slices; `auto`: the first case's acquisition."""
    only: str = "*"
    """Case ids that take part, as a file pattern."""
    minutes: float | None = None
    steps: int | None = None
    step_s: float = 0.15
    """Seconds of a step, roughly, to tell the expected time of a budget in steps."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings of all rows that are not the defaults."""
    sectors: int = 0
    """Cut every class into this many sectors around its centre in the slice; 0: leave it."""

    @property
    def budget(self) -> str:
        """Budget of every run, for a sentence."""
        return f"{self.steps} steps" if self.minutes is None else f"{self.minutes:g} minutes"

    def expected_s(self) -> float:
        """Seconds that one run will train."""
        return 60 * self.minutes if self.minutes is not None else (self.steps or 0) * self.step_s


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One method of the table."""

    label: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that differ from the setup's."""
    labeling: Labeling | None = None
    """Annotation that differs from the setup's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """A table to be: rows, seeds, and a setup at full size or lite."""

    name: str
    title: str
    rows: tuple[Row, ...]
    setup: Setup
    seeds: tuple[int, ...] = (0, 1, 2)
    note: str = ""
    """What the table answers and how to read it."""

    def row(self, label: str) -> Row:
        """The row of a label.

        Raises
        ------
        ExperimentError
            If there is none.
        """
        for row in self.rows:
            if row.label == label:
                return row
        raise ExperimentError(
            f"Expected a row of {self.name} ({', '.join(row.label for row in self.rows)}), found "
            f"'{label}'; choose one of them."
        )

    def with_rows(self, labels: Iterable[str]) -> Experiment:
        """The experiment with some of its rows."""
        return replace(self, rows=tuple(self.row(label) for label in labels))

    def on(self, other: Experiment) -> Experiment:
        """The rows of this experiment with the setup and seeds of another.

        Raises
        ------
        ExperimentError
            If a row's annotation belongs to this setup.
        """
        if any(row.labeling is not None for row in self.rows):
            raise ExperimentError(
                f"Expected rows that fit any data, found that those of {self.name} have their own "
                "annotation; run it on its own data."
            )
        return replace(
            self,
            name=f"{self.name}-on-{other.name}",
            title=f"{self.title}. Data: {other.title}",
            setup=other.setup,
            seeds=other.seeds,
        )

    def with_budget(self, *, minutes: float | None, steps: int | None) -> Experiment:
        """The experiment with another budget; unchanged where both are None."""
        if minutes is None and steps is None:
            return self
        return replace(self, setup=replace(self.setup, minutes=minutes, steps=steps))

    def expected_s(self) -> float:
        """Seconds of training in one lane."""
        return len(self.rows) * len(self.seeds) * self.setup.expected_s()


def setup_of(setup: Setup, row: Row) -> Setup:
    """The setup with the row's own annotation, where it has one."""
    return setup if row.labeling is None else replace(setup, labeling=row.labeling)


def config_of(setup: Setup, row: Row, seed: int, threads: int = 0) -> TrainingConfig:
    """Training configuration of one run.

    Every run uses its whole budget, so that all rows get the same.

    Raises
    ------
    ConfigError, ExperimentError
        If a setting does not exist, is out of its limits, or contradicts another.
    """
    settings = {"early_stop": False, **setup.settings, **row.settings}
    try:
        config = TrainingConfig(
            **settings, minutes=setup.minutes, steps=setup.steps, seed=seed, threads=threads
        )
    except TypeError as error:
        raise ExperimentError(
            f"Expected settings of a training run in row '{row.label}', found others ({error}); "
            "correct their names."
        ) from error
    validate_config(config)
    return config

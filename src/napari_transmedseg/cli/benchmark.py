"""`transmedseg benchmark`: a declared experiment, from data to a table."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import (
    Switch,
    duration_text,
    err,
    make_table,
    out,
    print_json,
)
from napari_transmedseg.cli.interrupt import stop_on_interrupt
from napari_transmedseg.engine.control import TrainingControl

if TYPE_CHECKING:
    from napari_transmedseg.experiments.experiment import Experiment
    from napari_transmedseg.experiments.runner import RunnerEvent

DEFAULT_FOLDER = "benchmark-results"
FAILED = 1


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Run a declared experiment: data set, split, methods, seeds and budget are its own.

    Results are files: a run that was interrupted or failed is done again by the same command,
    the others are kept. The tables are written after every run.
    """

    name: Annotated[Positional[str | None], arg(metavar="NAME")] = None
    """Name of the experiment; --list shows them."""
    data: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Folder of the data set, or of several under their names."""
    out: Annotated[Path | None, arg(metavar="FOLDER")] = None
    """Where results and tables go. Without: benchmark-results/NAME."""
    on: Annotated[str | None, arg(metavar="NAME")] = None
    """Data, split and budget of this experiment instead of its own."""
    lite: Switch = False
    """Small data or budget: minutes on two CPU cores."""
    rows: Annotated[tuple[str, ...], arg(metavar="ROW ...")] = ()
    """Only these rows of the table."""
    seeds: Annotated[tuple[int, ...], arg(metavar="SEED ...")] = ()
    """Seeds of annotation and training. Without: the experiment's."""
    minutes: Annotated[float | None, arg(metavar="M")] = None
    """Minutes of every run instead of the experiment's budget."""
    steps: Annotated[int | None, arg(metavar="N")] = None
    """Steps of every run instead of the experiment's budget."""
    lanes: Annotated[int, arg(metavar="N")] = 1
    """Runs side by side; each gets one CPU core when there are several."""
    list: Switch = False
    """Show the experiments and how long each takes."""
    json: Switch = False
    """Print one JSON line per event and the tables as JSON."""

    def run(self) -> int:
        """Run, or list what can be run."""
        if self.list:
            return _list(json=self.json)
        experiment, data = self._chosen()
        folder = self.out or Path(DEFAULT_FOLDER) / experiment.name
        return _run(experiment, data, folder, lanes=self.lanes, json=self.json)

    def _chosen(self) -> tuple["Experiment", Path]:
        from napari_transmedseg.errors import ConfigError, ExperimentError
        from napari_transmedseg.experiments.declared import find_experiment
        from napari_transmedseg.experiments.sources import SOURCES

        if self.name is None:
            raise ExperimentError(
                "Expected the name of an experiment, found none; transmedseg benchmark --list "
                "shows them."
            )
        if self.minutes is not None and self.steps is not None:
            raise ConfigError(
                f"Expected a budget in minutes or in steps, found both ({self.minutes:g} min and "
                f"{self.steps} steps); leave one out."
            )
        experiment = find_experiment(self.name, lite=self.lite, on=self.on)
        experiment = experiment.with_budget(minutes=self.minutes, steps=self.steps)
        if self.rows:
            experiment = experiment.with_rows(self.rows)
        if self.seeds:
            experiment = replace(experiment, seeds=self.seeds)
        if self.data is None:
            source = SOURCES[experiment.setup.source]
            raise ExperimentError(
                f"Expected --data with the folder of {source.title}, found none; get it from "
                f"{source.where} and lay it out as {source.layout}."
            )
        return experiment, self.data


def _list(*, json: bool) -> int:
    from napari_transmedseg.experiments.declared import experiments

    pairs = [(declared.full, declared.lite) for declared in experiments().values()]
    if json:
        print_json([
            {
                "name": full.name, "title": full.title, "data": full.setup.source,
                "lite_data": lite.setup.source, "rows": [row.label for row in full.rows],
                "seeds": full.seeds, "expected_s": full.expected_s(),
                "lite_expected_s": lite.expected_s(),
            }
            for full, lite in pairs
        ])  # fmt: skip
        return 0
    table = make_table(["name", "what", "data", "lite data", "time", "lite time"], left=4)
    for full, lite in pairs:
        table.add_row(
            full.name, full.title, full.setup.source, lite.setup.source,
            duration_text(full.expected_s()), duration_text(lite.expected_s()),
        )  # fmt: skip
    out().print(table)
    out().print("Training time of all rows and seeds in one lane; full ones are meant for a GPU.")
    return 0


def _run(experiment: "Experiment", data: Path, folder: Path, *, lanes: int, json: bool) -> int:
    from napari_transmedseg.cli.main import INTERRUPTED
    from napari_transmedseg.experiments.runner import ExperimentDone, RunDone, run_experiment
    from napari_transmedseg.experiments.table import TABLE_JSON, TABLE_MD, write_tables

    failed, control = 0, TrainingControl()
    with stop_on_interrupt(control):
        for event in run_experiment(
            experiment, data=data, out=folder, lanes=lanes, control=control
        ):
            if json:
                print_json({"event": type(event).__name__, **asdict(event)}, indent=None)
            else:
                _say(event)
            if isinstance(event, RunDone | ExperimentDone):
                write_tables(experiment, folder)
            if isinstance(event, ExperimentDone):
                failed = event.failed
    if control.stop_requested:
        err().print("The same command goes on with what is missing.")
        return INTERRUPTED
    if not json:
        out().print((folder / TABLE_MD).read_text(encoding="utf-8"), markup=False)
        err().print(f"Tables and results: {folder}")
    else:
        print((folder / TABLE_JSON).read_text(encoding="utf-8"), end="")
    return FAILED if failed else 0


def _say(event: "RunnerEvent") -> None:
    from napari_transmedseg.experiments import runner

    match event:
        case runner.RunSkipped():
            err().print(f"{event.row}, seed {event.seed}: done before")
        case runner.RunStarted():
            err().print(f"{event.row}, seed {event.seed}: run {event.index} of {event.total} began")
        case runner.RunDone():
            dice = ", ".join(
                f"{name} {value:.3f}" for name, value in event.dice.items() if value is not None
            )
            took = duration_text(event.wall_s)
            err().print(f"{event.row}, seed {event.seed}: Dice {dice} ({took})")
        case runner.RunFailed():
            err().print(f"{event.row}, seed {event.seed} FAILED: {event.sentence} ({event.log})",
                        markup=False)  # fmt: skip
        case runner.ExperimentDone():
            if event.failed:
                err().print(f"{event.failed} runs failed; the same command tries them again.")

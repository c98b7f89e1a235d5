"""`transmedseg demo`: the whole way once, on sample data."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from napari_transmedseg.cli.console import out
from napari_transmedseg.cli.interrupt import stop_on_interrupt
from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.control import TrainingControl

if TYPE_CHECKING:
    from napari_transmedseg.project.evaluation_table import EvaluationTable
    from napari_transmedseg.project.project import Project

DEFAULT_FOLDER = "transmedseg-demo"
DEFAULT_MINUTES = 1.5


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Go the whole way once on sample data: annotate, train, predict, export, evaluate.

    Eight synthetic hearts from two scanners; three slices of four of them are annotated.
    Ctrl-C while it trains goes on with what was learned so far.
    """

    out: Annotated[Path | None, arg(metavar="DIR")] = None
    """New folder for the project, masks and report. Without: transmedseg-demo."""
    minutes: Annotated[float | None, arg(metavar="M")] = None
    """Training time in minutes. Without: 1.5."""
    steps: Annotated[int | None, arg(metavar="N")] = None
    """Training steps instead of a time."""
    seed: int = 0
    """Seed of the choice of slices and of the training."""

    def run(self) -> int:
        """Make the project, train, and leave masks and a report behind."""
        from napari_transmedseg.project.demo import create_demo_project, free_folder

        config = self._config()
        folder = free_folder(DEFAULT_FOLDER) if self.out is None else self.out
        console = out()
        with create_demo_project(folder, seed=self.seed) as project:
            console.print(f"Project {folder}: {len(project.cases)} cases, "
                          "three slices annotated in four of them.")  # fmt: skip
            _train(project, config)
            table = _finish(project)
        from napari_transmedseg.cli.evaluate import dice_table

        console.print(dice_table(table, title="Dice on voxels that nobody annotated"))
        console.print(f"Masks:   {folder / 'masks'}")
        console.print(f"Report:  {folder / 'report.html'}")
        console.print(f"Project: {folder} (transmedseg status {folder})")
        return 0

    def _config(self) -> TrainingConfig:
        from napari_transmedseg.engine.config import validate_config

        minutes = DEFAULT_MINUTES if self.minutes is None and self.steps is None else self.minutes
        config = TrainingConfig(minutes=minutes, steps=self.steps, seed=self.seed)
        validate_config(config)
        return config


def _train(project: "Project", config: TrainingConfig) -> None:
    from napari_transmedseg.cli.progress import TrainingView
    from napari_transmedseg.project.training import train

    control = TrainingControl()
    with stop_on_interrupt(control), TrainingView() as view:
        for event in train(project, config, control=control):
            view.show(event)


def _finish(project: "Project") -> "EvaluationTable":
    from napari_transmedseg.cli.progress import CountView
    from napari_transmedseg.project.evaluation import evaluate
    from napari_transmedseg.project.export import export
    from napari_transmedseg.project.report import write_report
    from napari_transmedseg.project.training import predict

    with CountView("Predicting") as view:
        for event in predict(project):
            view.show(event.index, event.total, event.case_id)
    masks, references = project.folder / "masks", project.folder / "references"
    export(project, masks)
    table = evaluate(masks, references, only_unannotated=project)
    write_report(
        project.folder / "report.html",
        project,
        table,
        predictions=masks,
        references=references,
    )
    return table

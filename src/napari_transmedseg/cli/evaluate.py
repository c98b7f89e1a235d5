"""`transmedseg evaluate`: Dice of predictions against references."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import Switch, dice_text, err, make_table, out, print_json

if TYPE_CHECKING:
    from rich.table import Table

    from napari_transmedseg.project.evaluation_table import EvaluationTable

MEAN_NAMES = {
    "annotated": "mean, cases with annotation",
    "unannotated": "mean, cases without annotation",
    "all": "mean, all cases",
}


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Compare predicted with reference label maps: Dice per case and class.

    A class that both lack is left out; one that only one of them has counts 0.
    """

    predictions: Annotated[Positional[Path], arg(metavar="PREDICTIONS")]
    """Folder of predicted label maps, or one file."""
    references: Annotated[Positional[Path], arg(metavar="REFERENCES")]
    """Folder of reference label maps named after the same cases, or one file."""
    only_unannotated: Annotated[Path | None, arg(metavar="PROJECT")] = None
    """Leave out the voxels that this project's annotation knows."""
    pattern: str = "{case}"
    """Name of a reference after its case, such as `{case}_gt`."""
    json: Switch = False
    """Print the table as JSON."""

    def run(self) -> int:
        """Evaluate and print the table."""
        from napari_transmedseg.project.evaluation import evaluate
        from napari_transmedseg.project.project import Project

        project = None
        if self.only_unannotated is not None:
            project = Project.open(self.only_unannotated, read_only=True)
        table = evaluate(
            self.predictions, self.references, only_unannotated=project, pattern=self.pattern
        )
        if self.json:
            print_json(table.as_dict())
            return 0
        out().print(dice_table(table, title=_title(project is not None)))
        if table.without_prediction:
            err().print(
                f"{len(table.without_prediction)} references have no prediction and do not "
                f"count: {', '.join(table.without_prediction[:5])} …"
            )
        return 0


def dice_table(table: "EvaluationTable", *, title: str) -> "Table":
    """Dice per case and class with a row of means per group, for the terminal."""
    split = any(case.annotated is not None for case in table.cases)
    rich_table = make_table(
        ["case", *(["annotation"] if split else []), *table.class_names, "mean"],
        left=2 if split else 1,
        title=title,
    )
    for case in table.cases:
        rich_table.add_row(
            case.case_id,
            *([_annotation(case.annotated)] if split else []),
            *(dice_text(case.dice[name]) for name in table.class_names),
            dice_text(case.mean),
        )
    rich_table.add_section()
    for name, which in table.groups.items():
        rich_table.add_row(
            MEAN_NAMES[name],
            *([""] if split else []),
            *(dice_text(value) for value in table.class_means(which).values()),
            dice_text(table.mean(which)),
            style="bold",
        )
    return rich_table


def _annotation(annotated: bool | None) -> str:
    return "some slices" if annotated else "none"


def _title(only_unannotated: bool) -> str:
    return "Dice on voxels that nobody annotated" if only_unannotated else "Dice on all voxels"

"""`transmedseg runs`: the trained runs of a project side by side, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import Switch, duration_text, make_table, out, print_json

if TYPE_CHECKING:
    from napari_transmedseg.project.run_summary import RunSummary

COLUMNS = ("run", "state", "method", "starts from", "steps", "loss", "Dice", "time")


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Compare the runs of a project; discard one, take it back, or delete it.

    A discarded run is used no more, neither to predict nor to train on from; its files stay
    until it is deleted.
    """

    project: Positional[Path]
    """Folder of the project."""
    discard: Annotated[str | None, arg(metavar="RUN")] = None
    """Use this run no more."""
    take_back: Annotated[str | None, arg(metavar="RUN")] = None
    """Use a discarded run again."""
    delete: Annotated[str | None, arg(metavar="RUN")] = None
    """Delete the files of a discarded run, its predictions included."""
    json: Switch = False
    """Print a list of objects as JSON."""

    def run(self) -> int:
        """Change what is asked for, then show the runs."""
        from napari_transmedseg.project.project import Project
        from napari_transmedseg.project.run_summary import summarise_runs

        changes = self.discard or self.take_back or self.delete
        with Project.open(self.project, read_only=not changes) as project:
            if self.discard is not None:
                project.discard_run(self.discard)
            if self.take_back is not None:
                project.discard_run(self.take_back, is_discarded=False)
            if self.delete is not None:
                project.delete_run(self.delete)
            found = summarise_runs(project)
        if self.json:
            print_json([_as_dict(one) for one in found])
        else:
            _print_table(found)
        return 0


def _print_table(found: Sequence[RunSummary]) -> None:
    if not found:
        out().print("No runs yet.")
        return
    table = make_table(COLUMNS, left=4)
    for one in found:
        table.add_row(
            one.run_id,
            one.state,
            one.method,
            one.warm_start or "–",
            str(one.steps),
            f"{one.losses['total']:.3f}" if "total" in one.losses else "–",
            _dice_text(one),
            duration_text(one.elapsed_s),
        )
    out().print(table)


def _dice_text(one: RunSummary) -> str:
    if one.dice is None:
        return "–"
    return f"{one.dice:.3f} {'held out' if one.dice_is_held_out else 'annotated'}"


def _as_dict(one: RunSummary) -> dict[str, Any]:
    return {
        "run": one.run_id,
        "state": one.state,
        "method": one.method,
        "warm_start": one.warm_start or None,
        "steps": one.steps,
        "self_training_steps": one.self_training_steps,
        "losses": {name: value for name, value in one.losses.items() if value == value},
        "dice": one.dice,
        "dice_is_held_out": one.dice_is_held_out,
        "elapsed_s": one.elapsed_s,
    }

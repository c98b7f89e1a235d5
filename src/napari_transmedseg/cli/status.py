"""`transmedseg status`: what a project holds and what is missing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tyro.conf import Positional

from napari_transmedseg.cli.console import Switch, make_table, out, print_advice, print_json
from napari_transmedseg.cli.opening import open_project

CASE_COLUMNS = (
    "case",
    "domain",
    "image",
    "size (I x P x L)",
    "spacing (mm)",
    "annotated",
    "empty",
    "accepted",
    "in progress",
    "slices",
    "prediction",
)


@dataclass(frozen=True, kw_only=True)
class Status:
    """Show the cases, their annotation, the runs, and what would help."""

    project: Positional[Path]
    """Folder of the project."""
    json: Switch = False
    """Print everything as JSON."""

    def run(self) -> int:
        """Read the project without locking it and print its state."""
        from napari_transmedseg.project.status import project_status

        with open_project(self.project, read_only=True) as project:
            status = project_status(project)
        if self.json:
            print_json(status)
        else:
            _print_status(status)
        return 0


def _print_status(status: dict[str, Any]) -> None:
    console = out()
    classes = ", ".join(f"{item['value']} {item['name']}" for item in status["classes"])
    channels = f", channels {', '.join(status['channels'])}" if status["channels"] else ""
    console.print(f"{status['folder']}: {len(status['cases'])} cases, classes {classes}{channels}")
    table = make_table(CASE_COLUMNS, left=3)
    for case in status["cases"]:
        table.add_row(*_case_row(case))
    console.print(table)
    _print_runs(status["runs"])
    if status["corrections"]["reviewed_slices"]:
        console.print(status["corrections"]["sentence"])
    print_advice(status["advice"])


def _case_row(case: dict[str, Any]) -> list[str]:
    slices = case["slices"]
    return [
        case["case"],
        case["domain"] or "–",
        "found" if case["image_found"] else "MISSING",
        " x ".join(map(str, case["size"])),
        " x ".join(f"{mm:.3g}" for mm in case["spacing_mm"]),
        str(slices["annotated"] + slices["filled"]),
        str(slices["empty"]),
        str(slices["accepted"]),
        str(slices["in progress"]),
        str(case["num_slices"]),
        case["prediction"] or "–",
    ]


def _print_runs(runs: list[dict[str, Any]]) -> None:
    if not runs:
        out().print("No runs yet.")
        return
    table = make_table(["run", "method", "state", "steps", "minutes", "Dice, annotated"], left=3)
    for run in runs:
        minutes = run["elapsed_s"] / 60
        dice = "–" if run["dice"] is None else f"{run['dice']:.3f}"
        table.add_row(
            run["run"], run["method"], run["state"], str(run["steps"]), f"{minutes:.1f}", dice
        )
    out().print(table)

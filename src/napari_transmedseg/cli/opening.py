"""Opening a project for a subcommand, and what is said about it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from napari_transmedseg.cli.console import Switch, print_advice

if TYPE_CHECKING:
    from napari_transmedseg.project.project import Project

TakeOver = Annotated[
    Switch,
    arg(help="Take the project from a program that has it open; that one stops at its next save."),
]


def open_project(folder: Path, *, read_only: bool = False, take_over: bool = False) -> "Project":
    """Open a project and print its notices; errors as in `Project.open`."""
    from napari_transmedseg.project.project import Project

    project = Project.open(folder, read_only=read_only, take_over=take_over)
    print_advice(project.notices)
    return project

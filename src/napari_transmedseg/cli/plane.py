"""`transmedseg plane`: the plane in which a project's slices lie."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import out
from napari_transmedseg.cli.opening import TakeOver, open_project


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Count the slices of a project in another plane, while nothing is annotated."""

    project: Positional[Path]
    """Folder of the project."""
    plane: Annotated[
        Positional[Literal["auto", "axial", "coronal", "sagittal"]], arg(metavar="PLANE")
    ]
    """Which plane: axial, coronal, sagittal, or `auto`: the one of acquisition."""
    take_over: TakeOver = False

    def run(self) -> int:
        """Change the plane, and say how many slices there are now."""
        from napari_transmedseg.imaging.orientation import plane_name

        with open_project(self.project, take_over=self.take_over) as project:
            backup = project.set_plane(self.plane)
            count = sum(project.num_slices(case.case_id) for case in project.cases)
            name = plane_name(project.slice_axis)
        state = "lies in that plane already" if backup is None else "has another plane now"
        out().print(f"{self.project} {state}: {count} {name} slices.")
        return 0

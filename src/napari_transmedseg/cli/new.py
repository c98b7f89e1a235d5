"""`transmedseg new`: a project from images."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import out


@dataclass(frozen=True, kw_only=True)
class New:
    """Make a project folder from images. Nothing is copied and nothing trains."""

    project: Positional[Path]
    """Folder of the new project."""
    images: Annotated[tuple[Path, ...], arg(metavar="PATH...")]
    """Image files, or folders that are searched for them."""
    classes: Annotated[tuple[str, ...], arg(metavar="A,B,...")]
    """Names of the classes, separated by commas; values 1, 2, ... in this order."""
    plane: Literal["auto", "axial", "coronal", "sagittal"] = "auto"
    """Plane of the slices; `auto`: the one in which most cases were acquired."""

    def run(self) -> int:
        """Create the project and say what is in it."""
        from napari_transmedseg.project.project import Project

        names = [name.strip() for text in self.classes for name in text.split(",")]
        with Project.create(
            self.project,
            images=self.images,
            classes=[name for name in names if name],
            plane=self.plane,
        ) as project:
            listed = ", ".join(f"{item.value} {item.name}" for item in project.classes)
            console = out()
            console.print(f"{project.folder}: {len(project.cases)} cases, classes {listed}.")
            console.print(f"Next: transmedseg annotate {self.project} --from-labels PATH")
        return 0

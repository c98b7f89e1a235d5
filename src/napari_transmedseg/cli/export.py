"""`transmedseg export`: masks that lie exactly on their images."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import Switch, out, print_json


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write one NIfTI mask per case, on its image's own grid.

    Where a person annotated, the annotation wins; elsewhere the prediction is taken.
    """

    project: Positional[Path]
    """Folder of the project."""
    out: Annotated[Positional[Path], arg(metavar="OUT")]
    """Folder for the masks."""
    reviewed_only: Switch = False
    """Only what a person annotated or accepted, with its known mask beside it."""
    run_id: Annotated[str | None, arg(name="run", metavar="RUN")] = None
    """Which run's predictions; without: the latest."""
    json: Switch = False
    """Print what was written as JSON."""

    def run(self) -> int:
        """Export all cases and say where the masks are."""
        from napari_transmedseg.project.export import export
        from napari_transmedseg.project.project import Project

        with Project.open(self.project, read_only=True) as project:
            exported = export(
                project, self.out, reviewed_only=self.reviewed_only, run_id=self.run_id
            )
        if self.json:
            print_json([asdict(case) for case in exported])
        else:
            out().print(f"{len(exported)} masks in {self.out}")
        return 0

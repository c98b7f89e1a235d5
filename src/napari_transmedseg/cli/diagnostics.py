"""`transmedseg diagnostics`: what helps whoever is asked for help."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class Diagnostics:
    """Print versions, the machine and the ends of the logs, to copy into a report.

    Holds no path and no name of a case, user or computer.
    """

    project: Positional[Path | None] = None
    """Folder of a project: adds the log of its latest run."""

    def run(self) -> int:
        """Print the text; torch is loaded, so that accelerators are named."""
        import torch  # noqa: F401

        from napari_transmedseg.project.diagnostics import diagnostics_text
        from napari_transmedseg.project.project import Project

        if self.project is None:
            print(diagnostics_text())
            return 0
        with Project.open(self.project, read_only=True) as project:
            print(diagnostics_text(project))
        return 0

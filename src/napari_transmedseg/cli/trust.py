"""`transmedseg trust`: link the files outside its folder that a project names."""

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from napari_transmedseg.cli.console import Switch, out


@dataclass(frozen=True, kw_only=True)
class Trust:
    """Link the images and folders outside the project's folder that a project of others names.

    Needed once per person and computer for a project that was made elsewhere. Without --yes they
    are only listed.
    """

    project: Positional[Path]
    """Folder of the project."""
    yes: Switch = False
    """Link them all."""

    def run(self) -> int:
        """List what lies outside, and link it if that is wanted."""
        from napari_transmedseg.project.links import outside_files
        from napari_transmedseg.project.opening import read_description
        from napari_transmedseg.project.project import Project

        found = outside_files(read_description(self.project)[0].cases, self.project)
        for name in found:
            out().print(name, markup=False, soft_wrap=True)
        if self.yes:
            Project.open(self.project, read_only=True, trust_links=True).close()
            out().print(f"{len(found)} files outside {self.project} are linked.")
        elif found:
            out().print(f"Link these {len(found)}: transmedseg trust {self.project} --yes")
        else:
            out().print(f"{self.project} names nothing outside its folder.")
        return 0

"""`transmedseg restore`: a case's annotation as it was."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import out
from napari_transmedseg.cli.opening import TakeOver, open_project


@dataclass(frozen=True, kw_only=True)
class Restore:
    """Bring a case's annotation back from a snapshot.

    What is there now becomes a snapshot first, so that this can be taken back as well.
    """

    project: Positional[Path]
    """Folder of the project."""
    case: Annotated[Positional[str], arg(metavar="CASE")]
    """Which case."""
    snapshot: Annotated[str | None, arg(metavar="ID")] = None
    """Which snapshot, as `transmedseg snapshots` names it. Without: the newest whole one."""
    take_over: TakeOver = False

    def run(self) -> int:
        """Restore, and say what is there now."""
        with open_project(self.project, take_over=self.take_over) as project:
            back = project.restore_snapshot(self.case, self.snapshot)
            ledger = project.ledger(self.case)
            kept = project.snapshots(self.case)
        known = len(ledger.labeled_indices())
        out().print(f"{self.case} is restored: {known} of {len(ledger)} slices are known whole.")
        if back:
            out().print(f"Added again, as it was removed since: {', '.join(back)}.")
        before = next((one.snapshot_id for one in kept if one.is_whole), None)
        if before is not None:
            again = f"transmedseg restore {self.project} {self.case} --snapshot {before}"
            out().print(f"Take it back: {again}")
        return 0

"""`transmedseg snapshots`: the states of annotation that can be restored."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import Switch, make_table, out, print_json
from napari_transmedseg.cli.opening import open_project

if TYPE_CHECKING:
    from napari_transmedseg.project.snapshots import Snapshot


@dataclass(frozen=True, kw_only=True)
class Snapshots:
    """Show the snapshots of each case, newest first: what `restore` can bring back."""

    project: Positional[Path]
    """Folder of the project."""
    case: Annotated[str | None, arg(metavar="CASE")] = None
    """Only this case."""
    json: Switch = False
    """Print a list of objects as JSON."""

    def run(self) -> int:
        """List snapshots; reads only, and locks nothing."""
        with open_project(self.project, read_only=True) as project:
            cases = [case.case_id for case in project.cases] if self.case is None else [self.case]
            found = [one for case_id in cases for one in project.snapshots(case_id)]
        if self.json:
            print_json([asdict(one) for one in found])
        elif found:
            _print_table(found)
        else:
            out().print("No snapshots yet.")
        return 0


def _print_table(found: "list[Snapshot]") -> None:
    table = make_table(["case", "snapshot", "taken", "why", "painted", "known whole", "KB"], left=4)
    for one in found:
        table.add_row(
            one.case_id,
            one.snapshot_id,
            one.when[:19].replace("T", " "),
            one.reason,
            str(one.num_painted),
            str(one.num_labeled),
            f"{one.num_bytes / 1024:.0f}",
        )
    out().print(table)

"""`transmedseg info`: what is in image files."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, arg

from napari_transmedseg.cli.console import Switch, make_table, out, print_json

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Info:
    """Show grid, place and values of image files, and the DICOM series of folders."""

    files: Annotated[Positional[tuple[Path, ...]], arg(metavar="FILE")]
    """Image files, label maps, or folders with DICOM series."""
    json: Switch = False
    """Print a list of objects as JSON."""

    def run(self) -> int:
        """Read each file; what cannot be read is said, and the exit code is then 2."""
        from napari_transmedseg.errors import ConfigError
        from napari_transmedseg.project.file_info import file_info

        if not self.files:
            raise ConfigError("Expected at least one file, found none; name the files to look at.")
        facts = [file_info(path) for path in self.files]
        if self.json:
            print_json(facts)
        else:
            for entry in facts:
                _print_facts(entry)
        return 2 if any("error" in entry for entry in facts) else 0


def _print_facts(facts: dict[str, Any]) -> None:
    from rich.table import Table

    console = out()
    console.print(facts["file"], style="bold", markup=False)
    rows = Table.grid(padding=(0, 2))
    for key, value in facts.items():
        if key not in ("file", "series"):
            rows.add_row(f"  {key.replace('_', ' ')}", _text(key, value))
    console.print(rows)
    if "series" in facts:
        console.print(_series_table(facts["series"]))


def _series_table(series: list[dict[str, Any]]) -> "Table":
    table = make_table(
        ["key", "modality", "description", "remarks", "size", "spacing (mm)", "phases", "files"],
        left=4,
    )
    for entry in series:
        remarks = [*entry["notes"], entry["problem"]]
        table.add_row(
            entry["key"],
            entry["modality"],
            entry["description"],
            " ".join(remark for remark in remarks if remark),
            _text("size", entry["size"] or []),
            _text("spacing_mm", entry["spacing_mm"] or []),
            str(entry["phases"]),
            str(entry["files"]),
        )
    return table


def _text(key: str, value: Any) -> str:
    if isinstance(value, list):
        return (" x " if key in ("size", "spacing_mm") else ", ").join(
            _text("", item) for item in value
        )
    return f"{value:.4g}" if isinstance(value, float) else str(value)

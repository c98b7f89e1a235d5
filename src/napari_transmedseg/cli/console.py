"""What the subcommands print: tables and sentences for people, JSON for programs."""

import json
import math
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

PLAIN_WIDTH = 200
"""Characters in a line where the output is no terminal, so that tables are not cut."""

Switch = tyro.conf.FlagCreatePairsOff[bool]


def out() -> Console:
    """Console for results, on standard output."""
    return _console(sys.stdout)


def err() -> Console:
    """Console for progress and advice, on standard error."""
    return _console(sys.stderr)


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """Print one JSON value, paths as text; with `indent=None` on one line, at once."""
    text = json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False, default=str)
    print(text, flush=True)


def print_advice(sentences: Iterable[str]) -> None:
    """Print sentences that need the person's attention, on standard error."""
    for sentence in sentences:
        err().print(f"[yellow]Advice:[/] {escape(sentence)}")


def make_table(columns: Sequence[str], *, left: int = 1, title: str | None = None) -> Table:
    """Table whose first `left` columns are text and whose others are numbers."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index < left else "right", no_wrap=index == 0)
    return table


def dice_text(value: float) -> str:
    """Dice to three digits, a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.3f}"


def duration_text(seconds: float) -> str:
    """Minutes and seconds, or hours and minutes."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d} h" if hours else f"{minutes}:{rest:02d} min"


def _console(file: TextIO) -> Console:
    width = None if file.isatty() else PLAIN_WIDTH
    return Console(file=file, width=width, highlight=False)

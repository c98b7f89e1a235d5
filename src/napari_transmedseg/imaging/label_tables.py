"""Names and colours of classes beside a mask: ITK-SNAP's, 3D Slicer's, and a JSON file."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from napari_transmedseg.errors import ImageReadError

SNAP_SUFFIX = ".itksnap.txt"
SLICER_SUFFIX = ".ctbl"
JSON_SUFFIX = ".labels.json"
_SNAP_LINE = re.compile(r'\s*(\d{1,5})\s+(\d+)\s+(\d+)\s+(\d+)\s+\S+\s+\S+\s+\S+\s+"(.*)"\s*$')
_SLICER_LINE = re.compile(r"\s*(\d{1,5})\s+(\S+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*$")
_GREY = "#808080"

Names = dict[int, str]
Colors = dict[int, str]


def snap_table(names: Mapping[int, str], colors: Mapping[int, str]) -> str:
    """ITK-SNAP's label description file."""
    lines = ["# ITK-SnAP Label Description File", "# IDX  R  G  B  A  VIS MSH  LABEL",
             '    0     0    0    0        0  0  0    "Clear Label"']  # fmt: skip
    for value in sorted(names):
        red, green, blue = _rgb(colors.get(value, _GREY))
        name = names[value].replace('"', "'")
        lines.append(f'{value:5d} {red:5d} {green:4d} {blue:4d}        1  1  1    "{name}"')
    return "\n".join(lines) + "\n"


def slicer_table(names: Mapping[int, str], colors: Mapping[int, str]) -> str:
    """3D Slicer's colour table; it allows no spaces in names."""
    lines = ["# Color table of TransMedSeg", "0 background 0 0 0 0"]
    for value in sorted(names):
        red, green, blue = _rgb(colors.get(value, _GREY))
        lines.append(f"{value} {'_'.join(names[value].split())} {red} {green} {blue} 255")
    return "\n".join(lines) + "\n"


def json_table(names: Mapping[int, str], colors: Mapping[int, str]) -> str:
    """A list of value, name and colour."""
    entries = [
        {"value": value, "name": names[value], "color": colors.get(value, _GREY)}
        for value in sorted(names)
    ]
    return json.dumps({"labels": entries}, indent=1, ensure_ascii=False) + "\n"


def read_label_table(path: Path) -> tuple[Names, Colors]:
    """Names and colours of any of the three kinds, told by content; background is left out.

    Raises
    ------
    ImageReadError
        If the file is none of them.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _no_table(path) from error
    entries = _entries_of_json(text) if text.lstrip().startswith("{") else _entries_of_text(text)
    if not entries:
        raise _no_table(path)
    names = {value: name for value, (name, _) in entries.items() if value}
    colors = {value: color for value, (_, color) in entries.items() if value}
    return names, colors


def _entries_of_json(text: str) -> dict[int, tuple[str, str]]:
    try:
        return {
            int(entry["value"]): (str(entry["name"]), str(entry.get("color", _GREY)))
            for entry in json.loads(text)["labels"]
        }
    except (ValueError, TypeError, KeyError):
        return {}


def _entries_of_text(text: str) -> dict[int, tuple[str, str]]:
    entries = {}
    for line in text.splitlines():
        if found := _SNAP_LINE.match(line):
            value, *parts, name = found.groups()
        elif found := _SLICER_LINE.match(line):
            value, name, *parts = found.groups()
        else:
            continue
        color = "#" + "".join(f"{min(255, int(part)):02x}" for part in parts[:3])
        entries[int(value)] = (name, color)
    return entries


def _no_table(path: Path) -> ImageReadError:
    return ImageReadError(
        f"Expected names of labels in {path} (ITK-SNAP, 3D Slicer or JSON), found none; choose "
        "another file."
    )


def _rgb(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)

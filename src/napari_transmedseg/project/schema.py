"""What `project.json` holds, and reading and writing it whole."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.atomic import write_bytes

PROJECT_FILE = "project.json"
SCHEMA_VERSION = 3
MAX_CLASSES = 255

_PALETTE = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2",
    "#9933ff", "#ccffcc", "#990066", "#cc0033", "#00ffff", "#99cc66", "#0000ff", "#cc66ff",
    "#ff3366", "#99ff99", "#ffaabb",
)  # fmt: skip
"""Colours that the colour-blind can tell apart: seven of Okabe and Ito (2008, without black), then
each the one farthest from all before it, for four kinds of sight, and bright on dark images."""


class SegmentationClass(BaseModel):
    """One structure to segment; 0 is background and no class."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Annotated[int, Field(ge=1, le=MAX_CLASSES)]
    name: str
    color: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


class Case(BaseModel):
    """One image of the cohort, with the facts of its header."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    case_id: str
    """Stem of the image's file name, or name of its folder; distinct."""
    image: str
    """Path relative to the project folder where possible, `/` between folders."""
    image_absolute: str = ""
    """Where an image outside the project folder was last; tried when `image` leads nowhere."""
    series: str = ""
    """Key of the DICOM series in the folder `image`: a digest that leads back to nobody."""
    frame: int | None = None
    """Frame or channel of a 4-D image."""
    spacing_confirmed: bool = False
    """A person vouches for the voxel size; the image itself does not say where it lies."""
    modality: str = ""
    """DICOM's word, such as CT."""
    description: str = ""
    """What the series is called at the scanner."""
    notes: tuple[str, ...] = ()
    """Sentences about what is unusual in the image."""
    domain: str = ""
    """Site or scanner."""
    shape: tuple[int, int, int]
    """Voxels along I, P, L."""
    spacing: tuple[float, float, float]
    """Voxel size in mm along I, P, L."""

    @field_validator("case_id")
    @classmethod
    def _safe(cls, case_id: str) -> str:
        check_case_id(case_id)
        return case_id


class ProjectFile(BaseModel):
    """The whole of `project.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = SCHEMA_VERSION
    name: str
    slice_axis: Annotated[int, Field(ge=0, le=2)]
    """Display axis along which slices are counted: 0 I, 1 P, 2 L."""
    classes: tuple[SegmentationClass, ...]
    class_order: tuple[int, ...] = ()
    """Values in the order in which a person wants to see the classes; empty: ascending."""
    cases: tuple[Case, ...] = ()
    config: dict[str, Any] = {}
    """Training settings that differ from the defaults."""

    @field_validator("classes")
    @classmethod
    def _numbered(cls, classes: tuple[SegmentationClass, ...]) -> tuple[SegmentationClass, ...]:
        if [item.value for item in classes] != list(range(1, len(classes) + 1)):
            raise ValueError("class values are not 1, 2, 3 …")
        check_class_names([item.name for item in classes])
        return classes

    @model_validator(mode="after")
    def _ordered(self) -> ProjectFile:
        if self.class_order and sorted(self.class_order) != [one.value for one in self.classes]:
            raise ValueError("the order names other classes")
        return self

    @field_validator("cases")
    @classmethod
    def _distinct(cls, cases: tuple[Case, ...]) -> tuple[Case, ...]:
        check_distinct(cases)
        return cases


def load_project_file(folder: Path) -> ProjectFile:
    """Read `project.json`.

    Raises
    ------
    ProjectError
        If it is missing, damaged, or written by a newer version.
    """
    path = folder / PROJECT_FILE
    try:
        content = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ProjectError(
            f"Expected a project in {folder}, found no {PROJECT_FILE} there; choose the project's "
            "folder or make a new project."
        ) from error
    except OSError as error:
        raise ProjectError(
            f"Expected to read {path}, found that it is not allowed ({error.strerror}); "
            "ask for access to the folder."
        ) from error
    except ValueError as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(content, dict) or not isinstance(content.get("schema_version"), int):
        raise _damaged(path, "no schema version")
    if content["schema_version"] > SCHEMA_VERSION:
        raise ProjectError(
            f"Expected a project of version {SCHEMA_VERSION} or older in {folder}, found version "
            f"{content['schema_version']} of a newer program; update napari-transmedseg."
        )
    try:
        return ProjectFile.model_validate(content)
    except (ValidationError, ProjectError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise _damaged(path, reason) from error


def save_project_file(folder: Path, content: ProjectFile) -> None:
    """Replace `project.json` in one step."""
    current = content.model_copy(update={"schema_version": SCHEMA_VERSION})
    text = current.model_dump_json(indent=2)
    write_bytes(folder / PROJECT_FILE, text.encode() + b"\n")


def check_case_id(case_id: str) -> None:
    """Refuse ids that cannot be file names, or whose files would be another case's.

    Raises
    ------
    ProjectError
    """
    bad = not case_id or case_id.startswith(".") or any(mark in case_id for mark in '/\\:*?"<>|')
    if bad or case_id.lower().endswith((".known", ".ledger")) or not case_id.isprintable():
        raise ProjectError(
            f"Expected a case id that is a plain file name without ending in '.known' or "
            f"'.ledger', found {case_id!r}; rename the image file."
        )


def check_class_names(names: Sequence[str]) -> None:
    """Check that names are given, distinct and not background.

    Raises
    ------
    ProjectError
    """
    plain = [name.strip().casefold() for name in names]
    if not plain:
        raise ProjectError("Expected at least one class, found none; name what you segment.")
    for name, key in zip(names, plain, strict=True):
        if key in ("", "background"):
            raise ProjectError(
                f"Expected a name for each class, found {name!r}; background is 0 and needs no "
                "name, so leave it out."
            )
        if plain.count(key) > 1:
            raise ProjectError(
                f"Expected every class once, found {name!r} {plain.count(key)} times; "
                "give each class its own name."
            )
    if len(names) > MAX_CLASSES:
        raise ProjectError(
            f"Expected at most {MAX_CLASSES} classes, found {len(names)}; use fewer."
        )


def check_distinct(cases: Iterable[Case]) -> None:
    """Refuse two cases whose files would have the same name, upper and lower case alike.

    Raises
    ------
    ProjectError
    """
    seen: dict[str, Case] = {}
    for case in cases:
        other = seen.setdefault(case.case_id.casefold(), case)
        if other is not case:
            raise ProjectError(
                f"Expected every case id once, found '{case.case_id}' for both {other.image} and "
                f"{case.image}; rename one of the files."
            )


def make_classes(names: Sequence[str]) -> tuple[SegmentationClass, ...]:
    """Give classes values and colours in the order of their names."""
    check_class_names(names)
    return tuple(
        SegmentationClass(value=value, name=name.strip(), color=default_color(value))
        for value, name in enumerate(names, start=1)
    )


def default_color(value: int) -> str:
    """Colour of a class that has none yet."""
    return _PALETTE[(value - 1) % len(_PALETTE)]


def stored_path(path: Path, folder: Path) -> tuple[str, str]:
    """Path of an image as `project.json` keeps it: relative, and absolute if it is outside."""
    absolute = Path(os.path.abspath(path))
    base = Path(os.path.abspath(folder))
    if absolute.is_relative_to(base):
        return absolute.relative_to(base).as_posix(), ""
    try:
        relative = Path(os.path.relpath(absolute, base)).as_posix()
    except ValueError:  # another drive
        return absolute.as_posix(), absolute.as_posix()
    return relative, absolute.as_posix()


def find_image(case: Case, folder: Path) -> Path:
    """Where the image is; where it should be if it is nowhere."""
    expected = Path(os.path.normpath(Path(os.path.abspath(folder)) / case.image))
    if not expected.exists() and case.image_absolute and Path(case.image_absolute).exists():
        return Path(case.image_absolute)
    return expected


def _damaged(path: Path, reason: str) -> ProjectError:
    return ProjectError(
        f"Expected a project description in {path}, found a damaged one ({reason}); restore it "
        "from a backup."
    )

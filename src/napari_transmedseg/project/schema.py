"""What `project.json` holds, and reading and writing it whole."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
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

from napari_transmedseg.errors import DamagedFileError, ProjectError
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.project.json_file import read_json
from napari_transmedseg.project.migrations import migrated

PROJECT_FILE = "project.json"
BACKUP_FILE = "project.backup.json"
"""The same once more, for when the other one is damaged."""
SCHEMA_VERSION = 4
MAX_CLASSES = 255

_PALETTE = (
    "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7", "#d55e00", "#0072b2",
    "#9933ff", "#ccffcc", "#990066", "#cc0033", "#00ffff", "#99cc66", "#0000ff", "#cc66ff",
    "#ff3366", "#99ff99", "#ffaabb",
)  # fmt: skip
"""Colours that the colour-blind can tell apart: seven of Okabe and Ito (2008, without black), then
each the one farthest from all before it, for four kinds of sight, and bright on dark images."""


Length = Annotated[int, Field(ge=1, le=2**16)]
FilePath = Annotated[str, Field(max_length=4096, pattern=r"^[^\x00]*$")]
Spacing = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]


class SegmentationClass(BaseModel):
    """One structure to segment; 0 is background and no class."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Annotated[int, Field(ge=1, le=MAX_CLASSES)]
    name: str
    color: Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


class Channel(BaseModel):
    """A further image of a case, which lies on the voxels of its first one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Such as T2 or FLAIR; distinct within the case."""
    image: str
    """Path, as in `Case`."""
    image_absolute: str = ""
    """As in `Case`."""
    series: str = ""
    """As in `Case`."""
    frame: int | None = None
    """As in `Case`."""
    resampled: bool = False
    """It lies on another grid and is brought onto the first image's whenever it is read."""


class Case(BaseModel):
    """One image of the cohort, with the facts of its header, and its further channels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    case_id: Annotated[str, Field(max_length=200)]
    """Stem of the image's file name, or name of its folder; distinct."""
    image: FilePath
    """Path relative to the project folder where possible, `/` between folders."""
    image_absolute: FilePath = ""
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
    shape: tuple[Length, Length, Length]
    """Voxels along I, P, L."""
    spacing: tuple[Spacing, Spacing, Spacing]
    """Voxel size in mm along I, P, L."""
    channel: str = ""
    """Name of the image where the case has further channels."""
    further: tuple[Channel, ...] = ()
    """Channels after the first; the network takes them all, in this order."""

    @field_validator("case_id")
    @classmethod
    def _safe(cls, case_id: str) -> str:
        check_case_id(case_id)
        return case_id

    @model_validator(mode="after")
    def _named(self) -> Case:
        if self.further:
            check_channel_names(self.channel_names)
        return self

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Names of all channels in their order; empty for a single image."""
        if not self.further:
            return ()
        return (self.channel, *(channel.name for channel in self.further))


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
    removed_classes: tuple[SegmentationClass, ...] = ()
    """Classes that were taken away, in that order, each with its value at that moment."""
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


def load_project_file(folder: Path, name: str = PROJECT_FILE) -> ProjectFile:
    """Read `project.json`, of an older version as it would be now.

    Of a newer version what this one knows is read; its `schema_version` stays greater than
    `SCHEMA_VERSION`, and it must not be written.

    Raises
    ------
    ProjectError
        If it is missing or damaged, or of a newer version that this one cannot make sense of.
    """
    path = folder / name
    try:
        content = read_json(path)
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
    version = content["schema_version"]
    if version > SCHEMA_VERSION:
        content = _known_part(content)
    try:
        return ProjectFile.model_validate(migrated(content, SCHEMA_VERSION))
    except (ValidationError, ProjectError, ValueError, TypeError, KeyError) as error:
        if version > SCHEMA_VERSION:
            raise ProjectError(
                f"Expected a project of version {SCHEMA_VERSION} or older in {folder}, found "
                f"version {version} of a newer program; update napari-transmedseg."
            ) from error
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise _damaged(path, reason) from error


def save_project_file(folder: Path, content: ProjectFile) -> None:
    """Replace `project.json` in one step, and its copy before it."""
    current = content.model_copy(update={"schema_version": SCHEMA_VERSION})
    text = current.model_dump_json(indent=2)
    for name in (BACKUP_FILE, PROJECT_FILE):
        write_bytes(folder / name, text.encode() + b"\n")


def _known_part(content: dict[str, Any]) -> dict[str, Any]:
    """What this version knows of a newer one's description."""
    known: dict[str, Any] = _only_fields(ProjectFile, content)
    for key, model in (
        ("classes", SegmentationClass),
        ("removed_classes", SegmentationClass),
        ("cases", Case),
    ):
        if isinstance(known.get(key), list):
            known[key] = [_only_fields(model, item) for item in known[key]]
    return known


def _only_fields(model: type[BaseModel], content: Any) -> Any:
    if not isinstance(content, dict):
        return content
    return {key: value for key, value in content.items() if key in model.model_fields}


def check_case_id(case_id: str) -> None:
    """Refuse ids that cannot be file names, or whose files would be another case's.

    Raises
    ------
    ProjectError
    """
    bad = not case_id or case_id.startswith(".") or any(mark in case_id for mark in '/\\:*?"<>|')
    taken = case_id.lower().endswith((".known", ".ledger", ".uncertainty"))
    if bad or taken or not case_id.isprintable():
        raise ProjectError(
            f"Expected a case id that is a plain file name without ending in '.known', '.ledger' "
            f"or '.uncertainty', found {case_id!r}; rename the image file."
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
        if not key:
            raise ProjectError("Expected a name for each class, found an empty one; type a name.")
        if key == "background":
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


def check_channel_names(names: Sequence[str]) -> None:
    """Check that channels have names, each its own, that settings can refer to.

    Raises
    ------
    ProjectError
    """
    plain = [name.strip().casefold() for name in names]
    for name, key in zip(names, plain, strict=True):
        if not key or not name.isprintable() or any(mark in name for mark in "=,:"):
            raise ProjectError(
                f"Expected a name for each channel without '=', ',' and ':', found {name!r}; call "
                "it T1 or FLAIR, for example."
            )
        if plain.count(key) > 1:
            raise ProjectError(
                f"Expected every channel of a case once, found {name!r} {plain.count(key)} times; "
                "give each its own name."
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


def unused_color(value: int, used: Collection[str]) -> str:
    """Colour of a class that is added: the first that none has, else the usual one of its value."""
    return next((color for color in _PALETTE if color not in used), default_color(value))


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


def find_image(case: Case | Channel, folder: Path) -> Path:
    """Where the (first) image is; where it should be if it is nowhere."""
    expected = Path(os.path.normpath(Path(os.path.abspath(folder)) / case.image))
    if not expected.exists() and case.image_absolute and Path(case.image_absolute).exists():
        return Path(case.image_absolute)
    return expected


def _damaged(path: Path, reason: str) -> DamagedFileError:
    return DamagedFileError(
        f"Expected a project description in {path}, found a damaged one ({reason}); restore it "
        "from a backup."
    )

"""Values of another tool's label map turned into the project's classes, by name or by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from napari_transmedseg.errors import ConfigError, ProjectError
from napari_transmedseg.imaging.volume import LabelMap

BACKGROUND = "background"
UNKNOWN = "unknown"
_UNTOLD = re.compile(r"(segment|class|label|structure)?[ _-]*\d*", re.IGNORECASE)


def parse_mapping(pairs: tuple[str, ...]) -> dict[str, str]:
    """Mapping as typed: `liver=organ`, `7=background`.

    Raises
    ------
    ConfigError
        If a pair has no `=`.
    """
    mapping = {}
    for pair in (part for text in pairs for part in text.split(",")):
        source, mark, target = pair.partition("=")
        if not mark or not source.strip() or not target.strip():
            raise ConfigError(
                f"Expected pairs such as 'liver=1' or '7={BACKGROUND}', found '{pair}'; write "
                "them that way."
            )
        mapping[source.strip()] = target.strip()
    return mapping


def map_classes(
    label_map: LabelMap,
    classes: Mapping[int, str],
    mapping: Mapping[str, str],
    what: str,
    *,
    allow_unused: bool = False,
) -> LabelMap:
    """Give each value of a label map the project's class.

    Values go where `mapping` says; else, where the label map names them, to the class of that
    name; else to the class of their number. What is left over is background when every class
    was found by name, because another structure is none of them.

    Parameters
    ----------
    label_map
        With the names that its file gives.
    classes
        Names of the project's classes by value.
    mapping
        By hand: value or name in the label map to class (value or name), `background`, or
        `unknown` (nothing is said of these voxels).
    what
        Name of the label map for errors.
    allow_unused
        Whether the mapping may name what this label map does not hold, because it is one of many.

    Raises
    ------
    ProjectError
        If a value has no class, or the mapping names none of either side.
    """
    present = [int(value) for value in np.unique(label_map.array) if value]
    if not allow_unused:
        _refuse_stray_sources(mapping, label_map, present, what)
    targets = {value: _target(value, label_map, classes, mapping) for value in present}
    lost = [value for value, target in targets.items() if target is None]
    if lost and not _every_class_by_name(label_map, classes, mapping):
        _refuse(lost, label_map, classes, what)
    table = np.zeros(max(present, default=0) + 1, dtype=label_map.array.dtype)
    unknown = [value for value, target in targets.items() if target == UNKNOWN]
    for value, target in targets.items():
        table[value] = target if isinstance(target, int) else 0
    known = label_map.known
    if unknown:
        said = ~np.isin(label_map.array, unknown)
        known = said if known is None else known & said
    return LabelMap(
        array=table[label_map.array], geometry=label_map.geometry, known=known, names=dict(classes)
    )


def suggested_class(value: int, name: str, classes: Mapping[int, str]) -> int | None:
    """Class that a value of a label map is taken for when nobody says otherwise; None: none."""
    if not _UNTOLD.fullmatch(name.strip()):
        return next((key for key, own in classes.items() if _same(own, name)), None)
    return value if value in classes else None


def _target(
    value: int, label_map: LabelMap, classes: Mapping[int, str], mapping: Mapping[str, str]
) -> int | str | None:
    """Class of a value, `unknown`, or None where nothing says; 0 is background."""
    name = label_map.names.get(value, "")
    chosen = mapping.get(str(value), mapping.get(name))
    if chosen is not None:
        return _class_called(chosen, classes)
    return suggested_class(value, name, classes)


def _class_called(text: str, classes: Mapping[int, str]) -> int | str:
    if text.lower() == UNKNOWN:
        return UNKNOWN
    if text.lower() == BACKGROUND or text == "0":
        return 0
    for value, name in classes.items():
        if text == str(value) or _same(text, name):
            return value
    raise ProjectError(
        f"Expected one of the classes {_listed(classes)}, '{BACKGROUND}' or '{UNKNOWN}', found "
        f"'{text}'; map onto one of these."
    )


def _every_class_by_name(
    label_map: LabelMap, classes: Mapping[int, str], mapping: Mapping[str, str]
) -> bool:
    """Whether each class is one of the label map's names, or stands for something by hand."""
    targets = {_class_called(text, classes) for text in mapping.values()}
    names = label_map.names.values()
    return all(
        value in targets or any(_same(own, name) for name in names)
        for value, own in classes.items()
    )


def _refuse_stray_sources(
    mapping: Mapping[str, str], label_map: LabelMap, present: list[int], what: str
) -> None:
    known = {str(value) for value in {*present, *label_map.names}} | set(label_map.names.values())
    if stray := [source for source in mapping if source not in known and not source.isdecimal()]:
        found = ", ".join(_called(value, label_map) for value in present[:8]) or "no labels"
        raise ProjectError(
            f"Expected '{stray[0]}' in {what}, found {found}; map what the label map holds."
        )


def _refuse(lost: list[int], label_map: LabelMap, classes: Mapping[int, str], what: str) -> None:
    found = ", ".join(_called(value, label_map) for value in lost[:8])
    raise ProjectError(
        f"Expected the classes {_listed(classes)} in {what}, found {found}; map these by hand, "
        f"for example --map {lost[0]}={next(iter(classes))} (or ={BACKGROUND}, ={UNKNOWN}), or "
        "make the project with all classes."
    )


def _called(value: int, label_map: LabelMap) -> str:
    name = label_map.names.get(value, "")
    return f"{value} '{name}'" if name else str(value)


def _listed(classes: Mapping[int, str]) -> str:
    return ", ".join(f"{value} {name}" for value, name in classes.items())


def _same(a: str, b: str) -> bool:
    return _letters(a) == _letters(b) != ""


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text).casefold()

"""Segments that overlap, in one label map: only by a rule that a person chose, and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import ImageReadError, OverlapError

LATER = "later"
_TOLD = 6

Covered = Counter[tuple[int, int]]
"""Voxels by the value on top and the one that it covers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OverlapRule:
    """Which segment a voxel belongs to that several claim."""

    first: tuple[str, ...] = ()
    """Names of segments that win over all others, the strongest first. Of the others, the one
    that comes later in the file wins."""
    passes_over: bool = False
    """Whether names that a file does not have are left aside, as the rule is for many files."""


def parse_overlap(text: str | None) -> OverlapRule | None:
    """Rule as typed: `later`, or names in the order of their priority, `tumour,liver`."""
    names = [name.strip() for name in (text or "").split(",")]
    names = [name for name in names if name]
    if not names:
        return None
    return OverlapRule() if names == [LATER] else OverlapRule(first=tuple(names))


def painting_order(names: Sequence[str], rule: OverlapRule | None, path: Path) -> list[int]:
    """Order in which segments are painted one over the other: the winner comes last.

    Raises
    ------
    ImageReadError
        If the rule names a segment that there is not.
    """
    wanted = [] if rule is None else [name for name in rule.first if _counts(name, names, rule)]
    first = [_place(name, names, path) for name in wanted]
    others = [index for index in range(len(names)) if index not in first]
    return others + list(dict.fromkeys(first))[::-1]


def paint(
    merged: npt.NDArray[Any], here: npt.NDArray[np.bool_], value: int, covered: Covered
) -> None:
    """Give a segment's voxels its value, and count what they covered."""
    beneath, counts = np.unique(merged[here], return_counts=True)
    for other, count in zip(beneath.tolist(), counts.tolist(), strict=True):
        if other not in (0, value):
            covered[(value, other)] += count
    merged[here] = value


def overlap_notes(
    covered: Covered, names: Mapping[int, str], rule: OverlapRule | None, path: Path
) -> tuple[str, ...]:
    """Say which segments overlapped and which won.

    Raises
    ------
    OverlapError
        If some did and nobody chose a rule.
    """
    if not covered:
        return ()
    pairs = [
        f"'{names.get(top, top)}' over '{names.get(below, below)}' on {count} voxels"
        for (top, below), count in covered.most_common()
    ]
    more = f" and {len(pairs) - _TOLD} more pairs" if len(pairs) > _TOLD else ""
    told = ", ".join(pairs[:_TOLD]) + more
    if rule is None:
        top, below = (names.get(value, str(value)) for value in covered.most_common(1)[0][0])
        raise OverlapError(
            f"Expected one segment per voxel in {path}, found segments that overlap: {told}; "
            f"choose which wins when you bring them in (--overlap {LATER}, or names in the order "
            f"of their priority: --overlap '{below},{top}'), or save them into files of their own.",
            tuple(
                (names.get(one, str(one)), names.get(other, str(other)), count)
                for (one, other), count in covered.most_common()
            ),
        )
    return (f"Segments of {path.name} overlapped, and the first of each pair won: {told}.",)


def _counts(name: str, names: Sequence[str], rule: OverlapRule) -> bool:
    return not rule.passes_over or name.casefold() in [own.casefold() for own in names]


def _place(name: str, names: Sequence[str], path: Path) -> int:
    plain = [own.casefold() for own in names]
    if name.casefold() not in plain:
        listed = ", ".join(f"'{own}'" for own in names)
        raise ImageReadError(
            f"Expected one of the segments {listed} of {path}, found '{name}' in the order of "
            "priority; name segments of the file."
        )
    return plain.index(name.casefold())

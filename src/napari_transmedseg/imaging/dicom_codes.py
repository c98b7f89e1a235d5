"""SNOMED CT codes of structures by their plain names, and the side that a name tells."""

from __future__ import annotations

import re
from typing import Any, Literal

Side = Literal["", "left", "right", "left and right"]
_SIDE_WORDS = {"left": "left", "right": "right", "both": "both", "bilateral": "both"}
_SIDE_CODES: dict[Side, tuple[str, str, str]] = {
    "left": ("7771000", "SCT", "Left"),
    "right": ("24028007", "SCT", "Right"),
    "left and right": ("51440002", "SCT", "Right and left"),
}
_OLD_CODES: dict[str, Side] = {"G-A101": "left", "G-A100": "right", "G-A102": "left and right"}
"""Of files written before SNOMED's own numbers were used."""
_MODIFIERS = ("SegmentedPropertyTypeModifierCodeSequence", "AnatomicRegionModifierSequence")


def code_of(name: str) -> tuple[Any, Side]:
    """Code of a structure, and the side that the code does not tell.

    `left ventricle` has a code of its own, and no side is left over; `kidney left` has the
    kidney's code and the side left, which DICOM adds as a modifier (PS3.3 C.8.20.2, CID 244).

    Returns
    -------
    tuple
        Code, None where DICOM lists no structure of that name; and the side.
    """
    words = re.findall(r"[a-z0-9]+", name.lower())
    sides = [word for word in words if word in _SIDE_WORDS]
    rest = [word for word in words if word not in sides and word != "and"]
    for order in (words, sides + rest):
        if (code := _listed(order)) is not None:
            return code, ""
    return _listed(rest), _side(sides)


def side_code(side: Side) -> tuple[str, str, str]:
    """Value, scheme and meaning of a side's code (CID 244)."""
    return _SIDE_CODES[side]


def named_with_side(label: str, description: Any) -> str:
    """Label of a segment with the side that only its codes tell: `Kidney` becomes `left Kidney`.

    Parameters
    ----------
    label
        What the file calls the segment.
    description
        Item of its Segment Sequence.
    """
    side = _coded_side(description)
    words = re.findall(r"[a-z]+", label.lower())
    return label if not side or any(word in _SIDE_WORDS for word in words) else f"{side} {label}"


def _listed(words: list[str]) -> Any:
    from pydicom.sr.codedict import codes

    keyword = "".join(word.capitalize() for word in words)
    return getattr(codes.SCT, keyword) if keyword and keyword in dir(codes.SCT) else None


def _side(words: list[str]) -> Side:
    told = {_SIDE_WORDS[word] for word in words}
    if not told:
        return ""
    if told == {"left"}:
        return "left"
    return "right" if told == {"right"} else "left and right"


def _coded_side(description: Any) -> Side:
    """Side by the modifiers of the segment's type, or else of its region."""
    items = [
        *getattr(description, "SegmentedPropertyTypeCodeSequence", []),
        *getattr(description, "AnatomicRegionSequence", []),
    ]
    modifiers = [
        modifier
        for item in items
        for keyword in _MODIFIERS
        for modifier in getattr(item, keyword, None) or []
    ]
    known = {code[0]: side for side, code in _SIDE_CODES.items()} | _OLD_CODES
    found = (known.get(str(getattr(modifier, "CodeValue", ""))) for modifier in modifiers)
    return next((side for side in found if side is not None), "")

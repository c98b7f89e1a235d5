"""What a form needs to know about the fields of `TrainingConfig`: kind, limits, default, words."""

import ast
import inspect
import re
import textwrap
import types
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le

from napari_transmedseg.engine.config import TrainingConfig

_SMALLEST = 1e-3
"""Least value of a number that must be above 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConfigField:
    """One setting."""

    name: str
    kind: type
    """bool, int, float or str."""
    choices: tuple[str, ...]
    """The only values of a str, where it has some."""
    least: float | None
    most: float | None
    is_optional: bool
    """Whether None is a value: the training decides itself then."""
    default: Any
    doc: str
    """The lines under the field, as plain text."""


@cache
def config_fields() -> dict[str, ConfigField]:
    """All settings by name, in their order."""
    hints = get_type_hints(TrainingConfig, include_extras=True)
    docs = _docs()
    found = {}
    for field in fields(TrainingConfig):
        hint, is_optional = _without_none(hints[field.name])
        base = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        limits = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        choices = get_args(base) if get_origin(base) is Literal else ()
        kind = str if choices else base
        found[field.name] = ConfigField(
            name=field.name, kind=kind, choices=choices, least=_least(limits, kind),
            most=_most(limits),
            is_optional=is_optional, default=field.default, doc=docs.get(field.name, ""),
        )  # fmt: skip
    return found


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    (rest,) = (part for part in get_args(hint) if part is not type(None))
    return rest, True


def _least(limits: tuple[Any, ...], kind: type) -> float | None:
    for limit in limits:
        match limit:
            case Ge(ge=bound):
                return bound  # type: ignore[return-value]
            case Gt(gt=bound):
                step = 1 if kind is int else _SMALLEST
                return bound + step  # type: ignore[operator]
    return None


def _most(limits: tuple[Any, ...]) -> float | None:
    for limit in limits:
        match limit:
            case Le(le=bound):
                return bound  # type: ignore[return-value]
    return None


def _docs() -> dict[str, str]:
    """Text under each field; none where the program is shipped without its source."""
    try:
        source = inspect.getsource(TrainingConfig)
    except OSError:
        return {}
    body = ast.parse(textwrap.dedent(source)).body[0]
    assert isinstance(body, ast.ClassDef)
    found, name = {}, ""
    for node in body.body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=target)):
                name = target
            case ast.Expr(value=ast.Constant(value=str(text))) if name:
                found[name] = re.sub(r"\s+", " ", text.replace("`", "")).strip()
    return found

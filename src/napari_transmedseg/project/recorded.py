"""Events as a run's `metrics.jsonl` keeps them, and back; a file may come from anybody."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from napari_transmedseg.engine.events import SlicePrediction, TrainingEvent

_EVENTS: dict[str, Any] = {
    kind.__name__: kind for kind in get_args(TrainingEvent) if kind is not SlicePrediction
}


def events_of(rows: Iterable[dict[str, Any]]) -> Iterator[TrainingEvent]:
    """Events of the rows; damaged rows and those of another version are left out."""
    for row in rows:
        event = event_of(row)
        if event is not None:
            yield event


def event_of(row: dict[str, Any]) -> TrainingEvent | None:
    """Event of a row; None where it is none, or a field is not what it should be."""
    kind = _EVENTS.get(str(row.get("event")))
    if kind is None:
        return None
    names = {field.name for field in dataclasses.fields(kind)}
    fields = {key: _number(value) for key, value in row.items() if key in names}
    try:
        return _adapter(kind).validate_python(fields)
    except ValidationError:
        return None


@cache
def _adapter(kind: Any) -> TypeAdapter[TrainingEvent]:
    return TypeAdapter(kind)


def _number(value: Any) -> Any:
    """NaN again for what JSON could not carry."""
    if value is None:
        return float("nan")
    if isinstance(value, dict):
        return {key: _number(item) for key, item in value.items()}
    return value

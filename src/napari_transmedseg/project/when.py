"""When something happened, as projects write it down."""

from __future__ import annotations

from datetime import datetime


def now() -> str:
    """Moment of the call, ISO 8601 with time zone, to the second."""
    return datetime.now().astimezone().isoformat(timespec="seconds")

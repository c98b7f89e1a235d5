"""When something happened, as projects and their pages write it down."""

from __future__ import annotations

from datetime import datetime


def now(*, milliseconds: bool = False) -> str:
    """Moment of the call, ISO 8601 with time zone, to the second or to the millisecond."""
    timespec = "milliseconds" if milliseconds else "seconds"
    return datetime.now().astimezone().isoformat(timespec=timespec)


def now_in_words() -> str:
    """Moment of the call, for a page that a person reads."""
    return f"{datetime.now().astimezone():%d %B %Y, %H:%M}"


def now_in_name() -> str:
    """Moment of the call, for the name of a folder."""
    return f"{datetime.now().astimezone():%Y%m%d-%H%M%S}"

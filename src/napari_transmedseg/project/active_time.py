"""How long a person was active on something."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

LONGEST_PAUSE_S = 30.0
"""Whoever does nothing for longer is away; such gaps do not count."""


class ActiveTime:
    """Seconds between signs of life, counted for what was at hand."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._seconds: dict[Hashable, float] = {}
        self._at: Hashable = None
        self._last: float | None = None

    def touch(self, what: Hashable) -> None:
        """Note a sign of life; the time since the last one belongs to what was at hand then."""
        now = self._now()
        gap = 0.0 if self._last is None else now - self._last
        if 0.0 < gap <= LONGEST_PAUSE_S:
            self._seconds[self._at] = self._seconds.get(self._at, 0.0) + gap
        self._at, self._last = what, now

    def take(self, what: Hashable) -> float:
        """Seconds counted for something since they were last taken."""
        return self._seconds.pop(what, 0.0)

"""The time that a run spends: of a clock that nobody sets, without the hours of a closed lid."""

import time

_LEAST_SLEEP_S = 300.0
_TIMES_LONGEST = 20.0
"""How much longer than all gaps before it a gap must be to be no work."""


class RunClock:
    """Adds up the time between looks at it.

    Setting the computer's date or time changes nothing. While the machine sleeps this clock
    stands still on Linux and macOS; on Windows it goes on, so a gap that no step explains
    (5 minutes or more, and 20 times the longest before it) is taken for sleep and not counted.
    """

    def __init__(self) -> None:
        self.now = time.monotonic()
        """Time of the last look, in s."""
        self._longest = 0.0
        self._slept_s = 0.0

    def tick(self) -> float:
        """Seconds since the last look, or 0 where the machine slept meanwhile."""
        before, self.now = self.now, time.monotonic()
        gap = self.now - before
        if self._longest > 0 and gap > max(_LEAST_SLEEP_S, _TIMES_LONGEST * self._longest):
            self._slept_s += gap
            return 0.0
        self._longest = max(self._longest, gap)
        return gap

    def skip(self) -> None:
        """Leave out the time since the last look: a pause."""
        self.now = time.monotonic()

    def take_sleep(self) -> float:
        """Seconds that were taken for sleep since this was asked last."""
        slept, self._slept_s = self._slept_s, 0.0
        return slept

"""How another thread steers a run: stop, pause, resume, and which slice to show."""

import threading


class StoppedError(Exception):
    """The run was asked to end in the middle of a case, of which no part is kept."""


class TrainingControl:
    """Requests that the training loop honours within one step. Thread-safe."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._running = threading.Event()
        self._running.set()
        self._watched: tuple[str, int] | None = None

    def stop(self) -> None:
        """Ask the run to save and end; also ends a pause."""
        self._stop.set()
        self._running.set()

    def pause(self) -> None:
        """Ask the run to wait after the current step."""
        self._running.clear()

    def resume(self) -> None:
        """Let a paused run go on."""
        self._running.set()

    def watch(self, case_id: str | None, slice_index: int = 0) -> None:
        """Choose the slice whose pseudo-label is predicted while training."""
        self._watched = None if case_id is None else (case_id, slice_index)

    @property
    def stop_requested(self) -> bool:
        """Whether the run shall end."""
        return self._stop.is_set()

    @property
    def paused(self) -> bool:
        """Whether the run shall wait."""
        return not self._running.is_set()

    @property
    def watched(self) -> tuple[str, int] | None:
        """Case id and slice index (along the project's slice axis) to predict."""
        return self._watched

    def wait_while_paused(self, timeout_s: float) -> bool:
        """Wait for `resume` or `stop`; True when the run may go on."""
        return self._running.wait(timeout_s) or self._stop.is_set()

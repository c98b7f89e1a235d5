"""Ctrl-C: the first one asks the run to save and stop, the second one ends it hard."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from napari_transmedseg.engine.control import TrainingControl


@contextmanager
def stop_on_interrupt(control: TrainingControl) -> Iterator[None]:
    """Turn the first Ctrl-C (or SIGTERM) into `control.stop()` while the block runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ask_to_stop(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.default_int_handler)
        print("\nStopping and saving; Ctrl-C again ends at once.", file=sys.stderr, flush=True)
        control.stop()

    for number in before:
        signal.signal(number, ask_to_stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

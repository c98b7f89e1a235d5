"""Two logs for when something goes wrong: of the application, and of each run in its folder.

Both can be shown to anybody. They hold steps, counts, versions, hardware, the program's own
sentences, and where in the code an error arose. They hold no path, and case ids, which may be
names, only as numbers. Of an error the message is kept only where a library wrote it (a
RuntimeError), since our own sentences name files and cases.
"""

from __future__ import annotations

import logging
import os
import re
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from pathlib import Path

from napari_transmedseg.engine.events import (
    CheckpointSaved,
    Notice,
    PhaseChanged,
    StepReport,
    TrainingEvent,
    TrainingFinished,
    TrainingStarted,
)

FOLDER_VARIABLE = "TRANSMEDSEG_LOG"
RUN_LOG = "run.log"
_APPLICATION_LOG = "application.log"
_BYTES, _OLDER = 2**20, 3
_RUN_BYTES, _RUN_OLDER = 2**19, 1
_STEPS_EVERY_S = 60.0
"""Seconds of training between two lines about its steps."""
_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_PACKAGE = Path(__file__).parents[1]

LOG = logging.getLogger("napari_transmedseg")
"""The application's; silent until `start_application_log`."""
LOG.addHandler(logging.NullHandler())


class _QuietHandler(RotatingFileHandler):
    """A log that cannot be written disturbs nobody."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Do nothing."""


def log_folder() -> Path:
    """Where the application's log lies: `TRANSMEDSEG_LOG`, else the platform's folder for logs."""
    if chosen := os.environ.get(FOLDER_VARIABLE):
        return Path(chosen)
    from platformdirs import user_log_path

    return user_log_path("napari-transmedseg", appauthor=False)


def start_application_log() -> None:
    """Write the application's log from now on; harmless when repeated or not possible."""
    path = log_folder() / _APPLICATION_LOG
    kept = [one for one in LOG.handlers if isinstance(one, _QuietHandler)]
    if any(Path(one.baseFilename) == Path(os.path.abspath(path)) for one in kept):
        return
    for one in kept:
        LOG.removeHandler(one)
        one.close()
    if (handler := _handler(path, _BYTES, _OLDER)) is not None:
        LOG.addHandler(handler)
        LOG.setLevel(logging.INFO)


def last_lines(path: Path, count: int) -> list[str]:
    """End of a log; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 200 * count))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except OSError:
        return []


def application_log() -> Path:
    """The newest file of the application's log."""
    return log_folder() / _APPLICATION_LOG


class RunLog:
    """What happened in a run, in its `run.log` and in the application's log.

    Parameters
    ----------
    folder
        Of the run.
    case_ids
        Of the project; they appear as numbers.
    """

    def __init__(self, folder: Path, case_ids: Sequence[str] = ()) -> None:
        self._name = folder.name
        self._hide = Scrubber(case_ids)
        self._handler = _handler(folder / RUN_LOG, _RUN_BYTES, _RUN_OLDER)
        self._log = logging.Logger(self._name, logging.INFO)
        if self._handler is not None:
            self._log.addHandler(self._handler)
        self._next_steps_s = 0.0

    def say(self, text: str) -> None:
        """Write a line."""
        text = self._hide(text)
        self._log.info(text)
        LOG.info("%s: %s", self._name, text)

    def note(self, event: TrainingEvent) -> None:
        """Write down what an event tells, if that is worth a line."""
        match event:
            case TrainingStarted():
                self._next_steps_s = 0.0
                self.say(
                    f"training on {event.device}, {event.network}, {event.num_labeled_slices} "
                    f"annotated slices, {event.num_unlabeled_slices} without annotation"
                )
            case StepReport() if event.elapsed_s >= self._next_steps_s:
                self._next_steps_s = event.elapsed_s + _STEPS_EVERY_S
                self.say(
                    f"step {event.step}: loss {event.losses.get('total', 0.0):.4f}, "
                    f"{event.steps_per_second:.2f} steps per s, {event.memory_mib:.0f} MiB"
                )
            case PhaseChanged() | Notice() | TrainingFinished():
                self.say(f"step {event.step}: {event.sentence}")
            case CheckpointSaved():
                self.say(f"step {event.step}: checkpoint written")
            case _:
                pass

    def note_error(self, error: BaseException) -> None:
        """Write down where an error arose."""
        self.say(error_line(error))

    def close(self) -> None:
        """Let go of the file."""
        if self._handler is not None:
            with suppress(OSError):
                self._handler.close()


@contextmanager
def run_log(folder: Path, case_ids: Sequence[str] = ()) -> Iterator[RunLog]:
    """Log of a run while the block runs; an error that ends it is noted."""
    log = RunLog(folder, case_ids)
    try:
        yield log
    except GeneratorExit:
        log.say("ended from outside")
        raise
    except BaseException as error:
        log.note_error(error)
        raise
    finally:
        log.close()


def note_error(error: BaseException) -> None:
    """Write down in the application's log where an error arose."""
    LOG.error(Scrubber()(error_line(error)))


def error_line(error: BaseException) -> str:
    """Kind of an error, what a library says, and the places in our code, innermost last."""
    places = []
    for frame in traceback.extract_tb(error.__traceback__):
        path = Path(frame.filename)
        if path.is_relative_to(_PACKAGE):
            module = ".".join(path.relative_to(_PACKAGE).with_suffix("").parts)
            places.append(f"{module}:{frame.lineno}:{frame.name}")
    said = f" ({error})" if isinstance(error, RuntimeError) else ""
    return f"{type(error).__name__}{said} at {' > '.join(places[-12:]) or 'an unknown place'}"


class Scrubber:
    """Takes case ids, paths and names of image files out of a text.

    Everything between the first and the last slash of a line goes, blanks included. Ids of one
    or two characters stay: they are nobody's name, but parts of words.
    """

    def __init__(self, case_ids: Sequence[str] = ()) -> None:
        self._number = {name: number for number, name in enumerate(case_ids, 1) if len(name) > 2}
        names = sorted(self._number, key=len, reverse=True)
        pattern = "|".join(map(re.escape, names))
        self._ids = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)") if names else None

    def __call__(self, text: str) -> str:
        """Text on one line, without what may lead to a person."""
        text = " ".join(text.split())
        if self._ids is not None:
            text = self._ids.sub(lambda found: f"#{self._number[found[0]]}", text)
        text = _PATH.sub("<path>", text)
        return _FILE.sub("<file>", text)


_PATH = re.compile(r"\S*[\\/](?:.*[\\/])?\S*")
_FILE = re.compile(r"\S+\.(?:nii|gz|nrrd|nhdr|mha|mhd|dcm|ima|hdr|img|json|h5|pt)\b", re.IGNORECASE)


def _handler(path: Path, size: int, older: int) -> _QuietHandler | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _QuietHandler(
            path, maxBytes=size, backupCount=older, encoding="utf-8", errors="replace"
        )
    except OSError:
        return None
    handler.setFormatter(logging.Formatter(_FORMAT))
    return handler

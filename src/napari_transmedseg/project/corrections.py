"""How far predictions agreed with what people made of them: `corrections.jsonl` of a project.

An honest figure without a held-out set: whenever a person makes a slice known as a whole, what was
predicted is compared with what the person left. The time that it took is noted for every slice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.rows import Rows, read_lines
from napari_transmedseg.project.schema import check_case_id

CORRECTIONS_FILE = "corrections.jsonl"
LAST = 10
"""Reviews that the figure in words is taken over."""
Reason = Literal["accepted", "done", "corrected", "withdrawn", "begun"]


class Correction(BaseModel):
    """One slice that a person made known as a whole, and what had been predicted of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    case_id: str
    slice_index: Annotated[int, Field(ge=0)]
    """Along the project's slice axis."""
    run_id: str
    """Run that predicted; empty where nothing was predicted."""
    reason: Reason
    """`corrected`: changed after it was accepted or done; `withdrawn`: opened again; `begun`: still
    open when the person went to another case, only the time counts."""
    when: str
    """ISO 8601 with time zone."""
    who: str = ""
    dice: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
    """By class name; classes that both lack are left out, all of them without a prediction."""
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """Time that the person was active on this slice since the last entry about it."""

    @field_validator("case_id")
    @classmethod
    def _safe(cls, case_id: str) -> str:
        check_case_id(case_id)
        return case_id

    @field_validator("when")
    @classmethod
    def _is_time(cls, when: str) -> str:
        datetime.fromisoformat(when)
        return when


@dataclass(frozen=True, slots=True)
class CorrectionLog:
    """All that was logged, oldest first."""

    entries: tuple[Correction, ...] = ()
    num_damaged: int = 0
    """Lines that could not be read."""

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Correction]:
        return iter(self.entries)

    @property
    def notice(self) -> str:
        """Sentence about damaged lines; empty where there are none."""
        if not self.num_damaged:
            return ""
        lines = "1 line" if self.num_damaged == 1 else f"{self.num_damaged} lines"
        return f"{lines} of {CORRECTIONS_FILE} could not be read and do not count."

    def with_lines(self, lines: Sequence[bytes]) -> CorrectionLog:
        """Log that holds what further lines of its file say too."""
        written = [line for line in lines if line.strip()]
        read = [entry for entry in map(_entry_of, written) if entry is not None]
        num_damaged = self.num_damaged + len(written) - len(read)
        return CorrectionLog((*self.entries, *read), num_damaged)

    def reviews(self) -> list[Correction]:
        """The last word on each slice and run, in the order in which it was said."""
        latest: dict[tuple[str, int, str], Correction] = {}
        open_seconds: dict[tuple[str, int], float] = {}
        for entry in self.entries:
            place, seconds = (entry.case_id, entry.slice_index), entry.seconds
            if entry.reason != "begun":
                before = latest.pop((*place, entry.run_id), None)
                seconds += 0.0 if before is None else before.seconds
            seconds += open_seconds.pop(place, 0.0)
            if entry.reason in ("begun", "withdrawn"):
                open_seconds[place] = seconds
            else:
                latest[(*place, entry.run_id)] = entry.model_copy(update={"seconds": seconds})
        return list(latest.values())

    def compared(self) -> list[Correction]:
        """Reviews in which there was something to compare."""
        return [entry for entry in self.reviews() if entry.dice]

    def curves(self) -> dict[str, tuple[list[int], list[float]]]:
        """Dice by class name over the compared reviews, which count from 1."""
        curves: dict[str, tuple[list[int], list[float]]] = {}
        for number, entry in enumerate(self.compared(), start=1):
            for name, value in entry.dice.items():
                numbers, values = curves.setdefault(name, ([], []))
                numbers.append(number)
                values.append(value)
        return curves

    def mean_dice(self, last: int = LAST) -> float | None:
        """Mean over the last compared reviews, each the mean over its classes."""
        shown = [entry.dice for entry in self.compared()[-last:]]
        if not shown:
            return None
        return float(np.mean([np.mean(list(dice.values())) for dice in shown]))

    def median_seconds(self) -> float | None:
        """Time that a person was active on a slice until it was known as a whole."""
        spent = [entry.seconds for entry in self.reviews() if entry.seconds > 0]
        return float(np.median(spent)) if spent else None

    def in_words(self) -> str:
        """How good the predictions were that people reviewed, and how long a slice took."""
        mean = self.mean_dice()
        if mean is None:
            return "No prediction was reviewed yet: accept some slices, corrected where needed."
        count = min(LAST, len(self.compared()))
        which = "The last prediction" if count == 1 else f"The last {count} predictions"
        words = f"{which} you reviewed matched your labels to Dice {mean:.2f} (1 is perfect)."
        seconds = self.median_seconds()
        return words if seconds is None else f"{words} A slice took you {seconds:.0f} s (median)."


def slice_dice(
    predicted_YX: npt.NDArray[np.uint8], labels_YX: npt.NDArray[np.uint8], names: Mapping[int, str]
) -> dict[str, float]:
    """Dice by class name; a class that both lack is left out."""
    found: dict[str, float] = {}
    for value, name in names.items():
        predicted, labeled = predicted_YX == value, labels_YX == value
        size = np.count_nonzero(predicted) + np.count_nonzero(labeled)
        if size:
            found[name] = float(2 * np.count_nonzero(predicted & labeled) / size)
    return found


class CorrectionFile:
    """The log of a project on disk; what was read once is not read again."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known = CorrectionLog()
        self._num_bytes = 0  # that are known; they end with a line

    def add(self, entry: Correction) -> None:
        """Add a line; one that a crash cut short stays by itself.

        Raises
        ------
        ProjectError
            If the file cannot be written.
        """
        try:
            with Rows(self._path) as rows:
                rows.add(entry.model_dump_json())
                rows.sync()
        except ProjectError as error:
            raise ProjectError(f"{error} Your labels are not affected.") from error

    def read(self) -> CorrectionLog:
        """All lines; damaged ones are left out and counted.

        Raises
        ------
        ProjectError
            If the file is there and cannot be read.
        """
        try:
            with self._path.open("rb") as file:
                return self._read(file)
        except FileNotFoundError:
            self._known, self._num_bytes = CorrectionLog(), 0
            return self._known
        except OSError as error:
            raise ProjectError(
                f"Expected to read {self._path}, found that it is not possible "
                f"({(error.strerror or 'no access').lower()}); ask for access to it."
            ) from error

    def _read(self, file: BinaryIO) -> CorrectionLog:
        if os.fstat(file.fileno()).st_size < self._num_bytes:  # another file took its place
            self._known, self._num_bytes = CorrectionLog(), 0
        file.seek(self._num_bytes)
        lines = list(read_lines(file))
        begun = [lines.pop()] if lines and not lines[-1].endswith(b"\n") else []
        self._num_bytes = file.tell() - sum(map(len, begun))
        self._known = self._known.with_lines(lines)
        return self._known.with_lines(begun)


def _entry_of(line: bytes) -> Correction | None:
    with suppress(ValidationError, ProjectError):
        return Correction.model_validate_json(line)
    return None

"""What one run needs to know, as a JSON file: the whole row, setup and place of the data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from napari_transmedseg.errors import ExperimentError
from napari_transmedseg.experiments.experiment import Row, Setup
from napari_transmedseg.imaging.atomic import write_bytes

REQUEST_FILE = "request.json"
RESULT_FILE = "result.json"
LOG_FILE = "log.txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRequest:
    """One row with one seed."""

    experiment: str
    row: Row
    setup: Setup
    seed: int
    data: Path
    core: int | None = None
    """The only CPU core that the run may use; None: all."""


_ADAPTER = TypeAdapter(RunRequest)


def write_request(path: Path, request: RunRequest) -> None:
    """Write a request so that `read_request` gives it back."""
    write_bytes(path, _ADAPTER.dump_json(request, indent=1) + b"\n")


def read_request(path: Path) -> RunRequest:
    """Read a request.

    Raises
    ------
    ExperimentError
        If the file is missing or is none.
    """
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise ExperimentError(
            f"Expected a run's request at {path}, found that it cannot be read ({error}); start "
            "it by `transmedseg benchmark`."
        ) from error


def as_dict(request: RunRequest) -> dict[str, Any]:
    """The request as JSON values."""
    plain: dict[str, Any] = _ADAPTER.dump_python(request, mode="json")
    return plain

"""The folder of one training run: settings, what happened, and the checkpoint."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.events import SlicePrediction, TrainingEvent
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.project.json_file import read_json
from napari_transmedseg.project.logs import run_log
from napari_transmedseg.project.recorded import event_of
from napari_transmedseg.project.rows import Rows, read_rows
from napari_transmedseg.project.when import now

CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.jsonl"
OUTDATED = "outdated"
_MAX_CONFIG_BYTES = 2**20
_KINDS: dict[str, Any] = {
    "config": dict,
    "classes": list,
    "slice_axis": int,
    "hardware": dict,
    "versions": dict,
    "warm_start": (str, type(None)),
}
_LIBRARIES = ("napari-transmedseg", "torch", "monai", "numpy", "nibabel", "SimpleITK", "scipy")


class Run:
    """One training run of a project, on disk.

    Attributes
    ----------
    run_id
        Name of the folder, `run-001` and so on.
    folder
        Holds `config.json`, `metrics.jsonl` and `checkpoints/`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run_id = folder.name

    @classmethod
    def create(cls, folder: Path, config: TrainingConfig, facts: Mapping[str, Any]) -> Run:
        """Make the folder and write down the settings.

        Parameters
        ----------
        folder
            Must not exist.
        config
            Settings of the run.
        facts
            What else belongs to it: classes, slice axis, the run that it started from.
        """
        try:
            (folder / "checkpoints").mkdir(parents=True)
        except OSError as error:
            raise ProjectError(
                f"Expected to make the run folder {folder}, found that it is not possible "
                f"({(error.strerror or 'no access').lower()}); free some space or open a project "
                "that you may write to."
            ) from error
        run = cls(folder)
        run.write_details(
            {
                "run_id": run.run_id,
                "created": now(),
                "seed": config.seed,
                "config": dataclasses.asdict(config),
                "versions": versions(),
                "hardware": hardware(),
                **facts,
            }
        )
        return run

    @property
    def config(self) -> TrainingConfig:
        """Settings that the run was started with.

        Raises
        ------
        ProjectError
            If they are missing or damaged.
        """
        stored: Any = self.details().get("config")
        try:
            given = dataclasses.asdict(TrainingConfig(**stored))
            return TypeAdapter(TrainingConfig).validate_python(given)
        except (TypeError, ValidationError) as error:
            raise ProjectError(
                f"Expected the settings of this program's training in {self._config_path}, found "
                f"others ({error}); start a new run."
            ) from error

    def details(self) -> dict[str, Any]:
        """All of `config.json`: settings, seed, classes, versions, hardware."""
        try:
            content = read_json(self._config_path, max_bytes=_MAX_CONFIG_BYTES)
        except (OSError, ValueError) as error:
            raise ProjectError(
                f"Expected the settings of {self.run_id} in {self._config_path}, found none that "
                "can be read; start a new run."
            ) from error
        if not isinstance(content, dict):
            raise ProjectError(
                f"Expected the settings of {self.run_id} in {self._config_path}, found something "
                "else; start a new run."
            )
        for name, kind in _KINDS.items():
            if name in content and not isinstance(content[name], kind):
                raise ProjectError(
                    f"Expected '{name}' as this program writes it in {self._config_path}, found "
                    "something else; start a new run."
                )
        return content

    def write_details(self, content: Mapping[str, Any]) -> None:
        """Replace `config.json`."""
        text = json.dumps(_plain(content), indent=2)
        write_bytes(self._config_path, text.encode() + b"\n")

    @property
    def outdated(self) -> str:
        """Why its predictions mean other classes than the project's; empty where they do not."""
        with contextlib.suppress(ProjectError):
            return str(self.details().get(OUTDATED, ""))
        return ""

    @property
    def checkpoint(self) -> Path | None:
        """Last good checkpoint; None before the first."""
        path = self.folder / "checkpoints" / "last.pt"
        return path if path.is_file() else None

    @property
    def is_discarded(self) -> bool:
        """Whether a person wants nothing more of it; its files stay until they are deleted."""
        try:
            return bool(self.details().get("discarded", False))
        except ProjectError:  # unreadable: whoever uses it is told
            return False

    @property
    def is_in_use(self) -> bool:
        """Whether its predictions count: it is not discarded, and means the project's classes."""
        return not self.is_discarded and not self.outdated

    def set_discarded(self, is_discarded: bool) -> None:
        """Discard the run, or take it back."""
        self.write_details({**self.details(), "discarded": is_discarded})

    def require_checkpoint(self) -> Path:
        """Last good checkpoint.

        Raises
        ------
        ProjectError
            If there is none.
        """
        if self.checkpoint is None:
            raise ProjectError(
                f"Expected a trained model in {self.run_id}, found no checkpoint; train again, or "
                "choose a run that got further."
            )
        return self.checkpoint

    def metrics(self) -> list[dict[str, Any]]:
        """Read the recorded events in order; lines that are none, or cut short, are left out.

        Raises
        ------
        ProjectError
            If the file cannot be read.
        """
        path = self.folder / METRICS_FILE
        try:
            rows = read_rows(path) if path.exists() else ()
            return [row for row in rows if event_of(row) is not None]
        except OSError as error:
            raise ProjectError(
                f"Expected to read {path}, found that it is not possible "
                f"({(error.strerror or 'no access').lower()}); ask for access to the folder."
            ) from error

    def record(
        self, events: Iterable[TrainingEvent], case_ids: Sequence[str] = ()
    ) -> Iterator[TrainingEvent]:
        """Write each event to `metrics.jsonl`, some to the log, and pass it on.

        Predicted slices are passed on but not written. Rows that a full disk refuses are written
        with the next ones: a training does not end for its curves. Closing this iterator closes
        `events`.

        Parameters
        ----------
        events
            Of a training.
        case_ids
            Of the project; the log shows them as numbers.
        """
        with Rows(self.folder / METRICS_FILE) as rows, run_log(self.folder, case_ids) as log:
            try:
                for event in events:
                    if not isinstance(event, SlicePrediction):
                        rows.add(
                            {"time": now(milliseconds=True), **event_as_dict(event, self.folder)}
                        )
                        log.note(event)
                    yield event
            finally:
                close = getattr(events, "close", None)
                if close is not None:
                    close()

    @property
    def _config_path(self) -> Path:
        return self.folder / CONFIG_FILE


def event_as_dict(event: TrainingEvent, base: Path | None = None) -> dict[str, Any]:
    """Fields of an event for JSON, the kind under `event`.

    Arrays are left out, NaN and infinity become null, paths below `base` relative.
    """
    fields = {
        field.name: getattr(event, field.name)
        for field in dataclasses.fields(event)
        if not isinstance(getattr(event, field.name), np.ndarray)
    }
    plain: dict[str, Any] = _plain({"event": type(event).__name__, **fields}, base)
    return plain


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide results; nothing is imported."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, str | int]:
    """Machine that the run was started on."""
    return {
        "system": platform.platform(terse=True),
        "machine": platform.machine(),
        "processor": platform.processor(),
        "cpu_count": os.cpu_count() or 1,
    }


def _plain(value: Any, base: Path | None = None) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item, base) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, base) for item in value]
    if isinstance(value, Path):
        inside = base is not None and value.is_relative_to(base)
        return (value.relative_to(base) if inside and base is not None else value).as_posix()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

"""What helps whoever is asked for help: versions, the machine, and the ends of the logs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata

from napari_transmedseg.project.logs import RUN_LOG, application_log, last_lines, log_folder
from napari_transmedseg.project.run import hardware, versions
from napari_transmedseg.project.runs import TrainedCohort

_GUI_LIBRARIES = ("napari", "npe2", "PyQt6", "PySide6", "qtpy", "superqt", "pyqtgraph", "vispy")
_APPLICATION_LINES = 60
_RUN_LINES = 40


def diagnostics_text(project: TrainedCohort | None = None) -> str:
    """Text to copy into a report; holds no path, no name of a case, user or computer.

    Accelerators are named only where torch is loaded: this loads nothing.

    Parameters
    ----------
    project
        The open one: the end of its latest run's log is added.
    """
    parts = [
        ("Versions", _rows(_versions())),
        ("Machine", _rows(_machine())),
        ("Application log", last_lines(application_log(), _APPLICATION_LINES)),
    ]
    if project is not None and project.runs:
        run = project.runs[-1]
        parts.append((f"Log of {run.run_id}", last_lines(run.folder / RUN_LOG, _RUN_LINES)))
    return "\n".join(
        line for title, lines in parts for line in (f"## {title}", *(lines or ["(empty)"]), "")
    )


def _rows(values: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in values.items()]


def _versions() -> dict[str, str]:
    found = versions()
    for name in _GUI_LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _machine() -> dict[str, str]:
    found = {name: str(value) for name, value in hardware().items()}
    found["memory"] = _memory()
    found["accelerators"] = ", ".join(_accelerators()) or "none, or not asked for yet"
    folder = next(part for part in (log_folder(), *log_folder().parents) if part.exists())
    found["free disk (user folder)"] = f"{shutil.disk_usage(folder).free / 2**30:.1f} GiB"
    return found


def _memory() -> str:
    try:
        pages = os.sysconf("SC_PHYS_PAGES")
        return f"{pages * os.sysconf('SC_PAGE_SIZE') / 2**30:.1f} GiB"
    except (AttributeError, OSError, ValueError):  # Windows
        return "unknown"


def _accelerators() -> Iterator[str]:
    torch = sys.modules.get("torch")
    if torch is None:
        return
    for index in range(torch.cuda.device_count()):
        total = torch.cuda.get_device_properties(index).total_memory
        used = torch.cuda.memory_allocated(index)
        name = torch.cuda.get_device_name(index)
        yield f"{name} ({total / 2**30:.1f} GiB, {used / 2**20:.0f} MiB in use)"
    if torch.backends.mps.is_available():
        yield "MPS"

"""Time and memory of the widget with many cases: opening a project, switching, filtering.

Projects of small cases are opened in napari's own window, each in a process of its own. Needs a
display; without one: xvfb-run -a -s "-screen 0 1400x900x24 +extension GLX" python …

    python benchmarks/many_cases.py [--cases 10 100] [--shape X Y Z]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np

SHAPE = (128, 128, 24)
NUM_SWITCHES = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, nargs="+", default=(10, 100))
    parser.add_argument("--shape", type=int, nargs=3, default=SHAPE)
    parser.add_argument("--step", type=Path)
    chosen = parser.parse_args()
    if chosen.step:
        print(json.dumps(measure(chosen.step)))
        return
    print("| cases | opening, s | project file, ms | switching, ms | filter, ms | memory, MB |")
    print("|---|---|---|---|---|---|")
    for count in chosen.cases:
        with tempfile.TemporaryDirectory() as name:
            folder = make(Path(name), count, tuple(chosen.shape))
            found = run_alone(folder, Path(name))
        cells = (found["open_s"], found["file_ms"], found["switch_ms"], found["filter_ms"],
                 found["memory_mb"])  # fmt: skip
        print(f"| {count} | " + " | ".join(f"{cell:.3g}" for cell in cells) + " |", flush=True)


def make(folder: Path, count: int, shape: tuple[int, int, int]) -> Path:
    """A project of noisy images; every tenth case has an annotated slice."""
    from napari_transmedseg.project.ledger import SliceState
    from napari_transmedseg.project.project import Project

    images = folder / "images"
    images.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        array = rng.integers(0, 1000, shape).astype(np.int16)
        nib.save(nib.Nifti1Image(array, np.diag([1.5, 1.5, 5.0, 1.0])), images / f"{number}.nii.gz")
    with Project.create(folder / "project", images=[images], classes=["a", "b", "c"]) as project:
        for case in project.cases[::10]:
            project.set_slice_state(case.case_id, 0, SliceState.EMPTY)
    return folder / "project"


def run_alone(project: Path, folder: Path) -> dict[str, float]:
    environment = os.environ | {"XDG_CONFIG_HOME": str(folder / "config")}
    command = [sys.executable, __file__, "--step", str(project)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(folder: Path) -> dict[str, float]:
    """Open a project in a window and go through some of its cases."""
    import napari
    from qtpy.QtWidgets import QApplication

    from napari_transmedseg.project.project import Project

    viewer = napari.Viewer(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-transmedseg", "TransMedSeg")
    QApplication.processEvents()
    before = resident_mb()
    start = time.perf_counter()
    with Project.open(folder) as project:
        num_cases = len(project.cases)
    in_file = time.perf_counter() - start
    start = time.perf_counter()
    widget.projects.open(folder)
    QApplication.processEvents()
    opened = time.perf_counter() - start
    start = time.perf_counter()
    widget.loop.case_box.filter.setText("9 not")
    filtered = time.perf_counter() - start
    widget.loop.case_box.filter.clear()
    switches = [switched(widget, row) for row in range(1, min(NUM_SWITCHES + 1, num_cases))]
    found = {
        "open_s": opened,
        "file_ms": 1000 * in_file,
        "switch_ms": 1000 * float(np.median(switches)),
        "filter_ms": 1000 * filtered,
        "memory_mb": resident_mb() - before,
    }
    widget.shut_down()
    viewer.close()
    return found


def switched(widget: object, row: int) -> float:
    """Seconds from asking for the next case to its picture, half a second of looking before."""
    from qtpy.QtTest import QTest
    from qtpy.QtWidgets import QApplication

    QTest.qWait(500)
    table = widget.loop.cases
    start = time.perf_counter()
    table.valueChanged.emit(table.visible_ids()[row])
    QApplication.processEvents()
    return time.perf_counter() - start


def resident_mb() -> float:
    """Memory of this process that is in RAM."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()

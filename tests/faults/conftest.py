"""Every fault starts from a small project that is annotated, predicted and has snapshots."""

import json
import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from cohorts import add_made_up_run, disc_classes, make_project
from outcomes import CASE, DONE, REPORTS, TALLY

from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project import snapshots
from napari_transmedseg.project.ledger import SliceState


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if TALLY.tried:
        terminalreporter.section("faults")
        terminalreporter.write("\n".join([*TALLY.lines(), ""]))
    for title, lines in REPORTS.items():
        terminalreporter.section(title)
        terminalreporter.write("\n".join([*lines, ""]))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the project, its images and labels."""
    root = tmp_path_factory.mktemp("template")
    project, _ = make_project(root, 2)
    with project, pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshots, "INTERVAL_S", 0.0)
        geometry = project.geometry(CASE)
        for number in range(1, len(DONE) + 1):
            labels = LabelMap(array=disc_classes(), geometry=geometry)
            project.import_labels(CASE, labels, DONE[:number], who="anna", overwrite=True)
        project.set_slice_state(CASE, 0, SliceState.EMPTY, who="anna")
        run = add_made_up_run(project)
        scores = {"uncertainty": 0.5, "slice_uncertainty": [0.5] * project.num_slices(CASE)}
        path = project.prediction_path(run.run_id, CASE).with_name(f"{CASE}.json")
        path.write_text(json.dumps(scores))
        shape = geometry.display_shape
        project.save_uncertainty(run.run_id, CASE, np.full(shape, 0.5, np.float32))
    return root


@pytest.fixture
def copy(template: Path, tmp_path: Path) -> Callable[[], Path]:
    """Make a fresh copy of the template; gives the project's folder."""
    number = count()

    def make() -> Path:
        root = tmp_path / f"copy-{next(number)}"
        shutil.copytree(template, root)
        return root / "project"

    return make

"""Hours of use in one window: every label is kept, and nothing piles up.

`TRANSMEDSEG_FAULTS=full pytest -m slow tests/faults/test_soak.py` works for thirty minutes;
`TRANSMEDSEG_SOAK_CSV` names a file for what each cycle leaves behind.
"""

import os
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("napari")

from cohorts import make_project
from footprint import CSV_VARIABLE, Footprint, growth, measure, note, table
from outcomes import REPORTS, times
from soaking import Person, what_is_on_disk
from widgets.conftest import driver, own_settings, preferences  # noqa: F401

from napari_transmedseg.imaging.io import read_labels
from napari_transmedseg.project.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.gui, pytest.mark.timeout(7200)]

LENGTH_S = times(90, 1800)
WARM_UP = 2
"""Cycles in which modules are loaded and caches fill."""
FEWEST = WARM_UP + times(3, 20)
"""Cycles on a machine that is too busy for more in that time."""
DONE = (1, 3, 5)
"""Slices that are annotated in each case at the beginning."""


@pytest.fixture
def person(driver, preferences, tmp_path):  # noqa: F811
    """Somebody with a project of three cases and another one of two."""
    preferences.threads, preferences.device = 1, "cpu"
    folders = []
    for name, num_cases in (("work", 3), ("other", 2)):
        project, labels = make_project(tmp_path / name, num_cases)
        with project:
            annotate(project, labels)
        folders.append(project.folder)
    return Person(driver, *folders, tmp_path / "masks")


def annotate(project: Project, labels: Path) -> None:
    """Let some slices of each case be done already."""
    for case in project.cases:
        known = read_labels(labels / f"{case.case_id}.nii.gz")
        project.import_labels(case.case_id, known, list(DONE), who="anna")


def test_hours_of_use_keep_every_label_and_pile_nothing_up(person):
    found: list[Footprint] = []
    begin = time.monotonic()
    person.begin()
    while len(found) < FEWEST or time.monotonic() - begin < LENGTH_S:
        since = time.monotonic()
        person.work_for_a_cycle(len(found))
        found.append(measure(person.driver.viewer, since))
        if path := os.environ.get(CSV_VARIABLE):
            note(Path(path), len(found), found[-1])
        on_disk = what_is_on_disk(person.work)
        assert on_disk.keys() == person.remembered.keys()
        for case, (classes, states) in person.remembered.items():
            np.testing.assert_array_equal(on_disk[case][0], classes)
            assert on_disk[case][1] == states
    warm = found[WARM_UP:]
    REPORTS["soak"] = table(warm)
    assert growth(warm) == {}

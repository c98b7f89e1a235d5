"""What the soak measures: it sees what stays, and is not misled by a single outlier."""

import os
import time
from dataclasses import replace

import pytest

pytest.importorskip("napari")

from footprint import Footprint, growth, measure, table
from napari.components import ViewerModel
from qtpy.QtWidgets import QWidget

pytestmark = pytest.mark.gui

STILL = Footprint(
    memory_mib=700.0, open_files=17, threads=1, system_threads=8, widgets=1313, qt_objects=3611,
    layers=4, vispy_nodes=44, python_objects=600_000, duration_s=20.0,
)  # fmt: skip


def test_a_widget_that_stays_at_every_second_cycle_is_growth():
    cycles = [replace(STILL, widgets=1313 + number // 2) for number in range(8)]
    assert growth(cycles).keys() == {"widgets"}
    assert "| widgets | 1,313 | 1,315 | 1,316 | +0.5 |" in table(cycles)


def test_a_single_large_cycle_is_no_growth():
    cycles = [replace(STILL, memory_mib=700.0 + 300 * (number == 3)) for number in range(8)]
    assert growth(cycles) == {}


def test_what_is_left_open_is_counted(qtbot, tmp_path):
    viewer = ViewerModel()
    before = measure(viewer, time.monotonic())
    widget = QWidget()
    qtbot.addWidget(widget)
    descriptor = os.open(tmp_path, os.O_RDONLY)
    after = measure(viewer, time.monotonic())
    os.close(descriptor)
    assert after.widgets == before.widgets + 1
    assert after.open_files == before.open_files + 1

"""Memory that is told is memory that is held, on every platform."""

import builtins
import sys

import numpy as np
import pytest

from napari_transmedseg.engine import memory
from napari_transmedseg.engine.memory import peak_memory_mib, used_memory_mib

HELD_MIB = 256


@pytest.fixture
def no_proc(monkeypatch):
    """As on macOS and Windows, where the kernel shows no files of the process."""

    def open_but_proc(path, *args, **kwargs):
        if str(path).startswith("/proc/"):
            raise FileNotFoundError(path)
        return original(path, *args, **kwargs)

    original = builtins.open
    monkeypatch.setattr(builtins, "open", open_but_proc)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere only the peak is known")
def test_used_memory_rises_by_what_is_held_and_falls_again():
    before = used_memory_mib("cpu")
    held = np.ones(HELD_MIB * 2**20, dtype=np.uint8)
    assert used_memory_mib("cpu") - before == pytest.approx(HELD_MIB, abs=64)
    del held
    assert used_memory_mib("cpu") - before < HELD_MIB / 2


def test_the_peak_is_at_least_what_is_used_and_does_not_fall():
    held = np.ones(HELD_MIB * 2**20, dtype=np.uint8)
    peak = peak_memory_mib("cpu")
    assert peak >= HELD_MIB and peak >= used_memory_mib("cpu") - 64
    del held
    assert peak_memory_mib("cpu") >= peak - 64  # the kernel counts in bundles


@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_without_proc_both_are_the_systems_peak(no_proc, monkeypatch):
    assert used_memory_mib("cpu") == pytest.approx(peak_memory_mib("cpu"), rel=0.05)
    before = peak_memory_mib("cpu")
    monkeypatch.setattr(memory.sys, "platform", "darwin")  # which counts in bytes, not in KiB
    assert peak_memory_mib("cpu") == pytest.approx(before / 1024, rel=0.05)


def test_where_nobody_tells_it_memory_is_unknown_and_no_error(no_proc, monkeypatch):
    monkeypatch.setitem(sys.modules, "resource", None)
    assert (used_memory_mib("cpu"), peak_memory_mib("cpu")) == (0.0, 0.0)

"""Files appear whole and together, or not at all."""

import os
import stat
from pathlib import Path

import pytest

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.atomic import left_stages, staged, write_bytes


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_staged_files_move_together_and_replace_older_ones(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with staged(tmp_path) as stage:
        (stage / "a.txt").write_text("new")
        (stage / "b.txt").write_text("new")
        assert (tmp_path / "a.txt").read_text() == "old"
        assert left_stages(tmp_path) == [stage]
    assert _names(tmp_path) == ["a.txt", "b.txt"]
    assert (tmp_path / "a.txt").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_what_goes_wrong_while_staging_leaves_the_folder_as_it_was(error, tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(error), staged(tmp_path) as stage:
        (stage / "a.txt").write_text("new")
        raise error
    assert _names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_move_that_breaks_off_is_said_and_its_stage_can_be_found(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ProjectError, match="no space left.*free some space"), staged(tmp_path) as s:
        (s / "a.txt").write_text("new")
    (left,) = left_stages(tmp_path)
    assert _names(left) == ["a.txt"]


def test_a_folder_that_is_gone_is_named(tmp_path):
    with pytest.raises(ProjectError, match="gone.*no such file"), staged(tmp_path / "gone"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps other permissions")
def test_a_replaced_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    path.chmod(0o640)
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640

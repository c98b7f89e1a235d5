"""Recent projects are listed, newest first, and say why one cannot be opened."""

import shutil
from pathlib import Path

import pytest

from napari_transmedseg.project.recent import MOST, RecentProjects


@pytest.fixture
def recent(tmp_path: Path) -> RecentProjects:
    return RecentProjects(tmp_path / "config" / "recent.json")


def make(folder: Path) -> Path:
    folder.mkdir()
    (folder / "project.json").write_text("{}")
    return folder


def test_the_newest_comes_first_and_each_once(recent: RecentProjects, tmp_path: Path) -> None:
    folders = [make(tmp_path / f"p{n}") for n in range(MOST + 2)]
    for folder in [*folders, folders[3]]:
        recent.add(folder)
    listed = [one.folder.name for one in recent.projects()]
    assert listed == ["p3", "p9", "p8", "p7", "p6", "p5", "p4", "p2"]


def test_those_that_are_gone_say_so(recent: RecentProjects, tmp_path: Path) -> None:
    here, gone, emptied = (make(tmp_path / name) for name in ("here", "gone", "emptied"))
    for folder in (here, gone, emptied):
        recent.add(folder)
    shutil.rmtree(gone)
    (emptied / "project.json").unlink()
    problems = {one.folder.name: one.problem for one in recent.projects()}
    assert problems["here"] == ""
    assert "not there" in problems["gone"]
    assert "no project any more" in problems["emptied"]


@pytest.mark.parametrize("content", ["", "{", '{"a": 1}', '[1, null, ""]'])
def test_a_damaged_list_is_empty(recent: RecentProjects, content: str) -> None:
    recent.path.parent.mkdir()
    recent.path.write_text(content)
    assert recent.projects() == []


def test_a_list_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    RecentProjects(tmp_path / "file" / "recent.json").add(tmp_path)

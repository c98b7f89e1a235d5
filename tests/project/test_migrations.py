"""Projects of every older version open, are brought up to date, and keep their old description."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_transmedseg.project.migrations import STEPS, migrated
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.schema import SCHEMA_VERSION

EXAMPLES = {
    json.loads(path.read_text())["schema_version"]: path
    for path in (Path(__file__).parent / "schemas").glob("v*.json")
}


@pytest.fixture
def old_project(tmp_path: Path, make_image: Callable[..., Path]) -> Callable[[int], Path]:
    def make(version: int) -> Path:
        make_image(tmp_path / "study" / "images" / "a.nii.gz")
        folder = tmp_path / "study"
        (folder / "project.json").write_bytes(EXAMPLES[version].read_bytes())
        return folder

    return make


def test_there_is_an_example_of_every_version():
    assert set(EXAMPLES) >= set(range(1, SCHEMA_VERSION))
    assert set(STEPS) <= set(range(1, SCHEMA_VERSION))


@pytest.mark.parametrize("version", sorted(EXAMPLES))
@pytest.mark.parametrize("read_only", [False, True])
def test_every_version_opens(old_project, version, read_only):
    folder = old_project(version)
    with Project.open(folder, read_only=read_only) as project:
        assert [item.name for item in project.classes] == ["RV", "LV"]
        assert project.case("a").domain == "site 1"
        assert project.config.seed == 3
        assert project.volume("a").array.shape == (6, 9, 8)


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_opening_for_writing_brings_up_to_date_and_keeps_the_old_description(old_project, version):
    folder = old_project(version)
    with Project.open(folder) as project:
        (notice,) = project.notices
    assert f"of version {version} and is of version {SCHEMA_VERSION}" in notice
    content = json.loads((folder / "project.json").read_text())
    assert content["schema_version"] == SCHEMA_VERSION
    assert (folder / f"project.v{version}.json").read_bytes() == EXAMPLES[version].read_bytes()
    with Project.open(folder) as project:
        assert project.notices == ()


def test_reading_changes_nothing_of_an_old_project(old_project):
    folder = old_project(1)
    Project.open(folder, read_only=True).close()
    assert sorted(path.name for path in folder.iterdir()) == ["images", "project.json"]
    assert (folder / "project.json").read_bytes() == EXAMPLES[1].read_bytes()


def test_a_step_is_taken_for_each_version_between(monkeypatch):
    monkeypatch.setitem(STEPS, 1, lambda content: {**content, "path": "1"})
    monkeypatch.setitem(STEPS, 2, lambda content: {**content, "path": content["path"] + "2"})
    assert migrated({"schema_version": 1}, 3) == {"schema_version": 3, "path": "12"}
    assert migrated({"schema_version": 3}, 3) == {"schema_version": 3}
    with pytest.raises(ValueError, match="version 0"):
        migrated({"schema_version": 0}, 3)

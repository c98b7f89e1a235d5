"""Channels of one case are told by names, and asked about before cases are made of them."""

from pathlib import Path

import pytest
from channel_files import save_image
from cohorts import GEOMETRY

from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.project.import_options import NO_CHOICE, ImportOptions
from napari_transmedseg.project.import_questions import questions_about
from napari_transmedseg.project.project import Project


def guess(folder: Path, known: tuple[str, ...] | None = None):
    return questions_about([folder], NO_CHOICE, known).channels


@pytest.mark.parametrize(
    ("files", "names", "cases"),
    [
        pytest.param("a_0000 a_0001 b_0000 b_0001", "0000 0001", "a b", id="nnU-Net"),
        pytest.param("a_flair a_T2 a-t1 b_t1 b_t2 b_FLAIR", "t1 t2 flair", "a b", id="sequences"),
        pytest.param("a/t1 a/t2 b/t1 b/t2", "t1 t2", "a b", id="a folder per case"),
        pytest.param("ct/a pet/a ct/b pet/b", "ct pet", "a b", id="a folder per channel"),
        pytest.param("a_t1 a_t1ce a_t2 b_t1 b_t2", "t1 t2", "a b", id="one lacks a channel"),
        pytest.param("a_0000 b_0000", None, None, id="one channel"),
        pytest.param("a b c_t1", None, None, id="no channels"),
        pytest.param("a_t1 a_t2 b_t1", None, None, id="one case of one channel"),
        pytest.param("a_t1 a-t1 a_t2", None, None, id="two of one"),
    ],
)
def test_names_suggest_channels(tmp_path: Path, files: str, names, cases) -> None:
    for seed, name in enumerate(files.split()):
        save_image(tmp_path / "in" / f"{name}.nii.gz", seed=seed)
    found = guess(tmp_path / "in")
    if names is None:
        assert found is None
        return
    assert found.names == tuple(names.split())
    assert [case.case_id for case in found.cases] == cases.split()
    assert found.off_grid == ()
    first = found.names[-1]  # any of them may be shown
    options = ImportOptions(channels=found.options(first))
    with Project.create(
        tmp_path / "project", images=[tmp_path / "in"], classes=["x"], options=options
    ) as project:
        assert [case.case_id for case in project.cases] == cases.split()
        assert project.channel_names == (first, *found.names[:-1])
        for case in found.cases:
            paths = project.image_paths(case.case_id)
            assert {path.name for path in paths} == set(case.names)


def test_what_is_left_out_and_what_has_other_voxels_is_told(tmp_path: Path) -> None:
    coarse = Geometry.from_spacing(
        (12, 20, 8), (3.0, 1.5, 6.0), orientation="LPS", origin=(-0.75, 0, 0)
    )
    save_image(tmp_path / "a_t1.nii.gz", seed=1)
    save_image(tmp_path / "a_t2.nii.gz", geometry=coarse, seed=2)
    save_image(tmp_path / "b_t1.nii.gz", seed=3)
    save_image(tmp_path / "b_t2.nii.gz", seed=4, geometry=GEOMETRY)
    save_image(tmp_path / "scout.nii.gz", seed=5)
    found = guess(tmp_path)
    assert found.off_grid == ("a",)
    assert found.left_out == ("scout.nii.gz",)
    assert found.sentence() == (
        "By the names of the files, each of 2 cases has 2 images: t1 and t2. "
        "Not among them, and then left out: scout.nii.gz."
    )


@pytest.mark.parametrize(
    ("known", "names"),
    [
        pytest.param((), None, id="single images"),
        pytest.param(("t2", "t1"), ("t2", "t1"), id="its order"),
        pytest.param(("late", "early"), ("late", "early"), id="its own names"),
        pytest.param(("t1", "pet"), None, id="others"),
    ],
)
def test_a_project_asks_for_its_own_channels_only(tmp_path: Path, known, names) -> None:
    for seed, end in enumerate(("t1", "t2", "early", "late")):
        save_image(tmp_path / f"a_{end}.nii.gz", seed=seed)
    found = guess(tmp_path, known)
    assert (None if found is None else found.names) == names


def test_nothing_is_asked_where_channels_are_named(tmp_path: Path) -> None:
    for seed, end in enumerate(("t1", "t2")):
        save_image(tmp_path / f"a_{end}.nii.gz", seed=seed)
    assert questions_about([tmp_path], ImportOptions(channels=("t1", "t2"))).is_empty
    assert guess(tmp_path / "a_t1.nii.gz") is None

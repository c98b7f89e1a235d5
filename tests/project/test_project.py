"""A project keeps a cohort and its annotation, survives moving, and never mixes in predictions."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import nibabel as nib
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project import project as project_module
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.schema import SCHEMA_VERSION

from .conftest import CLASSES, SHAPE, assert_is_one_sentence, paint


def test_a_new_project_knows_its_cohort_and_nothing_is_annotated(project: Project) -> None:
    assert [case.case_id for case in project.cases] == ["a", "b", "c"]
    assert [(item.value, item.name) for item in project.classes] == list(enumerate(CLASSES, 1))
    assert project.slice_axis == 0
    assert project.case("a").shape == (SHAPE[2], SHAPE[1], SHAPE[0])
    assert project.case("a").spacing == (8.0, 1.5, 1.5)
    assert not project.annotation("a").array.any()
    assert not project.annotation("a").known.any()
    assert not (project.folder / "annotations").exists()


def test_project_json_holds_version_classes_cases_and_config(project: Project) -> None:
    project.set_config(TrainingConfig(minutes=4.0, seed=3))
    content = json.loads((project.folder / "project.json").read_text())

    assert content["schema_version"] == SCHEMA_VERSION
    assert [item["name"] for item in content["classes"]] == list(CLASSES)
    assert [item["image"] for item in content["cases"]] == [f"../images/{n}.nii.gz" for n in "abc"]
    assert content["config"] == {"minutes": 4.0, "seed": 3}
    assert project.config == TrainingConfig(minutes=4.0, seed=3)


def test_everything_survives_closing_and_opening(project: Project) -> None:
    project.save_annotation("a", paint(project, "a", 1, 4), who="anna")
    project.set_slice_state("a", 4, SliceState.ANNOTATED, who="anna")
    project.set_domain("b", "scanner 2")
    project.add_class("papillary", "#00FF00")
    before = project.annotation("a")
    project.close()

    with Project.open(project.folder) as again:
        assert_array_equal(again.annotation("a").array, before.array)
        assert_array_equal(again.annotation("a").known, before.known)
        assert again.ledger("a").entries[4].who == "anna"
        assert again.ledger("a").entries[4].when.startswith("20")
        assert again.case("b").domain == "scanner 2"
        assert again.classes[-1].name == "papillary"
        assert again.classes[-1].color == "#00ff00"


@pytest.mark.parametrize("where", ["inside", "beside", "elsewhere"])
def test_a_project_opens_after_it_was_moved(
    where: str, tmp_path: Path, make_image: Callable[..., Path]
) -> None:
    root = tmp_path / "old"
    place = {"inside": root / "study" / "raw", "beside": root / "raw", "elsewhere": tmp_path / "x"}
    image = make_image(place[where] / "a.nii.gz")
    with Project.create(root / "study", images=[image], classes=["LV"]) as project:
        project.save_annotation("a", paint(project, "a", 1))

    shutil.move(root, tmp_path / "new place")

    with Project.open(tmp_path / "new place" / "study") as moved:
        assert moved.volume("a").array.shape == moved.annotation("a").array.shape
        assert moved.annotation("a").known.sum() == 4


def test_painting_puts_a_slice_in_progress_and_only_paint_is_known(project: Project) -> None:
    project.save_annotation("a", paint(project, "a", 2), who="anna")

    annotation = project.annotation("a")

    assert project.ledger("a").states[2] is SliceState.IN_PROGRESS
    assert_array_equal(annotation.known, annotation.array > 0)


def test_a_done_slice_is_known_whole_and_the_rest_stays_unknown(project: Project) -> None:
    project.save_annotation("a", paint(project, "a", 2))
    project.set_slice_state("a", 2, SliceState.ANNOTATED)
    project.set_slice_state("a", 5, SliceState.EMPTY)

    known = project.annotation("a").known

    assert known[2].all()
    assert known[5].all()
    assert not known[[0, 1, 3, 4]].any()


def test_erasing_in_progress_makes_unknown_again(project: Project) -> None:
    project.save_annotation("a", paint(project, "a", 2))
    project.save_annotation("a", paint(project, "a", 2, value=0))

    assert not project.annotation("a").known.any()


def test_painting_on_an_empty_slice_puts_it_in_progress(project: Project) -> None:
    project.set_slice_state("a", 3, SliceState.EMPTY)
    project.save_annotation("a", paint(project, "a", 3))

    assert project.ledger("a").states[3] is SliceState.IN_PROGRESS


def test_known_mask_and_ledger_lie_beside_the_classes(project: Project) -> None:
    project.save_annotation("a", paint(project, "a", 2))
    project.set_slice_state("a", 2, SliceState.ACCEPTED, who="anna")

    folder = project.folder / "annotations"
    image = nib.load(project.image_path("a"))
    for name in ("a.nii.gz", "a.known.nii.gz"):
        mask = nib.load(folder / name)
        assert mask.shape == image.shape
        assert_array_equal(mask.affine, image.affine)
    known = np.asarray(nib.load(folder / "a.known.nii.gz").dataobj)
    assert_array_equal(project.geometry("a").to_display(known) > 0, project.annotation("a").known)
    rows = json.loads((folder / "a.ledger.json").read_text())["slices"]
    assert [(row["index"], row["state"], row["who"]) for row in rows] == [(2, "accepted", "anna")]


@pytest.mark.parametrize("lost", ["a.ledger.json", "a.known.nii.gz"])
def test_a_crash_between_the_files_loses_no_paint(project: Project, lost: str) -> None:
    project.save_annotation("a", paint(project, "a", 2))
    project.close()
    (project.folder / "annotations" / lost).unlink()

    with Project.open(project.folder) as again:
        assert again.annotation("a").array.any()
        assert again.ledger("a").states[2] is SliceState.IN_PROGRESS
        assert again.annotation("a").known.sum() == 4


def test_imported_slices_are_annotated_or_empty(project: Project) -> None:
    labels = LabelMap.empty(project.geometry("b"), known=True)
    labels.array[2:4, 1:5, 1:5] = 2

    project.import_labels("b", labels, [0, 3], who="another tool")

    states = project.ledger("b").states
    assert states[0] is SliceState.EMPTY
    assert states[3] is SliceState.ANNOTATED
    assert project.ledger("b").labeled_indices() == [0, 3]
    assert not project.annotation("b").array[2].any()
    assert project.annotation("b").array[3].sum() == 32


def test_an_import_respects_what_is_known(project: Project) -> None:
    labels = LabelMap.empty(project.geometry("b"))
    labels.array[1, 2:4, 2:4] = 3
    labels.known[1, :5] = True
    labels.known[2] = True

    project.import_labels("b", labels)

    states = project.ledger("b").states
    assert states[:4] == [
        SliceState.UNSEEN, SliceState.IN_PROGRESS, SliceState.EMPTY, SliceState.UNSEEN
    ]  # fmt: skip


def test_images_are_added_once_and_the_projects_own_masks_never(
    project: Project, make_image: Callable[..., Path]
) -> None:
    project.save_annotation("a", paint(project, "a", 1))
    make_image(project.folder / "d.nii.gz")

    added = project.add_images([project.folder, project.folder.parent / "images"])

    assert [case.case_id for case in added] == ["d"]
    assert project.case("d").image == "d.nii.gz"
    assert project.add_images([project.folder]) == []


def test_signals_tell_what_changed(project: Project, make_image: Callable[..., Path]) -> None:
    heard: list[object] = []
    project.cases_changed.connect(lambda: heard.append("cases"))
    project.classes_changed.connect(lambda: heard.append("classes"))
    project.annotation_changed.connect(lambda case: heard.append(("annotation", case)))
    project.ledger_changed.connect(lambda case: heard.append(("ledger", case)))
    project.runs_changed.connect(lambda: heard.append("runs"))

    project.add_images([make_image(project.folder / "d.nii.gz")])
    project.rename_class(1, "right ventricle")
    project.recolor_class(1, "#123456")
    project.save_annotation("d", paint(project, "d", 1))
    project.set_slice_state("d", 1, SliceState.ANNOTATED)
    project.new_run(TrainingConfig())

    assert heard == [
        "cases", "classes", "classes", ("annotation", "d"), ("ledger", "d"), ("ledger", "d"),
        "runs",
    ]  # fmt: skip
    assert project.classes[0].name == "right ventricle"
    assert project.classes[0].color == "#123456"


def test_returned_annotation_is_a_copy(project: Project) -> None:
    project.save_annotation("a", paint(project, "a", 1))
    project.annotation("a").array[:] = 2
    assert project.annotation("a").array.max() == 1


@pytest.mark.parametrize(
    ("plane", "axis"), [("axial", 0), ("coronal", 1), ("sagittal", 2), ("auto", 0)]
)
def test_slices_are_counted_in_the_chosen_plane(
    plane: str, axis: int, tmp_path: Path, images: list[Path]
) -> None:
    with Project.create(tmp_path / "p", images=images, classes=["LV"], plane=plane) as project:
        assert project.slice_axis == axis
        assert project.num_slices("a") == (6, 9, 8)[axis]
        project.save_annotation("a", paint(project, "a", 3))
        project.set_slice_state("a", 3, SliceState.ANNOTATED)
        assert project.annotation("a").known.sum() == 6 * 9 * 8 // project.num_slices("a")


def test_opening_a_hundred_cases_reads_no_image(
    tmp_path: Path, make_image: Callable[..., Path]
) -> None:
    made = [make_image(tmp_path / "images" / f"{n:03}.nii.gz", seed=n) for n in range(100)]
    Project.create(tmp_path / "p", images=made, classes=["LV"]).close()
    shutil.rmtree(tmp_path / "images")

    start = time.perf_counter()
    with patch("nibabel.load", side_effect=AssertionError), Project.open(tmp_path / "p") as project:
        assert [project.num_slices(case.case_id) for case in project.cases] == [6] * 100
    assert time.perf_counter() - start < 5


def test_training_cases_load_on_demand_and_carry_what_is_known(project: Project) -> None:
    project.save_annotation("a", paint(project, "a", 1))
    project.set_slice_state("a", 1, SliceState.ANNOTATED)
    project.set_domain("a", "site 1")

    first, second, _ = project.training_cases()

    assert first.case_id == "a"
    assert first.domain == "site 1"
    assert first.annotation is not None
    assert first.annotation.known is not None
    assert first.annotation.known[1].all()
    assert second.annotation is None
    assert_array_equal(first.load().array, project.volume("a").array)


def test_predictions_never_touch_annotation(project: Project) -> None:
    project.save_annotation("a", paint(project, "a", 1))
    before = {p.name: p.read_bytes() for p in (project.folder / "annotations").iterdir()}
    run = project.new_run(TrainingConfig())
    predicted = LabelMap.empty(project.geometry("a"), known=True)
    predicted.array[:] = 3

    path = project.save_prediction(run.run_id, "a", predicted)

    assert path == project.folder / "predictions" / "run-001" / "a.nii.gz"
    assert {p.name: p.read_bytes() for p in (project.folder / "annotations").iterdir()} == before
    found = project.prediction("a")
    assert found is not None
    assert (found.array == 3).all()
    assert project.prediction("b") is None


def test_the_latest_prediction_of_a_case_is_taken(project: Project) -> None:
    for value in (1, 2):
        run = project.new_run(TrainingConfig())
        predicted = LabelMap.empty(project.geometry("a"), known=True)
        predicted.array[:] = value
        project.save_prediction(run.run_id, "a", predicted)
    project.new_run(TrainingConfig())

    latest, first = project.prediction("a"), project.prediction("a", "run-001")

    assert latest is not None
    assert first is not None
    assert (latest.array.max(), first.array.max()) == (2, 1)
    assert [run.run_id for run in project.runs] == ["run-001", "run-002", "run-003"]
    assert project.run().run_id == "run-003"


def test_labels_rounded_elsewhere_are_kept_on_the_images_own_grid(project: Project) -> None:
    exact = project.geometry("a")
    affine = np.array(exact.affine)
    affine[:3] += 1e-4
    labels = LabelMap.empty(Geometry(shape=exact.shape, affine=affine), known=True)

    project.import_labels("a", labels, [0])

    assert_array_equal(project.annotation("a").geometry.affine, exact.affine)


def test_a_case_is_found_again_after_relinking(
    project: Project, make_image: Callable[..., Path], tmp_path: Path
) -> None:
    project.save_annotation("a", paint(project, "a", 1))
    moved = tmp_path / "archive" / "renamed.nii.gz"
    moved.parent.mkdir()
    project.image_path("a").rename(moved)

    project.relink_image("a", moved)

    assert project.volume("a").name == "a"
    assert project.annotation("a").array.any()


def test_a_project_that_cannot_be_written_leaves_no_lock(tmp_path, images, monkeypatch):
    def full(*_: object) -> None:
        raise ProjectError("Expected to write, found a full disk; free some space.")

    monkeypatch.setattr(project_module, "save_project_file", full)
    with pytest.raises(ProjectError, match="full disk"):
        Project.create(tmp_path / "study", images=images, classes=CLASSES)
    assert list((tmp_path / "study").iterdir()) == []
    monkeypatch.undo()
    Project.create(tmp_path / "study", images=images, classes=CLASSES).close()


def test_settings_of_another_version_are_named(project):
    project.close()
    file = project.folder / "project.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"config": {"unheard_of": 1}}))
    with (
        Project.open(project.folder) as again,
        pytest.raises(ProjectError, match="choose settings anew") as caught,
    ):
        _ = again.config
    assert_is_one_sentence(caught.value)

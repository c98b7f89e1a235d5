"""Status says what a project holds and what would help; info says what a file holds."""

import json

import numpy as np
from cohorts import add_made_up_run, disc_classes, make_project, save_classes

from napari_transmedseg.project.annotate import annotate_from_labels
from napari_transmedseg.project.demo import create_demo_project, free_folder
from napari_transmedseg.project.file_info import file_info
from napari_transmedseg.project.status import project_status


def test_status_of_a_new_project_asks_for_annotation(tmp_path):
    project, _ = make_project(tmp_path)
    status = project_status(project)
    assert status["advice"] == ["Nothing is annotated yet; annotate some slices before training."]
    assert status["runs"] == []
    assert status["cases"][0]["slices"]["unseen"] == 8
    assert status["plane"] == "axial"


def test_status_counts_slices_and_lists_runs(tmp_path):
    project, labels = make_project(tmp_path)
    annotate_from_labels(project, labels, case_ids=["case_1"])
    add_made_up_run(project)
    status = project_status(project)
    slices = status["cases"][0]["slices"]
    assert (slices["annotated"], slices["empty"]) == (6, 2)
    assert status["cases"][3]["prediction"] == "run-001"
    (run,) = status["runs"]
    assert (run["state"], run["steps"], run["method"]) == ("budget", 40, "transmedseg")
    assert 0 < run["dice"] <= 1
    json.dumps(status, allow_nan=False)


def test_status_names_a_missing_image(tmp_path):
    project, _ = make_project(tmp_path)
    project.image_path("case_2").unlink()
    status = project_status(project)
    assert [case["image_found"] for case in status["cases"]] == [True, False, True, True]
    assert "case_2" in status["advice"][0]


def test_info_of_an_image_and_of_a_label_map(tmp_path):
    project, labels = make_project(tmp_path)
    image = file_info(project.image_path("case_1"))
    assert image["size"] == [24, 20, 8]
    assert image["spacing_mm"] == [1.5, 1.5, 6.0]
    assert (image["orientation"], image["slices"]) == ("LPS", "axial")
    assert "classes" not in image
    facts = file_info(labels / "case_1.nii.gz")
    assert facts["classes"] == [0, 1, 2]
    core_ml = np.count_nonzero(disc_classes(1) == 2) * 1.5 * 1.5 * 6 / 1000
    assert facts["volumes_ml"][2] == round(core_ml, 4)
    json.dumps([image, facts], allow_nan=False)


def test_info_says_why_a_file_is_unreadable(tmp_path):
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(b"no image")
    assert "broken.nii.gz" in file_info(broken)["error"]
    empty = save_classes(tmp_path / "empty.nii.gz", disc_classes() * 0)
    assert file_info(empty)["classes"] == [0]


def test_demo_leaves_half_of_each_site_without_annotation(tmp_path):
    with create_demo_project(tmp_path / "demo") as project:
        annotated = {
            case.case_id: len(project.ledger(case.case_id).labeled_indices())
            for case in project.cases
        }
        sites = {case.case_id: case.domain for case in project.cases}
        states = {s.value for c in project.cases for s in project.ledger(c.case_id).states}
        assert all(
            project.image_path(case.case_id).is_relative_to(tmp_path) for case in project.cases
        )
    assert sorted(annotated.values()) == [0, 0, 0, 0, 3, 3, 3, 3]
    for site in ("siteA", "siteB"):
        assert sum(annotated[c] > 0 for c in annotated if sites[c] == site) == 2
    assert {"annotated", "empty", "unseen"} == states


def test_demo_folder_gets_a_free_name(tmp_path):
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo-2").mkdir()
    assert free_folder(str(tmp_path / "demo")) == tmp_path / "demo-3"
    assert free_folder(str(tmp_path / "new")) == tmp_path / "new"

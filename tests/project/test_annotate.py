"""Label maps of other tools become annotation, all or nothing."""

import numpy as np
import pytest
from cohorts import GEOMETRY, disc_classes, make_cohort, make_project, save_classes

from napari_transmedseg.errors import ConfigError, GeometryError, ProjectError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.project.annotate import annotate_from_labels
from napari_transmedseg.project.label_files import find_label_maps
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project


def labeled(project, case_id):
    return project.ledger(case_id).labeled_indices()


def test_some_slices_of_some_cases_are_known_and_nothing_else(tmp_path):
    project, labels = make_project(tmp_path)
    summary = annotate_from_labels(project, labels, num_cases=2, slices_per_case=3, seed=1)
    assert len(summary.cases) == 2
    for case in summary.cases:
        annotation = project.annotation(case.case_id)
        truth = disc_classes(int(case.case_id[-1]) % 3)
        assert labeled(project, case.case_id) == list(case.slices)
        assert np.flatnonzero(annotation.known.any(axis=(1, 2))).tolist() == list(case.slices)
        assert np.array_equal(annotation.array[annotation.known], truth[annotation.known])
    others = {case.case_id for case in project.cases} - {case.case_id for case in summary.cases}
    assert all(not labeled(project, case_id) for case_id in others)


def test_slices_without_the_organ_are_marked_empty(tmp_path):
    project, labels = make_project(tmp_path, 1)
    annotate_from_labels(project, labels)
    states = project.ledger("case_1").states
    assert states[0] is states[7] is SliceState.EMPTY
    assert set(states[1:7]) == {SliceState.ANNOTATED}


def test_same_seed_draws_the_same_and_another_seed_another(tmp_path):
    draws = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1), ("d", 2)):
        project, labels = make_project(tmp_path / name, 6)
        draws.append(
            annotate_from_labels(project, labels, num_cases=2, slices_per_case=2, seed=seed)
        )
    chosen = [[(case.case_id, case.slices) for case in draw.cases] for draw in draws]
    assert chosen[0] == chosen[1]
    assert chosen[0] != chosen[2] or chosen[0] != chosen[3]


def test_advice_asks_for_empty_slices(tmp_path):
    project, labels = make_project(tmp_path, 1)
    (labels / "case_1.nii.gz").unlink()
    project.import_labels("case_1", project_labels(project), [3, 4])
    from napari_transmedseg.project.annotate import annotation_advice

    assert any("empty" in sentence for sentence in annotation_advice(project))
    project.import_labels("case_1", project_labels(project), [0])
    assert annotation_advice(project) == ()


def project_labels(project):
    from napari_transmedseg.imaging.volume import LabelMap

    return LabelMap(array=disc_classes(1), geometry=project.geometry("case_1"))


def test_annotation_is_not_overwritten_unless_asked(tmp_path):
    project, labels = make_project(tmp_path, 2)
    annotate_from_labels(project, labels, case_ids=["case_1"])
    other = tmp_path / "other"
    save_classes(other / "case_1.nii.gz", disc_classes(4))
    save_classes(other / "case_2.nii.gz", disc_classes(4))
    with pytest.raises(ProjectError, match="--replace"):
        annotate_from_labels(project, other)
    assert np.array_equal(project.annotation("case_1").array, disc_classes(1))
    assert labeled(project, "case_2") == []
    annotate_from_labels(project, other, replace=True)
    assert np.array_equal(project.annotation("case_1").array, disc_classes(4))


def test_label_map_of_another_place_stops_before_anything_is_written(tmp_path):
    project, labels = make_project(tmp_path, 2)
    shifted = Geometry.from_spacing(
        GEOMETRY.shape, GEOMETRY.spacing, orientation="LPS", origin=(30, 0, 0)
    )
    save_classes(labels / "case_2.nii.gz", disc_classes(), shifted)
    with pytest.raises(GeometryError, match=r"case_2\.nii\.gz"):
        annotate_from_labels(project, labels)
    assert labeled(project, "case_1") == []


def test_class_outside_the_list_is_refused(tmp_path):
    project, labels = make_project(tmp_path, 2)
    save_classes(labels / "case_2.nii.gz", disc_classes() * 3)
    with pytest.raises(ProjectError, match=r"case_2\.nii\.gz, found 3, 6"):
        annotate_from_labels(project, labels)
    assert labeled(project, "case_1") == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param({"num_cases": 9}, "1 to 4 cases", id="more cases than there are"),
        pytest.param({"num_cases": 0}, "1 to 4 cases", id="no case"),
        pytest.param({"slices_per_case": 0}, "at least 1 slice", id="no slice"),
        pytest.param({"pattern": "labels"}, "{case}", id="pattern without a case"),
    ],
)
def test_impossible_wishes_are_refused(tmp_path, options, sentence):
    project, labels = make_project(tmp_path)
    with pytest.raises(ConfigError, match=sentence):
        annotate_from_labels(project, labels, **options)


def test_unknown_names_say_what_was_looked_for(tmp_path):
    project, _ = make_project(tmp_path, 1)
    save_classes(tmp_path / "else/someone.nii.gz", disc_classes())
    with pytest.raises(ProjectError, match="case_1.*someone"):
        annotate_from_labels(project, tmp_path / "else")
    with pytest.raises(ProjectError, match="case_9"):
        annotate_from_labels(project, tmp_path / "else", case_ids=["case_9"])


def test_pattern_pairs_files_with_cases(tmp_path):
    images, labels = make_cohort(tmp_path, 2, suffix="_gt")
    save_classes(labels / "case_1_other.nii.gz", disc_classes())
    with Project.create(tmp_path / "p", images=[images], classes=["ring", "core"]) as project:
        summary = annotate_from_labels(project, labels, pattern="{case}_gt.nii.gz")
    assert [case.case_id for case in summary.cases] == ["case_1", "case_2"]


def test_two_label_maps_of_one_case_are_refused(tmp_path):
    save_classes(tmp_path / "a/case_1.nii.gz", disc_classes())
    save_classes(tmp_path / "b/case_1.nii.gz", disc_classes())
    with pytest.raises(ProjectError, match="found two for 'case_1'"):
        find_label_maps(tmp_path)


def test_known_masks_are_not_taken_for_label_maps(tmp_path):
    save_classes(tmp_path / "case_1.nii.gz", disc_classes())
    save_classes(tmp_path / "case_1.known.nii.gz", disc_classes())
    assert list(find_label_maps(tmp_path)) == ["case_1"]

"""What can be laid side by side of a case, and what was before the latest training."""

from pathlib import Path

import numpy as np
import pytest
from cohorts import make_cohort

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.comparing import (
    latest_run,
    plane_of,
    predicting_runs,
    predicts,
    require_predictions,
    run_before,
)
from napari_transmedseg.project.kept_slices import KeptSlices
from napari_transmedseg.project.project import Project


@pytest.fixture
def project(tmp_path: Path):
    """Two cases and four runs: the first predicted both, the third the first, the others none."""
    images, _ = make_cohort(tmp_path, 2)
    with Project.create(tmp_path / "study", images=[images], classes=["ring", "core"]) as made:
        for names in (("case_1", "case_2"), (), ("case_1",), ()):
            run = made.new_run(TrainingConfig())
            for name in names:
                made.save_prediction(run.run_id, name, made.annotation(name))
        yield made


def test_the_run_before_is_the_latest_that_predicted_the_case(project: Project) -> None:
    assert latest_run(project) == "run-004"
    assert run_before(project, "case_1", "run-004") == "run-003"
    assert run_before(project, "case_1", "run-003") == "run-001"
    assert run_before(project, "case_2", "run-004") == "run-001"
    assert run_before(project, "case_1", "run-001") == ""
    assert predicting_runs(project) == ["run-001", "run-003"]


def test_discarded_runs_and_those_of_other_classes_do_not_count(project: Project) -> None:
    for run_id in ("run-003", "run-004"):
        project.discard_run(run_id)
    assert latest_run(project) == "run-002"
    assert not predicts(project, "run-003", "case_1")
    assert run_before(project, "case_1", "run-004") == "run-001"
    run = project.run("run-001")
    run.write_details({**run.details(), "outdated": "a class was removed"})
    assert predicting_runs(project) == []


def test_runs_without_a_prediction_of_the_case_are_named(project: Project) -> None:
    require_predictions(project, "case_1", ("run-001", "run-003"))
    with pytest.raises(ProjectError, match="case_2 by both runs, found none by run-003; press"):
        require_predictions(project, "case_2", ("run-001", "run-003"))
    with pytest.raises(ProjectError, match="case on screen"):
        require_predictions(project, "", ("run-001", "run-003"))


@pytest.mark.parametrize("plane", [0, 1, 2])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_kept_slices_are_cut_like_the_volume_that_was(axis: int, plane: int) -> None:
    rng = np.random.default_rng(3 * axis + plane)
    now, before = (rng.integers(0, 4, (4, 5, 6)).astype(np.uint8) for _ in range(2))
    kept = KeptSlices()
    for at in (0, 2):
        kept.keep("a", at, np.take(before, at, axis))
    was = np.moveaxis(now.copy(), axis, 0)
    for at in (0, 2):
        was[at] = np.take(before, at, axis)
    was, seen = np.moveaxis(was, 0, axis), now.copy()
    for index in range(now.shape[plane]):
        found = plane_of(now, kept, "a", slice_axis=axis, plane=plane, index=index)
        np.testing.assert_array_equal(found, np.take(was, index, plane))
    np.testing.assert_array_equal(now, seen)


def test_where_nothing_was_predicted_there_is_nothing_before() -> None:
    kept = KeptSlices()
    kept.keep("a", 1, np.ones((5, 6), np.uint8))
    cut = {"slice_axis": 0, "plane": 0}
    assert plane_of(None, kept, "a", index=0, **cut) is None
    found = plane_of(None, kept, "a", index=1, **cut)
    assert found is not None and (found == 1).all()
    assert plane_of(None, kept, "a", slice_axis=0, plane=1, index=1) is None

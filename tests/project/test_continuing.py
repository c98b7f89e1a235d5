"""A new training goes on from the last one, and so do its curves."""

import pytest
from scripted_training import scripted_training

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import StepReport, TrainingFinished
from napari_transmedseg.project.continuing import (
    Continuation,
    continuation_of,
    events_of,
    history_of,
)
from napari_transmedseg.project.history import Curve, replay
from napari_transmedseg.project.project import Project


def trained(project: Project, *, steps: int = 9, ended: bool = True, **facts):
    """A run with recorded events and a checkpoint file, as a training leaves them."""
    run = project.new_run(TrainingConfig(), **facts)
    events = scripted_training(TrainingControl(), steps=steps, step_s=0.001)
    kept = [one for one in run.record(events) if ended or not isinstance(one, TrainingFinished)]
    if not ended:
        path = run.folder / "metrics.jsonl"
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    (run.folder / "checkpoints" / "last.pt").write_bytes(b"weights")
    return run, kept


def test_without_a_trained_run_there_is_nothing_to_go_on_from(project):
    project.new_run(TrainingConfig())
    assert continuation_of(project) == Continuation()


def test_latest_trained_run_is_gone_on_from(project):
    trained(project)
    trained(project)
    project.new_run(TrainingConfig())
    assert continuation_of(project) == Continuation(warm_start="run-002")


def test_run_that_was_cut_off_can_be_finished(project):
    trained(project, ended=False)
    assert continuation_of(project) == Continuation(warm_start="run-001", interrupted="run-001")


def test_run_of_other_classes_is_an_obstacle_in_words(project):
    trained(project)
    project.add_class("papillary")
    found = continuation_of(project)
    assert found.warm_start == ""
    assert "trained on" in found.obstacle


def test_events_come_back_from_the_file(project):
    run, sent = trained(project)
    found = list(events_of(run.metrics()))
    assert [type(one) for one in found] == [type(one) for one in sent]
    steps = [(one.step, one.losses) for one in sent if isinstance(one, StepReport)]
    assert [(o.step, o.losses) for o in found if isinstance(o, StepReport)] == steps
    assert replay(found).losses == replay(sent).losses


def test_rows_of_another_version_are_left_out():
    assert list(events_of([{"event": "StepReport"}, {"event": "Tea"}, {}])) == []


def test_curves_go_on_through_the_runs_that_a_run_started_from(project):
    trained(project, steps=9)
    trained(project, steps=6, warm_start="run-001")
    trained(project, steps=5)
    history = history_of(project, "run-002")
    assert history.losses["total"].steps == list(range(1, 16))
    assert history.latest.step == 6
    assert history_of(project, "run-003").losses["total"].steps == list(range(1, 6))


@pytest.mark.parametrize("back_to", [1, 3, 4])
def test_resumed_run_draws_over_what_its_checkpoint_did_not_hold(back_to):
    curve = Curve()
    for step in (1, 2, 3, 4):
        curve.append(step, 1.0)
    curve.append(back_to, 2.0)
    assert curve.steps == list(range(1, back_to + 1))
    assert curve.values[-1] == 2.0

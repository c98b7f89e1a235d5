"""A run's folder tells what was asked for and what happened."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.events import (
    CheckpointSaved,
    DiceReport,
    Notice,
    SlicePrediction,
    TrainingEvent,
    TrainingFinished,
)
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project import runs
from napari_transmedseg.project.continuing import Continuation, continuation_of
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.run import Run, event_as_dict
from napari_transmedseg.project.status import project_status

from .conftest import assert_is_one_sentence

FINISHED = TrainingFinished(
    step=9, reason="budget", elapsed_s=1.5, self_training_steps=3, sentence="Done."
)


def some_events(folder: Path) -> list[TrainingEvent]:
    plane = np.zeros((3, 3))
    return [
        Notice(step=0, sentence="Hello."),
        SlicePrediction(
            step=1, case_id="a", slice_axis=0, slice_index=2,
            pseudo_label_YX=plane.astype(np.uint8), uncertainty_YX=plane.astype(np.float32),
        ),
        DiceReport(step=2, annotated={"LV": float("nan"), "RV": 0.5}, held_out={}),
        CheckpointSaved(step=3, path=folder / "checkpoints" / "last.pt"),
        FINISHED,
    ]  # fmt: skip


@pytest.fixture
def run(project: Project) -> Run:
    return project.new_run(TrainingConfig(minutes=4.0, seed=7))


def test_config_json_holds_settings_seed_versions_and_hardware(run: Run) -> None:
    content = json.loads((run.folder / "config.json").read_text())

    assert content["config"]["minutes"] == 4.0
    assert content["seed"] == 7
    assert content["classes"] == ["RV", "myocardium", "LV"]
    assert {"python", "torch", "numpy"} <= set(content["versions"])
    assert content["hardware"]["cpu_count"] >= 1
    assert run.config == TrainingConfig(minutes=4.0, seed=7)
    assert run.checkpoint is None


def test_recorded_events_are_passed_on_and_read_back(run: Run) -> None:
    events = some_events(run.folder)

    passed = list(run.record(events))

    assert passed == events
    rows = run.metrics()
    assert [row["event"] for row in rows] == [
        "Notice", "DiceReport", "CheckpointSaved", "TrainingFinished"
    ]  # fmt: skip
    assert rows[1]["annotated"] == {"LV": None, "RV": 0.5}
    assert rows[2]["path"] == "checkpoints/last.pt"
    assert all(row["time"].startswith("20") for row in rows)


def test_a_run_that_goes_on_appends_after_a_line_that_was_cut_short(run: Run) -> None:
    list(run.record([FINISHED]))
    with (run.folder / "metrics.jsonl").open("a") as file:
        file.write('{"event": "Noti')

    list(run.record([FINISHED]))

    assert [row["event"] for row in run.metrics()] == ["TrainingFinished"] * 2


def test_events_are_on_disk_as_soon_as_they_are_passed_on(run: Run) -> None:
    recording = run.record(some_events(run.folder))
    next(recording)
    assert len(run.metrics()) == 1


def test_closing_the_record_closes_the_training(run: Run) -> None:
    closed = []

    def training() -> Iterator[TrainingEvent]:
        try:
            yield from some_events(run.folder)
        finally:
            closed.append(True)

    recording = run.record(training())
    next(recording)
    recording.close()  # type: ignore[attr-defined]

    assert closed == [True]


def test_an_event_as_dict_is_json_without_arrays() -> None:
    row = event_as_dict(some_events(Path("/x"))[1])
    assert json.loads(json.dumps(row)) == {
        "event": "SlicePrediction", "step": 1, "case_id": "a", "slice_axis": 0, "slice_index": 2
    }  # fmt: skip


def test_a_checkpoint_is_the_last_good_one(run: Run) -> None:
    with pytest.raises(ProjectError, match="no checkpoint"):
        run.require_checkpoint()
    path = run.folder / "checkpoints" / "last.pt"
    path.write_bytes(b"weights")
    assert run.checkpoint == run.require_checkpoint() == path


def test_runs_are_numbered_on_and_found_by_name(project: Project, run: Run) -> None:
    (project.folder / "runs" / "run-041").mkdir()

    assert project.new_run(TrainingConfig()).run_id == "run-042"
    assert project.run("run-001").folder == run.folder
    with pytest.raises(ProjectError, match="'run-007'"):
        project.run("run-007")


def test_the_latest_trained_run_is_taken_not_the_latest(project: Project, run: Run) -> None:
    (run.folder / "checkpoints" / "last.pt").write_bytes(b"weights")
    project.new_run(TrainingConfig())
    assert project.trained_run().run_id == "run-001"


def test_a_discarded_run_is_used_no_more_until_it_is_taken_back(project: Project) -> None:
    for _ in range(2):
        made = project.new_run(TrainingConfig())
        (made.folder / "checkpoints" / "last.pt").write_bytes(b"weights")
        project.save_prediction(made.run_id, "a", project.annotation("a"))
    project.discard_run("run-002")
    assert project.trained_run().run_id == "run-001"
    assert continuation_of(project).warm_start == "run-001"
    assert project_status(project)["runs"][1]["state"] == "discarded"
    assert project_status(project)["cases"][0]["prediction"] == "run-001"
    project.discard_run("run-001")
    assert continuation_of(project) == Continuation()
    assert project.prediction("a") is None
    project.discard_run("run-002", is_discarded=False)
    assert project.trained_run().run_id == "run-002"
    assert project.prediction("a") is not None


def test_only_discarded_runs_are_deleted_with_their_predictions(project: Project, run: Run) -> None:
    project.save_prediction(run.run_id, "a", project.annotation("a"))
    with pytest.raises(ProjectError, match="discard it first"):
        project.delete_run(run.run_id)
    project.discard_run(run.run_id)
    project.delete_run(run.run_id)
    assert project.runs == ()
    assert not (project.folder / "predictions" / run.run_id).exists()


def test_a_project_without_runs_says_so(project: Project) -> None:
    with pytest.raises(ProjectError, match="train first"):
        project.run()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"config": {"unheard_of": 1}}'])
def test_damaged_settings_are_named(run: Run, content: str) -> None:
    (run.folder / "config.json").write_text(content)
    with pytest.raises(ProjectError, match="settings"):
        _ = run.config


@pytest.mark.parametrize(
    "content",
    ['{"classes": 3}', '{"slice_axis": "I"}', '{"warm_start": 4}', "[" * 9999],
    ids=["classes", "slice axis", "warm start", "nested"],
)
def test_settings_that_somebody_else_wrote_are_refused_before_use(run: Run, content: str) -> None:
    (run.folder / "config.json").write_text(content)
    with pytest.raises(ProjectError, match="settings|as this program writes it"):
        run.details()


@pytest.mark.parametrize("setting", ['"steps": "many"', '"method": "tea"', '"threads": 1000000'])
def test_settings_of_another_kind_are_named(run: Run, setting: str) -> None:
    (run.folder / "config.json").write_text(f'{{"config": {{{setting}}}}}')
    with pytest.raises(ProjectError, match="Expected the settings of this program's training"):
        _ = run.config


def test_metrics_that_cannot_be_read_are_named(run: Run) -> None:
    (run.folder / "metrics.jsonl").mkdir()
    with pytest.raises(ProjectError, match="ask for access"):
        run.metrics()


def test_a_run_whose_settings_are_damaged_is_neither_discarded_nor_outdated(
    project: Project, run: Run
) -> None:
    """Whoever uses it is told; the list of runs goes on."""
    (run.folder / "config.json").write_text("damaged")
    assert not run.is_discarded
    assert run.outdated == ""
    assert project_status(project)["runs"][0]["method"] == "settings damaged"


def test_a_run_that_cannot_be_made_or_deleted_is_told(
    project: Project, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.discard_run(run.run_id)

    def in_use(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(runs.shutil, "rmtree", in_use)
    with pytest.raises(ProjectError, match="permission denied.*close programs") as deleted:
        project.delete_run(run.run_id)
    assert_is_one_sentence(deleted.value)
    file = project.folder / "file"
    file.touch()
    with pytest.raises(ProjectError, match="Expected to make the run folder") as made:
        Run.create(file / "run-002", TrainingConfig(), {})
    assert_is_one_sentence(made.value)


def test_numbers_of_numpy_and_paths_are_plain_in_json(run: Run) -> None:
    run.write_details({"a": np.float32(0.5), "b": np.float64("nan"), "c": Path("x") / "y"})
    assert run.details() == {"a": 0.5, "b": None, "c": "x/y"}

"""Rows of a metrics file that somebody else wrote give events, or nothing."""

from pathlib import Path

import pytest
from cohorts import made_up_events

from napari_transmedseg.engine.events import StepReport
from napari_transmedseg.project.history import replay
from napari_transmedseg.project.recorded import event_of, events_of
from napari_transmedseg.project.run import event_as_dict
from napari_transmedseg.project.status import project_status

STEP = next(e for e in made_up_events("run-001") if isinstance(e, StepReport))
ROW = event_as_dict(STEP)


def test_every_kind_of_row_comes_back_as_its_event() -> None:
    rows = [event_as_dict(event) for event in made_up_events("run-001")]
    found = list(events_of(rows))
    assert [event_as_dict(event) for event in found] == rows
    assert len(replay(found).losses["total"].steps) == 40


@pytest.mark.parametrize(
    "row",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"event": ["StepReport"]}, id="no name"),
        pytest.param({"event": "SlicePrediction", "step": 1}, id="a slice, which is not kept"),
        pytest.param({"event": "StepReport"}, id="no fields"),
        pytest.param(ROW | {"losses": "none"}, id="losses that are a word"),
        pytest.param(ROW | {"losses": {"total": [1]}}, id="a loss that is a list"),
        pytest.param(ROW | {"step": "many"}, id="a step that is a word"),
        pytest.param(ROW | {"step": None}, id="no step"),
        pytest.param(ROW | {"phase": "tea"}, id="an unheard-of phase"),
    ],
)
def test_a_row_that_is_no_event_is_left_out(row: dict[str, object]) -> None:
    assert event_of(row) is None


def test_a_status_of_damaged_metrics_is_still_a_status(project, tmp_path: Path) -> None:
    from napari_transmedseg.engine.config import TrainingConfig

    run = project.new_run(TrainingConfig())
    list(run.record(made_up_events(run.run_id)))
    path = run.folder / "metrics.jsonl"
    dice = b'{"event": "DiceReport", "step": 1, "annotated": "x", "held_out": {}}'
    step = b'{"event": "StepReport"}'
    hostile = [b"[1]", b"null", b'{"event": 3}', step, b"\xff\xfe", b"[" * 9999, dice]
    path.write_bytes(b"\n".join(hostile) + b"\n" + path.read_bytes() + b"\n".join(hostile))
    (status,) = project_status(project)["runs"]
    assert (status["state"], status["steps"]) == ("budget", 40)

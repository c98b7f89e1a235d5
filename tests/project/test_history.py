"""Curves tell where a run begins, and become a table; runs stand side by side."""

import csv

from scripted_training import scripted_training

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import DiceReport
from napari_transmedseg.project.history import Curve, RunMark, TrainingHistory
from napari_transmedseg.project.history_table import history_as_csv, run_at, value_at
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.run_summary import summarise_runs

KINDS = ("annotated", "held-out")


def feed(history: TrainingHistory, run_id: str, steps: int = 6) -> None:
    for event in scripted_training(TrainingControl(), steps=steps, step_s=0.0001, run_id=run_id):
        history.apply(event)


def two_runs() -> TrainingHistory:
    history = TrainingHistory()
    feed(history, "run-001")
    history.begin_run()
    feed(history, "run-002")
    return history


def test_every_run_is_marked_where_it_begins():
    assert two_runs().marks == [RunMark(0, "run-001"), RunMark(6, "run-002")]


def test_resumed_run_is_marked_at_the_first_step_that_it_makes_again():
    history = two_runs()
    later = list(scripted_training(TrainingControl(), steps=8, step_s=0.0001, run_id="run-002"))
    history.apply(later[0])
    for event in later:
        if getattr(event, "step", 0) >= 4:
            history.apply(event)
    assert history.marks[-1] == RunMark(10, "run-002 goes on")
    assert history.losses["total"].steps == list(range(1, 15))


def test_run_that_crashed_before_its_first_step_is_marked_once():
    history = TrainingHistory()
    for _ in range(2):
        history.apply(next(scripted_training(TrainingControl(), run_id="run-001")))
    assert history.marks == [RunMark(0, "run-001")]


def test_table_holds_every_value_and_the_run_of_each_step():
    history = two_runs()
    rows = list(csv.DictReader(history_as_csv(history).splitlines()))
    assert [int(row["step"]) for row in rows] == list(range(1, 13))
    assert [row["run"] for row in rows] == ["run-001"] * 6 + ["run-002"] * 6
    assert float(rows[0]["loss total"]) == round(history.losses["total"].values[0], 6)
    assert rows[0]["loss tsa"] == ""
    assert float(rows[4]["Dice ring (annotated)"]) > 0


def test_dice_on_held_out_slices_is_never_mixed_with_that_on_annotated_ones():
    """Whichever of the runs that start from each other measured on held-out slices."""
    history = two_runs()
    report = DiceReport(step=7, annotated={"ring": 0.9}, held_out={"ring": 0.25})
    history.apply(report)
    assert history.dice_is_held_out and history.mean_dice == 0.25
    assert history.dice == {"ring": Curve([13], [0.25])}
    rows = list(csv.DictReader(history_as_csv(history).splitlines()))
    annotated, held_out = ([row[f"Dice ring ({kind})"] for row in rows] for kind in KINDS)
    assert [one for one in annotated if one][-1] == "0.9"
    assert len([one for one in annotated if one]) == 3
    assert [one for one in held_out if one] == ["0.25"]
    history.begin_run()
    history.apply(DiceReport(step=5, annotated={"ring": 0.5}, held_out={}))
    assert not history.dice_is_held_out
    assert 0.25 not in history.dice["ring"].values
    assert history.mean_dice is not None and history.dice["ring"].values[-1] == 0.5


def test_value_under_the_mouse_is_the_latest_before_it():
    curve = Curve([2, 5], [0.4, 0.1])
    assert [value_at(curve, step) for step in (1, 2, 4.9, 5, 80)] == [None, 0.4, 0.4, 0.1, 0.1]
    assert run_at(two_runs(), 7) == "run-002"


def test_runs_are_summarised_side_by_side(project: Project):
    for number, warm_start in enumerate((None, "run-001"), start=1):
        run = project.new_run(TrainingConfig(method="bcp"), warm_start=warm_start)
        steps = scripted_training(
            TrainingControl(), steps=9, step_s=0.0001, run_id=f"run-{number:03d}"
        )
        for _ in run.record(steps):
            pass
    project.new_run(TrainingConfig())
    (project.new_run(TrainingConfig()).folder / "config.json").unlink()
    project.discard_run("run-002")
    first, second, third = summarise_runs(project)
    assert (first.run_id, first.method, first.state, first.steps) == ("run-001", "bcp", "budget", 9)
    assert (second.state, second.warm_start) == ("discarded", "run-001")
    assert second.history.losses["total"].steps == list(range(1, 10))
    assert (third.state, third.steps, third.dice) == ("unfinished", 0, None)
    assert first.dice is not None and not first.dice_is_held_out

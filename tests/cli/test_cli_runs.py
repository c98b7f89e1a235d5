"""`transmedseg runs` compares, discards, takes back and deletes; `train` tells before it starts."""

import json
from contextlib import contextmanager

import pytest
from cohorts import add_made_up_run, disc_classes, make_project
from rich.console import Console

from napari_transmedseg.cli import train
from napari_transmedseg.cli.main import INTERRUPTED, main
from napari_transmedseg.cli.progress import TrainingView
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.ledger import SliceState


@pytest.fixture
def folder(tmp_path):
    project, _ = make_project(tmp_path, num_cases=2)
    with project:
        add_made_up_run(project)
        add_made_up_run(project)
    return str(project.folder)


def test_runs_are_listed_side_by_side(folder, capsys):
    assert main(["runs", folder]) == 0
    shown = capsys.readouterr().out
    assert "run-001" in shown and "run-002" in shown
    assert "annotated" in shown
    assert main(["runs", folder, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["run"], first["state"], first["steps"]) == ("run-001", "budget", 40)
    assert first["self_training_steps"] == 20


def test_run_is_discarded_taken_back_and_deleted(folder, capsys):
    def states():
        assert main(["runs", folder, "--json"]) == 0
        return [run["state"] for run in json.loads(capsys.readouterr().out)]

    assert main(["runs", folder, "--delete", "run-002"]) == 2
    assert "discard it first" in capsys.readouterr().err
    assert main(["runs", folder, "--discard", "run-002"]) == 0
    capsys.readouterr()
    assert states() == ["budget", "discarded"]
    assert main(["runs", folder, "--take-back", "run-002"]) == 0
    assert main(["runs", folder, "--discard", "run-001"]) == 0
    assert main(["runs", folder, "--delete", "run-001"]) == 0
    capsys.readouterr()
    assert states() == ["budget"]


def test_what_was_told_before_a_training_is_not_told_again(capsys):
    from cohorts import made_up_events

    console = Console(width=200, force_terminal=False)
    with TrainingView(console=console) as view:
        view.tell(["Slices of 20 x 24 pixels.", "It takes 10 min."])
        for event in made_up_events("run-001"):
            view.show(event)
    shown = capsys.readouterr().out
    assert shown.count("Slices of 20 x 24 pixels.") == 1
    assert shown.count("It takes 10 min.") == 1


def test_an_interrupt_before_the_first_step_keeps_no_run(tmp_path, capsys, monkeypatch):
    @contextmanager
    def interrupted(control):
        control.stop()
        yield

    monkeypatch.setattr(train, "stop_on_interrupt", interrupted)
    project, _ = make_project(tmp_path, num_cases=2)
    with project:
        project.set_slice_states("case_1", range(8), SliceState.EMPTY)
        labels = LabelMap.empty(project.geometry("case_2"))
        labels.array[:] = disc_classes()
        project.save_annotation("case_2", labels)
        project.set_slice_states("case_2", [3, 4], SliceState.ANNOTATED)
    assert main(["train", str(project.folder), "--steps", "3"]) == INTERRUPTED
    assert "nothing is kept" in capsys.readouterr().err
    assert not list((project.folder / "runs").glob("run-*"))

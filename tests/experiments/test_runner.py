"""A tiny experiment from files to results: resumed, stopped, and with a run that fails."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from cohorts import make_cohort

from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.errors import DataSetError, ExperimentError
from napari_transmedseg.experiments.experiment import Experiment, Labeling, Row, Setup, Split
from napari_transmedseg.experiments.one_run import run
from napari_transmedseg.experiments.request import RunRequest, read_request, write_request
from napari_transmedseg.experiments.runner import (
    ExperimentDone,
    RunDone,
    RunFailed,
    RunSkipped,
    RunStarted,
    run_experiment,
)
from napari_transmedseg.experiments.table import write_tables

SETUP = Setup(
    source="hippocampus",  # any images/ and labels/ with two classes
    plane="axial",
    steps=2,
    labeling=Labeling(cases=2, slices_per_case=4),
    settings={"device": "cpu", "dimensions": "2d"},
)
GOOD = Row(label="supervised", settings={"method": "supervised"})
BAD = Row(label="too many, please", labeling=Labeling(cases=99))


def experiment(*rows: Row, **changes) -> Experiment:
    settings = {"name": "tiny", "title": "Tiny", "setup": SETUP, "seeds": (0,)}
    return Experiment(rows=rows, **(settings | changes))


@pytest.fixture
def data(tmp_path) -> Path:
    make_cohort(tmp_path / "data", 4)
    return tmp_path / "data"


def test_a_failed_run_is_reported_and_the_others_go_on_and_results_are_kept(data, tmp_path):
    tiny, out = experiment(BAD, GOOD), tmp_path / "out"
    first = list(run_experiment(tiny, data=data, out=out))
    assert [type(event) for event in first] == [
        RunStarted, RunFailed, RunStarted, RunDone, ExperimentDone,
    ]  # fmt: skip
    assert "at least 99 cases" in first[1].sentence
    assert first[1].log.exists()
    assert first[-1].failed == 1
    assert first[-1].results == (first[3].result,)
    assert 0 <= first[3].dice["unannotated"] <= 1

    result = json.loads(first[3].result.read_text())
    assert (result["steps"], result["config"]["method"], result["config"]["seed"]) == (
        2, "supervised", 0,
    )  # fmt: skip
    assert result["means"]["unannotated"]["cases"] == result["means"]["annotated"]["cases"] == 2
    assert result["peak_memory_mib"] > 50
    assert sum(map(len, result["annotated_slices"].values())) == 8
    assert not (first[3].result.parent / "training").exists()

    second = list(run_experiment(tiny, data=data, out=out))
    assert [type(event) for event in second] == [
        RunSkipped, RunStarted, RunFailed, ExperimentDone,
    ]  # fmt: skip
    assert "| supervised |" in write_tables(tiny, out)

    with pytest.raises(ExperimentError, match="another setup"):
        list(run_experiment(tiny.with_budget(minutes=None, steps=3), data=data, out=out))


@pytest.mark.parametrize("how", ["stop", "close"])
def test_a_run_that_is_interrupted_ends_and_begins_anew(data, tmp_path, how):
    control = TrainingControl()
    slow = experiment(GOOD, setup=replace(SETUP, steps=10**6))
    events = run_experiment(slow, data=data, out=tmp_path / "out", control=control)
    assert isinstance(next(events), RunStarted)
    (request,) = tmp_path.rglob("request.json")
    if how == "close":
        events.close()
    else:
        control.stop()
        assert next(events) == ExperimentDone(results=(), failed=0)
    assert not (request.parent / "result.json").exists()
    again = run_experiment(slow, data=data, out=tmp_path / "out")
    assert next(again) == RunStarted(row="supervised", seed=0, lane=0, index=1, total=1)
    again.close()


def test_a_process_that_was_ended_is_a_failed_run(data, tmp_path):
    import psutil

    slow = experiment(GOOD, setup=replace(SETUP, steps=10**6))
    events = run_experiment(slow, data=data, out=tmp_path / "out")
    next(events)
    children = psutil.Process(os.getpid()).children()
    (own,) = [child for child in children if "one_run" in " ".join(child.cmdline())]
    own.kill()
    failed = next(events)
    assert isinstance(failed, RunFailed)
    assert "signal 9" in failed.sentence
    assert next(events) == ExperimentDone(results=(), failed=1)


def test_requests_survive_the_way_through_a_file(tmp_path):
    row = Row(label="β", settings={"tsa_weight": 0.4, "tsa_samples": 10, "network": "unet"},
              labeling=Labeling(groups=("a", "b")))  # fmt: skip
    request = RunRequest(
        experiment="e", row=row, setup=replace(SETUP, split=Split(max_groups=3)), seed=1,
        data=tmp_path, core=1,
    )  # fmt: skip
    write_request(tmp_path / "request.json", request)
    assert read_request(tmp_path / "request.json") == request


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        pytest.param({"lanes": 10**4}, ExperimentError, "lanes", id="too many lanes"),
        pytest.param({"lanes": 0}, ExperimentError, "lanes", id="no lanes"),
        pytest.param({"data": Path("none")}, DataSetError, "medicaldecathlon", id="no data"),
    ],
)
def test_what_cannot_run_is_refused_before_the_first_run(data, tmp_path, changes, error, sentence):
    arguments = {"data": data, "out": tmp_path / "out"} | changes
    with pytest.raises(error, match=sentence):
        list(run_experiment(experiment(GOOD), **arguments))
    assert not (tmp_path / "out").exists()


def test_another_data_set_is_measured_on_the_class_that_it_knows(tmp_path):
    make_cohort(tmp_path / "hippocampus", 3)
    for name in ("SC-N-03-IM-0001-0048", "SC-N-03-IM-0001-0068"):
        pixels = np.random.default_rng(0).integers(0, 255, (24, 20)).astype(np.uint8)
        for part, values in (("Images", pixels), ("Labels", (pixels > 200).astype(np.uint8) * 255)):
            folder = tmp_path / "sunnybrook" / part
            folder.mkdir(parents=True, exist_ok=True)
            sitk.WriteImage(sitk.GetImageFromArray(values), str(folder / f"{name}.png"))
    setup = replace(SETUP, split=Split(test_source="sunnybrook"))
    request = RunRequest(experiment="e", row=GOOD, setup=setup, seed=0, data=tmp_path)
    result = run(request, tmp_path / "run")
    assert result["classes_measured"] == ["LV"]
    assert result["means"]["unannotated"]["cases"] == 1
    assert result["held_out"]
    assert result["distance_unit"] == "mm (nominal)"
    assert "8×1.25×1.25 mm" in " ".join(result["data_notes"])

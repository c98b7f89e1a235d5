"""`transmedseg benchmark`: lists, refuses in a sentence, runs a tiny cohort to a table."""

import json

import pytest
from cohorts import make_cohort

from napari_transmedseg.cli.main import main
from napari_transmedseg.experiments.declared import experiments


def test_list_names_every_experiment_with_its_time(capsys):
    assert main(["benchmark", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, declared in experiments().items():
        (line,) = [line for line in lines if f" {name} " in line]
        assert declared.full.setup.source in line
        assert "min" in line or " h " in line


def test_list_as_json(capsys):
    assert main(["benchmark", "--list", "--json"]) == 0
    (first, *_) = json.loads(capsys.readouterr().out)
    assert first["name"] == "few-slices-10"
    assert first["expected_s"] == 5 * 3 * 90


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param([], "--list", id="no name"),
        pytest.param(["few-slice-10"], "did you mean 'few-slices-10'?", id="misspelt"),
        pytest.param(["few-slices-10"], "medicaldecathlon.com", id="no data given"),
        pytest.param(["first-pancreas-20", "--data", "{t}"], "Cancer Imaging Archive",
                     id="data not there"),
        pytest.param(["few-slices-10", "--data", "{t}/none"], "images/CASE.nii.gz",
                     id="no such folder"),
        pytest.param(["few-slices-10", "--data", "{t}", "--rows", "magic"], "found 'magic'",
                     id="no such row"),
        pytest.param(["beta", "--on", "magic", "--data", "{t}"], "found 'magic'",
                     id="no such data"),
        pytest.param(["beta", "--steps", "1", "--minutes", "1"], "found both", id="two budgets"),
        pytest.param(["few-slices-10", "--data", "{t}", "--steps", "0"], "at least 1",
                     id="no steps"),
        pytest.param(["few-slices-10", "--data", "{t}", "--lanes", "0"], "lanes", id="no lanes"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_one_sentence_and_exit_code_2(tmp_path, arguments, sentence, capsys):
    out = ["--out", str(tmp_path / "out")]
    command = ["benchmark", *(item.replace("{t}", str(tmp_path)) for item in arguments), *out]
    assert main(command) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("transmedseg benchmark: Expected ")
    assert sentence in line
    assert not (tmp_path / "out").exists()


def test_a_run_leaves_tables_and_the_same_command_keeps_them(tmp_path, capsys):
    make_cohort(tmp_path / "hippocampus", 6)
    out = tmp_path / "out"
    command = ["benchmark", "few-slices-10", "--data", str(tmp_path), "--out", str(out),
               "--rows", "supervised", "--seeds", "0", "--steps", "1"]  # fmt: skip
    assert main(command) == 0
    captured = capsys.readouterr()
    assert "| supervised |" in captured.out
    assert "run 1 of 1 began" in captured.err
    for name in ("table.md", "table.csv", "table.json", "monitors.csv"):
        assert (out / name).exists()

    assert main([*command, "--json"]) == 0
    first, second, *table = capsys.readouterr().out.splitlines()
    assert json.loads(first) == {"event": "RunSkipped", "row": "supervised", "seed": 0}
    assert json.loads(second)["event"] == "ExperimentDone"
    assert json.loads("\n".join(table))["rows"]["supervised"]["seeds"] == [0]


def test_runs_that_failed_make_the_command_fail(tmp_path, capsys):
    make_cohort(tmp_path / "hippocampus", 3)
    command = ["benchmark", "few-slices-10", "--data", str(tmp_path), "--steps", "1", "--seeds",
               "0", "--rows", "bcp", "--out", str(tmp_path / "out")]  # fmt: skip
    assert main(command) == 1
    captured = capsys.readouterr()
    assert "FAILED: Expected at least 5 cases with labels" in captured.err
    assert "No run has finished." in captured.out

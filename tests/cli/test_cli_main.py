"""The command finds its subcommands, helps at once and says errors in one sentence."""

import subprocess
import sys
import time

import pytest
from cohorts import make_cohort, make_project

from napari_transmedseg.cli.main import COMMANDS, main

HEAVY = {"torch", "SimpleITK", "monai", "numpy", "nibabel", "pydantic", "rich", "tyro"}


def test_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    assert all(f"  {name} " in listed for name in COMMANDS)


def test_help_loads_nothing_heavy_and_is_quick():
    code = (
        "import sys\nfrom napari_transmedseg.cli.main import main\n"
        f"assert main(['--help']) == 0\nassert not {HEAVY!r} & set(sys.modules)"
    )
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
        times.append(time.perf_counter() - start)
    assert min(times) < 5  # a hang; the benchmark holds the half second


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert not stop.value.code
    assert f"usage: transmedseg {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param([], "usage: transmedseg", id="nothing"),
        pytest.param(["trian"], "did you mean 'train'?", id="misspelt"),
        pytest.param(["--frobnicate"], "found '--frobnicate'", id="unknown option"),
    ],
)
def test_unknown_command_is_a_usage_error(arguments, sentence, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["train"], id="no project"),
        pytest.param(["train", "p", "--minutes", "soon"], id="no number"),
        pytest.param(["train", "p", "--method", "magic"], id="unknown method"),
        pytest.param(["status", "p", "--verbose"], id="unknown option"),
    ],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_a_project_without_its_folder_is_not_made(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "--images", "a.nii"]) != 0
    assert "after the project's folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_version_is_printed(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("transmedseg 0.")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        pytest.param(["status", "{t}/none"], "none", id="no project"),
        pytest.param(["new", "{t}/p", "--images", "{t}/none", "--classes", "A"], "none",
                     id="no images"),
        pytest.param(["new", "{t}/p", "--classes", "A"], "found neither", id="no source"),
        pytest.param(["new", "{t}/p", "--images", "{t}/images", "--data-set", "{t}"], "found both",
                     id="two sources"),
        pytest.param(["new", "{t}/p", "--data-set", "{t}"], "--classes", id="classes of no name"),
        pytest.param(["new", "{t}/p", "--data-set", "{t}/labels"], "found none of them",
                     id="no data set"),
        pytest.param(["new", "{t}/p", "--images", "{t}/text.nii.gz", "--classes", "A"],
                     "text.nii.gz", id="file that is no image"),
        pytest.param(["new", "{t}/project", "--images", "{t}/images", "--classes", "A"],
                     "found", id="project that exists"),
        pytest.param(["new", "{t}/p", "--images", "{t}/images", "--classes", "A,a"],
                     "class", id="one name twice"),
        pytest.param(["train", "{t}/project", "--steps", "1"], "annotat", id="no annotation"),
        pytest.param(["train", "{t}/project", "--steps", "1", "--minutes", "1"], "found both",
                     id="two budgets"),
        pytest.param(["train", "{t}/project", "--steps", "0"], "at least 1", id="no steps"),
        pytest.param(["train", "{t}/project", "--method", "bcp", "--tsa-weight", "0.4"],
                     "'bcp' has no term", id="weight of a term that is not there"),
        pytest.param(["train", "{t}/project", "--method", "supervised", "--graph-weight", "0.1"],
                     "'supervised' has no term", id="graph weight of supervised"),
        pytest.param(["train", "{t}/project", "--resume", "run-007"], "train first",
                     id="no such run"),
        pytest.param(["predict", "{t}/project"], "run", id="nothing trained"),
        pytest.param(["export", "{t}/project", "{t}/out"], "predict", id="nothing predicted"),
        pytest.param(["export", "{t}/project", "{t}/out", "--reviewed-only"], "annotated",
                     id="nothing reviewed"),
        pytest.param(["evaluate", "{t}/labels", "{t}/none"], "none", id="no references"),
        pytest.param(["annotate", "{t}/project", "--from-labels", "{t}/labels", "--cases", "9"],
                     "1 to 2 cases", id="too many cases"),
        pytest.param(["demo", "--out", "{t}/images"], "--out", id="demo folder in use"),
        pytest.param(["demo", "--out", "{t}/d", "--minutes", "0"], "above 0", id="demo budget"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path, arguments, sentence, capsys):
    project, _ = make_project(tmp_path, 2)
    project.close()
    (tmp_path / "text.nii.gz").write_text("no image")
    assert main([argument.replace("{t}", str(tmp_path)) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.strip().splitlines()
    assert line.startswith(f"transmedseg {arguments[0]}: ")
    assert sentence in line


def test_project_that_another_program_has_open_is_refused_for_writing_only(tmp_path, capsys):
    project, labels = make_project(tmp_path, 2)
    with project:
        assert main(["annotate", str(project.folder), "--from-labels", str(labels)]) == 2
        assert "only program" in capsys.readouterr().err
        assert main(["status", str(project.folder)]) == 0


def test_interrupt_ends_with_130(monkeypatch, capsys):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_transmedseg.cli.main._dispatch", interrupt)
    assert main(["status", "p"]) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_closed_pipe_is_no_error(tmp_path):
    images, _ = make_cohort(tmp_path, 2)
    files = " ".join(map(str, sorted(images.iterdir()) * 200))
    command = f"{sys.executable} -m napari_transmedseg.cli.main info {files} | head -1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120)
    assert result.stderr == ""
    assert "case_1.nii.gz" in result.stdout

"""`transmedseg diagnostics` prints what helps, and the log tells of commands that failed."""

from pathlib import Path

import pytest
from cohorts import add_made_up_run, make_project

from napari_transmedseg.cli.main import USAGE_ERROR, main
from napari_transmedseg.project.logs import LOG, application_log


@pytest.fixture(autouse=True)
def _own_log(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSMEDSEG_LOG", str(tmp_path / "log"))
    yield
    for handler in LOG.handlers[1:]:
        LOG.removeHandler(handler)
        handler.close()


def test_it_prints_versions_machine_and_the_latest_run(tmp_path, capsys):
    project, _ = make_project(tmp_path, num_cases=2)
    add_made_up_run(project)
    project.close()
    assert main(["diagnostics", str(project.folder)]) == 0
    text = capsys.readouterr().out
    assert "## Versions" in text and "## Log of run-001" in text
    assert "command diagnostics" in text
    assert str(tmp_path) not in text


def test_it_needs_no_project(capsys):
    assert main(["diagnostics"]) == 0
    assert "Log of" not in capsys.readouterr().out


def test_a_command_that_fails_is_in_the_log_without_its_paths(tmp_path, capsys):
    assert main(["status", str(tmp_path / "Meier_Anna")]) == USAGE_ERROR
    assert "Meier_Anna" in capsys.readouterr().err
    log = application_log().read_text(encoding="utf-8")
    assert "ProjectError at cli.main" in log and "load_project_file" in log
    assert "Meier" not in log and str(Path.home()) not in log

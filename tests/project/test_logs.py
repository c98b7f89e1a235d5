"""Logs say what happened to a run and a program, and nothing about a person."""

import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from cohorts import made_up_events

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.events import CheckpointSaved, Notice
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project import logs
from napari_transmedseg.project.diagnostics import diagnostics_text
from napari_transmedseg.project.logs import (
    LOG,
    RunLog,
    Scrubber,
    error_line,
    note_error,
    start_application_log,
)
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.recorded import events_of


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Folder of the application's log; handlers of this test are let go of."""
    monkeypatch.setenv(logs.FOLDER_VARIABLE, str(tmp_path / "log"))
    yield tmp_path / "log"
    for handler in [h for h in LOG.handlers if not isinstance(h, logging.NullHandler)]:
        LOG.removeHandler(handler)
        handler.close()


@pytest.mark.parametrize(
    ("text", "scrubbed"),
    [
        pytest.param("the image of Meier_1970 is gone", "the image of #2 is gone", id="case"),
        pytest.param("Meier_1970b is not Meier_1970", "#3 is not #2", id="id within an id"),
        pytest.param("a slice of a case", "a slice of a case", id="ids of one letter stay"),
        pytest.param("at /data/Anna Meier/x.nii.gz; no", "at <path> no", id="path with a blank"),
        pytest.param(r"at C:\Users\anna\x.nii", "at <path>", id="Windows"),
        pytest.param("relative images/anna.nii", "relative <path>", id="relative path"),
        pytest.param("found anna_meier.nii.gz here", "found <file> here", id="file name"),
        pytest.param("one\nline\tonly", "one line only", id="one line"),
        pytest.param("loss 0.25, 12 MiB", "loss 0.25, 12 MiB", id="numbers stay"),
    ],
)
def test_names_and_paths_are_taken_out(text: str, scrubbed: str) -> None:
    assert Scrubber(["a", "Meier_1970", "Meier_1970b"])(text) == scrubbed


def failing(error: Exception) -> Exception:
    """The error with a trace through our own code."""

    def rows() -> Iterator[dict[str, object]]:
        raise error
        yield {}

    try:
        list(events_of(rows()))
    except Exception as raised:
        return raised
    raise AssertionError("nothing was raised")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        pytest.param(ProjectError("Expected Meier at /x, found none; look."), "ProjectError at",
                     id="our own, without its sentence"),
        pytest.param(KeyError("Meier"), "KeyError at", id="another, without its text"),
        pytest.param(RuntimeError("shapes 3x4"), "RuntimeError (shapes 3x4) at", id="a library's"),
    ],
)  # fmt: skip
def test_an_error_is_its_kind_and_its_places(error: Exception, words: str) -> None:
    line = error_line(failing(error))
    assert line.startswith(words)
    assert re.search(r"at project\.recorded:\d+:events_of$", line)
    assert "Meier" not in line


def test_a_run_logs_what_happened_but_no_case(project: Project, folder: Path) -> None:
    start_application_log()
    run = project.new_run(TrainingConfig())
    ids = ["Meier_Anna", "other"]

    def events():
        yield from made_up_events(run.run_id)
        yield CheckpointSaved(step=40, path=run.folder / "checkpoints" / "last.pt")
        yield Notice(step=41, sentence="Slices of Meier_Anna in /data/meier are odd.")
        raise RuntimeError("no kernel for /home/anna/x")

    with pytest.raises(RuntimeError):
        list(run.record(events(), ids))

    text = (run.folder / "run.log").read_text()
    for words in (
        "training on cpu, U-Net, 6 annotated",
        "step 0: loss",
        "step 20: Self-training",
        "step 40: The budget is spent.",
        "step 40: checkpoint written",
        "step 41: Slices of #1 in <path>",
        "RuntimeError (no kernel for <path>",
    ):
        assert words in text
    application = (folder / "application.log").read_text()
    assert f"{run.run_id}: step 40: checkpoint written" in application
    for written in (text, application):
        assert not re.search("meier|anna|/", written, re.IGNORECASE)
        assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:", line) for line in written.splitlines())


def test_a_run_that_is_closed_from_outside_says_so(project: Project) -> None:
    run = project.new_run(TrainingConfig())
    recording = run.record(made_up_events(run.run_id))
    next(recording)
    recording.close()
    assert "ended from outside" in (run.folder / "run.log").read_text()


def test_a_log_never_grows_beyond_its_files(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    for number in range(14_000):
        log.say(f"{number} " + "x" * 100)
    log.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["run.log", "run.log.1"]
    assert sum((tmp_path / name).stat().st_size for name in files) < 1.1 * 2**20
    assert (tmp_path / "run.log").read_text().splitlines()[-1].split()[3] == "13999"


def test_a_log_that_cannot_be_written_disturbs_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(logs.FOLDER_VARIABLE, str(tmp_path / "file" / "log"))
    start_application_log()
    note_error(ValueError("x"))
    log = RunLog(tmp_path / "file")
    log.say("nobody hears this")
    log.close()


def test_starting_the_log_twice_writes_each_line_once(folder: Path) -> None:
    start_application_log()
    start_application_log()
    LOG.info("once")
    assert (folder / "application.log").read_text().count("once") == 1


def test_without_the_variable_it_lies_where_the_platform_keeps_logs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(logs.FOLDER_VARIABLE)
    assert "napari-transmedseg" in logs.log_folder().parts
    assert Path.home() in logs.log_folder().parents


def test_diagnostics_hold_versions_machine_and_logs_but_nobody(
    project: Project, folder: Path
) -> None:
    start_application_log()
    run = project.new_run(TrainingConfig())
    list(run.record(made_up_events(run.run_id), [case.case_id for case in project.cases]))
    text = diagnostics_text(project)
    for words in ("## Versions", "napari-transmedseg: ", "torch: ", "## Machine", "cpu_count: ",
                  "memory: ", "free disk", "## Application log", "## Log of run-001",
                  "step 40: The budget is spent."):  # fmt: skip
        assert words in text
    for person in (str(project.folder), str(Path.home()), str(folder)):
        assert person not in text


def test_diagnostics_without_any_log_say_so() -> None:
    text = diagnostics_text()
    assert text.split("## Application log\n")[1].startswith("(empty)")


def test_diagnostics_name_accelerators_and_do_without_what_the_system_does_not_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(name: str) -> int:
        raise ValueError(name)

    cuda = SimpleNamespace(
        device_count=lambda: 1,
        get_device_name=lambda index: f"GPU {index}",
        get_device_properties=lambda index: SimpleNamespace(total_memory=8 * 2**30),
        memory_allocated=lambda index: 3 * 2**20,
    )
    mps = SimpleNamespace(mps=SimpleNamespace(is_available=lambda: True))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda, backends=mps))
    monkeypatch.setattr(os, "sysconf", unknown, raising=False)
    lines = diagnostics_text().splitlines()
    assert "accelerators: GPU 0 (8.0 GiB, 3 MiB in use), MPS" in lines
    assert "memory: unknown" in lines


def test_diagnostics_load_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert "accelerators: none, or not asked for yet" in diagnostics_text().splitlines()
    assert "torch" not in sys.modules

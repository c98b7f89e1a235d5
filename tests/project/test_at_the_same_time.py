"""Saving, exporting and changing a project at the same time do not step on each other."""

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import numpy as np
import pytest
from cohorts import make_cohort

from napari_transmedseg.errors import ProjectError, ProjectHeldError
from napari_transmedseg.imaging.atomic import left_stages
from napari_transmedseg.imaging.io import read_labels
from napari_transmedseg.project import export as export_module
from napari_transmedseg.project.export import export
from napari_transmedseg.project.ledger import Ledger, SliceState
from napari_transmedseg.project.mask_files import MaskWriter
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.schema import load_project_file, save_project_file

CASE = "case_1"


@pytest.fixture
def annotated(tmp_path):
    """Two cases, everything annotated."""
    images, _ = make_cohort(tmp_path, 2)
    with Project.create(tmp_path / "study", images=[images], classes=["ring", "core"]) as project:
        for case in project.cases:
            save_all(project, case.case_id, 1)
        project.flush()
        yield project


def save_all(project: Project, case_id: str, value: int) -> None:
    """Paint every slice with one class and note it in the ledger."""
    slices = {
        index: np.full(project.case(case_id).shape[1:], value, np.uint8)
        for index in range(project.num_slices(case_id))
    }
    ledger = Ledger.untouched(len(slices)).with_states(
        slices, SliceState.ANNOTATED, who=str(value), when="2026"
    )
    project.save_slices(case_id, slices, ledger)


def test_an_export_while_annotation_is_saved_shows_one_moment_of_each_case(annotated, tmp_path):
    stop = threading.Event()

    def paint() -> None:
        for number in count():
            save_all(annotated, CASE, 1 + number % 2)
            annotated.flush()
            if stop.is_set():
                return

    with ThreadPoolExecutor(1) as pool:
        painting = pool.submit(paint)
        try:
            with Project.open(annotated.folder, read_only=True) as reader:
                for number in range(6):
                    done = export(reader, tmp_path / f"out-{number}")
                    values = np.unique(read_labels(done[0].path).array)
                    assert len(values) == 1 and values[0] in (1, 2)
                    assert set(done[0].slice_states) == {"annotated"}
                    label_map, ledger = reader.annotation(CASE), reader.ledger(CASE)
                    assert {entry.who for entry in ledger.entries} == {str(label_map.array.max())}
        finally:
            stop.set()
            painting.result(60)


def test_a_second_export_into_one_folder_is_refused_and_the_first_is_whole(
    annotated, tmp_path, monkeypatch
):
    out, write = tmp_path / "out", MaskWriter.write
    told: list[str] = []

    def meanwhile(self, *args):
        if not told:
            told.append("")
            with pytest.raises(ProjectHeldError, match="only program on .*out") as caught:
                export(annotated, out)
            told[0] = str(caught.value)
        return write(self, *args)

    monkeypatch.setattr(MaskWriter, "write", meanwhile)
    done = export(annotated, out)
    assert "has it open" in told[0]
    assert [case.path.exists() for case in done] == [True, True]
    assert not (out / ".export.lock").exists()
    export(annotated, out)


@pytest.mark.parametrize("what", ["case", "annotation"])
def test_a_case_that_is_removed_while_exporting_leaves_no_masks(
    annotated, tmp_path, monkeypatch, what
):
    write = export_module._write_tables

    def remove(*args):
        content = load_project_file(annotated.folder)
        if what == "case":
            save_project_file(annotated.folder, content.model_copy(update={"cases": ()}))
        else:
            (annotated.folder / "annotations" / f"{CASE}.ledger.json").unlink()
        write(*args)

    monkeypatch.setattr(export_module, "_write_tables", remove)
    with pytest.raises(ProjectError, match=f"{CASE} to stay in the project"):
        export(annotated, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_what_a_cut_off_export_left_is_cleared_by_the_next(annotated, tmp_path):
    out = tmp_path / "out"
    done = export(annotated, out)
    (out / "export.json").unlink()
    (out / ".export-abc").mkdir()
    (out / ".export-abc" / "case_9.nii.gz").write_bytes(b"half")
    export(annotated, out)
    assert left_stages(out) == [] and all(case.path.exists() for case in done)


def test_the_command_line_reads_while_the_window_writes(annotated, capsys):
    from napari_transmedseg.cli.main import main

    folder = str(annotated.folder)
    save_all(annotated, CASE, 2)
    assert main(["status", folder]) == 0
    assert main(["predict", folder]) == 2
    assert "take it over if that program is gone" in capsys.readouterr().err
    save_all(annotated, CASE, 1)
    annotated.flush()


def test_a_take_over_from_the_command_line_stops_the_window_at_its_next_save(annotated, tmp_path):
    from napari_transmedseg.cli.main import main

    labels = str(tmp_path / "labels")
    order = ["annotate", str(annotated.folder), "--from-labels", labels, "--replace"]
    assert main(order) == 2
    assert main([*order, "--take-over"]) == 0
    save_all(annotated, CASE, 2)
    with pytest.raises(ProjectError, match="kept as snapshot"):
        annotated.flush()
    with Project.open(annotated.folder) as again:
        assert set(np.unique(again.annotation(CASE).array)) == {0, 1, 2}

"""Projects that came from others do nothing but open, or end in one sentence."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from napari_transmedseg.errors import ProjectError, TransMedSegError, UnlinkedError
from napari_transmedseg.project import links
from napari_transmedseg.project.json_file import MAX_DEPTH, parse_json, read_json
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.replacing import COMMITTED
from napari_transmedseg.project.status import project_status

from .conftest import assert_is_one_sentence, paint

needs_links = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX links")


@pytest.fixture
def stranger(monkeypatch, tmp_path):
    """A person on whose computer nothing was linked yet."""
    monkeypatch.setenv(links.FOLDER_VARIABLE, str(tmp_path / "stranger"))
    monkeypatch.setattr(links, "_linked_now", set())


@pytest.fixture
def inner(tmp_path: Path, make_image: Callable[..., Path]) -> Path:
    """A closed project whose image lies in its folder, annotated."""
    image = make_image(tmp_path / "inner" / "images" / "a.nii.gz")
    with Project.create(tmp_path / "inner", images=[image], classes=["LV"]) as project:
        project.save_annotation("a", paint(project, "a", 1))
    return tmp_path / "inner"


def change(folder: Path, **facts: Any) -> None:
    """Change the description of the first case."""
    for name in ("project.json", "project.backup.json"):
        content = json.loads((folder / name).read_text())
        content["cases"][0].update(facts)
        (folder / name).write_text(json.dumps(content))


def refused(folder: Path, kind: type[TransMedSegError], words: str) -> None:
    for read_only in (True, False):
        with pytest.raises(kind, match=words) as caught:
            Project.open(folder, read_only=read_only)
        assert_is_one_sentence(caught.value)
    assert not (folder / ".lock").exists()


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"image": "../secret.nii.gz"}, id="a step up"),
        pytest.param({"image": "images/../../../etc/passwd"}, id="steps up in the middle"),
        pytest.param({"image": "/etc/passwd"}, id="absolute"),
        pytest.param({"image": "C:\\Users\\x.nii"}, id="absolute on Windows"),
        pytest.param({"image": "//server/share/x.nii"}, id="a server"),
        pytest.param({"image": "\\\\server\\share\\x.nii"}, id="a server on Windows"),
        pytest.param({"image_absolute": "/etc/passwd"}, id="absolute beside a good one"),
    ],
)
def test_images_outside_the_folder_are_refused_untouched(inner, stranger, facts, monkeypatch):
    change(inner, **facts)
    touched: list[str] = []
    look = os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda p, **k: touched.append(str(p)) or look(p, **k))
    refused(inner, UnlinkedError, "files outside it that you did not link")
    assert not [path for path in touched if any(str(v) in path for v in facts.values())]


@needs_links
@pytest.mark.parametrize(
    "place",
    [
        "images/a.nii.gz",
        "annotations",
        "annotations/a.nii.gz",
        "predictions",
        "runs",
        "snapshots",
        "backups",
        ".hidden",
    ],
)
def test_links_that_lead_outside_are_refused(inner, stranger, tmp_path, place):
    outside = tmp_path / "outside"
    path = inner / place
    if path.is_file():
        shutil.move(path, outside)
    else:
        shutil.rmtree(path, ignore_errors=True)
        outside.mkdir()
    path.symlink_to(outside)
    refused(inner, UnlinkedError, place)
    before = sorted(tmp_path.rglob("outside/*"))
    with Project.open(inner, trust_links=True) as project:
        assert project.case("a")
    assert sorted(tmp_path.rglob("outside/*")) == before


@needs_links
@pytest.mark.parametrize(
    "name",
    ["project.damaged.json", "project.previous.json", "project.v1.json", "corrections.jsonl"],
)
def test_files_that_the_program_writes_overwrite_nothing_elsewhere(inner, stranger, tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (inner / name).symlink_to(victim)
    (inner / "project.json").write_text("{")  # the backup is read instead, and it written anew
    refused(inner, UnlinkedError, name)
    assert victim.read_text() == "mine"


def test_the_copy_of_a_damaged_description_replaces_a_link(inner, tmp_path):
    victim = inner / "images" / "victim"
    victim.write_text("mine")
    if sys.platform != "win32":
        (inner / "project.damaged.json").symlink_to(victim)
    (inner / "project.json").write_text("{")
    Project.open(inner).close()
    assert victim.read_text() == "mine"
    assert (inner / "project.damaged.json").read_text() == "{"


@needs_links
def test_links_inside_the_folder_are_followed(inner, stranger):
    (inner / "images" / "a.nii.gz").rename(inner / "images" / "real.nii.gz")
    (inner / "images" / "a.nii.gz").symlink_to("real.nii.gz")
    with Project.open(inner) as project:
        assert project.volume("a").array.size


def test_what_the_person_linked_stays_linked_wherever_the_project_goes(project, tmp_path):
    project.close()
    root = tmp_path / "moved"
    root.mkdir()
    shutil.copytree(project.folder, root / "study")
    shutil.copytree(tmp_path / "images", root / "images")
    with Project.open(root / "study") as moved:
        assert moved.volume("a").array.size


def test_a_person_trusts_a_project_of_others_once(project, stranger):
    project.close()
    refused(project.folder, UnlinkedError, r"\.\./images/a\.nii\.gz and 2 more")
    Project.open(project.folder, trust_links=True).close()
    with Project.open(project.folder) as again:
        assert again.volume("a").array.size
    change(project.folder, image="../images/b.nii.gz")
    refused(project.folder, UnlinkedError, "b.nii.gz")


def test_trust_holds_for_the_process_where_it_cannot_be_written_down(project, monkeypatch):
    project.close()
    monkeypatch.setattr(links, "_linked_now", set())
    monkeypatch.setenv(links.FOLDER_VARIABLE, os.devnull)
    refused(project.folder, UnlinkedError, "did not link")
    Project.open(project.folder, trust_links=True).close()
    Project.open(project.folder).close()


def test_added_and_relinked_images_are_linked(inner, make_image, tmp_path):
    with Project.open(inner) as project:
        project.add_images([make_image(tmp_path / "elsewhere" / "b.nii.gz")])
        project.relink_image("a", make_image(tmp_path / "there" / "a.nii.gz"))
    Project.open(inner).close()


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param({"shape": [10**9, 9, 8]}, id="absurd size"),
        pytest.param({"shape": [0, 9, 8]}, id="no voxels"),
        pytest.param({"spacing": [float("nan"), 1, 1]}, id="spacing that is no number"),
        pytest.param({"spacing": [0, 1, 1]}, id="no spacing"),
        pytest.param({"spacing": [1e300, 1, 1]}, id="absurd spacing"),
        pytest.param({"case_id": "../../x"}, id="case id that leaves the folder"),
        pytest.param({"case_id": "a" * 5000}, id="endless case id"),
        pytest.param({"image": "a\0b.nii"}, id="null character"),
    ],
)
def test_absurd_facts_are_refused(inner, facts):
    change(inner, **facts)
    refused(inner, ProjectError, "damaged one")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param("[" * 100_000, "nested too deeply", id="endless nesting"),
        pytest.param('{"a":' * 50_000, "nested too deeply", id="endless objects"),
        pytest.param('{"schema_version": 2, "config": ' + "[" * 60 + "]" * 60 + "}",
                     "nested too deeply", id="deep nesting"),
        pytest.param('{"schema_version": 1' + "0" * 5000 + "}", "damaged", id="endless number"),
        pytest.param("\x00" * 100, "damaged", id="zeros"),
    ],
)  # fmt: skip
def test_absurd_json_is_refused(inner, content, words):
    for name in ("project.json", "project.backup.json"):
        (inner / name).write_text(content)
    refused(inner, ProjectError, words)


def test_huge_json_is_refused_unread(tmp_path):
    path = tmp_path / "project.json"
    with path.open("wb") as file:
        file.truncate(2**33)
    refused(tmp_path, ProjectError, "8192 MB where at most 64 fit")


def test_json_is_bounded_in_depth_and_size(tmp_path):
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    assert parse_json(deepest) is not None
    with pytest.raises(ValueError, match="deeply"):
        parse_json(f"[{deepest}]")
    (tmp_path / "x.json").write_text("[1, 2, 3]")
    with pytest.raises(ValueError, match="MB"):
        read_json(tmp_path / "x.json", max_bytes=4)


def test_labels_of_an_absurd_size_take_no_memory(inner):
    header = nib.Nifti1Header()
    header.set_data_shape((20_000, 20_000, 20_000))
    header.set_data_dtype(np.uint8)
    header.set_sform(np.eye(4), code=1)
    header["magic"], header["vox_offset"] = b"n+1", 352
    (inner / "annotations" / "a.nii.gz").unlink()
    import gzip

    with gzip.open(inner / "annotations" / "a.nii.gz", "wb") as file:
        file.write(header.binaryblock + bytes(1000))
    with Project.open(inner) as project, pytest.raises(TransMedSegError) as caught:
        project.annotation("a")
    assert_is_one_sentence(caught.value)


def test_metrics_of_others_are_read_or_left_out(inner):
    run = inner / "runs" / "run-001"
    run.mkdir(parents=True)
    (run / "config.json").write_text('{"config": {}}')
    events = ("StepReport", "DiceReport", "TrainingFinished")
    rows = ["[" * 100_000, "7", '{"event": 3}', "\x00", *(f'{{"event": "{e}"}}' for e in events)]
    (run / "metrics.jsonl").write_bytes("\n".join(rows).encode() + b"\n\xff\xfe")
    with Project.open(inner) as project:
        (row,) = project_status(project)["runs"]
    assert row["steps"] == 0 and row["dice"] is None


def test_the_command_line_links_and_restores(project, stranger, capsys):
    from napari_transmedseg.cli.main import main

    project.save_annotation("a", paint(project, "a", 1))
    project.import_labels("a", project.annotation("a"), [1], overwrite=True)
    project.close()
    folder = str(project.folder)
    assert main(["status", folder]) == 2
    assert f"transmedseg trust {folder} --yes" in capsys.readouterr().err
    assert main(["trust", folder]) == 0
    assert "../images/c.nii.gz" in capsys.readouterr().out
    assert main(["status", folder]) == 2
    assert main(["trust", folder, "--yes"]) == 0
    assert "3 files outside" in capsys.readouterr().out

    assert main(["snapshots", folder, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["case_id"], one["snapshot_id"], one["num_painted"]) == ("a", "0001", 1)
    assert main(["snapshots", folder, "--case", "b"]) == 0
    assert "No snapshots yet." in capsys.readouterr().out
    assert main(["restore", folder, "a"]) == 0
    told = capsys.readouterr().out
    assert "a is restored: 0 of 6 slices are known whole." in told
    assert main(["restore", folder, "a", "--snapshot", "0009"]) == 2
    assert "0001" in capsys.readouterr().err
    assert main(["snapshots", folder]) == 0
    assert "before labels were brought in" in capsys.readouterr().out


def test_opening_runs_nothing(inner):
    code = "import sys; from napari_transmedseg.project.project import Project;"
    code += "Project.open(sys.argv[1], read_only=True); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, str(inner)], check=True, timeout=120)


def test_a_change_that_others_left_unfinished_leads_nowhere(inner, stranger):
    left = inner / COMMITTED
    left.mkdir()
    content = json.loads((inner / "project.json").read_text())
    content["cases"][0]["image"] = "../secret.nii.gz"
    (left / "project.json").write_text(json.dumps(content))
    with pytest.raises(UnlinkedError, match="secret"):
        Project.open(inner)

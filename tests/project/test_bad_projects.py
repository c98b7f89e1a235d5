"""What can go wrong with a project ends in one sentence, and nothing is lost."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.errors import (
    GeometryError,
    ImageReadError,
    ProjectError,
    TransMedSegError,
)
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project

from .conftest import CLASSES, assert_is_one_sentence, paint


def snapshot(folder: Path) -> dict[str, bytes]:
    """Contents of all files but the lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


@contextmanager
def refused(error: type[TransMedSegError], words: str) -> Iterator[None]:
    with pytest.raises(error, match=words) as caught:
        yield
    assert_is_one_sentence(caught.value)


# --- opening


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with refused(ProjectError, "no project.json"):
        Project.open(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("read_only", [False, True])
def test_a_project_of_a_newer_version_is_opened_read_only_and_left_alone(
    project: Project, read_only: bool
) -> None:
    project.save_annotation("a", paint(project, "a", 1))
    project.close()
    path = project.folder / "project.json"
    content = {**json.loads(path.read_text()), "schema_version": 99, "something": "new"}
    content["cases"][0]["colour"] = {"of": "the future"}
    path.write_text(json.dumps(content))
    before = snapshot(project.folder)

    newer = Project.open(project.folder, read_only=read_only)

    assert "version 99 of a newer program" in newer.notices[0]
    assert newer.annotation("a").array[1].any()
    with refused(ProjectError, "newer program; it is opened read-only"):
        newer.set_domain("a", "site")
    with refused(ProjectError, "newer program"):
        newer.save_slices("a", {}, newer.ledger("a"))
    newer.close()
    assert snapshot(project.folder) == before


def test_a_newer_version_that_makes_no_sense_here_is_refused(project: Project) -> None:
    project.close()
    path = project.folder / "project.json"
    path.write_text('{"schema_version": 99, "name": "x", "structures": []}')
    with refused(ProjectError, "newer program; update"):
        Project.open(project.folder, read_only=True)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param('{"schema_version": 1, "name": ', id="cut short"),
        pytest.param("[1, 2]", id="a list"),
        pytest.param('{"schema_version": 1, "name": "x"}', id="without classes"),
        pytest.param(
            '{"schema_version": 1, "name": "x", "slice_axis": 0, "classes": '
            '[{"value": 2, "name": "LV", "color": "#ffffff"}]}',
            id="classes not 1, 2, 3",
        ),
        pytest.param(
            '{"schema_version": 1, "name": "x", "slice_axis": 0, "classes": '
            '[{"value": 1, "name": "LV", "color": "#ffffff"}], "cases": [{"case_id": "../../x", '
            '"image": "x.nii", "shape": [1, 1, 1], "spacing": [1, 1, 1]}]}',
            id="case id that leaves the folder",
        ),
    ],
)
def test_a_damaged_project_file_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "project.json").write_text(content)
    with refused(ProjectError, "damaged"):
        Project.open(tmp_path)
    assert (tmp_path / "project.json").read_text() == content


def test_a_second_program_is_refused_and_may_read(project: Project) -> None:
    code = (
        "import sys\n"
        "from napari_transmedseg.project.project import Project\n"
        "try:\n"
        "    Project.open(sys.argv[1])\n"
        "except Exception as error:\n"
        "    print(error)\n"
        "print(len(Project.open(sys.argv[1], read_only=True).cases))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(project.folder)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    message, count = done.stdout.strip().splitlines()
    assert f"process {os.getpid()}" in message
    assert "only program" in message
    assert count == "3"


def test_the_same_program_cannot_open_it_twice(project: Project) -> None:
    with refused(ProjectError, "only program"):
        Project.open(project.folder)
    project.close()
    Project.open(project.folder).close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_the_lock_of_a_program_that_was_killed_is_taken_over(project: Project) -> None:
    project.close()
    code = (
        "import sys, time\n"
        "from napari_transmedseg.project.project import Project\n"
        "project = Project.open(sys.argv[1])\n"
        "print('open', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(project.folder)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "open"
        with refused(ProjectError, f"process {other.pid}"):
            Project.open(project.folder)
        other.send_signal(signal.SIGKILL)
        other.wait()

    assert (project.folder / ".lock").exists()
    Project.open(project.folder).close()
    assert not (project.folder / ".lock").exists()


def test_the_lock_of_another_computer_is_respected(project: Project) -> None:
    project.close()
    owner = {"pid": 7, "host": "radiology-2", "time": "2025-01-01T10:00:00+00:00"}
    (project.folder / ".lock").write_text(json.dumps(owner))

    with refused(ProjectError, "radiology-2"):
        Project.open(project.folder)

    assert json.loads((project.folder / ".lock").read_text()) == owner


def test_an_unreadable_lock_file_is_taken_over(project: Project) -> None:
    project.close()
    (project.folder / ".lock").write_text("not json")
    Project.open(project.folder).close()


@pytest.fixture
def read_only_folder() -> Iterator[Callable[[Path], Path]]:
    """Copy of a folder that the user may read but not write; root gives its rights up."""
    made: list[Path] = []
    root = hasattr(os, "geteuid") and os.geteuid() == 0

    def make(source: Path) -> Path:
        base = Path(tempfile.mkdtemp())
        base.chmod(0o755)
        made.append(base)
        target = base / "study"
        shutil.copytree(source, target)
        for path in [target, *target.rglob("*")]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        if root:
            os.seteuid(65534)
        return target

    try:
        yield make
    finally:
        if root:
            os.seteuid(0)
        for base in made:
            for path in base.rglob("*"):
                path.chmod(0o755)
            shutil.rmtree(base)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows folders ignore the read-only flag")
def test_a_read_only_folder_opens_read_only_and_refuses_changes(
    tmp_path: Path,
    make_image: Callable[..., Path],
    read_only_folder: Callable[[Path], Path],
) -> None:
    image = make_image(tmp_path / "study" / "a.nii.gz")
    with Project.create(tmp_path / "study", images=[image], classes=["LV"]) as made:
        made.save_annotation("a", paint(made, "a", 1))
    folder = read_only_folder(made.folder)

    with refused(ProjectError, "read-only"):
        Project.open(folder)
    with refused(ProjectError, "Permission denied|permission denied"):
        Project.create(folder / "new", images=[folder / "a.nii.gz"], classes=["LV"])
    project = Project.open(folder, read_only=True)
    assert project.annotation("a").array.any()
    for change in (
        lambda: project.save_annotation("a", project.annotation("a")),
        lambda: project.set_slice_state("a", 1, SliceState.ANNOTATED),
        lambda: project.import_labels("a", project.annotation("a")),
        lambda: project.add_class("RV"),
        lambda: project.new_run(TrainingConfig()),
        lambda: project.add_images([folder]),
    ):
        with refused(ProjectError, "read-only"):
            change()


def test_a_closed_project_refuses_changes(project: Project) -> None:
    project.close()
    with refused(ProjectError, "closed"):
        project.save_annotation("a", paint(project, "a", 1))


# --- cohort


def test_an_existing_project_is_not_replaced(project: Project, images: list[Path]) -> None:
    project.close()
    before = snapshot(project.folder)
    with refused(ProjectError, "open that project"):
        Project.create(project.folder, images=images, classes=["LV"])
    assert snapshot(project.folder) == before


def test_two_files_of_one_stem_are_refused_with_both_names(
    project: Project, make_image: Callable[..., Path], tmp_path: Path
) -> None:
    twin = make_image(tmp_path / "other" / "A.nii")
    with refused(ProjectError, "images/a.nii.gz") as _:
        project.add_images([twin])
    assert len(project.cases) == 3


def test_two_new_files_of_one_stem_make_no_project(
    make_image: Callable[..., Path], tmp_path: Path
) -> None:
    for place in ("site1", "site2"):
        make_image(tmp_path / place / "scan.nii.gz")
    with refused(ProjectError, "site1.*site2"):
        Project.create(
            tmp_path / "p", images=[tmp_path / "site1", tmp_path / "site2"], classes=["LV"]
        )
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"no image", "found something else", id="no image"),
        pytest.param(b"", "found something else", id="empty"),
    ],
)
def test_one_bad_file_adds_nothing(
    content: bytes, words: str, project: Project, make_image: Callable[..., Path], tmp_path: Path
) -> None:
    make_image(tmp_path / "more" / "good.nii.gz")
    (tmp_path / "more" / "bad.nii.gz").write_bytes(content)
    before = snapshot(project.folder)
    with refused(ImageReadError, words):
        project.add_images([tmp_path / "more"])
    assert snapshot(project.folder) == before


def test_an_image_of_unknown_place_is_refused(
    project: Project, make_image: Callable[..., Path], tmp_path: Path
) -> None:
    with refused(GeometryError, "without position"):
        project.add_images([make_image(tmp_path / "lost.nii.gz", code=0)])


@pytest.mark.parametrize("name", ["a.known", "a.uncertainty"])
def test_a_name_that_would_be_another_cases_mask_is_refused(
    project: Project, make_image: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    with refused(ProjectError, name):
        project.add_images([make_image(tmp_path / f"{name}.nii.gz")])


def test_a_project_needs_images(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with refused(ProjectError, "at least one image"):
        Project.create(tmp_path / "p", images=[tmp_path / "nothing"], classes=["LV"])
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("names", "words"),
    [
        pytest.param([], "at least one class", id="none"),
        pytest.param(["LV", "lv"], "once", id="twice"),
        pytest.param(["LV", " "], "a name", id="blank"),
        pytest.param(["Background", "LV"], "background is 0", id="background"),
    ],
)
def test_classes_that_cannot_be_told_apart_are_refused(
    names: list[str], words: str, tmp_path: Path, images: list[Path]
) -> None:
    with refused(ProjectError, words):
        Project.create(tmp_path / "p", images=images, classes=names)
    assert not (tmp_path / "p").exists()


def test_class_edits_are_checked(project: Project) -> None:
    with refused(ProjectError, "once"):
        project.add_class("lv")
    with refused(ProjectError, "once"):
        project.rename_class(1, CLASSES[1])
    with refused(ProjectError, "colour"):
        project.recolor_class(1, "red")
    with refused(ProjectError, "from 1 to 3"):
        project.rename_class(4, "aorta")
    assert [item.name for item in project.classes] == list(CLASSES)


def test_a_case_that_does_not_exist_is_named(project: Project) -> None:
    with refused(ProjectError, "'z'"):
        project.volume("z")


@pytest.mark.parametrize("act", ["volume", "geometry", "annotation", "training"])
def test_a_missing_image_is_named_with_its_path(project: Project, act: str) -> None:
    path = project.image_path("b")
    path.unlink()
    acts: dict[str, Callable[[], object]] = {
        "volume": lambda: project.volume("b"),
        "geometry": lambda: project.geometry("b"),
        "annotation": lambda: project.annotation("b"),
        "training": project.training_cases,
    }
    with refused(ProjectError, f"case b at .*{path.name}"):
        acts[act]()


def test_an_image_that_became_another_is_refused(
    project: Project, make_image: Callable[..., Path]
) -> None:
    make_image(project.image_path("b"), shape=(8, 9, 7))
    with refused(ProjectError, "7×9×8 voxels"):
        project.volume("b")


# --- annotation


def test_a_label_map_of_another_shape_is_refused(project: Project) -> None:
    other = LabelMap.empty(Geometry.from_spacing((8, 9, 7), (1.5, 1.5, 8)), known=True)
    before = snapshot(project.folder)
    with refused(GeometryError, "7×9×8"):
        project.save_annotation("a", other)
    with refused(GeometryError, "7×9×8"):
        project.import_labels("a", other)
    assert snapshot(project.folder) == before


def test_a_label_map_of_another_place_is_refused(project: Project) -> None:
    affine = np.array(project.geometry("a").affine)
    affine[0, 3] += 12
    other = LabelMap.empty(Geometry(shape=project.geometry("a").shape, affine=affine))
    with refused(GeometryError, "12 mm away"):
        project.import_labels("a", other)


def test_classes_outside_the_list_are_refused_and_the_old_annotation_stays(
    project: Project,
) -> None:
    project.save_annotation("a", paint(project, "a", 1))
    before = snapshot(project.folder)
    with refused(ProjectError, "found 7"):
        project.save_annotation("a", paint(project, "a", 2, value=7))
    with refused(ProjectError, "found 7"):
        project.import_labels("a", paint(project, "a", 2, value=7))
    assert snapshot(project.folder) == before


@pytest.mark.parametrize("state", ["unseen", "suggested", "empty", "rejected"])
def test_a_painted_slice_is_not_marked_as_if_it_were_not(project: Project, state: str) -> None:
    project.save_annotation("a", paint(project, "a", 2))
    with refused(ProjectError, "slice 3 of a without paint .* found 4 painted voxels"):
        project.set_slice_state("a", 2, SliceState(state))
    assert project.ledger("a").states[2] is SliceState.IN_PROGRESS


def test_an_import_replaces_no_annotation_unless_asked(project: Project) -> None:
    project.save_annotation("a", paint(project, "a", 2))
    labels = LabelMap.empty(project.geometry("a"), known=True)
    before = snapshot(project.folder)

    with refused(ProjectError, "allow overwriting"):
        project.import_labels("a", labels)
    assert snapshot(project.folder) == before

    project.import_labels("a", labels, overwrite=True)
    assert not project.annotation("a").array.any()


@pytest.mark.parametrize("index", [-1, 6])
def test_a_slice_that_does_not_exist_is_refused(project: Project, index: int) -> None:
    with refused(ProjectError, "0 to 5"):
        project.set_slice_state("a", index, SliceState.EMPTY)
    with refused(ProjectError, "0 to 5"):
        project.import_labels("a", LabelMap.empty(project.geometry("a"), known=True), [index])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("{", id="cut short"),
        pytest.param('{"schema_version": 1, "num_slices": 5, "slices": []}', id="other slices"),
        pytest.param('{"schema_version": 9, "num_slices": 6, "slices": []}', id="newer"),
        pytest.param(
            '{"schema_version": 1, "num_slices": 6, "slices": [{"index": 1, "state": "done"}]}',
            id="unknown state",
        ),
    ],
)
def test_a_damaged_ledger_is_named_and_kept(project: Project, content: str) -> None:
    project.save_annotation("a", paint(project, "a", 1))
    project.close()
    path = project.folder / "annotations" / "a.ledger.json"
    path.write_text(content)
    with Project.open(project.folder) as again, refused(ProjectError, "a.ledger.json"):
        again.annotation("a")
    assert path.read_text() == content


def test_a_full_disk_keeps_the_old_annotation(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.save_annotation("a", paint(project, "a", 1))
    before = snapshot(project.folder)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with refused(ProjectError, "no space left"):
        project.save_annotation("a", paint(project, "a", 3))
    monkeypatch.undo()

    assert snapshot(project.folder) == before
    assert not project.annotation("a").array[3].any()


def test_a_prediction_on_another_grid_is_refused(project: Project) -> None:
    run = project.new_run(TrainingConfig())
    other = LabelMap.empty(Geometry.from_spacing((8, 9, 7), (1.5, 1.5, 8)), known=True)
    with refused(GeometryError, "7×9×8"):
        project.save_prediction(run.run_id, "a", other)
    assert not (project.folder / "predictions").exists()


def test_an_annotation_file_from_another_image_is_refused(project: Project) -> None:
    project.save_annotation("a", paint(project, "a", 1))
    path = project.folder / "annotations" / "a.nii.gz"
    image = nib.load(path)
    moved = image.affine.copy()
    moved[0, 3] += 40
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), moved), path)
    with refused(GeometryError, "40 mm away"):
        project.annotation("a")

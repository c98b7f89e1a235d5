"""A write that was cut off anywhere leaves the state before it or the one after it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project import annotation
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project

from .conftest import assert_is_one_sentence, paint

STEPS = ("autosave", "a.nii.gz", "a.ledger.json", "a.known.nii.gz", "end")


class Crashed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def crash_before(monkeypatch):
    """Ends writing before the file of that name is replaced."""

    def arm(name: str) -> None:
        def broken(write):
            def run(target, *rest):
                path = target if isinstance(target, Path) else target.ledger
                if name in path.name:
                    raise Crashed
                write(target, *rest)

            return run

        for attribute in ("write_bytes", "write_labels", "write_ledger"):
            monkeypatch.setattr(annotation, attribute, broken(getattr(annotation, attribute)))
        if name == "end":
            monkeypatch.setattr(Path, "unlink", lambda *_, **__: (_ for _ in ()).throw(Crashed))

    return arm


def erased(project: Project) -> None:
    """Take back what was painted on slice 1, and annotate slice 2."""
    label_map = project.annotation("a")
    label_map.array[1] = 0
    label_map.array[2, 3:6, 3:6] = 3
    ledger = project.ledger("a").with_states([1], SliceState.UNSEEN)
    ledger = ledger.with_states([2], SliceState.ANNOTATED, who="anna", when="2026")
    annotation.write_annotation(
        annotation.AnnotationFiles.of(project.folder, "a"), label_map, ledger, 0, changed=[1, 2]
    )


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_write_that_was_cut_off_is_whole_or_not_at_all(project, crash_before, step, read_only,
                                                         monkeypatch):  # fmt: skip
    project.save_annotation("a", paint(project, "a", 1))
    project.set_slice_state("a", 1, SliceState.ANNOTATED)
    before = project.annotation("a")
    project.close()
    with monkeypatch.context():
        crash_before(step)
        with pytest.raises(Crashed):
            erased(project)
    monkeypatch.undo()

    with Project.open(project.folder, read_only=read_only) as again:
        found, states = again.annotation("a"), again.ledger("a").states
        if step == "autosave":
            assert_array_equal(found.array, before.array)
            assert states[1] is SliceState.ANNOTATED
        else:
            assert not found.array[1].any() and not found.known[1].any()
            assert (found.array[2, 3:6, 3:6] == 3).all() and found.known[2].all()
            assert states[1] is SliceState.UNSEEN
            assert again.training_cases()[0].annotation is not None
        autosave = project.folder / "annotations" / "a.autosave"
        assert autosave.exists() == (read_only and step != "autosave")
        if step != "autosave" and not read_only:
            assert "2 slices of a from the autosave" in again.notices[0]


def test_an_autosave_of_a_case_without_image_waits(project):
    project.save_annotation("a", paint(project, "a", 1))
    files = annotation.AnnotationFiles.of(project.folder, "a")
    label_map, ledger = project.annotation("a"), project.ledger("a")
    label_map.array[4] = 2
    project.close()
    annotation._autosave(files, {4: label_map.array[4]}, ledger)
    image = project.image_path("a")
    shutil.move(image, image.with_suffix(".away"))
    with Project.open(project.folder) as again:
        with pytest.raises(ProjectError, match="put it back"):
            again.annotation("a")
        shutil.move(image.with_suffix(".away"), image)
        again.set_slice_state("a", 0, SliceState.EMPTY)
        assert (again.annotation("a").array[4] == 2).all()
        assert not files.autosave.exists()


def test_an_autosave_of_another_image_is_refused_with_its_name(project):
    project.save_annotation("a", paint(project, "a", 1))
    files = annotation.AnnotationFiles.of(project.folder, "a")
    annotation._autosave(files, {1: np.zeros((3, 3), np.uint8)}, project.ledger("a"))
    with pytest.raises(ProjectError, match=r"a\.autosave, found slice 2 of 3×3"):
        project.annotation("a")


def test_the_copy_of_a_damaged_project_file_is_taken(project):
    project.save_annotation("a", paint(project, "a", 1))
    project.set_domain("b", "site 2")
    project.close()
    file = project.folder / "project.json"
    good = file.read_bytes()
    file.write_bytes(good[: len(good) // 2])
    with Project.open(project.folder, read_only=True) as reader:
        assert "project.json is damaged" in reader.notices[0]
        assert reader.case("b").domain == "site 2"
    with Project.open(project.folder) as again:
        assert "its copy project.backup.json was taken" in again.notices[0]
        assert again.annotation("a").array[1].any()
    assert file.read_bytes() == good
    assert (project.folder / "project.damaged.json").read_bytes() == good[: len(good) // 2]


def test_of_two_descriptions_the_project_s_own_counts_and_the_other_is_kept(project):
    project.close()
    own, copy = project.folder / "project.json", project.folder / "project.backup.json"
    other = copy.read_bytes().replace(b'"RV"', b'"right"')
    copy.write_bytes(other)
    with Project.open(project.folder) as again:
        (notice,) = again.notices
        assert again.class_names[1] == "RV"
    assert "the copy is kept as project.previous.json" in notice
    assert (project.folder / "project.previous.json").read_bytes() == other
    assert own.read_bytes() == copy.read_bytes()


def test_a_damaged_copy_is_made_anew(project):
    project.close()
    (project.folder / "project.backup.json").write_text("damaged")
    with Project.open(project.folder) as again:
        assert again.notices == ()
    own, copy = (project.folder / f"project{part}.json" for part in ("", ".backup"))
    assert own.read_bytes() == copy.read_bytes()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param({"slice_axis": 2}, "slices along axis 2 instead of 0", id="other plane"),
        pytest.param({"num_slices": 9}, "9 slices instead of 6", id="other slices"),
        pytest.param({"checksum": 1}, "a wrong checksum", id="flipped bit"),
        pytest.param({"slices": [{"index": 6, "state": "empty"}]}, "checksum", id="row changed"),
    ],
)
def test_a_ledger_that_does_not_fit_is_named(project, change, words):
    project.save_annotation("a", paint(project, "a", 1))
    file = project.folder / "annotations" / "a.ledger.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ProjectError, match=words) as caught:
        project.annotation("a")
    assert_is_one_sentence(caught.value)


def test_a_ledger_that_a_person_changed_counts_without_its_checksum(project):
    project.save_annotation("a", paint(project, "a", 1))
    project.close()
    file = project.folder / "annotations" / "a.ledger.json"
    content = json.loads(file.read_text())
    content["slices"] = [{"index": 1, "state": "annotated"}, {"index": 3, "state": "empty"}]
    del content["checksum"]
    file.write_text(json.dumps(content))
    with Project.open(project.folder) as again:
        assert again.ledger("a").labeled_indices() == [1, 3]
        file.write_text(json.dumps({**content, "slices": [{"index": 6, "state": "empty"}]}))
    with Project.open(project.folder) as again, pytest.raises(ProjectError, match="slice 6 of 6"):
        again.annotation("a")


def test_labels_that_change_again_and_again_are_told(project, monkeypatch):
    project.save_annotation("a", paint(project, "a", 1))
    file = project.folder / "annotations" / "a.ledger.json"
    read = annotation._read

    def disturbed(*arguments):
        file.write_bytes(file.read_bytes() + b" ")
        return read(*arguments)

    monkeypatch.setattr(annotation, "_read", disturbed)
    with pytest.raises(ProjectError, match="changes it again and again") as caught:
        project.annotation("a")
    assert_is_one_sentence(caught.value)

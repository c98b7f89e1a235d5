"""Slices are saved in the background, and nothing that people painted is lost on the way."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project import annotated
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.saving import AnnotationSaver, SliceChanges


def a_slice(project: Project, value: int) -> np.ndarray:
    """A painted slice (Y, X) of case a."""
    labels = np.zeros(project.case("a").shape[1:], np.uint8)
    labels[2:5, 3:6] = value
    return labels


def save(project: Project, index: int, value: int, state=SliceState.ANNOTATED) -> None:
    ledger = project.ledger("a").with_states([index], state, who="anna", when="2026")
    project.save_slices("a", {index: a_slice(project, value)}, ledger)


@pytest.fixture
def gate(monkeypatch):
    """Holds every write back until it is opened; counts the writes."""
    opened, writes = threading.Event(), []
    write = annotated.write_annotation

    def held(files, *args, **kwargs):
        assert opened.wait(10)
        writes.append(files.labels.name)
        write(files, *args, **kwargs)

    monkeypatch.setattr(annotated, "write_annotation", held)
    yield opened, writes
    opened.set()


def test_what_is_read_waits_for_what_is_being_written(project, gate):
    opened, _ = gate
    save(project, 1, 2)
    assert project.is_saving
    assert project.ledger("a").states[1] is SliceState.ANNOTATED
    threading.Timer(0.1, opened.set).start()
    found = project.annotation("a")
    assert_array_equal(found.array[1], a_slice(project, 2))
    assert found.known[1].all()
    assert not found.known[[0, 2]].any()


def test_changes_that_come_while_one_is_written_join_into_one_write(project, gate):
    opened, writes = gate
    for index in range(4):
        save(project, index, 1)
    save(project, 2, 2)
    opened.set()
    project.flush()
    assert len(writes) <= 2
    found = project.annotation("a")
    assert [int(found.array[i].max()) for i in range(4)] == [1, 1, 2, 1]
    assert found.known[:4].all()


def test_closing_writes_what_still_waits(project, gate):
    opened, _ = gate
    save(project, 3, 1)
    threading.Timer(0.1, opened.set).start()
    project.close()
    assert not project.is_saving
    with Project.open(project.folder) as again:
        assert_array_equal(again.annotation("a").array[3], a_slice(again, 1))
        assert again.ledger("a").entries[3].who == "anna"


def test_slices_of_a_failed_write_are_kept_until_they_are_written(project, monkeypatch):
    write = annotated.write_annotation
    full = ProjectError("Expected to write, found a full disk; free some space.")

    def fail(*args, **kwargs):
        raise full

    monkeypatch.setattr(annotated, "write_annotation", fail)
    save(project, 1, 2)
    with pytest.raises(ProjectError, match="full disk"):
        project.flush()
    assert project.take_save_error() is None
    save(project, 2, 1)
    with pytest.raises(ProjectError, match="full disk"):
        project.annotation("a")
    monkeypatch.setattr(annotated, "write_annotation", write)
    project.flush()
    found = project.annotation("a")
    assert [int(found.array[i].max()) for i in (1, 2)] == [2, 1]


def test_a_failed_write_is_told_once(project, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(annotated, "write_annotation", fail)
        save(project, 1, 2)
        while project.is_saving:
            threading.Event().wait(0.01)
    assert isinstance(project.take_save_error(), OSError)
    assert project.take_save_error() is None


def test_synchronous_changes_build_on_the_background_ones(project, gate):
    opened, _ = gate
    save(project, 1, 2, SliceState.IN_PROGRESS)
    opened.set()
    project.set_slice_state("a", 4, SliceState.EMPTY)
    save(project, 0, 1)
    found = project.annotation("a")
    assert [int(found.array[i].max()) for i in (0, 1)] == [1, 2]
    assert found.known[4].all()


def test_classes_outside_the_list_are_refused_at_once(project):
    with pytest.raises(ProjectError, match="slice 2 of a"):
        save(project, 1, 9)
    assert not project.is_saving


def test_saver_leaves_no_thread_behind(project):
    written = []
    ledger = project.ledger("a")
    saver = AnnotationSaver(lambda case_id, changes: written.append(case_id))
    for case_id in ("a", "b"):
        saver.submit(case_id, SliceChanges({}, ledger))
    saver.flush()
    assert sorted(set(written)) == ["a", "b"]
    for thread in threading.enumerate():
        if thread.name == "transmedseg-save":
            thread.join(5)
            assert not thread.is_alive()


def test_images_can_be_read_by_several_threads_at_once(project):
    ids = [case.case_id for case in project.cases] * 20
    with ThreadPoolExecutor(4) as pool:
        volumes = list(pool.map(project.volume, ids))
    assert [volume.name for volume in volumes] == ids


def test_what_changed_before_and_during_a_failed_write_is_written_together(project, monkeypatch):
    begun, opened, failed = threading.Event(), threading.Event(), []
    write = annotated.write_annotation

    def fails_once(*args, **kwargs):
        begun.set()
        assert opened.wait(10)
        if not failed:
            failed.append(True)
            raise OSError("the drive was gone for a moment")
        write(*args, **kwargs)

    monkeypatch.setattr(annotated, "write_annotation", fails_once)
    save(project, 1, 1)
    assert begun.wait(10)
    save(project, 2, 2)
    opened.set()
    project.flush()
    assert "gone for a moment" in str(project.take_save_error())
    project.close()
    with Project.open(project.folder) as again:
        array = again.annotation("a").array
        assert_array_equal(array[1], a_slice(again, 1))
        assert_array_equal(array[2], a_slice(again, 2))

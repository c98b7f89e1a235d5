"""Cases and classes that are taken away leave everything else exactly as it was."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.errors import ConfigError, ProjectError
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project import replacing, snapshots
from napari_transmedseg.project.ledger import SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.schema import BACKUP_FILE, default_color
from napari_transmedseg.project.training import check_model_fits

from .conftest import assert_is_one_sentence, paint

A, E, P, U = (
    SliceState.ANNOTATED, SliceState.EMPTY, SliceState.IN_PROGRESS, SliceState.UNSEEN
)  # fmt: skip


@pytest.fixture
def painted(project: Project) -> Project:
    """Slice 0: classes 1 and 2, done. 1: class 2 alone, done. 2: 2 and 3, in progress. 3: 2 alone,
    in progress. 4: empty. 5: unseen. Case b: class 3 on slice 2, done."""
    for case_id, slices in (("a", {0: (1, 2), 1: (2,), 2: (2, 3), 3: (2,)}), ("b", {2: (3,)})):
        annotation = project.annotation(case_id)
        for index, values in slices.items():
            for value in values:
                annotation.array[index, value, :3] = value
        project.save_annotation(case_id, annotation)
    project.set_slice_states("a", [0, 1], A, who="anna")
    project.set_slice_state("a", 4, E)
    project.set_slice_state("b", 2, A)
    return project


def test_usage_counts_voxels_slices_and_cases(painted: Project) -> None:
    usage = painted.class_usage(2)
    assert (usage.num_voxels, usage.num_slices, usage.num_cases) == (12, 4, 1)
    assert usage.sentence() == "12 voxels on 4 slices of 1 case."
    assert painted.class_usage(3).num_cases == 2


@pytest.mark.parametrize(
    ("become", "states"),
    [
        pytest.param("unknown", [P, U, P, U, E, U], id="unknown"),
        pytest.param("background", [A, E, P, U, E, U], id="background"),
    ],
)
def test_voxels_of_a_removed_class_become(painted: Project, become: str, states: list) -> None:
    before = {case_id: painted.annotation(case_id).array.copy() for case_id in "ab"}
    painted.remove_class(2, become=become, who="bert")

    assert [(one.value, one.name) for one in painted.classes] == [(1, "RV"), (2, "LV")]
    for case_id, old in before.items():
        expected = np.where(old == 2, 0, np.where(old == 3, 2, old))
        np.testing.assert_array_equal(painted.annotation(case_id).array, expected)
    assert painted.ledger("a").states == states
    assert painted.ledger("b").states[2] is A
    painted.close()
    with Project.open(painted.folder) as again:
        assert again.ledger("a").states == states
        known = again.annotation("a").known
        assert known[0].all() == (become == "background")


def test_entries_of_other_slices_keep_who_and_when(painted: Project) -> None:
    before = painted.ledger("a").entries
    painted.remove_class(3)
    after = painted.ledger("a").entries
    assert [i for i in range(6) if before[i] != after[i]] == []


def test_the_state_before_can_be_brought_back_with_its_class(painted: Project) -> None:
    before, states = painted.annotation("a").array.copy(), painted.ledger("a").states
    painted.recolor_class(2, "#123456")
    painted.remove_class(2)
    painted.close()
    with Project.open(painted.folder) as again:
        kept = again.snapshots("a")[0]
        assert kept.reason == "before the class 'myocardium' was removed"
        assert again.restore_snapshot("a", kept.snapshot_id) == ("myocardium",)
        assert again.class_names == {1: "RV", 2: "LV", 3: "myocardium"}
        assert again.classes[2].color == "#123456"
        expected = np.array([0, 1, 3, 2], np.uint8)[before]
        np.testing.assert_array_equal(again.annotation("a").array, expected)
        assert again.ledger("a").states == states == [A, A, P, P, E, U]
        assert again.restore_snapshot("a") == ()


def test_the_state_before_stays_however_much_is_done_since(
    painted: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "INTERVAL_S", 0.0)
    painted.remove_class(2)
    kept = painted.snapshots("a")[0]
    for turn in range(snapshots.MAX_COUNT + 3):
        painted.save_annotation("a", paint(painted, "a", turn % 5, value=1 + turn % 2))
    assert len(painted.snapshots("a")) == snapshots.MAX_COUNT + 1
    assert kept.snapshot_id in [one.snapshot_id for one in painted.snapshots("a")]


def test_cases_that_a_removal_does_not_change_get_no_snapshot(painted: Project) -> None:
    painted.save_annotation("c", paint(painted, "c", 1))
    painted.remove_class(3)
    taken = {case_id: [one.reason for one in painted.snapshots(case_id)] for case_id in "abc"}
    assert "removed" not in " ".join(taken["c"])
    assert taken["a"][0] == taken["b"][0] == "before the class 'LV' was removed"


def test_without_room_for_the_state_before_nothing_is_removed(
    painted: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = painted.annotation("b").array.copy()

    def full(path: Path, _: bytes) -> None:
        raise ProjectError(f"Expected to write {path}, found a full disk; free some space.")

    monkeypatch.setattr(snapshots, "write_bytes", full)
    with pytest.raises(ProjectError, match="full disk"):
        painted.remove_class(2)
    assert [one.name for one in painted.classes] == ["RV", "myocardium", "LV"]
    np.testing.assert_array_equal(painted.annotation("b").array, before)
    assert not list(painted.folder.glob(".change*"))


def test_a_class_in_the_place_of_a_removed_one_is_not_taken_for_it(painted: Project) -> None:
    """Nor is one that was renamed since; what tells them is their history, not their names."""
    before = painted.annotation("b").array.copy()
    painted.rename_class(1, "right ventricle")
    painted.remove_class(3)
    painted.rename_class(2, "muscle")
    painted.add_class("scar")
    assert painted.restore_snapshot("b") == ("LV",)
    names = ["right ventricle", "muscle", "scar", "LV"]
    assert list(painted.class_names.values()) == names
    np.testing.assert_array_equal(painted.annotation("b").array, np.where(before == 3, 4, 0))


def test_the_state_of_a_case_that_is_not_in_the_project_is_kept_too(painted: Project) -> None:
    image, before = painted.image_path("b"), painted.annotation("b").array.copy()
    painted.remove_case("b")
    painted.remove_class(3)
    painted.add_images([image])
    painted.restore_snapshot("b")
    np.testing.assert_array_equal(painted.annotation("b").array, before)


@pytest.mark.parametrize("fail_at", [1, 5, 8, 9, 12, 15])
def test_a_removal_that_is_cut_off_happens_whole_or_not_at_all(
    painted: Project, monkeypatch: pytest.MonkeyPatch, fail_at: int
) -> None:
    """Every rename is a moment at which a crash could come; the folder's own one decides."""
    before = painted.annotation("a").array.copy()
    rename, calls = os.replace, []

    def crash(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) >= fail_at:
            raise OSError("crash")
        rename(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(replacing.os, "replace", crash)
        with pytest.raises(ProjectError):
            painted.remove_class(2)
    decided = (painted.folder / replacing.COMMITTED).is_dir()
    if decided:
        with pytest.raises(ProjectError, match="cut off"):
            Project.open(painted.folder, read_only=True)
    painted.close()
    with Project.open(painted.folder) as again:
        assert len(again.classes) == (2 if decided else 3)
        expected = np.where(before == 2, 0, np.where(before == 3, 2, before))
        np.testing.assert_array_equal(again.annotation("a").array, expected if decided else before)
        assert again.annotation("b").array.max() == (2 if decided else 3)
    assert not list(painted.folder.glob(".change*"))


def test_runs_from_before_are_not_used_any_more(painted: Project) -> None:
    run = painted.new_run(TrainingConfig())
    array = painted.annotation("a").array
    painted.save_prediction(run.run_id, "a", LabelMap(array=array, geometry=painted.geometry("a")))
    assert painted.prediction("a") is not None
    seen = []
    painted.runs_changed.connect(lambda: seen.append(painted.prediction("a")))
    painted.remove_class(2)
    assert seen == [None]
    painted.add_class("scar")
    assert painted.prediction("a") is None
    with pytest.raises(ProjectError, match="'myocardium' was removed"):
        check_model_fits(painted, painted.run())


def test_the_only_class_stays(painted: Project) -> None:
    painted.remove_class(3)
    painted.remove_class(2)
    with pytest.raises(ProjectError, match="at least one class"):
        painted.remove_class(1)


def test_the_order_of_classes_is_kept_and_changes_no_value(painted: Project) -> None:
    painted.move_class(3, 0)
    painted.add_class("scar")
    assert [one.value for one in painted.ordered_classes] == [3, 1, 2, 4]
    painted.remove_class(1)
    assert [one.name for one in painted.ordered_classes] == ["LV", "myocardium", "scar"]
    painted.close()
    with Project.open(painted.folder) as again:
        assert [one.value for one in again.ordered_classes] == [2, 1, 3]


def test_a_removed_case_keeps_its_labels_for_when_it_comes_back(painted: Project) -> None:
    image, labels = painted.image_path("a"), painted.annotation("a").array.copy()
    painted.remove_case("a")
    assert [case.case_id for case in painted.cases] == ["b", "c"]
    painted.remove_class(3)
    painted.add_images([image])
    np.testing.assert_array_equal(painted.annotation("a").array, np.where(labels == 3, 0, labels))


def test_an_order_of_other_classes_is_damaged(project: Project) -> None:
    project.close()
    path = project.folder / "project.json"
    damaged = json.dumps(json.loads(path.read_text()) | {"class_order": [1, 1, 2]})
    for name in (path.name, BACKUP_FILE):
        (project.folder / name).write_text(damaged)
    with pytest.raises(ProjectError, match="damaged"):
        Project.open(project.folder)


def test_a_class_that_is_added_has_a_colour_of_its_own(project: Project) -> None:
    project.remove_class(1)
    added = project.add_class("atrium")
    assert (added.value, added.color) == (3, default_color(1))
    for number in range(15):
        project.add_class(f"part {number}")
    assert len({one.color for one in project.classes}) == len(project.classes) == 18


def test_a_class_without_voxels_says_so(project: Project) -> None:
    assert project.class_usage(1).sentence() == "No voxel has this class."


def test_voxels_become_nothing_unheard_of(painted: Project) -> None:
    with pytest.raises(ConfigError, match="'other'") as caught:
        painted.remove_class(2, become="other")  # type: ignore[arg-type]
    assert_is_one_sentence(caught.value)
    assert len(painted.classes) == 3


def test_a_change_that_was_only_begun_is_forgotten(painted: Project) -> None:
    painted.close()
    stage = painted.folder / replacing.STAGED
    (stage / "annotations").mkdir(parents=True)
    (stage / "project.json").write_text("half")
    with Project.open(painted.folder) as again:
        assert len(again.classes) == 3
    assert not stage.exists()


def test_a_drive_that_goes_while_files_are_replaced_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(ProjectError, match="then open the project again") as caught,
        replacing.replacing(tmp_path),
    ):
        raise OSError("gone")
    assert_is_one_sentence(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_cannot_be_read_stays_as_it_is(painted: Project) -> None:
    run = painted.new_run(TrainingConfig())
    (run.folder / "config.json").write_text("damaged")
    painted.remove_class(2)
    assert (run.folder / "config.json").read_text() == "damaged"
    assert len(painted.classes) == 2


def test_damaged_labels_of_a_case_that_was_taken_out_stop_no_removal(painted: Project) -> None:
    file = painted.folder / "annotations" / "b.nii.gz"
    painted.remove_case("b")
    file.write_bytes(b"damaged")
    painted.remove_class(2)
    assert file.read_bytes() == b"damaged"
    assert painted.annotation("a").array.max() == 2


def test_settings_follow_a_class_that_is_renamed_and_drop_one_that_is_removed(
    painted: Project,
) -> None:
    first = painted.class_names[1]
    painted.set_config(TrainingConfig(largest_component=f"{first}, 2"))
    painted.rename_class(2, "left, right")
    assert painted.config.largest_component == f"{first}, 2"
    painted.rename_class(2, "other")
    painted.remove_class(1)
    assert painted.config.largest_component == "other"
    painted.close()
    with Project.open(painted.folder) as again:
        assert again.config.largest_component == "other"

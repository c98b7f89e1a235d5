"""The last states of a case's annotation can be brought back, and nothing goes on the way."""

import json
import struct
import zlib
from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.project import annotated
from napari_transmedseg.project import snapshots as snapshots_module
from napari_transmedseg.project.ledger import Ledger, LedgerEntry, SliceState
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.restoring import merged_ledger
from napari_transmedseg.project.slice_file import StoredSlices, encode_slices, read_slices
from napari_transmedseg.project.snapshots import MAX_BYTES, MAX_COUNT, surplus

from .conftest import assert_is_one_sentence, paint


def annotate(project: Project, index: int, value: int = 1) -> LabelMap:
    """Paint a slice, mark it done, and give what is stored then."""
    project.save_annotation("a", paint(project, "a", index, value=value))
    project.set_slice_state("a", index, SliceState.ANNOTATED)
    return project.annotation("a")


@pytest.fixture
def always_due(monkeypatch):
    monkeypatch.setattr(snapshots_module, "INTERVAL_S", 0.0)


def test_the_state_before_a_session_is_kept(project):
    first = annotate(project, 1)
    project.close()
    with Project.open(project.folder) as again:
        assert again.snapshots("a") == ()
        annotate(again, 3, value=2)
        annotate(again, 4, value=2)
        (kept,) = again.snapshots("a")
        assert (kept.reason, kept.num_painted, kept.num_labeled) == ("before changes", 1, 1)
        again.restore_snapshot("a")
        assert_array_equal(again.annotation("a").array, first.array)
        assert_array_equal(again.annotation("a").known, first.known)


def test_what_is_there_before_a_restore_becomes_a_snapshot(project, always_due):
    annotate(project, 1)
    before = annotate(project, 3, value=2)
    oldest = project.snapshots("a")[-1].snapshot_id
    project.restore_snapshot("a", oldest)
    assert not project.annotation("a").array[3].any()
    newest = project.snapshots("a")[0]
    assert newest.reason == "before a restore"
    project.restore_snapshot("a", newest.snapshot_id)
    assert_array_equal(project.annotation("a").array, before.array)
    assert_array_equal(project.annotation("a").known, before.known)


def test_slices_that_still_wait_are_part_of_the_state_before_a_restore(project, always_due):
    annotate(project, 1)
    annotate(project, 2)
    labels = np.full(project.case("a").shape[1:], 3, np.uint8)
    project.save_slices("a", {5: labels}, project.ledger("a"))
    project.restore_snapshot("a", project.snapshots("a")[-1].snapshot_id)
    project.restore_snapshot("a", project.snapshots("a")[0].snapshot_id)
    assert (project.annotation("a").array[5] == 3).all()


def test_saving_in_the_background_makes_snapshots_too(project, always_due):
    annotate(project, 1)
    for value in (1, 2, 3):
        labels = np.full(project.case("a").shape[1:], value, np.uint8)
        project.save_slices("a", {4: labels}, project.ledger("a"))
        project.flush()
    project.restore_snapshot("a")
    assert (project.annotation("a").array[4] == 2).all()


def test_an_import_over_annotation_is_kept_however_soon_it_comes(project):
    before = annotate(project, 1)
    blank = LabelMap.empty(project.geometry("a"), known=True)
    project.import_labels("a", blank, overwrite=True)
    assert project.snapshots("a")[0].reason == "before labels were brought in"
    project.restore_snapshot("a")
    assert_array_equal(project.annotation("a").array, before.array)


def test_states_that_are_alike_are_kept_once(project, monkeypatch):
    annotate(project, 1)
    monkeypatch.setattr(annotated, "now", lambda: "2026-05-04T10:00:00+02:00")
    blank = LabelMap.empty(project.geometry("a"), known=True)
    for _ in range(3):
        project.import_labels("a", blank, overwrite=True)
    assert len(project.snapshots("a")) == 2


@pytest.mark.parametrize("damage", ["labels", "ledger", "autosave"])
def test_damaged_annotation_is_put_aside_and_a_snapshot_restores(project, always_due, damage):
    annotate(project, 1)
    good = annotate(project, 2)
    annotate(project, 3)
    project.close()
    name = {"labels": "a.nii.gz", "ledger": "a.ledger.json", "autosave": "a.autosave"}[damage]
    (project.folder / "annotations" / name).write_bytes(b"damaged")
    with Project.open(project.folder) as again:
        with pytest.raises(Exception, match=name):
            again.annotation("a")
        again.restore_snapshot("a")
        assert_array_equal(again.annotation("a").array[:3], good.array[:3])
        aside = project.folder / "snapshots" / "a" / "damaged" / name
        assert aside.read_bytes() == b"damaged"


def test_a_snapshot_that_does_not_exist_is_refused_with_those_that_do(project, always_due):
    annotate(project, 1)
    for wanted in ("0099", "../../x"):
        with pytest.raises(ProjectError, match="0001") as caught:
            project.restore_snapshot("a", wanted)
        assert_is_one_sentence(caught.value)
    with pytest.raises(ProjectError, match="found none"):
        project.restore_snapshot("b")


def test_a_full_disk_stops_a_restore_but_no_saving(project, always_due, monkeypatch):
    annotate(project, 1)

    def full(*_):
        raise ProjectError("Expected to write, found a full disk; free some space.")

    monkeypatch.setattr(snapshots_module, "write_bytes", full)
    after = annotate(project, 2)
    with pytest.raises(ProjectError, match="full disk"):
        project.restore_snapshot("a")
    assert_array_equal(project.annotation("a").array, after.array)


def test_snapshots_stay_few(project, always_due):
    for turn in range(MAX_COUNT + 5):
        annotate(project, 1 + turn % 4, value=1 + turn % 3)
    kept = project.snapshots("a")
    assert len(kept) == MAX_COUNT
    assert [one.snapshot_id for one in kept] == sorted(one.snapshot_id for one in kept)[::-1]


def test_kept_times_reach_back_and_grow_closer_towards_now():
    times: list[float] = []
    for minute in range(0, 600, 10):
        times.append(60.0 * minute)
        now = times[-1]
        gone = surplus([now - one for one in times], [1] * len(times))
        times = [one for index, one in enumerate(times) if index not in gone]
    ages = [(times[-1] - one) / 60 for one in times]
    assert len(ages) == MAX_COUNT
    assert ages[-3:] == [pytest.approx(age) for age in (ages[-3], 10, 0)]
    assert ages[0] == 590
    gaps = [older - newer for older, newer in pairwise(ages)]
    assert gaps[0] > gaps[-1]


@pytest.mark.parametrize(
    ("sizes", "gone"),
    [
        pytest.param([MAX_BYTES // 2, MAX_BYTES // 2, 1], [0], id="the oldest goes"),
        pytest.param([1, 2 * MAX_BYTES], [0], id="the newest stays whatever its size"),
        pytest.param([1, 1, 1], [], id="small"),
    ],
)
def test_snapshots_stay_small(sizes, gone):
    assert surplus([float(n) for n in reversed(range(len(sizes)))], sizes) == gone


def test_rescued_states_win_where_listed_or_later():
    def ledger(*entries: tuple[str, str]) -> Ledger:
        return Ledger(tuple(LedgerEntry(SliceState(state), "", when) for state, when in entries))

    now = ledger(("annotated", "2026-01-01T10:00:00+00:00"), ("empty", ""), ("unseen", ""))
    rescued = ledger(
        ("in progress", "2026-01-01T10:30:00+01:00"), ("annotated", ""), ("empty", "2026-01-01")
    )
    merged = merged_ledger(now, rescued, [1])
    assert [state.value for state in merged.states] == ["annotated", "annotated", "empty"]


def test_slices_survive_a_round_trip_and_no_damage_goes_unseen(tmp_path, rng):
    slices = {index: rng.integers(0, 4, (7, 5), dtype=np.uint8) for index in (0, 3, 9)}
    ledger = Ledger.untouched(12).with_states([3], SliceState.ANNOTATED, who="anna", when="2026")
    content = encode_slices(StoredSlices(slices, ledger, False, "2026", "why", ("A", "B", "C")))
    path = tmp_path / "x.slices"
    path.write_bytes(content)
    found = read_slices(path)
    assert found.ledger == ledger and found.class_names == ("A", "B", "C")
    assert all((found.slices[index] == plane).all() for index, plane in slices.items())
    for position in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[position] ^= 0x10
        path.write_bytes(damaged)
        with pytest.raises(ProjectError, match=r"x\.slices") as caught:
            read_slices(path)
        assert_is_one_sentence(caught.value)
    for length in range(0, len(content), 11):
        path.write_bytes(content[:length])
        with pytest.raises(ProjectError, match=r"x\.slices"):
            read_slices(path)


def edited_header(path, **changes) -> None:
    """Change what a file says about itself, checksum of the header included."""
    content = path.read_bytes()
    magic, length, _ = struct.unpack("<4sII", content[:12])
    text = json.dumps(json.loads(content[12 : 12 + length]) | changes).encode()
    prefix = struct.pack("<4sII", magic, len(text), zlib.crc32(text))
    path.write_bytes(prefix + text + content[12 + length :])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"shape": [2**20, 2**20]}, "absurd sizes", id="absurd plane"),
        pytest.param({"num_slices": 2**20}, "absurd sizes", id="absurd count"),
        pytest.param({"indices": [9]}, "slices that do not exist", id="slice outside"),
        pytest.param({"indices": [1, 1]}, "slices that do not exist", id="slice twice"),
        pytest.param({"shape": [2, 2]}, "slices of another size", id="smaller than packed"),
        pytest.param({"shape": [200, 200]}, "slices of another size", id="larger than packed"),
        pytest.param({"num_removed": "many"}, "many", id="no number"),
    ],
)
def test_a_file_that_contradicts_itself_is_damaged(tmp_path, changes, words):
    path = tmp_path / "0001.slices"
    plane = np.ones((4, 5), np.uint8)
    path.write_bytes(encode_slices(StoredSlices({1: plane}, Ledger.untouched(3), True, "")))
    assert_array_equal(read_slices(path).slices[1], plane)
    edited_header(path, **changes)
    with pytest.raises(ProjectError, match=words) as caught:
        read_slices(path)
    assert_is_one_sentence(caught.value)


def test_a_damaged_newest_snapshot_keeps_no_new_one_away(project, always_due):
    annotate(project, 1)
    annotate(project, 2)
    newest = project.snapshots("a")[0]
    newest.path.write_bytes(b"damaged")
    annotate(project, 3)
    assert newest.snapshot_id not in [one.snapshot_id for one in project.snapshots("a")]
    assert project.snapshots("a")[0].snapshot_id > newest.snapshot_id


def test_what_could_not_be_saved_is_rescued_when_the_rest_is_damaged(
    project, always_due, monkeypatch
):
    """And rescued slices need a whole case to go into."""
    annotate(project, 1)
    annotate(project, 2)
    labels = np.full(project.case("a").shape[1:], 3, np.uint8)

    def full(*_, **__):
        raise ProjectError("Expected to write, found a full disk; free some space.")

    with monkeypatch.context() as patched:
        patched.setattr(annotated, "write_annotation", full)
        project.save_slices("a", {5: labels}, project.ledger("a"))
        with pytest.raises(ProjectError, match="full disk"):
            project.flush()
    file = project.folder / "annotations" / "a.nii.gz"
    good = file.read_bytes()
    file.write_bytes(b"damaged")
    project.restore_snapshot("a")
    (rescue,) = [one for one in project.snapshots("a") if not one.is_whole]
    assert rescue.reason == "could not be saved"
    assert not project.annotation("a").array[5].any()
    file.write_bytes(b"damaged")
    with pytest.raises(ProjectError, match="restore a snapshot of the whole case first") as caught:
        project.restore_snapshot("a", rescue.snapshot_id)
    assert_is_one_sentence(caught.value)
    file.write_bytes(good)
    project.restore_snapshot("a", rescue.snapshot_id)
    assert (project.annotation("a").array[5] == 3).all()
    assert project.annotation("a").array[1].any()


def test_what_could_not_be_saved_is_part_of_the_state_before_a_restore(
    project, always_due, monkeypatch
):
    annotate(project, 1)
    annotate(project, 2)
    labels = np.full(project.case("a").shape[1:], 3, np.uint8)

    def full(*_, **__):
        raise ProjectError("Expected to write, found a full disk; free some space.")

    with monkeypatch.context() as patched:
        patched.setattr(annotated, "write_annotation", full)
        project.save_slices("a", {5: labels}, project.ledger("a"))
        with pytest.raises(ProjectError, match="full disk"):
            project.flush()
    project.restore_snapshot("a", project.snapshots("a")[-1].snapshot_id)
    assert not project.annotation("a").array[5].any()
    project.restore_snapshot("a", project.snapshots("a")[0].snapshot_id)
    assert (project.annotation("a").array[5] == 3).all()

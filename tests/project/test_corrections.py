"""The log of corrections says how good the predictions were that people reviewed."""

import numpy as np
import pytest

from napari_transmedseg.engine.metrics import dice
from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project import corrections
from napari_transmedseg.project.active_time import ActiveTime
from napari_transmedseg.project.corrections import (
    Correction,
    CorrectionFile,
    CorrectionLog,
    slice_dice,
)
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.status import project_status

from .conftest import assert_is_one_sentence

WHEN = "2026-05-04T10:00:00+02:00"


def entry(index: int, value: float | None = 0.5, reason="accepted", **facts) -> Correction:
    dice_of = {} if value is None else {"ring": value, "core": value}
    given = {"case_id": "a", "run_id": "run-001", "when": WHEN, "seconds": 4.0, **facts}
    return Correction(slice_index=index, reason=reason, dice=dice_of, **given)


def test_entries_come_back_in_order(tmp_path) -> None:
    path = tmp_path / "corrections.jsonl"
    file = CorrectionFile(path)
    entries = [entry(3, 0.25, who="anna"), entry(4, None)]
    for one in entries:
        file.add(one)
    assert list(file.read()) == list(CorrectionFile(path).read()) == entries
    assert file.read().notice == ""


@pytest.mark.parametrize(
    ("line", "damaged"),
    [
        pytest.param(b"{half a line", 1, id="cut short"),
        pytest.param(b'{"case_id": "../x"}', 1, id="other fields"),
        pytest.param(b"\xff\xfe\x00", 1, id="no text"),
        pytest.param(b"[" * 100_000, 1, id="deep nesting"),
        pytest.param(b"x" * 200_000, 1, id="absurdly long"),
        pytest.param(
            entry(1).model_dump_json().replace('"a"', '"../../a"').encode(), 1, id="path as case"
        ),
        pytest.param(
            entry(1).model_dump_json().replace(WHEN, "yesterday").encode(), 1, id="no time"
        ),
        pytest.param(entry(1).model_dump_json().replace("0.5", "7").encode(), 1, id="no Dice"),
        pytest.param(b"", 0, id="empty line"),
    ],
)
def test_damaged_lines_are_left_out_and_said_so(tmp_path, line: bytes, damaged: int) -> None:
    path = tmp_path / "corrections.jsonl"
    file = CorrectionFile(path)
    file.add(entry(1))
    with path.open("ab") as stream:
        stream.write(line)
    file.add(entry(2))
    log = file.read()
    assert [one.slice_index for one in log] == [1, 2]
    assert log.num_damaged == damaged
    assert ("could not be read" in log.notice) == bool(damaged)


def test_what_was_read_once_is_not_read_again(tmp_path, monkeypatch) -> None:
    """A line that is being written by another program counts when it is whole."""
    file = CorrectionFile(tmp_path / "corrections.jsonl")
    for index in range(3):
        file.add(entry(index))
    assert len(file.read()) == 3
    parsed = []
    parse = corrections._entry_of
    monkeypatch.setattr(corrections, "_entry_of", lambda line: parsed.append(line) or parse(line))
    file.add(entry(3))
    assert [one.slice_index for one in file.read()] == [0, 1, 2, 3]
    assert len(parsed) == 1
    line = entry(4).model_dump_json().encode() + b"\n"
    with (tmp_path / "corrections.jsonl").open("ab", buffering=0) as stream:
        stream.write(line[:50])
        assert (len(file.read()), file.read().num_damaged) == (4, 1)
        stream.write(line[50:])
    assert (len(file.read()), file.read().num_damaged) == (5, 0)
    assert [one.slice_index for one in CorrectionFile(tmp_path / "corrections.jsonl").read()] == [
        *range(5)
    ]


def test_a_log_that_another_took_the_place_of_is_read_anew(tmp_path) -> None:
    path = tmp_path / "corrections.jsonl"
    file = CorrectionFile(path)
    file.add(entry(1))
    file.add(entry(2))
    assert len(file.read()) == 2
    path.write_text(entry(7).model_dump_json() + "\n")
    assert [one.slice_index for one in file.read()] == [7]
    path.unlink()
    assert len(file.read()) == 0


def test_a_log_that_cannot_be_written_or_read_is_explained(tmp_path) -> None:
    file = CorrectionFile(tmp_path / "missing" / "corrections.jsonl")
    with pytest.raises(ProjectError, match="Your labels are not affected") as caught:
        file.add(entry(1))
    assert_is_one_sentence(caught.value)
    (tmp_path / "corrections.jsonl").mkdir()
    with pytest.raises(ProjectError, match="ask for access") as caught:
        CorrectionFile(tmp_path / "corrections.jsonl").read()
    assert_is_one_sentence(caught.value)


def test_the_last_word_on_a_slice_counts_and_withdrawn_ones_do_not() -> None:
    log = CorrectionLog(
        (
            entry(1, 1.0), entry(2, 0.5), entry(1, 0.8, "corrected"), entry(3, 0.1),
            entry(3, None, "withdrawn"), entry(1, 0.2, run_id="run-002"),
        )
    )  # fmt: skip
    reviews = log.reviews()
    assert [(one.slice_index, one.dice["ring"]) for one in reviews] == [
        (2, 0.5),
        (1, 0.8),
        (1, 0.2),
    ]
    assert reviews[1].seconds == 8.0
    assert log.curves()["core"] == ([1, 2, 3], [0.5, 0.8, 0.2])


def test_time_on_a_slice_that_stayed_open_counts_when_it_is_known() -> None:
    begun = entry(1, None, "begun", run_id="")
    log = CorrectionLog((begun, begun, entry(1, 0.5), entry(2, 0.5), begun))
    assert [(one.slice_index, one.seconds) for one in log.reviews()] == [(1, 12.0), (2, 4.0)]
    assert log.median_seconds() == 8.0
    again = CorrectionLog((entry(1, 0.5), entry(1, None, "withdrawn"), begun, entry(1, 0.7)))
    assert [(one.dice["ring"], one.seconds) for one in again.reviews()] == [(0.7, 16.0)]
    assert CorrectionLog((begun,)).reviews() == []
    assert CorrectionLog((begun,)).median_seconds() is None


def test_words_give_the_mean_of_the_last_ten() -> None:
    log = CorrectionLog(tuple(entry(i, 0.0) for i in range(5)) + tuple(
        entry(i, 0.9) for i in range(5, 15)
    ))  # fmt: skip
    assert log.mean_dice() == pytest.approx(0.9)
    assert log.in_words() == (
        "The last 10 predictions you reviewed matched your labels to Dice 0.90 (1 is perfect). "
        "A slice took you 4 s (median)."
    )
    untimed = entry(1, 0.5).model_copy(update={"seconds": 0.0})
    assert CorrectionLog((untimed,)).in_words().endswith("(1 is perfect).")
    assert "No prediction was reviewed" in CorrectionLog((entry(1, None),)).in_words()
    assert CorrectionLog((entry(1, 0.3),)).in_words().startswith("The last prediction you")


def test_dice_of_a_slice_is_the_engines() -> None:
    rng = np.random.default_rng(1)
    predicted, labels = (rng.integers(0, 4, (20, 20)).astype(np.uint8) for _ in range(2))
    predicted[predicted == 3] = labels[labels == 3] = 0
    found = slice_dice(predicted, labels, {1: "ring", 2: "core", 3: "nothing"})
    expected = dice(predicted, labels, 4)
    assert found == {"ring": pytest.approx(expected[1]), "core": pytest.approx(expected[2])}


def test_a_project_keeps_its_corrections_and_status_tells(project: Project) -> None:
    assert len(project.corrections()) == 0
    project.log_correction(entry(1, 0.75))
    with (project.folder / "corrections.jsonl").open("ab") as file:
        file.write(b"damaged\n")
    assert [one.slice_index for one in project.corrections()] == [1]
    status = project_status(project)
    assert status["corrections"]["mean_dice_of_last_10"] == 0.75
    assert status["advice"][-1].startswith("1 line of corrections.jsonl")
    with Project.open(project.folder, read_only=True) as other:
        assert len(other.corrections()) == 1
        with pytest.raises(ProjectError, match="read-only"):
            other.log_correction(entry(2))


def test_pauses_do_not_count_as_active_time() -> None:
    clock = iter([0.0, 10.0, 25.0, 100.0, 105.0])
    time = ActiveTime(now=lambda: next(clock))
    for what in ("a", "a", "b", "b", "b"):
        time.touch(what)
    assert time.take("a") == 25.0
    assert time.take("b") == 5.0
    assert time.take("b") == 0.0

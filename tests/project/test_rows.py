"""JSON of anybody is read with limits, and rows are appended whatever the disk says."""

import json
import sys
from pathlib import Path

import pytest

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.project.json_file import read_json
from napari_transmedseg.project.rows import Rows, read_rows


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        pytest.param(b"", None, id="empty"),
        pytest.param(b"\xff\xfe\x00", None, id="no text"),
        pytest.param(b"[" * 100_000, "nested too deep", id="nested"),
        pytest.param(b'{"a":' * 100_000, "nested too deep", id="nested objects"),
        pytest.param(b"9" * 100_000, None, id="a number of 100,000 digits"),
        pytest.param(b" " * (16 * 2**20 + 1), "where at most 16 fit", id="large"),
    ],
)
def test_what_is_no_json_of_ours_is_a_value_error(
    tmp_path: Path, raw: bytes, words: str | None
) -> None:
    path = tmp_path / "some.json"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=words):
        read_json(path, max_bytes=16 * 2**20)


def test_rows_that_are_none_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [
        b'{"a": 1}',
        b"[1]",
        b"[" * 50_000,
        b"{",
        b'{"b": "' + b"x" * 2**20 + b'"}',
        b'{"c": 3}',
    ]
    path.write_bytes(b"\n".join(lines) + b'\n{"cut": ')
    assert list(read_rows(path)) == [{"a": 1}, {"c": 3}]


def test_a_row_is_on_disk_at_once_and_after_a_cut_line_on_its_own(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"cut": ')
    with Rows(path) as rows:
        rows.add({"a": 1})
        assert list(read_rows(path)) == [{"a": 1}]
        rows.add({"b": 2})
    assert path.read_bytes().splitlines()[1:] == [b'{"a": 1}', b'{"b": 2}']


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of files")
def test_rows_that_a_full_disk_refuses_are_written_when_there_is_space(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "rows.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    sent = [{"number": number} for number in range(9)]
    with Rows(path) as rows:
        for row in sent[:3]:
            rows.add(row)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 5, before[1]))
        try:
            for row in sent[3:6]:
                rows.add(row)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert len(list(read_rows(path))) == 3
        for row in sent[6:]:
            rows.add(row)
    assert [json.loads(line) for line in path.read_text().splitlines()] == sent


def test_a_place_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="Expected to write .* found .*; free some space"):
        Rows(tmp_path / "nowhere" / "rows.jsonl")


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on the size of files")
def test_whoever_must_know_is_told_that_a_row_still_waits(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "rows.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Rows(path) as rows:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5, before[1]))
        try:
            rows.add({"a": 1})
            with pytest.raises(
                ProjectError, match="Expected to write .* found .*; free some space"
            ):
                rows.sync()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        rows.sync()
    assert path.read_bytes() == b'{"a": 1}\n'

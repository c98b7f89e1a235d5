"""The cache keeps what fits, gives the same file again, and is never a reason to fail."""

import os
from pathlib import Path

import pytest

from napari_transmedseg.imaging import cache

KILOBYTE_OF_GB = 1 / 2**20


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of the cache, with room for one kilobyte."""
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(cache.SIZE_VARIABLE, str(KILOBYTE_OF_GB))
    return tmp_path / "cache"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "image.nii.gz"
    path.write_bytes(b"compressed")
    return path


def _keep(source: Path, content: bytes, part: str = "all") -> Path | None:
    return cache.keep(source, part, len(content), lambda file: file.write(content))


def _refuse(_):
    raise AssertionError


def test_content_is_written_once_and_given_again(source):
    first = _keep(source, b"voxels")
    assert first.read_bytes() == b"voxels"
    assert cache.keep(source, "all", 6, _refuse) == first


def test_parts_and_changed_files_are_kept_apart(source):
    first, second = _keep(source, b"voxels"), _keep(source, b"others", part="second")
    source.write_bytes(b"compressed anew")
    third = _keep(source, b"anew..")
    assert [path.read_bytes() for path in (first, second, third)] == [
        b"voxels",
        b"others",
        b"anew..",
    ]


def test_a_file_of_another_size_is_made_again(source):
    kept = _keep(source, b"voxels")
    kept.write_bytes(b"vox")
    assert _keep(source, b"voxels").read_bytes() == b"voxels"


def test_what_was_used_longest_ago_goes_first_and_only_as_much_as_needed(source):
    kept = [_keep(source, bytes(400), part=str(number)) for number in range(2)]
    for age_s, path in zip((10, 20), kept, strict=True):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age_s))
    third = _keep(source, bytes(400), part="third")
    assert [path.exists() for path in (*kept, third)] == [True, False, True]


def test_using_a_file_makes_it_young_again(source):
    kept = [_keep(source, bytes(400), part=str(number)) for number in range(2)]
    for path in kept:
        os.utime(path, (1, 1 + kept.index(path)))
    _keep(source, bytes(400), part="0")
    _keep(source, bytes(400), part="third")
    assert [path.exists() for path in kept] == [True, False]


def test_files_of_exactly_the_limit_have_room_and_larger_ones_have_not(source):
    assert _keep(source, bytes(1024)) is not None
    assert _keep(source, bytes(1025), part="larger") is None


def test_half_of_the_free_space_is_left_alone(source, monkeypatch):
    free = type("Usage", (), {"free": 100})
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda _: free)
    assert _keep(source, bytes(51)) is None
    assert _keep(source, bytes(50)) is not None


def test_a_write_that_fails_leaves_no_file(source, place):
    def fail(file):
        file.write(b"half")
        raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        cache.keep(source, "all", 6, fail)
    assert not list(place.iterdir())


def test_without_a_folder_to_write_to_nothing_is_kept_and_nothing_fails(source, place):
    place.write_bytes(b"a file where the folder should be")
    assert _keep(source, b"voxels") is None


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param("2", 2 * 2**30, id="two gigabytes"),
        pytest.param("0", 0, id="off"),
        pytest.param("-3", 0, id="negative is off"),
        pytest.param("much", 20 * 2**30, id="no number is the default"),
        pytest.param(None, 20 * 2**30, id="the default"),
    ],
)
def test_the_limit_is_told_in_gigabytes(text, size, monkeypatch):
    monkeypatch.delenv(cache.SIZE_VARIABLE)
    if text is not None:
        monkeypatch.setenv(cache.SIZE_VARIABLE, text)
    assert cache.limit() == size


def test_the_folder_is_the_persons_own_unless_told(monkeypatch, tmp_path):
    for name in (cache.FOLDER_VARIABLE, "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache.folder() == tmp_path / ".cache" / "napari-transmedseg"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folder() == tmp_path / "xdg" / "napari-transmedseg"
    monkeypatch.setenv(cache.FOLDER_VARIABLE, str(tmp_path / "told"))
    assert cache.folder() == tmp_path / "told"

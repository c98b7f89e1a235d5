"""What a person installs holds everything that the program looks for."""

import subprocess
import sys
import zipfile

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, repository],
        check=True,
        timeout=250,
    )
    (path,) = folder.glob("*.whl")
    return path


def test_wheel_holds_manifest_types_and_sample_data(wheel, repository):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"napari_transmedseg/napari.yaml", "napari_transmedseg/py.typed"} <= names
    shipped = {f"napari_transmedseg/sample_data/{path.parent.name}/{path.name}"
               for path in (repository / "sample_data").glob("*/*.nii.gz")}  # fmt: skip
    assert len(shipped) == 16
    assert shipped <= names


def test_wheel_is_small(wheel):
    assert wheel.stat().st_size < 4_000_000


def test_sample_data_is_found_in_an_unpacked_wheel(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "from napari_transmedseg.project.sample_cases import sample_images, sample_labels\n"
        "print(len(sample_images()), all(path.is_file() for path in sample_labels()))"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.split() == ["8", "True"]

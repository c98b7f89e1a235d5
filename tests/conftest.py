"""Fixtures for every room: tiny volumes, the sample cohort, real data where it lies."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

# Before torch is imported for the first time; whoever sets it for a machine of their own wins.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")

import numpy as np
import pytest

if TYPE_CHECKING:
    from napari_transmedseg.imaging.volume import LabelMap, Volume

ROOT = Path(__file__).parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """Let several processes take files in our order."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Windows first: their tests take longest, and no process is to wait for one at the end."""
    items.sort(key=lambda item: "widgets" not in item.path.parts)


@pytest.fixture(scope="session", autouse=True)
def _own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests link is no business of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSMEDSEG_DATA", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the source tree."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def _logs_of_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the application's log out of the person's own folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRANSMEDSEG_LOG", str(tmp_path_factory.mktemp("log")))
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def sample_folder() -> Path:
    """Folder of the sample cohort, with images/ and labels/."""
    from napari_transmedseg.project.sample_cases import sample_folder

    return sample_folder()


@pytest.fixture
def tiny_volume(rng: np.random.Generator) -> Volume:
    """An anisotropic LPS volume of 8 slices with 24 x 20 pixels, noise about two levels."""
    from napari_transmedseg.imaging.volume import Volume

    geometry = _tiny_geometry()
    array = 100 + 20 * rng.standard_normal(geometry.display_shape) + 200 * (_tiny_classes() > 0)
    return Volume(array=array.astype(np.float32), geometry=geometry, name="tiny")


@pytest.fixture
def tiny_labels() -> LabelMap:
    """The two classes of `tiny_volume`, everything known; the first and last slices are empty."""
    from napari_transmedseg.imaging.volume import LabelMap

    return LabelMap(array=_tiny_classes(), geometry=_tiny_geometry(), names={1: "ring", 2: "core"})


@pytest.fixture(scope="session")
def real_data() -> Callable[[str], Path]:
    """Find a real data set by its folder name, or skip with the reason.

    Looked for in the folder that TRANSMEDSEG_REAL_DATA names, else beside the repository.
    """
    root = Path(os.environ.get("TRANSMEDSEG_REAL_DATA", ROOT.parent / "shared" / "data"))

    def find(name: str) -> Path:
        folder = root / name
        if not folder.is_dir():
            pytest.skip(f"no real data: {name}/ is not in the folder of TRANSMEDSEG_REAL_DATA")
        return folder

    return find


def _tiny_geometry():
    from napari_transmedseg.imaging.geometry import Geometry

    return Geometry.from_spacing((20, 24, 8), (1.5, 1.5, 6.0), orientation="LPS")


def _tiny_classes() -> np.ndarray:
    z, y, x = np.ogrid[:8, :24, :20]
    radius = np.hypot(y - 11.5, x - 9.5) + 0 * z
    inside = (z > 0) & (z < 7)
    classes = np.where(inside & (radius < 7), 1, 0)
    return np.where(inside & (radius < 4), 2, classes).astype(np.uint8)

"""The Python API: every name loads, and loading the package loads nothing heavy."""

import subprocess
import sys

import pytest

import napari_transmedseg

PROMISED = {
    "Project",
    "TrainingConfig",
    "train",
    "predict",
    "evaluate",
    "read_volume",
    "read_labels",
    "write_labels",
}


@pytest.mark.parametrize("name", napari_transmedseg.__all__)
def test_public_name_loads(name):
    assert getattr(napari_transmedseg, name) is not None
    assert name in dir(napari_transmedseg)


def test_promised_names_are_public():
    assert set(napari_transmedseg.__all__) >= PROMISED


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'segment'"):
        _ = napari_transmedseg.segment


def test_engine_names_that_stay_public_are_there():
    from napari_transmedseg.engine.class_statistics import ClassStatistics
    from napari_transmedseg.engine.semantic_augmentation import (
        augmentation_table,
        transferable_cross_entropy,
    )

    statistics = ClassStatistics(2, 3)
    assert statistics.mean_CA.shape == (2, 3)
    assert statistics.covariance_CAA.shape == (2, 3, 3)
    assert statistics.count_C.shape == (2,)
    assert callable(statistics.update)
    assert callable(augmentation_table) and callable(transferable_cross_entropy)


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        pytest.param("import napari_transmedseg", set(), id="package"),
        pytest.param("from napari_transmedseg import TrainingConfig", set(), id="config"),
        pytest.param("from napari_transmedseg import read_volume", {"numpy", "nibabel"}, id="io"),
        pytest.param("from napari_transmedseg import Project, train, predict, evaluate",
                     {"numpy", "nibabel", "pydantic"}, id="project"),
    ],
)  # fmt: skip
def test_importing_a_name_loads_no_more_than_it_needs(statement, allowed):
    watched = {"torch", "SimpleITK", "monai", "qtpy", "napari", "numpy", "nibabel", "pydantic"}
    code = f"import sys\n{statement}\nprint(*sorted({watched!r} & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    ).stdout.split()
    assert set(loaded) <= allowed

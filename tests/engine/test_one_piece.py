"""The largest-component prior stays off where people annotate a class in several pieces."""

import numpy as np
import pytest

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.one_piece import one_piece_classes, with_names_of_now
from napari_transmedseg.errors import ConfigError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap

NAMES = ("liver", "kidneys")


def _annotation(*, slices=(0, 1, 2, 3), known_rows=32, joined=False, axis=0):
    """One large liver and two kidneys on the annotated slices; `joined` in the last of them."""
    labels = np.zeros((6, 32, 32), np.uint8)
    labels[slices, 2:12, 2:20] = 1
    labels[slices, 18:24, 3:9] = 2
    labels[slices, 18:24, 20:26] = 2
    if joined:
        labels[slices[-1], 20:22, 3:26] = 2
    known = np.zeros(labels.shape, np.bool_)
    known[slices, :known_rows] = True
    labels, known = np.moveaxis(labels, 0, axis), np.moveaxis(known, 0, axis)
    geometry = Geometry.from_spacing(labels.shape, orientation="IPL")
    return LabelMap(array=labels, geometry=geometry, known=known)


def decide(annotation, setting="auto", *, dims=2, axis=0, **settings):
    config = TrainingConfig(largest_component=setting, **settings)
    return one_piece_classes(config, [annotation], NAMES, slice_axis=axis, dims=dims)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_kidneys_keep_both_and_the_liver_stays_one(axis):
    values, (note,) = decide(_annotation(axis=axis), axis=axis)
    assert values == (1,)
    assert "'kidneys'" in note and "4 of the 4 annotated slices" in note


def test_pieces_that_join_on_another_slice_are_one_in_3d():
    annotation = _annotation(joined=True)
    assert decide(annotation, dims=2)[0] == (1,)
    assert decide(annotation, dims=3)[0] == (1, 2)


def test_slips_of_the_brush_are_no_pieces():
    annotation = _annotation()
    annotation.array[annotation.array == 2] = 0
    annotation.array[:4, 18:24, 3:9] = 2
    annotation.array[:4, 30, 30] = 2
    assert decide(annotation) == ((1, 2), ())


def test_strokes_of_slices_in_progress_say_nothing():
    assert decide(_annotation(known_rows=30)) == ((1, 2), ())


@pytest.mark.parametrize(
    ("setting", "settings", "values"),
    [
        pytest.param("all", {}, (1, 2), id="all"),
        pytest.param("none", {}, (), id="none"),
        pytest.param(" Kidneys ", {}, (2,), id="by name"),
        pytest.param("liver, 2", {}, (1, 2), id="name and value"),
        pytest.param(True, {}, (1, 2), id="switch of earlier versions on"),
        pytest.param(False, {}, (), id="switch of earlier versions off"),
        pytest.param("auto", {"preset": "paper"}, (1, 2), id="published recipe"),
    ],
)
def test_setting_overrules_the_annotation(setting, settings, values):
    assert decide(_annotation(), setting, **settings) == (values, ())


def test_class_that_there_is_none_of_is_refused():
    with pytest.raises(ConfigError, match=r"auto, all, none, or classes of liver.*'spleen'"):
        decide(_annotation(), "liver, spleen")


@pytest.mark.parametrize(
    ("asked", "now", "expected"),
    [
        pytest.param("kidneys", ["liver", "both kidneys"], "both kidneys", id="renamed"),
        pytest.param("Liver, 2", ["liver", "both"], "liver, both", id="by value"),
        pytest.param("kidneys", ["liver", "left, right"], "2", id="name that would be misread"),
        pytest.param("liver, kidneys", [None, "kidneys"], "kidneys", id="removed"),
        pytest.param("2", [None, "all"], "1", id="moved down"),
        pytest.param("liver", [None, "kidneys"], "none", id="the only one removed"),
        pytest.param("auto", ["a", "b"], "auto", id="auto"),
        pytest.param("spleen", ["a", "b"], "spleen", id="misspelled"),
    ],
)
def test_setting_follows_the_names_of_classes(asked, now, expected):
    assert with_names_of_now(asked, NAMES, now) == expected

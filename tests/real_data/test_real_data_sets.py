"""The loaders on real data sets: cases, persons, what is unpaired, and where labels lie."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_transmedseg.experiments.declared import experiments
from napari_transmedseg.experiments.draw import draw_cases, on_image
from napari_transmedseg.experiments.experiment import setup_of
from napari_transmedseg.experiments.sources import open_source
from napari_transmedseg.imaging.geometry import PLANE_AXES, acquisition_axis

RealData = Callable[[str], Path]


@pytest.mark.parametrize(
    ("name", "cases", "groups", "with_labels"),
    [
        pytest.param("hippocampus", 131, 131, 130),
        pytest.param("acdc", 160, 79, 160),
        pytest.param("la", 40, 40, 40),
        pytest.param("gm-challenge", 5, 3, 5),
        pytest.param("sunnybrook", 15, 15, 15),
    ],
)
def test_cases_and_persons_of_real_data_sets(real_data: RealData, name, cases, groups, with_labels):
    data = open_source(name, real_data(name).parent)
    assert len(data.cases) == cases
    assert len({case.group for case in data.cases}) == groups
    assert sum(case.load_labels is not None for case in data.cases) == with_labels
    for case in data.cases[:3]:
        labels = on_image(case.load_labels(), case.load_image(), case.case_id)
        assert set(np.unique(labels.array)) == set(range(len(data.class_names) + 1))


@pytest.mark.parametrize(
    ("name", "spacing"),
    [pytest.param("hippocampus", "real"), pytest.param("acdc", "nominal"),
     pytest.param("la", "nominal"), pytest.param("sunnybrook", "nominal")],
)  # fmt: skip
def test_a_spacing_that_was_lost_is_called_nominal(real_data: RealData, name, spacing):
    assert open_source(name, real_data(name).parent).spacing == spacing


def test_unpaired_files_are_named(real_data: RealData):
    notes = " ".join(open_source("hippocampus", real_data("hippocampus")).notes)
    assert all(f"hippocampus_{number}" in notes for number in (118, 281))
    assert "hippocampus_010" in notes


LITE = [pytest.param(declared.lite, id=name) for name, declared in experiments().items()]


@pytest.mark.parametrize("experiment", LITE)
def test_every_lite_experiment_draws_cases_for_all_its_rows(real_data: RealData, experiment):
    data = open_source(experiment.setup.source, real_data(experiment.setup.source).parent)
    plane = experiment.setup.plane
    axis = (
        acquisition_axis(data.cases[0].load_image().geometry)
        if plane == "auto"
        else PLANE_AXES[plane]
    )
    for labeling in {row.labeling for row in experiment.rows}:
        row = next(row for row in experiment.rows if row.labeling == labeling)
        draw = draw_cases(data, setup_of(experiment.setup, row), axis, 0)
        annotated = {case.group for case in draw.training if case.case_id in draw.slices}
        assert annotated
        assert draw.test
        assert len(draw.training) > len(draw.slices)
        if draw.held_out:
            assert not {case.group for case in draw.test} & {c.group for c in draw.training}

"""Scores of one case and means over cases, from maps whose values are known."""

import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from napari_transmedseg.experiments.scores import CaseScores, mean_scores, score_case
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap

SHAPE = (4, 8, 8)


def block(rows: slice, slices: slice = slice(None)) -> np.ndarray:
    array = np.zeros(SHAPE, np.uint8)
    array[slices, rows, 2:6] = 1
    return array


def reference(array: np.ndarray, spacing: tuple[float, float, float] = (1, 1, 1)) -> LabelMap:
    geometry = Geometry.from_spacing(SHAPE, spacing, orientation="IPL")
    return LabelMap(array=array, geometry=geometry)


def test_values_are_those_of_the_metrics_and_distances_are_in_mm():
    scores = score_case(
        "a", block(slice(1, 5)), reference(block(slice(2, 6)), (1, 3, 1)), ["organ"], known=None
    ).values
    assert_allclose(scores["dice"]["organ"], 2 * 3 / 8)
    assert_allclose(scores["jaccard"]["organ"], 3 / 5)
    assert_allclose(scores["hd95"]["organ"], 3.0)
    assert 0 < scores["asd"]["organ"] < 3.0


def test_annotated_voxels_do_not_count():
    known = np.zeros(SHAPE, bool)
    known[0] = True
    wrong_where_known = np.where(known, 0, block(slice(2, 6))).astype(np.uint8)
    truth = reference(block(slice(2, 6)))
    blind = score_case("a", wrong_where_known, truth, ["organ"], known=None).values
    scores = score_case("a", wrong_where_known, truth, ["organ"], known=known)
    assert scores.annotated
    assert scores.values["dice"]["organ"] == 1.0 > blind["dice"]["organ"]
    assert scores.values["hd95"]["organ"] <= blind["hd95"]["organ"]


def test_an_absent_class_is_no_number_and_a_missed_one_is_zero():
    scores = score_case(
        "a", np.zeros(SHAPE, np.uint8), reference(block(slice(2, 6))), ["organ", "other"],
        known=None,
    ).values  # fmt: skip
    assert scores["dice"]["organ"] == 0.0
    assert math.isnan(scores["dice"]["other"])
    assert math.isnan(scores["hd95"]["organ"])


def made_up(case_id: str, annotated: bool, domain: str, one: float, two: float) -> CaseScores:
    values = {metric: {"one": one, "two": two} for metric in ("dice", "jaccard", "hd95", "asd")}
    return CaseScores(case_id=case_id, annotated=annotated, domain=domain, values=values)


def test_means_go_over_cases_and_then_over_classes():
    cases = [
        made_up("a", True, "x", 0.5, 0.5),
        made_up("b", False, "x", 0.2, math.nan),
        made_up("c", False, "y", 0.4, 0.9),
    ]
    means = mean_scores(cases)
    assert list(means) == ["annotated", "unannotated", "all"]
    assert means["unannotated"]["cases"] == 2
    assert means["unannotated"]["dice"] == pytest.approx({"one": 0.3, "two": 0.9, "mean": 0.6})
    by_domain = mean_scores(cases, by_domain=True)
    assert by_domain["domain y"]["dice"]["mean"] == pytest.approx(0.65)


def test_groups_without_a_case_are_absent():
    assert list(mean_scores([made_up("a", False, "", 1.0, 1.0)])) == ["unannotated", "all"]

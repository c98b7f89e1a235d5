"""Monitors: every failure mode that is provoked is told in a plain sentence."""

import math

import pytest
import torch

from napari_transmedseg.engine import monitors
from napari_transmedseg.engine.class_statistics import ClassStatistics, mean_shift
from napari_transmedseg.engine.pseudo_labels import normalized_entropy


@pytest.mark.parametrize(
    ("report", "name", "light", "words"),
    [
        pytest.param(monitors.entropy_report(7, 0.6), "entropy", "warning", "unsure", id="entropy"),
        pytest.param(
            monitors.entropy_report(7, 0.6, "RV"), "entropy", "warning", "show RV", id="of a class"
        ),
        pytest.param(
            monitors.condition_number_report(7, 2e6, "RV"),
            "condition_number",
            "advice",
            "looks nearly the same",
            id="condition number",
        ),
        pytest.param(
            monitors.teacher_dice_report(7, 0.4, "RV"),
            "teacher_dice",
            "warning",
            "Dice 0.40",
            id="teacher's Dice",
        ),
        pytest.param(
            monitors.pseudo_share_report(7, 0.004, 0.05, "RV"),
            "pseudo_share",
            "warning",
            "annotate 2 more slices that show RV",
            id="class that vanishes",
        ),
        pytest.param(
            monitors.count_report(7, 159, 5, 16, "RV"),
            "count",
            "advice",
            "annotate 2 more slices",
            id="few voxels",
        ),
        pytest.param(
            monitors.count_report(7, 1e4, 0, 16, "RV"),
            "count",
            "advice",
            "annotate 3 more slices",
            id="no slice",
        ),
        pytest.param(
            monitors.count_report(7, 159, 5, 16, "RV", "source"),
            "source_count",
            "advice",
            "Too little annotated RV",
            id="few annotated voxels",
        ),
        pytest.param(
            monitors.count_report(7, 1e4, 2, 16, "RV", "target"),
            "target_count",
            "advice",
            "add cases that show RV",
            id="few slices without annotation that show it",
        ),
        pytest.param(
            monitors.mean_shift_report(7, 1.5, "RV"),
            "mean_shift",
            "advice",
            "of cases unlike those you annotated",
            id="another look",
        ),
        pytest.param(
            monitors.multi_modal_report(7, 0.9, "RV"),
            "multi_modal",
            "advice",
            "two different things",
            id="two modes",
        ),
    ],
)
def test_an_unhealthy_value_lights_up_with_a_sentence(report, name, light, words):
    assert (report.step, report.name, report.light) == (7, name, light)
    assert words in report.sentence
    assert report.sentence.endswith(".")


@pytest.mark.parametrize(
    "report",
    [
        monitors.entropy_report(1, 0.5),
        monitors.entropy_report(1, math.nan, "RV"),
        monitors.condition_number_report(1, 1e6, "RV"),
        monitors.condition_number_report(1, math.nan, "RV"),
        monitors.teacher_dice_report(1, 0.5, "RV"),
        monitors.teacher_dice_report(1, math.nan, "RV"),
        monitors.pseudo_share_report(1, 0.006, 0.05, "RV"),
        monitors.count_report(1, 160, 3, 16, "RV"),
        monitors.count_report(1, 160, 3, 16, "RV", "source"),
        monitors.count_report(1, 160, 3, 16, "RV", "target"),
        monitors.mean_shift_report(1, 1.0, "RV"),
        monitors.mean_shift_report(1, math.nan, "RV"),
        monitors.multi_modal_report(1, 0.6, "RV"),
    ],
    ids=lambda report: f"{report.name} {report.value:g}",
)
def test_a_healthy_or_unmeasured_value_says_nothing(report):
    assert (report.light, report.sentence) == ("ok", "")


@pytest.mark.parametrize(
    ("dice", "predicted", "annotated", "trusted"),
    [
        pytest.param(0.8, 0.05, 0.05, True, id="good teacher"),
        pytest.param(0.49, 0.05, 0.05, False, id="poor Dice"),
        pytest.param(0.8, 0.004, 0.05, False, id="class hardly predicted"),
        pytest.param(math.nan, 0.05, 0.05, True, id="Dice not measured"),
    ],
)
def test_a_teacher_is_trusted_by_dice_and_share(dice, predicted, annotated, trusted):
    assert monitors.teacher_is_trusted(dice, predicted, annotated) is trusted


def test_condition_numbers_are_eigenvalue_ratios():
    covariance = torch.stack(
        [
            torch.diag(torch.tensor([1.0, 4.0, 100.0])),
            torch.diag(torch.tensor([1.0, 1.0, 0.0])),
            torch.zeros(3, 3),
        ]
    )
    numbers = monitors.condition_numbers(covariance).tolist()
    assert numbers[0] == pytest.approx(100)
    assert numbers[1] > 1e6
    assert math.isnan(numbers[2])


def test_a_shift_of_one_deviation_in_every_channel_is_one_in_any_unit():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(2, 5, 5, generator=generator, dtype=torch.float64)
    covariance = root @ root.mT
    scale = 1000.0
    shift = (torch.linalg.cholesky(covariance) @ torch.ones(5, 1, dtype=torch.float64)).squeeze(2)
    of_shift = monitors.relative_mean_shifts(shift, covariance, rho=0)
    torch.testing.assert_close(of_shift, torch.ones(2, dtype=torch.float64))
    scaled = monitors.relative_mean_shifts(scale * shift, scale**2 * covariance)
    torch.testing.assert_close(scaled, monitors.relative_mean_shifts(shift, covariance))
    assert (scaled > 0).all()


def test_a_mean_shift_needs_a_spread_and_survives_a_singular_one():
    covariance = torch.stack([torch.zeros(3, 3), torch.diag(torch.tensor([1.0, 1.0, 0.0]))])
    empty, singular = monitors.relative_mean_shifts(torch.ones(2, 3), covariance)
    assert empty.isnan()
    assert singular > 1


@pytest.mark.parametrize("space", [(40, 50), (5, 20, 20)], ids=["2-D", "3-D"])
def test_another_scanner_is_told_by_the_mean_shift_and_the_same_one_is_not(space):
    labels, slices = torch.randint(0, 2, (2, *space)), torch.arange(2)
    statistics = {}
    for name, offset in (("here", 0.0), ("same", 0.0), ("other", 3.0)):
        statistics[name] = ClassStatistics(2, 4, num_slices=9)
        features = torch.randn(2, 4, *space) + offset * labels.unsqueeze(1)
        statistics[name].update_maps(features, labels, slices)
    here = statistics.pop("here")
    lights = {
        name: [
            monitors.mean_shift_report(0, float(value), "RV").light
            for value in monitors.relative_mean_shifts(mean_shift(here, to), to.covariance_CAA)
        ]
        for name, to in statistics.items()
    }
    assert lights == {"same": ["ok", "ok"], "other": ["ok", "advice"]}


def test_an_inverted_confident_teacher_is_caught_by_class_and_not_by_the_mean():
    probabilities = torch.zeros(1, 2, 10, 10)
    probabilities[:, 0], probabilities[:, 1] = 0.999, 0.001
    probabilities[:, :, 0, 0] = 0.5
    labels = (probabilities[:, 1] >= 0.5).long()
    entropy = normalized_entropy(probabilities)
    of_class = monitors.class_means(entropy, labels, 2)
    assert monitors.entropy_report(0, entropy.mean().item()).light == "ok"
    assert monitors.entropy_report(0, of_class[1].item(), "RV").light == "warning"


def test_class_means_leave_unknown_voxels_out_and_are_nan_for_absent_classes():
    values = torch.tensor([[1.0, 3.0, 5.0, 7.0]])
    means = monitors.class_means(values, torch.tensor([[0, 0, -1, 2]]), 3)
    assert means[[0, 2]].tolist() == [2, 7]
    assert means[1].isnan()


@pytest.mark.parametrize("num_features", [1, 4, 16])
def test_one_gaussian_is_one_mode_and_two_are_two(num_features):
    torch.manual_seed(0)
    features = torch.randn(2000, num_features)
    one = monitors.two_means_share(features)
    features[:1000, 0] += 12 * num_features**0.5
    two = monitors.two_means_share(features)
    assert one < 0.66
    assert monitors.multi_modal_report(0, one, "RV").light == "ok"
    assert monitors.multi_modal_report(0, two, "RV").light == "advice"


@pytest.mark.parametrize("features", [torch.ones(50, 3), torch.randn(2, 3), torch.zeros(0, 3)])
def test_too_little_to_split_has_no_modes(features):
    assert monitors.two_means_share(features) == 0

"""Two scanners: annotated on one, unlabeled on the other, statistics together or apart."""

from dataclasses import replace

import pytest
from tiny_cohort import CLASSES, Run, cohort, config, small_plan

from napari_transmedseg.engine.plan import plan_training
from napari_transmedseg.engine.trainer import fit


def _two_sites():
    """Cases a and b, annotated, are of site A; c and d, without annotation, of site B."""
    domains = {"a": "A", "b": "A", "c": "B", "d": "B"}
    return [replace(item, domain=domains[item.case_id]) for item in cohort()]


def _run(**settings):
    cases = _two_sites()
    plan = small_plan(config(steps=40, **settings), cases, confidence=0.0)
    return Run(plan, cases)


@pytest.mark.parametrize(("apart", "domains"), [(False, ("",)), (True, ("A", "B"))])
def test_target_statistics_are_kept_apart_only_when_asked(apart, domains):
    run = _run(tsa_per_domain=apart)
    assert run.plan.domains == domains and len(run.state.targets) == len(domains)
    run.steps(4)
    assert all(float(target.count_C.sum()) > 0 for target in run.state.targets)


def _distance_of_the_sites(brighter):
    """Between the class means of the two sites' features, after a step."""
    run = _run(tsa_per_domain=True)
    run.store.image_N1HW[12:] += brighter  # site B
    run.steps(1)
    site_a, site_b = run.state.targets
    seen = (site_a.count_C > 0) & (site_b.count_C > 0)
    return float((site_a.mean_CA - site_b.mean_CA)[seen].norm())


def test_each_domains_statistics_come_from_its_own_images():
    assert _distance_of_the_sites(100.0) > 5 * _distance_of_the_sites(0.0)


def test_a_run_labeled_on_one_domain_and_unlabeled_on_the_other_trains_to_its_end(tmp_path):
    cases = _two_sites()
    settings = config(steps=12, tsa_per_domain=True)
    plan = plan_training(settings, cases, CLASSES, 0)
    assert plan.domains == ("A", "B")
    events = list(fit(cases, CLASSES, settings, slice_axis=0, folder=tmp_path))
    assert events[-1].step == 12
    again = list(
        fit(cases, CLASSES, replace(settings, steps=14), slice_axis=0, folder=tmp_path,
            resume_from=tmp_path / "checkpoints" / "last.pt")
    )  # fmt: skip
    assert again[-1].step == 14

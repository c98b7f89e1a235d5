"""The experiments that can be run by name, each at full size and lite."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from typing import Any

from napari_transmedseg.errors import ExperimentError
from napari_transmedseg.experiments import setups
from napari_transmedseg.experiments.experiment import (
    Experiment,
    Labeling,
    Row,
    Setup,
    Split,
)

METHODS = ("supervised", "mean-teacher", "bcp", "graphcl", "transmedseg")
BETAS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)
EMA_DECAYS = (0.9, 0.99, 0.999)
SAMPLES = (1, 10, 100)
NETWORKS = ("unet", "basicunet", "segresnet", "swinunetr", "dynunet")


@dataclass(frozen=True, kw_only=True, slots=True)
class Declared:
    """An experiment and its variant for two CPU cores."""

    full: Experiment
    lite: Experiment


def find_experiment(name: str, *, lite: bool = False, on: str | None = None) -> Experiment:
    """An experiment by name, in full or lite, perhaps on the data of another.

    Raises
    ------
    ExperimentError
        If there is none of that name, or its rows do not fit other data.
    """
    declared = _find(name)
    found = declared.lite if lite else declared.full
    if on is None:
        return found
    other = _find(on)
    return found.on(other.lite if lite else other.full)


def _find(name: str) -> Declared:
    known = experiments()
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = (
            f"did you mean '{close[0]}'?" if close else "transmedseg benchmark --list shows them."
        )
        raise ExperimentError(f"Expected the name of an experiment, found '{name}'; {hint}")
    return known[name]


@cache
def experiments() -> Mapping[str, Declared]:
    """All declared experiments by name, in the order in which they are listed."""
    declared = [
        *(
            _few_slices(*numbers)
            for numbers in ((10, 5, 2, 1.5), (30, 10, 3, 4.0), (100, 20, 5, 1.5))
        ),
        *_first(),
        _beta(),
        _ema_decay(),
        _closed_form(),
        _graph_choices(),
        _covariance(),
        _rare_class(),
        _unseen(),
        _multi_organ(),
        _cross_site(),
        _backbones(),
        _hippocampus_3d(),
        _la_3d(),
    ]
    return {item.full.name: item for item in declared}


def _both(
    name: str,
    title: str,
    rows: Sequence[Row],
    full: Setup,
    lite: Setup,
    note: str = "",
    *,
    lite_rows: Sequence[Row] | None = None,
) -> Declared:
    experiment = Experiment(name=name, title=title, rows=tuple(rows), setup=full, note=note)
    return Declared(
        full=experiment,
        lite=replace(
            experiment,
            name=f"{name}-lite",
            title=f"{title} (lite, {lite.source})",
            rows=tuple(rows if lite_rows is None else lite_rows),
            setup=lite,
        ),
    )


def _methods(*names: str, **settings: Any) -> tuple[Row, ...]:
    return tuple(Row(label=name, settings={"method": name, **settings}) for name in names)


def _transmedseg(label: str, **settings: Any) -> Row:
    return Row(label=label, settings={"method": "transmedseg", **settings})


_GRAPHCL = Row(label="β = 0 (graphcl)", settings={"method": "graphcl"})
_LITE = setups.hippocampus(10, 3, 1.5)
"""Where an ablation is run lite: 30 annotated slices, 90 seconds."""


def _few_slices(count: int, cases: int, slices: int, minutes: float) -> Declared:
    setup = setups.hippocampus(cases, slices, minutes)
    return _both(
        f"few-slices-{count}",
        f"Hippocampus, {count} annotated slices",
        _methods(*METHODS),
        setup,
        setup,
        f"{slices} slices in each of {cases} cases, spread over the whole stack. Cases and slices "
        "are drawn by the seed, the same for all methods: the spread covers the annotation too.",
    )


def _first() -> list[Declared]:
    rows = _methods("supervised", "bcp", "graphcl", "transmedseg")
    note = "GraphCL alone, and with TSA; supervised and BCP are what both stand on."
    pancreas_lite = setups.hippocampus_3d(Labeling(share=0.2))
    return [
        _both("first-acdc-5", "ACDC, 5 % of the patients labeled", rows, setups.acdc(3),
              setups.acdc_lite(3), note),
        _both("first-acdc-10", "ACDC, 10 % of the patients labeled", rows, setups.acdc(7),
              setups.acdc_lite(7), note),
        _both("first-la-5", "Left atrium, 4 volumes labeled", rows, setups.la(4),
              setups.la_lite(4), note),
        _both("first-la-10", "Left atrium, 8 volumes labeled", rows, setups.la(8),
              setups.la_lite(8), note),
        _both("first-pancreas-20", "Pancreas-CT, 12 volumes labeled", rows, setups.pancreas(),
              pancreas_lite, note),
    ]  # fmt: skip


def _beta() -> Declared:
    rows = [_GRAPHCL, *(_transmedseg(f"β = {value:g}", tsa_weight=value) for value in BETAS)]
    return _both(
        "beta", "Weight β of the semantic augmentation loss", rows, setups.acdc(7), _LITE,
        "The paper finds 0.4 best.",
    )  # fmt: skip


def _ema_decay() -> Declared:
    rows = [_transmedseg(f"λ = {value:g}", ema_decay=value) for value in EMA_DECAYS]
    return _both("ema-decay", "Decay λ of the teacher", rows, setups.acdc(7), _LITE)


def _closed_form() -> Declared:
    rows = [
        _GRAPHCL,
        _transmedseg("β = 0.4, α0 = 0", tsa_weight=0.4, tsa_strength=0.0),
        _transmedseg("closed form", tsa_weight=0.4),
        *(_transmedseg(f"M = {count}", tsa_weight=0.4, tsa_samples=count) for count in SAMPLES),
    ]
    return _both(
        "closed-form", "Closed form against explicit sampling", rows, setups.acdc(7),
        setups.hippocampus(10, 3, None, steps=800),
        "The same steps for all rows, so that wall time and peak memory compare. The row α0 = 0 "
        "separates semantic augmentation from the extra cross-entropy.",
    )  # fmt: skip


def _graph_choices() -> Declared:
    def row(label: str, **settings: Any) -> Row:
        return Row(label=label, settings={"method": "graphcl", **settings})

    rows = [
        *(row(f"γ = {value:g}", graph_weight=value) for value in (0.0, 0.03, 0.1, 0.3, 1.0)),
        *(row(f"k = {count}", graph_clusters=count) for count in (2, 4, 16, 32)),
        *(row(f"N = {count}", graph_nodes=count) for count in (64, 256, 1024)),
        *(row(f"α_cc = {value:g}", graph_alpha=value) for value in (1.25, 1.5, 4.0)),
    ]
    return _both(
        "graph-choices", "What the graph term leaves open: γ, k, N, α_cc", rows, setups.acdc(7),
        _LITE, "All other choices of a row are the defaults: γ = 0.1, k = 2C, α_cc = 2.",
    )  # fmt: skip


def _covariance() -> Declared:
    rows = [_transmedseg("transmedseg"), _transmedseg("β = 1", tsa_weight=1.0)]
    return _both(
        "covariance", "Covariance stability: condition number over time", rows, setups.acdc(7),
        _LITE, "The condition numbers of every class over the steps are in monitors.csv.",
    )  # fmt: skip


def _rare_class() -> Declared:
    def rows(labeling: Labeling, name: str) -> list[Row]:
        rare = replace(labeling, rare_class=name, rare_slices=2)
        methods = _methods("supervised", "graphcl", "transmedseg")
        return [
            *methods,
            *(replace(row, label=f"{row.label}, {name} rare", labeling=rare) for row in methods),
        ]

    full = setups.acdc(7)
    return _both(
        "rare-class", "A class made rare", rows(full.labeling, "RV"), full, _LITE,
        "In the rare rows only two annotated slices show the class; the others that do are left "
        "out of the annotation.", lite_rows=rows(_LITE.labeling, "anterior"),
    )  # fmt: skip


def _unseen() -> Declared:
    def tested(setup: Setup) -> Setup:
        return replace(setup, split=replace(setup.split, test_source="sunnybrook"))

    return _both(
        "unseen-sunnybrook", "Trained on ACDC, measured on Sunnybrook's left ventricle",
        _methods("supervised", "bcp", "graphcl", "transmedseg"), tested(setups.acdc(7)),
        tested(setups.acdc_lite(7)),
        "The folder of --data holds acdc/ and sunnybrook/. Sunnybrook's masks are the blood pool; "
        "its slices of all phases are stacked by patient, turned by 180° to lie as ACDC's, with "
        "nominal pixels of 1.25 mm.",
    )  # fmt: skip


def _multi_organ() -> Declared:
    full = Setup(
        source="multi-organ", plane="axial", steps=20_000, step_s=1.0,
        labeling=Labeling(share=0.1), split=Split(test_share=0.2),
        settings={"dimensions": "3d"},
    )  # fmt: skip
    return _both(
        "multi-organ", "Many classes", _methods("supervised", "graphcl", "transmedseg"), full,
        replace(setups.acdc_lite(7, minutes=4.0), sectors=4),
        "Lite: the three structures of ACDC cut into four sectors each, twelve classes.",
    )  # fmt: skip


def _cross_site() -> Declared:
    rows = [
        *_methods("supervised", "graphcl", "transmedseg"),
        _transmedseg("transmedseg, per domain", tsa_per_domain=True),
        _transmedseg("transmedseg, to-source", tsa_direction="to-source"),
    ]
    full = Setup(
        source="gm-challenge", plane="axial", minutes=6.0, settings=setups.LITE_2D,
        labeling=Labeling(domains=("Siemens",), slices_per_case=4),
    )  # fmt: skip
    lite = replace(
        setups.hippocampus(10, 3, 2.0),
        labeling=Labeling(cases=10, slices_per_case=3, domains=("uint8",)),
    )
    return _both(
        "cross-site", "Labeled on one domain, unlabeled on another", rows, full, lite,
        "Full: vendors of the grey matter challenge, annotated on Siemens. Lite: the hippocampus "
        "files stored as whole numbers are annotated, those stored as float are not.",
    )  # fmt: skip


def _backbones() -> Declared:
    rows = [
        Row(label=f"{network}, {method}", settings={"network": network, "method": method})
        for network in NETWORKS
        for method in ("graphcl", "transmedseg")
    ]
    return _both(
        "backbones", "Other networks, without and with TSA", rows, setups.acdc(7),
        setups.hippocampus(10, 3, 2.0),
    )  # fmt: skip


def _sparse_rows(volumes: Labeling, slices: Labeling) -> list[Row]:
    """4 whole volumes, and 8 volumes of which 3 slices are known."""
    return [
        replace(row, label=f"{row.label}, {label}", labeling=labeling)
        for label, labeling in (("4 volumes", volumes), ("8 × 3 slices", slices))
        for row in _methods("supervised", "graphcl", "transmedseg")
    ]


def _hippocampus_3d() -> Declared:
    volumes = Labeling(cases=4)
    rows = _sparse_rows(volumes, Labeling(cases=8, slices_per_case=3))
    setup = setups.hippocampus_3d(volumes, minutes=4.0)
    full = replace(setup, minutes=30.0, split=Split())
    return _both("3d-hippocampus", "Hippocampus in 3-D from little annotation", rows, full, setup)


def _la_3d() -> Declared:
    lite = setups.la_lite(4, minutes=8.0)
    rows = _sparse_rows(lite.labeling, replace(setups.la(8).labeling, slices_per_case=3))
    full = replace(setups.la(4), steps=None, minutes=60.0, settings=setups.LITE_3D)
    return _both("3d-la", "Left atrium in 3-D from little annotation", rows, full, lite)

"""Data, split, annotation and budget of the declared experiments, at full size and lite.

Full setups are the papers' protocols (`preset="paper"`); lite ones take minutes on two CPU cores
with the default preset.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from napari_transmedseg.experiments.experiment import Labeling, Setup, Split
from napari_transmedseg.experiments.shipped_lists import shipped_list

PAPER_2D: dict[str, Any] = {"preset": "paper", "dimensions": "2d"}
PAPER_3D: dict[str, Any] = {"preset": "paper", "dimensions": "3d", "network": "vnet"}
LITE_2D: dict[str, Any] = {"dimensions": "2d"}
LITE_3D: dict[str, Any] = {"dimensions": "3d"}

ACDC_STEPS = 40_000
"""10,000 of warm-up and 30,000 of self-training."""
LA_STEPS = 17_000
"""2,000 and 15,000."""
PANCREAS_STEPS = 4_160
"""60 and 200 epochs of the 62 training cases, four unlabeled ones a step."""
PANCREAS_TEST_SHARE = 18 / 80


def acdc(patients: int) -> Setup:
    """ACDC with the papers' 3 (5 %) or 7 (10 %) labeled patients; 10 patients are held out."""
    return Setup(
        source="acdc", plane="axial", steps=ACDC_STEPS, step_s=0.15, settings=PAPER_2D,
        labeling=Labeling(groups=shipped_list(f"acdc_labeled_{patients}")),
        split=Split(
            train_groups=shipped_list("acdc_train"), test_groups=shipped_list("acdc_validation")
        ),
    )  # fmt: skip


def acdc_lite(patients: int, minutes: float = 3.0) -> Setup:
    """The same at end-diastole, with 30 unlabeled patients and a few minutes."""
    full = acdc(patients)
    most = len(full.labeling.groups) + len(full.split.test_groups) + 30
    return replace(
        full, only="*_frame01", steps=None, minutes=minutes, settings=LITE_2D,
        split=replace(full.split, max_groups=most),
    )  # fmt: skip


def la(cases: int) -> Setup:
    """Left atrium with the papers' 4 (5 %) or 8 (10 %) labeled volumes.

    Measured are the cases outside the papers' training list where they are there, else the
    unlabeled ones.
    """
    return Setup(
        source="la", plane="axial", steps=LA_STEPS, step_s=0.6, settings=PAPER_3D,
        labeling=Labeling(groups=shipped_list(f"la_labeled_{cases}")),
        split=Split(train_groups=shipped_list("la_train"), test_others=True),
    )  # fmt: skip


def la_lite(cases: int, minutes: float = 5.0) -> Setup:
    """The same with 20 volumes and a few minutes."""
    full = la(cases)
    return replace(
        full, steps=None, minutes=minutes, settings=LITE_3D,
        split=replace(full.split, max_groups=20),
    )  # fmt: skip


def pancreas() -> Setup:
    """Pancreas-CT with the papers' 12 labeled volumes (20 %); 18 are held out."""
    return Setup(
        source="pancreas", plane="axial", steps=PANCREAS_STEPS, step_s=1.0, settings=PAPER_3D,
        labeling=Labeling(groups=shipped_list("pancreas_labeled_12")),
        split=Split(test_share=PANCREAS_TEST_SHARE),
    )  # fmt: skip


def hippocampus(
    cases: int, slices: int | None, minutes: float | None, *, steps: int | None = None
) -> Setup:
    """Coronal hippocampus slices in 2-D; all 130 cases, measured where nobody annotated."""
    return Setup(
        source="hippocampus", plane="coronal", minutes=minutes, steps=steps, settings=LITE_2D,
        labeling=Labeling(cases=cases, slices_per_case=slices),
    )  # fmt: skip


def hippocampus_3d(labeling: Labeling, minutes: float = 3.0) -> Setup:
    """Hippocampus volumes in 3-D, 60 cases."""
    return Setup(
        source="hippocampus", plane="coronal", minutes=minutes, settings=LITE_3D,
        labeling=labeling, split=Split(max_groups=60),
    )  # fmt: skip

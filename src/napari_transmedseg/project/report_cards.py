"""Cards of the report: one slice as image, reference and prediction, side by side."""

from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_transmedseg.imaging.io import read_labels
from napari_transmedseg.project.evaluation_table import CaseDice
from napari_transmedseg.project.project import Project
from napari_transmedseg.project.report_overlays import slice_panel, window_slice

Classes = npt.NDArray[np.integer[Any]]


def case_cards(project: Project, case: CaseDice, predicted: Path, reference: Path) -> str:
    """Up to two cards of a case: its largest slice, and the one that agrees least."""
    labels = np.moveaxis(read_labels(reference).array, project.slice_axis, 0)
    prediction = np.moveaxis(read_labels(predicted).array, project.slice_axis, 0)
    known = project.annotation(case.case_id).known
    assert known is not None
    others = tuple(axis for axis in range(3) if axis != project.slice_axis)
    unseen = np.logical_not(known.any(axis=others))
    chosen = choose_slices(labels, prediction, unseen)
    if not chosen:
        return ""
    volume = project.volume(case.case_id).array
    image = np.moveaxis(volume, project.slice_axis, 0)
    return "".join(
        _card(
            project,
            case,
            index,
            why,
            window_slice(image[index], volume),
            labels[index],
            prediction[index],
        )
        for why, index in chosen.items()
    )


def choose_slices(
    reference_ZYX: Classes, prediction_ZYX: Classes, candidates_Z: npt.NDArray[np.bool_]
) -> dict[str, int]:
    """Slices worth a look among the candidates, by the reason for which they were chosen."""
    area = (reference_ZYX > 0).sum(axis=(1, 2))
    shown = area + (prediction_ZYX > 0).sum(axis=(1, 2))
    indices = [int(index) for index in np.flatnonzero(candidates_Z & (shown > 0))]
    if not indices:
        return {}
    chosen = {"largest": max(indices, key=lambda index: int(area[index]))}
    others = [index for index in indices if index != chosen["largest"]]
    if others:
        chosen["agrees least"] = min(
            others, key=lambda index: slice_dice(reference_ZYX[index], prediction_ZYX[index])
        )
    return chosen


def slice_dice(reference_YX: Classes, prediction_YX: Classes) -> float:
    """Mean Dice of one slice over the classes that either holds; 1 where neither holds any."""
    values = np.union1d(reference_YX, prediction_YX)
    dice = [
        2
        * ((reference_YX == value) & (prediction_YX == value)).sum()
        / ((reference_YX == value).sum() + (prediction_YX == value).sum())
        for value in values[values > 0]
    ]
    return float(np.mean(dice)) if dice else 1.0


def _card(
    project: Project,
    case: CaseDice,
    index: int,
    why: str,
    image_YX: npt.NDArray[np.uint8],
    labels_YX: Classes,
    prediction_YX: Classes,
) -> str:
    colors = {item.value: item.color for item in project.classes}
    spacing = list(project.geometry(case.case_id).display_spacing)
    del spacing[project.slice_axis]
    panels = "".join(
        slice_panel(
            image_YX, layer, colors, caption=caption, pixel_size_mm=(spacing[0], spacing[1])
        )
        for caption, layer in (
            ("Image", None),
            ("Reference", labels_YX),
            ("Prediction", prediction_YX),
        )
    )
    domain = project.case(case.case_id).domain
    facts = [f"slice {index + 1}", why, *([domain] if domain else [])]
    return (
        f"<div class='card'><header><span><b>{escape(case.case_id)}</b> "
        f"<small>{escape(', '.join(facts))}</small></span>"
        f"<small>Dice {slice_dice(labels_YX, prediction_YX):.3f}</small></header>"
        f"<div class='trio'>{panels}</div></div>"
    )

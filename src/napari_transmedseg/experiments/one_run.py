"""One row with one seed, in a process of its own: `python -m …experiments.one_run REQUEST`.

Trains, predicts the measured cases, and leaves `result.json` beside the request: everything that
the tables need, and the settings to run it again.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.experiments.draw import (
    Draw,
    class_names_of,
    draw_cases,
    on_image,
    sectors_of,
)
from napari_transmedseg.experiments.experiment import Setup, config_of, setup_of
from napari_transmedseg.experiments.request import RESULT_FILE, RunRequest, as_dict, read_request
from napari_transmedseg.experiments.sources import SOURCES, open_source
from napari_transmedseg.imaging.atomic import write_bytes
from napari_transmedseg.imaging.data_sets import DataSet, DataSetCase
from napari_transmedseg.imaging.geometry import PLANE_AXES, acquisition_axis
from napari_transmedseg.imaging.volume import LabelArray, LabelMap, Volume
from napari_transmedseg.project.run import hardware, versions

FAILED = 1
_LINE_INTERVAL_S = 30.0


def main(arguments: Sequence[str]) -> int:
    """Run the request that the only argument names; its log goes to standard output."""
    path = Path(arguments[0])
    request = read_request(path)
    if request.core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {request.core})
    try:
        result = run(request, path.parent)
    except TransMedSegError as error:
        print(error, file=sys.stderr)
        return FAILED
    content = json.dumps(_plain(result), indent=1, allow_nan=False)
    write_bytes(path.parent / RESULT_FILE, content.encode() + b"\n")
    return 0


def run(request: RunRequest, folder: Path) -> dict[str, Any]:
    """Train and measure; files of the training lie in `folder/training` meanwhile.

    Raises
    ------
    TransMedSegError
        If the data or the settings do not allow it.
    """
    data = open_source(request.setup.source, request.data)
    other = request.setup.split.test_source
    measured_data = open_source(other, request.data) if other else data
    axis = _slice_axis(data, request.setup)
    draw = draw_cases(data, setup_of(request.setup, request.row), axis, request.seed)
    names = class_names_of(data, request.setup)
    config = config_of(request.setup, request.row, request.seed, int(request.core is not None))
    training = folder / "training"
    shutil.rmtree(training, ignore_errors=True)
    training.mkdir(parents=True)
    trained = _train(_training_cases(draw), names, config, axis, training)
    cases = _test_cases(measured_data.cases if other else draw.test, request.setup, axis)
    checkpoint = training / "checkpoints" / "last.pt"
    measured = _measure(request, draw, cases, names, config, checkpoint)
    shutil.rmtree(training, ignore_errors=True)
    return {
        "request": as_dict(request),
        "config": dataclasses.asdict(config),
        "versions": versions(),
        "hardware": hardware(),
        "classes": names,
        "distance_unit": "mm" if measured_data.spacing == "real" else "mm (nominal)",
        "data_notes": list(dict.fromkeys((*data.notes, *measured_data.notes))),
        "annotated_slices": draw.slices,
        "draws_thrown_away": draw.attempt,
        "training_cases": len(draw.training),
        "held_out": draw.held_out or bool(other),
        **trained,
        **measured,
    }


def _slice_axis(data: DataSet, setup: Setup) -> int:
    if setup.plane != "auto":
        return PLANE_AXES[setup.plane]
    return acquisition_axis(data.cases[0].load_image().geometry)


def _training_cases(draw: Draw) -> list[TrainingCase]:
    cases = []
    for case in draw.training:
        annotation = draw.annotations.get(case.case_id)
        if annotation is not None:
            annotation = on_image(annotation, case.load_image(), case.case_id)
        cases.append(
            TrainingCase(
                case_id=case.case_id,
                load=case.load_image,
                annotation=annotation,
                domain=case.domain,
                channels=case.channels,
            )
        )
    return cases


def _train(
    cases: Sequence[TrainingCase],
    names: Sequence[str],
    config: TrainingConfig,
    axis: int,
    folder: Path,
) -> dict[str, Any]:
    """Train and say how it went: time, memory, steps, shares, and what the monitors saw."""
    from napari_transmedseg.engine.events import (
        MonitorReport,
        StepReport,
        TrainingFinished,
        TrainingStarted,
    )
    from napari_transmedseg.engine.memory import peak_memory_mib
    from napari_transmedseg.engine.trainer import fit

    begin = last_line = time.monotonic()
    shares: list[float] = []
    monitors: list[dict[str, Any]] = []
    result: dict[str, Any] = {}
    for event in fit(cases, names, config, slice_axis=axis, folder=folder):
        match event:
            case TrainingStarted():
                result |= {"device": event.device, "network": event.network, "notes": event.notes}
            case StepReport():
                if event.phase == "self-training":
                    shares.append(event.pseudo_label_share)
                if time.monotonic() - last_line > _LINE_INTERVAL_S:
                    last_line = time.monotonic()
                    print(f"step {event.step}, {event.progress:.0%}, {event.phase}", flush=True)
            case MonitorReport():
                monitors.append(
                    {"step": event.step, "name": event.name, "class": event.class_name,
                     "value": event.value, "light": event.light}
                )  # fmt: skip
            case TrainingFinished():
                result |= {
                    "steps": event.step,
                    "self_training_steps": event.self_training_steps,
                    "ended": event.reason,
                }
    return result | {
        "wall_s": time.monotonic() - begin,
        "peak_memory_mib": peak_memory_mib(str(result["device"])),
        "pseudo_label_share": sum(shares) / len(shares) if shares else 0.0,
        "monitors": monitors,
    }


def _measure(
    request: RunRequest,
    draw: Draw,
    cases: Iterable[tuple[DataSetCase, Volume, LabelMap]],
    names: Sequence[str],
    config: TrainingConfig,
    checkpoint: Path,
) -> dict[str, Any]:
    from napari_transmedseg.engine.inference import load_predictor
    from napari_transmedseg.experiments.scores import mean_scores, score_case

    begin = time.monotonic()
    predictor = load_predictor(checkpoint, config.device, config.threads)
    labeling = setup_of(request.setup, request.row).labeling
    values, measured_names = _measured_classes(request.setup, names)
    scores = []
    for case, image, reference in cases:
        annotation = draw.annotations.get(case.case_id)
        prediction = predictor.predict_volume(image).labels.array
        scores.append(
            score_case(
                case.case_id,
                _renumber(prediction, values),
                reference,
                measured_names,
                known=None if annotation is None else annotation.known,
                domain=case.domain,
            )
        )
    return {
        "evaluation_s": time.monotonic() - begin,
        "classes_measured": list(measured_names),
        "means": mean_scores(scores, by_domain=bool(labeling.domains)),
        "cases": [dataclasses.asdict(case) for case in scores],
    }


def _test_cases(
    cases: Sequence[DataSetCase], setup: Setup, axis: int
) -> Iterator[tuple[DataSetCase, Volume, LabelMap]]:
    """The cases that have a reference, read one by one."""
    for case in cases:
        if case.load_labels is not None:
            image = case.load_image()
            labels = sectors_of(case.load_labels(), setup, axis)
            yield case, image, on_image(labels, image, case.case_id)


def _measured_classes(setup: Setup, names: Sequence[str]) -> tuple[tuple[int, ...], Sequence[str]]:
    """Values of the model's classes that the test data knows, and their names."""
    source = SOURCES.get(setup.split.test_source)
    if source is None:
        return tuple(range(1, len(names) + 1)), names
    return source.class_values, source.class_names


def _renumber(labels: LabelArray, values: Sequence[int]) -> LabelArray:
    """Class `values[i]` becomes i + 1, all others background."""
    renumbered = np.zeros_like(labels)
    for index, value in enumerate(values, 1):
        renumbered[labels == value] = index
    return renumbered


def _plain(value: Any) -> Any:
    """JSON values; what is no number becomes None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

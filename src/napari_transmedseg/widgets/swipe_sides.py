"""The sides of a swipe: labels, the prediction now and before the latest training, any run's."""

from __future__ import annotations

import numpy as np

from napari_transmedseg.errors import TransMedSegError
from napari_transmedseg.layer_data import slice_view
from napari_transmedseg.layer_swipe import Labels, Side
from napari_transmedseg.project.comparing import (
    BEFORE,
    LABELS,
    NOW,
    latest_run,
    plane_of,
    predicts,
    run_before,
)
from napari_transmedseg.project.kept_slices import KeptSlices
from napari_transmedseg.widgets.desk import Desk
from napari_transmedseg.widgets.waiting import wait_cursor

WORDS = {BEFORE: "before this training", NOW: "now", LABELS: "your labels"}
NOTHING = "nothing here"


class SwipeSides:
    """Finds what a source shows of the case on screen.

    What a training overwrites is kept slice by slice, packed. A run's prediction is read from its
    file when it is asked for, and let go with the case or the swipe.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._kept = KeptSlices()
        self._predictions: dict[str, Labels | None] = {}
        self._base_run = ""
        self._is_predicted_since = False
        self._case_with_before = ""  # was predicted when the training began

    @property
    def runs_read(self) -> list[str]:
        """Runs whose predictions are held in memory."""
        return [run_id for run_id, found in self._predictions.items() if found is not None]

    def keep(self, index: int) -> None:
        """Keep a slice of the prediction on screen: it is about to be replaced."""
        project, layers = self._desk.session.project, self._desk.annotator.layers
        if project is not None:
            earlier = slice_view(layers.prediction, project.slice_axis, index)
            self._kept.keep(self._desk.session.case_id, index, earlier)

    def begin_training(self) -> None:
        """What is on screen now is what was before."""
        is_predicted = bool(self._desk.annotator.layers.num_predicted)
        self.forget()
        self._case_with_before = self._desk.session.case_id if is_predicted else ""

    def forget(self) -> None:
        """Values mean other classes now, or another project is open."""
        self._kept.clear()
        self._case_with_before = ""
        self.let_go()

    def let_go(self) -> None:
        """Free the predictions that were read."""
        self._predictions.clear()

    def look_again(self) -> None:
        """Find out which run predicted the case before the latest one."""
        project, case_id = self._desk.session.require_project(), self._desk.session.case_id
        run_id = latest_run(project)
        self._base_run = run_before(project, case_id, run_id)
        self._is_predicted_since = predicts(project, run_id, case_id)

    @property
    def has_before(self) -> bool:
        """Whether the case was predicted before the latest training."""
        case_id = self._desk.session.case_id
        if self._base_run or self._case_with_before == case_id:
            return True
        kept = (self._kept.get(case_id, index) for index in self._kept.indices(case_id))
        return any(one is not None and one.any() for one in kept)

    def side(self, source: str, plane: int, index: int) -> Side:
        """What a source shows of a slice of any plane, and the words for it."""
        labels = self._labels_of(source, plane, index)
        words = WORDS.get(source, source)
        is_empty = labels is None or not labels.any()
        return Side(labels_YX=labels, words=f"{words}: {NOTHING}" if is_empty else words)

    def _labels_of(self, source: str, plane: int, index: int) -> Labels | None:
        layers = self._desk.annotator.layers
        if source == BEFORE:
            return self._labels_before(plane, index)
        whole: Labels | None
        if source in (NOW, LABELS):
            whole = layers.prediction if source == NOW else layers.labels
        else:
            whole = self._prediction_of(source)
        return None if whole is None else slice_view(whole, plane, index)

    def _labels_before(self, plane: int, index: int) -> Labels | None:
        session = self._desk.session
        base: Labels | None = self._desk.annotator.layers.prediction
        if self._is_predicted_since:  # what is on screen is new as a whole
            base = self._prediction_of(self._base_run) if self._base_run else None
        axis = session.require_project().slice_axis
        return plane_of(
            base, self._kept, session.case_id, slice_axis=axis, plane=plane, index=index
        )

    def _prediction_of(self, run_id: str) -> Labels | None:
        if run_id not in self._predictions:
            self._predictions[run_id] = self._read(run_id)
        return self._predictions[run_id]

    def _read(self, run_id: str) -> Labels | None:
        project, case_id = self._desk.session.require_project(), self._desk.session.case_id
        if not predicts(project, run_id, case_id):
            return None
        try:
            with wait_cursor():
                found = project.prediction(case_id, run_id)
        except (TransMedSegError, OSError) as error:
            self._desk.show_error(str(error))
            return None
        return None if found is None else np.asarray(found.array, np.uint8)

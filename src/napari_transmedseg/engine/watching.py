"""What the teacher says of the slice that a person watches while it learns."""

from collections.abc import Iterator

from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import SlicePrediction
from napari_transmedseg.engine.images import ImageStore
from napari_transmedseg.engine.inference import Predictor
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.state import TrainingState


class WatchedSlice:
    """Predicts the slice that a `TrainingControl` asks for, from the images of the run.

    Parameters
    ----------
    control
        Says which slice of which case.
    state
        Its teacher predicts, as it is at that moment.
    store
        Images of the run; a case that is none of them is not predicted.
    plan
        Space of the network.
    """

    def __init__(
        self, control: TrainingControl, state: TrainingState, store: ImageStore, plan: TrainingPlan
    ) -> None:
        self._control, self._state, self._store, self._plan = control, state, store, plan
        self._predictor = Predictor(state.teacher, plan)
        self._last: tuple[str, int] | None = None

    @property
    def has_moved(self) -> bool:
        """Whether a person looks at another slice than the one predicted last."""
        return self._control.watched != self._last

    def predict(self) -> Iterator[SlicePrediction]:
        """Predict the slice; nothing where none is watched, or the run does not have it."""
        self._last = watched = self._control.watched
        if watched is None or watched[0] not in self._store.start:
            return
        case_id, index = watched
        geometry = self._store.geometry[case_id]
        axis = self._plan.space.slice_axis
        if not 0 <= index < geometry.display_shape[axis]:
            return
        place = self._store.start[case_id] + (index if self._plan.dims == 2 else 0)
        image = self._store.image_N1HW[place]
        label, uncertainty = self._predictor.predict_slice(image, geometry, index)
        yield SlicePrediction(
            step=self._state.step,
            case_id=case_id,
            slice_axis=axis,
            slice_index=index,
            pseudo_label_YX=label,
            uncertainty_YX=uncertainty,
        )

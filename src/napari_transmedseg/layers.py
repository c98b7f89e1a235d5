"""The layers of the case on screen; with `prediction_layers` alone in touching the viewer's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_transmedseg.imaging.volume import LabelMap, Volume
from napari_transmedseg.layer_brush import Brush
from napari_transmedseg.layer_data import (
    changed_voxels,
    class_colormap,
    differing_slices,
    edited_along,
    exchange,
    image_layers_data,
    labels_layer_data,
    slice_view,
    told_at_once,
)
from napari_transmedseg.layer_dims import go_to, order_for, place_along, plane_of
from napari_transmedseg.layer_undo import Undo
from napari_transmedseg.prediction_layers import PredictionLayers

if TYPE_CHECKING:
    from napari.components import ViewerModel

_BYTES_AT_ONCE = 2**24
"""Comparing so much takes a few ms, which nobody notices."""


class CaseLayers:
    """The layers of the case on screen: images, labels, pseudo-label, uncertainty.

    Holds layer objects, not names. The labels are the person's and are never replaced:
    whatever a program changes in them is one undo step. Lives on the main thread.
    """

    edited = Signal(int)
    """A slice's voxels changed, by painting, undo or redo: its index."""
    slice_changed = Signal(int)
    redrawn = Signal()
    """Voxels of the labels changed on screen: at every move of the brush, and by undo."""
    replacing = Signal(int)
    """A slice is about to be predicted anew: its index."""
    removed = Signal()
    """Somebody removed one of the layers; `restore` brings it back."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._axis = 0
        self._index = -1
        self._image: Any = None
        self._further: list[Any] = []
        self._labels: Any = None
        self.predictions = PredictionLayers(viewer)
        """The teacher's view of the case."""
        self._seen: npt.NDArray[Any] = np.zeros((0, 0, 0), np.uint8)
        self._next_plane = 0  # where looking for unreported edits goes on
        self._probes: set[int] = set()  # slices that tell whether a change of many was undone
        self._is_exchanging = False
        self.brush = Brush()
        self.undo = Undo(self.find_edits, self.edited)
        viewer.dims.events.current_step.connect(self._on_step)
        viewer.layers.events.removed.connect(self._on_removed)

    def show(
        self, volume: Volume, label_map: LabelMap, *, case_id: str, slice_axis: int,
        colors: Mapping[int, str], prediction: LabelMap | None = None,
    ) -> None:  # fmt: skip
        """Replace the shown case; opens on the middle slice of `slice_axis`.

        Where the same layers can go on with the next case's data they do, so that the view stays
        as it was: plane, brush, opacities. Else the old layers go when the new ones stand: a
        viewer that loses all its layers rebuilds its sliders while it draws, which can end in a
        crash of the driver.
        """
        order = tuple(self._viewer.dims.order) if self.is_open and self._axis == slice_axis else ()
        self._axis, self._index = slice_axis, -1
        self._is_exchanging = True
        try:
            lasting = self._ours() if self._can_go_on_with(volume) else []
            old = [] if lasting else self._forget()
            with told_at_once(lasting):
                if lasting:
                    self._exchange(volume, label_map, case_id, colors)
                else:
                    self._add_image(volume, case_id)
                    self._add_labels(label_map, case_id, colors)
                self.predictions.set_case(
                    case_id, volume.geometry, slice_axis=slice_axis, colors=colors,
                    prediction=prediction, top=self._labels,
                )  # fmt: skip
            self._remove(old)
            self._viewer.dims.order = order or order_for(self._viewer.dims, slice_axis)
            self._viewer.reset_view()
            middle = [size // 2 for size in self.labels.shape]
            go_to(self._viewer.dims, range(3), self._labels.data_to_world(middle))
        except BaseException:
            self.clear()  # half a case must not take strokes
            raise
        finally:
            self._is_exchanging = False
        self._on_step()

    def clear(self) -> None:
        """Take our layers out of the viewer."""
        self._remove(self._forget())

    def close(self) -> None:
        """Stop listening to the viewer; the layers stay for the person to look at."""
        self._viewer.dims.events.current_step.disconnect(self._on_step)
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self._unhook()

    def restore(self) -> None:
        """Put back those of our layers that were removed by hand."""
        ours, layers = self._ours(), self._viewer.layers
        for place, layer in enumerate(ours):
            if layer not in layers:
                above = next((one for one in ours[place + 1 :] if one in layers), None)
                layers.insert(len(layers) if above is None else layers.index(above), layer)

    @property
    def is_open(self) -> bool:
        """Whether a case is shown."""
        return self._labels is not None

    @property
    def is_changing(self) -> bool:
        """Whether the next case is being put into the layers, of which they then tell much."""
        return self._is_exchanging

    @property
    def by_role(self) -> dict[str, Any]:
        """Our layers by what they show: image, labels, and those of predictions that there are."""
        if not self.is_open:
            return {}
        return {"image": self._image, **self.predictions.by_role, "labels": self._labels}

    @property
    def num_slices(self) -> int:
        """Number of slices along the slice axis."""
        return int(self._labels.data.shape[self._axis]) if self.is_open else 0

    @property
    def plane(self) -> int | None:
        """Display axis that the plane on screen cuts; None in three dimensions."""
        return plane_of(self._viewer.dims)

    @property
    def slice_index(self) -> int:
        """Index of the slice on screen along the project's slice axis."""
        return self._position(self._axis)

    @slice_index.setter
    def slice_index(self, index: int) -> None:
        axis, layer = self._axis, self._labels
        go_to(self._viewer.dims, [axis], [layer.translate[axis] + index * layer.scale[axis]])

    @property
    def place_under_mouse(self) -> tuple[int, tuple[int, int]]:
        """Slice index, and row and column on it, of where the mouse was last over the canvas."""
        place = self._labels.world_to_data(self._viewer.cursor.position[-3:])
        voxel = [int(np.floor(value + 0.5)) for value in place]
        index = voxel.pop(self._axis)
        return int(np.clip(index, 0, self.num_slices - 1)), (voxel[0], voxel[1])

    @property
    def labels(self) -> npt.NDArray[Any]:
        """The person's labels (I, P, L), as they are now."""
        return np.asarray(self._labels.data)

    @property
    def image_layer(self) -> Any:
        """The layer of the image, or None while no case is shown."""
        return self._image

    @property
    def labels_layer(self) -> Any:
        """The layer of the person's labels, or None while no case is shown."""
        return self._labels

    def forbid_painting(self) -> None:
        """Let the labels of the case on screen be looked at only."""
        self._labels.editable = False

    def paint_with(self, value: int) -> None:
        """Make the labels layer the active one, with the brush set to a class."""
        self.restore()
        if not self._labels.visible:  # nobody paints unseen
            self._labels.visible = True
        self._viewer.layers.selection.active = self._labels
        self._labels.selected_label = value
        self._labels.mode = "paint"

    def set_slices(self, slices: Mapping[int, npt.NDArray[Any]]) -> None:
        """Set the person's labels (Y, X) of several slices as one undo step for all."""
        touched, indices, values = changed_voxels(self.labels, slices, self._axis)
        if not touched:
            self.undo.add_step()
            return
        if len(touched) > 1:  # one of the two is off screen always
            self._probes |= {min(touched), max(touched)}
        with self._labels.block_history():
            self._labels.data_setitem(indices, values)

    def find_edits(self, among: Iterable[int] | None = None) -> list[int]:
        """Slices, all or some, changed since they were last reported; reports them."""
        if not self.is_open:
            return []
        if among is None:
            return self._report_all(differing_slices(self.labels, self._seen, self._axis))
        return self._report_all([one for one in among if self._differs(self._axis, one)])

    def find_some_edits(self) -> list[int]:
        """As `find_edits`, but looks at a part of a large volume only, and at the next one then.

        Painting, undo and redo report themselves; this finds in time what others wrote.
        """
        if not self.is_open:
            return []
        planes = max(1, _BYTES_AT_ONCE * len(self.labels) // max(1, self.labels.nbytes))
        start, stop = self._next_plane, self._next_plane + planes
        self._next_plane = stop if stop < len(self.labels) else 0
        part = slice(start, stop)
        found = differing_slices(self.labels[part], self._seen[part], self._axis)
        return self._report_all([one + start for one in found] if self._axis == 0 else found)

    def predicted_slice(self, index: int) -> npt.NDArray[np.uint8] | None:
        """Pseudo-label (Y, X) of a slice, or None where nothing was predicted yet."""
        return self.predictions.slice(index)

    @property
    def prediction(self) -> npt.NDArray[Any]:
        """Pseudo-label (I, P, L) as it is now; 0 where nothing was predicted yet."""
        return self.predictions.pseudo_label

    @property
    def num_predicted(self) -> int:
        """Slices that were predicted."""
        return self.predictions.num_predicted

    def expect_predictions(self) -> None:
        """Make their layers ready, so that the first one does not hold up the brush."""
        self.predictions.expect()

    def show_prediction(
        self, index: int, pseudo_label_YX: npt.NDArray[Any], uncertainty_YX: npt.NDArray[Any]
    ) -> None:
        """Show the teacher's view of one slice."""
        self.replacing.emit(index)
        is_on_screen = index == self.slice_index
        self.predictions.show_slice(
            index, pseudo_label_YX, uncertainty_YX, is_on_screen=is_on_screen
        )

    def show_prediction_map(self, label_map: LabelMap) -> None:
        """Show a predicted label map of the whole case."""
        self.predictions.show_map(label_map)

    def set_overlay(self, name: str, *, visible: bool, opacity: float) -> None:
        """Show or hide the overlay `pseudo-label` or `uncertainty`; opacity in [0, 1]."""
        self.predictions.set_look(name, visible=visible, opacity=opacity)

    def set_colors(self, colors: Mapping[int, str]) -> None:
        """Colour labels and pseudo-labels."""
        self.brush.keep_to(max(colors, default=0))
        if self._labels is not None:
            self._labels.colormap = class_colormap(colors)
        self.predictions.set_colors(colors)

    def _can_go_on_with(self, volume: Volume) -> bool:
        return (
            self.is_open
            and len(self._further) == len(volume.further)
            and all(layer in self._viewer.layers for layer in self._ours())
        )

    def _exchange(
        self, volume: Volume, label_map: LabelMap, case_id: str, colors: Mapping[int, str]
    ) -> None:
        images = image_layers_data(volume, case_id)
        for layer, (data, options) in zip((self._image, *self._further), images, strict=True):
            exchange(layer, data, options)
        data, options, _ = self._labels_data(label_map, case_id, colors)
        mode = str(self._labels.mode)
        self._labels.editable = False  # which forgets the strokes that could be undone
        exchange(self._labels, data, options)
        self._labels.editable = True
        self._labels.mode = mode
        self._labels.colormap = options["colormap"]

    def _add_image(self, volume: Volume, case_id: str) -> None:
        images = image_layers_data(volume, case_id)
        self._image, *self._further = [
            self._viewer.add_image(data, **options) for data, options in images
        ]

    def _add_labels(self, label_map: LabelMap, case_id: str, colors: Mapping[int, str]) -> None:
        data, options, _ = self._labels_data(label_map, case_id, colors)
        self._labels = self._viewer.add_labels(data, **options)
        self._labels.brush_size = 4
        self.brush.take(self._labels)
        self.undo.take(self._labels)
        self._labels.events.paint.connect(self._on_painted)
        self._labels.events.set_data.connect(self._on_redrawn)
        self._labels.events.labels_update.connect(self._on_brushed)

    def _labels_data(
        self, label_map: LabelMap, case_id: str, colors: Mapping[int, str]
    ) -> tuple[Any, dict[str, Any], str]:
        array = np.array(label_map.array, dtype=np.uint8, order="C")
        self._seen, self._next_plane, self._probes = array.copy(), 0, set()
        self.brush.keep_to(max(colors, default=0))
        own = LabelMap(array=array, geometry=label_map.geometry, names=label_map.names)
        return labels_layer_data(own, name=f"{case_id} labels", colors=colors)

    def _forget(self) -> list[Any]:
        """Let go of our layers, still in the viewer under other names; gives them back."""
        self._unhook()
        old = self._ours()
        for layer in old:
            layer.name = f"{layer.name} (closing)"
        self._image = self._labels = None
        self._further = []
        self.predictions.forget()
        self._index = -1
        return old

    def _remove(self, layers: list[Any]) -> None:
        for layer in layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def _unhook(self) -> None:
        self.brush.let_go()
        self.undo.let_go()
        if self._labels is not None:
            self._labels.events.paint.disconnect(self._on_painted)
            self._labels.events.set_data.disconnect(self._on_redrawn)
            self._labels.events.labels_update.disconnect(self._on_brushed)

    def _ours(self) -> list[Any]:
        predictions = self.predictions.by_role.values()
        layers = (self._image, *self._further, *predictions, self._labels)
        return [layer for layer in layers if layer is not None]

    def _differs(self, axis: int, index: int) -> bool:
        """Whether a plane along any axis changed since it was last reported."""
        now, seen = (slice_view(array, axis, index) for array in (self.labels, self._seen))
        return not np.array_equal(now, seen)

    def _position(self, axis: int) -> int:
        """Index of what the viewer shows along an axis of the data."""
        layer = self._labels
        place = (place_along(self._viewer.dims, axis) - layer.translate[axis]) / layer.scale[axis]
        return int(np.clip(round(place), 0, layer.data.shape[axis] - 1))

    def _report(self, index: int) -> None:
        slice_view(self._seen, self._axis, index)[:] = slice_view(self.labels, self._axis, index)
        self.edited.emit(index)

    def _report_all(self, indices: list[int]) -> list[int]:
        for index in indices:
            self._report(index)
        return indices

    def _on_painted(self, event: Any = None) -> None:
        self.find_edits(edited_along(getattr(event, "value", None), self._axis))

    def _on_brushed(self, event: Any = None) -> None:
        self.redrawn.emit()

    def _on_redrawn(self, event: Any = None) -> None:
        """Undo and redo only redraw: look at what is on screen, and at a few other slices."""
        if self._is_exchanging:
            return
        self.redrawn.emit()
        shown, index = self.plane, self.slice_index
        if shown not in (None, self._axis) and self._differs(shown, self._position(shown)):
            self.find_edits()  # another plane is looked at: it cuts many of our slices
        elif any(self._differs(self._axis, probe) for probe in self._probes - {index}):
            self.find_edits()
        elif self._differs(self._axis, index):
            self._report(index)

    def _on_step(self, event: Any = None) -> None:
        if self.is_open and not self._is_exchanging and self.slice_index != self._index:
            self._index = self.slice_index
            self.slice_changed.emit(self._index)

    def _on_removed(self, event: Any) -> None:
        if any(event.value == layer for layer in self._ours()):
            self.removed.emit()

"""The layers of the case on screen. The only module that touches the viewer's layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_transmedseg.imaging.volume import LabelMap, Volume
from napari_transmedseg.layer_data import (
    METADATA_KEY,
    class_colormap,
    differing_slices,
    image_layer_data,
    labels_layer_data,
    placement,
    slice_view,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel


class CaseLayers:
    """The layers of the case on screen: image, labels, pseudo-label, uncertainty.

    Holds layer objects, not names. The labels are the person's and are never replaced:
    whatever a program changes in them is one undo step. Lives on the main thread.
    """

    edited = Signal(int)
    """A slice's voxels changed, by painting, undo or redo: its index."""
    slice_changed = Signal(int)
    removed = Signal()
    """Somebody removed one of the layers; `restore` brings it back."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._axis = 0
        self._index = -1
        self._image: Any = None
        self._labels: Any = None
        self._pseudo_label: Any = None
        self._uncertainty: Any = None
        self._seen: npt.NDArray[Any] = np.zeros((0, 0, 0), np.uint8)
        self._predicted: set[int] = set()
        viewer.dims.events.current_step.connect(self._on_step)
        viewer.layers.events.removed.connect(self._on_removed)

    def show(
        self, volume: Volume, label_map: LabelMap, *, case_id: str, slice_axis: int,
        colors: Mapping[int, str], prediction: LabelMap | None = None,
    ) -> None:  # fmt: skip
        """Replace the shown case; opens on the middle slice of `slice_axis`.

        The old layers go when the new ones stand: a viewer that loses all its layers rebuilds
        its sliders while it draws, which can end in a crash of the driver.
        """
        old = self._forget()
        self._axis = slice_axis
        self._add_image(volume, case_id)
        self._add_overlays(case_id, colors, prediction)
        self._add_labels(label_map, case_id, colors)
        self._remove(old)
        order = (slice_axis, *(axis for axis in range(3) if axis != slice_axis))
        self._viewer.dims.order = order
        self._viewer.reset_view()
        self.slice_index = self.num_slices // 2
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
        for layer in self._ours():
            if layer not in self._viewer.layers:
                self._viewer.add_layer(layer)

    @property
    def is_open(self) -> bool:
        """Whether a case is shown."""
        return self._labels is not None

    @property
    def by_role(self) -> dict[str, Any]:
        """Our layers by what they show; empty where no case is shown."""
        if not self.is_open:
            return {}
        return {
            "image": self._image,
            "uncertainty": self._uncertainty,
            "pseudo-label": self._pseudo_label,
            "labels": self._labels,
        }

    @property
    def num_slices(self) -> int:
        """Number of slices along the slice axis."""
        return int(self._labels.data.shape[self._axis]) if self.is_open else 0

    @property
    def slice_index(self) -> int:
        """Index of the slice on screen along the project's slice axis."""
        position = self._labels.world_to_data(self._viewer.dims.point[-3:])[self._axis]
        return int(np.clip(round(position), 0, self.num_slices - 1))

    @slice_index.setter
    def slice_index(self, index: int) -> None:
        layer = self._labels
        self._viewer.dims.set_point(
            self._axis, layer.translate[self._axis] + index * layer.scale[self._axis]
        )

    @property
    def labels(self) -> npt.NDArray[Any]:
        """The person's labels (I, P, L), as they are now."""
        return np.asarray(self._labels.data)

    def paint_with(self, value: int) -> None:
        """Make the labels layer the active one, with the brush set to a class."""
        self.restore()
        self._viewer.layers.selection.active = self._labels
        self._labels.selected_label = value
        self._labels.mode = "paint"

    def set_slice(self, index: int, labels_YX: npt.NDArray[Any]) -> None:
        """Set the person's labels of one slice as one undo step."""
        changed = np.nonzero(slice_view(self.labels, self._axis, index) != labels_YX)
        if not changed[0].size:
            return
        indices = list(changed)
        indices.insert(self._axis, np.full_like(changed[0], index))
        with self._labels.block_history():
            self._labels.data_setitem(tuple(indices), labels_YX[changed])

    def find_edits(self) -> list[int]:
        """Slices changed since they were last reported; reports them."""
        if not self.is_open:
            return []
        edits = differing_slices(self.labels, self._seen, self._axis)
        for index in edits:
            self._report(index)
        return edits

    def predicted_slice(self, index: int) -> npt.NDArray[np.uint8] | None:
        """Pseudo-label (Y, X) of a slice, or None where nothing was predicted yet."""
        if index not in self._predicted:
            return None
        return np.array(slice_view(self._pseudo_label.data, self._axis, index))

    def show_prediction(
        self, index: int, pseudo_label_YX: npt.NDArray[Any], uncertainty_YX: npt.NDArray[Any]
    ) -> None:
        """Put the teacher's view of one slice into the two overlay layers."""
        self._predicted.add(index)
        for layer, array in (
            (self._pseudo_label, pseudo_label_YX), (self._uncertainty, uncertainty_YX)
        ):  # fmt: skip
            slice_view(layer.data, self._axis, index)[:] = array
            if index == self.slice_index and layer.visible:
                layer.refresh()

    def show_prediction_map(self, label_map: LabelMap) -> None:
        """Put a predicted label map of the whole case into the pseudo-label layer."""
        self._pseudo_label.data[:] = label_map.array
        self._predicted = set(range(label_map.array.shape[self._axis]))
        self._pseudo_label.refresh()

    def set_overlay(self, name: str, *, visible: bool, opacity: float) -> None:
        """Show or hide the overlay `pseudo-label` or `uncertainty`; opacity in [0, 1]."""
        layer = self._pseudo_label if name == "pseudo-label" else self._uncertainty
        if layer is not None:
            layer.visible, layer.opacity = visible, opacity

    def set_colors(self, colors: Mapping[int, str]) -> None:
        """Colour labels and pseudo-labels."""
        for layer in (self._labels, self._pseudo_label):
            if layer is not None:
                layer.colormap = class_colormap(colors)

    def _add_image(self, volume: Volume, case_id: str) -> None:
        data, options, _ = image_layer_data(volume)
        self._image = self._viewer.add_image(data, **(options | {"name": case_id}))

    def _add_overlays(
        self, case_id: str, colors: Mapping[int, str], prediction: LabelMap | None
    ) -> None:
        shape = self._image.data.shape
        place = placement(self._image.metadata[METADATA_KEY]["geometry"])
        self._uncertainty = self._viewer.add_image(
            np.zeros(shape, np.float16), name=f"{case_id} uncertainty", colormap="magma",
            contrast_limits=(0.0, 1.0), blending="additive", opacity=0.6, visible=False,
            **place,
        )  # fmt: skip
        self._pseudo_label = self._viewer.add_labels(
            np.zeros(shape, np.uint8), name=f"{case_id} pseudo-label",
            colormap=class_colormap(colors), opacity=0.9, **place,
        )  # fmt: skip
        self._pseudo_label.contour = 1
        self._pseudo_label.editable = False
        self._predicted = set()
        if prediction is not None:
            self.show_prediction_map(prediction)

    def _add_labels(self, label_map: LabelMap, case_id: str, colors: Mapping[int, str]) -> None:
        array = np.array(label_map.array, dtype=np.uint8, order="C")
        own = LabelMap(array=array, geometry=label_map.geometry, names=label_map.names)
        data, options, _ = labels_layer_data(own, name=f"{case_id} labels", colors=colors)
        self._labels = self._viewer.add_labels(data, **options)
        self._labels.brush_size = 4
        self._seen = array.copy()
        self._labels.events.paint.connect(self._on_painted)
        self._labels.events.set_data.connect(self._on_redrawn)

    def _forget(self) -> list[Any]:
        """Let go of our layers, still in the viewer under other names; gives them back."""
        self._unhook()
        old = self._ours()
        for layer in old:
            layer.name = f"{layer.name} (closing)"
        self._image = self._labels = self._pseudo_label = self._uncertainty = None
        self._index = -1
        return old

    def _remove(self, layers: list[Any]) -> None:
        for layer in layers:
            if layer in self._viewer.layers:
                self._viewer.layers.remove(layer)

    def _unhook(self) -> None:
        if self._labels is not None:
            self._labels.events.paint.disconnect(self._on_painted)
            self._labels.events.set_data.disconnect(self._on_redrawn)

    def _ours(self) -> list[Any]:
        layers = (self._image, self._uncertainty, self._pseudo_label, self._labels)
        return [layer for layer in layers if layer is not None]

    def _report(self, index: int) -> None:
        slice_view(self._seen, self._axis, index)[:] = slice_view(self.labels, self._axis, index)
        self.edited.emit(index)

    def _on_painted(self, event: Any = None) -> None:
        self.find_edits()

    def _on_redrawn(self, event: Any = None) -> None:
        """Undo and redo only redraw: look at the slice on screen."""
        index = self.slice_index
        now, seen = (slice_view(a, self._axis, index) for a in (self.labels, self._seen))
        if not np.array_equal(now, seen):
            self._report(index)

    def _on_step(self, event: Any = None) -> None:
        if self.is_open and self.slice_index != self._index:
            self._index = self.slice_index
            self.slice_changed.emit(self._index)

    def _on_removed(self, event: Any) -> None:
        if any(event.value == layer for layer in self._ours()):
            self.removed.emit()

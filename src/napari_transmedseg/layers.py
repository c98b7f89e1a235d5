"""The layers of the case on screen. The only module that touches the viewer's layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_transmedseg.imaging.volume import LabelMap, Volume
from napari_transmedseg.layer_data import (
    METADATA_KEY,
    class_colormap,
    differing_slices,
    further_layer_data,
    image_layer_data,
    labels_layer_data,
    placement,
    slice_view,
)

if TYPE_CHECKING:
    from napari.components import ViewerModel


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
        self._pseudo_label: Any = None
        self._uncertainty: Any = None
        self._seen: npt.NDArray[Any] = np.zeros((0, 0, 0), np.uint8)
        self._predicted: set[int] = set()
        self._probes: set[int] = set()  # slices that tell whether a change of many was undone
        viewer.dims.events.current_step.connect(self._on_step)
        viewer.layers.events.removed.connect(self._on_removed)

    def show(
        self, volume: Volume, label_map: LabelMap, *, case_id: str, slice_axis: int,
        colors: Mapping[int, str], prediction: LabelMap | None = None,
    ) -> None:  # fmt: skip
        """Replace the shown case; opens on the middle slice of `slice_axis`.

        The next case is looked at like the one before: same plane, brush and opacities. The old
        layers go when the new ones stand: a viewer that loses all its layers rebuilds its
        sliders while it draws, which can end in a crash of the driver.
        """
        look = _Look.of(self) if self.is_open and self._axis == slice_axis else None
        old = self._forget()
        self._axis = slice_axis
        self._add_image(volume, case_id)
        self._add_overlays(case_id, colors, prediction)
        self._add_labels(label_map, case_id, colors)
        self._remove(old)
        if look is None:
            order = (slice_axis, *(axis for axis in range(3) if axis != slice_axis))
            self._viewer.dims.order = order
        else:
            look.put_on(self)
        self._viewer.reset_view()
        self._viewer.dims.set_point(
            range(3), self._labels.data_to_world([length // 2 for length in self.labels.shape])
        )
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
        return self._position(self._axis)

    @slice_index.setter
    def slice_index(self, index: int) -> None:
        layer = self._labels
        self._viewer.dims.set_point(
            self._axis, layer.translate[self._axis] + index * layer.scale[self._axis]
        )

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
        places, values, touched = [], [], []
        for index, labels_YX in slices.items():
            changed = np.nonzero(slice_view(self.labels, self._axis, index) != labels_YX)
            if changed[0].size:
                touched.append(index)
                values.append(labels_YX[changed])
                places.append([*changed])
                places[-1].insert(self._axis, np.full_like(changed[0], index))
        if not touched:
            return
        if len(touched) > 1:  # one of the two is off screen always
            self._probes |= {min(touched), max(touched)}
        with self._labels.block_history():
            indices = tuple(np.concatenate(parts) for parts in zip(*places, strict=True))
            self._labels.data_setitem(indices, np.concatenate(values))
        self.find_edits()

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

    @property
    def prediction(self) -> npt.NDArray[Any]:
        """Pseudo-label (I, P, L) as it is now; 0 where nothing was predicted yet."""
        return np.asarray(self._pseudo_label.data)

    @property
    def num_predicted(self) -> int:
        """Slices that were predicted."""
        return len(self._predicted)

    def show_prediction(
        self, index: int, pseudo_label_YX: npt.NDArray[Any], uncertainty_YX: npt.NDArray[Any]
    ) -> None:
        """Put the teacher's view of one slice into the two overlay layers."""
        self.replacing.emit(index)
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

    def set_filled(self, is_filled: bool) -> None:
        """Fill the classes of the pseudo-label, or outline them."""
        if self._pseudo_label is not None:
            self._pseudo_label.contour = 0 if is_filled else 1

    def set_colors(self, colors: Mapping[int, str]) -> None:
        """Colour labels and pseudo-labels."""
        for layer in (self._labels, self._pseudo_label):
            if layer is not None:
                layer.colormap = class_colormap(colors)

    def _add_image(self, volume: Volume, case_id: str) -> None:
        data, options, _ = image_layer_data(volume)
        self._image = self._viewer.add_image(data, **(options | {"name": case_id}))
        self._further = [
            self._viewer.add_image(data, **options)
            for data, options, _ in further_layer_data(volume, case_id)
        ]

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
        self._probes = set()
        self._labels.events.paint.connect(self._on_painted)
        self._labels.events.set_data.connect(self._on_redrawn)
        self._labels.events.labels_update.connect(self._on_brushed)

    def _forget(self) -> list[Any]:
        """Let go of our layers, still in the viewer under other names; gives them back."""
        self._unhook()
        old = self._ours()
        for layer in old:
            layer.name = f"{layer.name} (closing)"
        self._image = self._labels = self._pseudo_label = self._uncertainty = None
        self._further = []
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
            self._labels.events.labels_update.disconnect(self._on_brushed)

    def _ours(self) -> list[Any]:
        overlays = (self._uncertainty, self._pseudo_label, self._labels)
        layers = (self._image, *self._further, *overlays)
        return [layer for layer in layers if layer is not None]

    def _differs(self, axis: int, index: int) -> bool:
        """Whether a plane along any axis changed since it was last reported."""
        now, seen = (slice_view(array, axis, index) for array in (self.labels, self._seen))
        return not np.array_equal(now, seen)

    def _position(self, axis: int) -> int:
        """Index of what the viewer shows along an axis of the data."""
        place = self._labels.world_to_data(self._viewer.dims.point[-3:])[axis]
        return int(np.clip(round(place), 0, self._labels.data.shape[axis] - 1))

    def _report(self, index: int) -> None:
        slice_view(self._seen, self._axis, index)[:] = slice_view(self.labels, self._axis, index)
        self.edited.emit(index)

    def _on_painted(self, event: Any = None) -> None:
        self.find_edits()

    def _on_brushed(self, event: Any = None) -> None:
        self.redrawn.emit()

    def _on_redrawn(self, event: Any = None) -> None:
        """Undo and redo only redraw: look at what is on screen, and at a few other slices."""
        self.redrawn.emit()
        shown, index = self._viewer.dims.order[-3], self.slice_index
        if shown != self._axis and self._differs(shown, self._position(shown)):
            self.find_edits()  # another plane is looked at: it cuts many of our slices
        elif any(self._differs(self._axis, probe) for probe in self._probes - {index}):
            self.find_edits()
        elif self._differs(self._axis, index):
            self._report(index)

    def _on_step(self, event: Any = None) -> None:
        if self.is_open and self.slice_index != self._index:
            self._index = self.slice_index
            self.slice_changed.emit(self._index)

    def _on_removed(self, event: Any) -> None:
        if any(event.value == layer for layer in self._ours()):
            self.removed.emit()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """How a person looked at one case, for the next one."""

    order: tuple[int, ...]
    opacity: float
    contour: int
    brush_size: int
    mode: str
    interpolation: str

    @classmethod
    def of(cls, layers: CaseLayers) -> _Look:
        labels = layers.labels_layer
        return cls(
            order=tuple(layers._viewer.dims.order),
            opacity=labels.opacity,
            contour=labels.contour,
            brush_size=labels.brush_size,
            mode=str(labels.mode),
            interpolation=str(layers.image_layer.interpolation2d),
        )

    def put_on(self, layers: CaseLayers) -> None:
        labels = layers.labels_layer
        layers._viewer.dims.order = self.order
        layers.image_layer.interpolation2d = self.interpolation
        labels.opacity, labels.contour = self.opacity, self.contour
        labels.brush_size, labels.mode = self.brush_size, self.mode

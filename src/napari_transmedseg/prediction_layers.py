"""The teacher's view of the case on screen, in two layers: pseudo-label and uncertainty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psygnal import Signal

from napari_transmedseg.imaging.volume import LabelMap
from napari_transmedseg.layer_data import class_colormap, exchange, placement, slice_view

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_transmedseg.imaging.geometry import Geometry

PSEUDO_LABEL = "pseudo-label"
UNCERTAINTY = "uncertainty"
FROM_BELOW = (UNCERTAINTY, PSEUDO_LABEL)
_FRACTIONS = (np.arange(256, dtype=np.float32) / 255).astype(np.float16)


class PredictionLayers:
    """Keeps the predictions of a case, and shows them in layers once there is something to see.

    Every layer, hidden or not, costs the viewer time at each change of the slice; so none stands
    there before something was predicted, nor before the person wants to see it.
    """

    look_changed = Signal(str, str, object)
    """Somebody used the viewer's own controls: role, `visible` or `opacity`, and its value."""
    replaced = Signal()
    """The whole case was predicted anew, or the prediction went."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._case_id = ""
        self._top: Any = None
        self._place: dict[str, Any] = {}
        self._axis = 0
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._layers: dict[str, Any] = {}
        self._looks = {PSEUDO_LABEL: (True, 0.9), UNCERTAINTY: (False, 0.6)}
        self._contour = 1
        self._colors: Mapping[int, str] = {}
        self._is_expected = self._is_setting = False
        self._predicted: set[int] = set()
        self._looked_at: set[int] = set()
        self._is_map_missing = False

    @property
    def case_id(self) -> str:
        """Case that the predictions are of."""
        return self._case_id

    @property
    def by_role(self) -> dict[str, Any]:
        """The layers that there are, from the lowest, by what they show."""
        return {name: self._layers[name] for name in FROM_BELOW if name in self._layers}

    @property
    def num_predicted(self) -> int:
        """Slices that were predicted."""
        return len(self._predicted)

    @property
    def pseudo_label(self) -> npt.NDArray[np.uint8]:
        """Pseudo-label (I, P, L) as it is now; 0 where nothing was predicted yet."""
        return self._arrays[PSEUDO_LABEL]

    def set_case(
        self, case_id: str, geometry: Geometry, *, slice_axis: int, colors: Mapping[int, str],
        prediction: LabelMap | None, top: Any,
    ) -> None:  # fmt: skip
        """Go on to another case, below its layer `top`; layers that are there go along with it."""
        self._case_id, self._axis, self._colors, self._top = case_id, slice_axis, colors, top
        self._place = placement(geometry)
        shape = geometry.display_shape
        self._arrays = {
            UNCERTAINTY: np.zeros(shape, np.float16),
            PSEUDO_LABEL: np.zeros(shape, np.uint8),
        }
        self._predicted, self._looked_at = set(), set()
        self._is_expected = self._is_map_missing = False
        if prediction is not None:
            self._take(prediction)
        for name, layer in self._layers.items():
            exchange(layer, self._arrays[name], self._options(name))
        self._set_up()

    def forget(self) -> None:
        """Let go of the layers; they stay in the viewer."""
        for layer in self._layers.values():
            layer.events.visible.disconnect(self._on_look)
            layer.events.opacity.disconnect(self._on_look)
        self._layers, self._arrays, self._predicted, self._top = {}, {}, set(), None
        self._is_map_missing = False

    def expect(self) -> None:
        """Make the layers ready: predictions are about to come."""
        self._is_expected = True
        self._set_up()

    def slice(self, index: int) -> npt.NDArray[np.uint8] | None:
        """Pseudo-label (Y, X) of a slice, or None where nothing was predicted yet."""
        if index not in self._predicted:
            return None
        return np.array(slice_view(self.pseudo_label, self._axis, index))

    def knows_uncertainty(self, index: int) -> bool:
        """Whether the uncertainty of a slice is there: a map of labels comes without."""
        return index in self._looked_at

    @property
    def awaits_uncertainty(self) -> bool:
        """Whether a map of labels came whose uncertainty nobody brought yet, nor said has none."""
        return self._is_map_missing

    def take_uncertainty(self, uncertainty_IPL: npt.NDArray[np.uint8] | None) -> None:
        """Take in how unsure the map of labels is; slices looked at since then stay as they are.

        Parameters
        ----------
        uncertainty_IPL
            0 to 255 for 0 to 1; None where it is not known.
        """
        self._is_map_missing = False
        if uncertainty_IPL is None:
            return
        array = self._arrays[UNCERTAINTY]
        newer = {i: slice_view(array, self._axis, i).copy() for i in self._looked_at}
        array[:] = _FRACTIONS[uncertainty_IPL]
        for index, plane in newer.items():
            slice_view(array, self._axis, index)[:] = plane
        self._looked_at = set(self._predicted)
        if UNCERTAINTY in self._layers:
            self._layers[UNCERTAINTY].refresh(extent=False)

    def show_slice(
        self, index: int, pseudo_label_YX: npt.NDArray[Any], uncertainty_YX: npt.NDArray[Any],
        *, is_on_screen: bool,
    ) -> None:  # fmt: skip
        """Take in the teacher's view of one slice."""
        self._predicted.add(index)
        self._looked_at.add(index)
        for name, array in ((PSEUDO_LABEL, pseudo_label_YX), (UNCERTAINTY, uncertainty_YX)):
            slice_view(self._arrays[name], self._axis, index)[:] = array
        self._set_up()
        for layer in self._layers.values():
            if is_on_screen and layer.visible:
                layer.refresh(thumbnail=False, highlight=False, extent=False)

    def show_map(self, label_map: LabelMap) -> None:
        """Take in a predicted label map of the whole case."""
        self._take(label_map)
        self._set_up()
        for layer in self._layers.values():
            layer.refresh(extent=False)
        self.replaced.emit()

    def replace(self, label_map: LabelMap | None, keep: Iterable[int]) -> None:
        """Forget all predicted slices but some, and take the others from a map, if there is one."""
        kept = {
            index: [slice_view(array, self._axis, index).copy() for array in self._arrays.values()]
            for index in keep
        }
        looked_at = self._looked_at & set(kept)
        self._predicted, self._looked_at = set(), set()
        self._is_map_missing = False
        for array in self._arrays.values():
            array[:] = 0
        if label_map is not None:
            self._take(label_map)
        for index, planes in kept.items():
            for array, plane in zip(self._arrays.values(), planes, strict=True):
                slice_view(array, self._axis, index)[:] = plane
        self._predicted |= set(kept)
        self._looked_at = looked_at
        self._set_up()
        for layer in self._layers.values():
            layer.refresh(extent=False)
        self.replaced.emit()

    def set_look(self, name: str, *, visible: bool, opacity: float) -> None:
        """Show or hide the pseudo-label or the uncertainty; opacity in [0, 1]."""
        self._looks[name] = (visible, opacity)
        self._set_up()
        if name in self._layers:
            self._is_setting = True
            try:
                _set(self._layers[name], visible=visible, opacity=opacity)
            finally:
                self._is_setting = False

    def set_filled(self, is_filled: bool) -> None:
        """Fill the classes of the pseudo-label, or outline them."""
        self._contour = 0 if is_filled else 1
        if PSEUDO_LABEL in self._layers:
            _set(self._layers[PSEUDO_LABEL], contour=self._contour)

    def set_colors(self, colors: Mapping[int, str]) -> None:
        """Colour the pseudo-label."""
        self._colors = colors
        if PSEUDO_LABEL in self._layers:
            self._layers[PSEUDO_LABEL].colormap = class_colormap(colors)

    def _take(self, label_map: LabelMap) -> None:
        self._arrays[PSEUDO_LABEL][:] = label_map.array
        self._arrays[UNCERTAINTY][:] = 0  # what there was belongs to other predictions
        self._looked_at, self._is_map_missing = set(), True
        self._predicted = set(range(label_map.array.shape[self._axis]))

    def _set_up(self) -> None:
        """Add the layers that are wanted by now, below the labels."""
        if not self._arrays or not (self._predicted or self._is_expected):
            return
        for name in FROM_BELOW:
            if name not in self._layers and self._looks[name][0]:
                self._add(name)

    def _add(self, name: str) -> None:
        from napari.layers import Image, Labels

        options = self._options(name)
        visible, opacity = self._looks[name]
        shown = {"visible": visible, "opacity": opacity}
        if name == UNCERTAINTY:
            layer = Image(
                self._arrays[name], colormap="magma", contrast_limits=(0.0, 1.0),
                blending="additive", **shown, **options,
            )  # fmt: skip
        else:
            layer = Labels(
                self._arrays[name], colormap=class_colormap(self._colors), **shown, **options
            )
            layer.contour = self._contour
            layer.editable = False
        layers, active = self._viewer.layers, self._viewer.layers.selection.active
        above = self._layers.get(PSEUDO_LABEL, self._top)
        self._layers[name] = layer
        layer.events.visible.connect(self._on_look)
        layer.events.opacity.connect(self._on_look)
        layers.insert(layers.index(above) if above in layers else len(layers), layer)
        if active is not None:  # a new layer would take the brush away
            layers.selection.active = active

    def _on_look(self, event: Any) -> None:
        """Keep what somebody chose in the viewer, and tell it."""
        for name, layer in self._layers.items():
            if layer is event.source and not self._is_setting:
                visible, opacity = self._looks[name]
                value = getattr(layer, event.type)
                is_opacity = event.type == "opacity"
                self._looks[name] = (visible, value) if is_opacity else (value, opacity)
                self.look_changed.emit(name, event.type, value)

    def _options(self, name: str) -> dict[str, Any]:
        return self._place | {"name": f"{self._case_id} {name}"}


def _set(layer: Any, **values: Any) -> None:
    """Set what is not so already: napari slices and draws again even for the same value."""
    for name, value in values.items():
        if getattr(layer, name) != value:
            setattr(layer, name, value)

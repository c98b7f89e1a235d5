"""How a case is looked at, kept from one case to the next, and the slice of each case."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_transmedseg.layer_dims import go_to

if TYPE_CHECKING:
    from napari.components import ViewerModel

_KEPT = ("opacity", "visible", "gamma", "contour", "brush_size", "selected_label", "mode")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """What the view was like when a case was left."""

    order: tuple[int, ...]
    ndisplay: int
    grid: tuple[Any, ...]
    """Shape and scale of its image: where another one agrees, the zoom fits it too."""
    center: tuple[float, ...]
    zoom: float
    layers: dict[str, dict[str, Any]]
    """Attributes of each layer by what it shows."""


class CaseView:
    """Remembers the look at one case and gives it to the next."""

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._points: dict[str, tuple[float, ...]] = {}
        self._look: _Look | None = None

    def forget(self) -> None:
        """Begin anew, for another project."""
        self._points.clear()
        self._look = None

    def leave(self, case_id: str, layers: dict[str, Any]) -> None:
        """Remember how a case is looked at before it goes.

        Parameters
        ----------
        case_id
            Case on screen.
        layers
            Its layers by what they show; `image` is the one that counts for the zoom.
        """
        image, camera, dims = layers["image"], self._viewer.scene.camera, self._viewer.dims
        self._points[case_id] = tuple(image.world_to_data(dims.point[-3:]))
        self._look = _Look(
            order=tuple(dims.order),
            ndisplay=dims.ndisplay,
            grid=_grid(image),
            center=tuple(camera.center),
            zoom=camera.zoom,
            layers={name: _attributes(layer) for name, layer in layers.items()},
        )

    def arrive(self, case_id: str, layers: dict[str, Any]) -> None:
        """Look at a case as at the one before, at the place where it was left."""
        image, look = layers["image"], self._look
        if look is not None:
            self._take_look(look, layers)
        point = self._points.get(case_id)
        if point is not None:
            go_to(self._viewer.dims, range(3), image.data_to_world(point))

    def _take_look(self, look: _Look, layers: dict[str, Any]) -> None:
        image, dims, camera = layers["image"], self._viewer.dims, self._viewer.scene.camera
        if len(look.order) == len(dims.order):
            if tuple(dims.order) != look.order:
                dims.order = look.order
                self._viewer.reset_view()
            if look.ndisplay == dims.ndisplay and look.grid == _grid(image):
                camera.center, camera.zoom = look.center, look.zoom
        for name, attributes in look.layers.items():
            for attribute, value in attributes.items():
                if name in layers and getattr(layers[name], attribute) != value:
                    setattr(layers[name], attribute, value)


def _attributes(layer: Any) -> dict[str, Any]:
    return {name: getattr(layer, name) for name in _KEPT if hasattr(layer, name)}


def _grid(image: Any) -> tuple[Any, ...]:
    return (*image.data.shape, *np.round(image.scale, 6).tolist())

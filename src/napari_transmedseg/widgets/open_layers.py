"""The image layers of the viewer that are not ours, with what they say about their place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.layer_data import METADATA_KEY
from napari_transmedseg.project.adopting import OpenArray, check_array

if TYPE_CHECKING:
    from napari.components import ViewerModel

_MM_PER = {"millimeter": 1.0, "centimeter": 10.0, "meter": 1000.0, "micrometer": 0.001}


def open_arrays(viewer: ViewerModel, ours: Sequence[Any]) -> list[OpenArray]:
    """Image layers that could become cases; colours, and what is no volume, are left out.

    Parameters
    ----------
    viewer
        Its layers are looked at and not changed.
    ours
        Layers of the case on screen.
    """
    found = []
    for layer in viewer.layers:
        is_image = layer.__class__.__name__ == "Image" and not layer.rgb
        if is_image and not any(layer == one for one in ours):  # equal: plugins get proxies
            try:
                found.append(_described(layer))
            except ImageReadError:
                continue
    return found


def _described(layer: Any) -> OpenArray:
    data = layer.data[0] if layer.multiscale else layer.data
    array = check_array(layer.name, np.asarray(data))
    geometry = layer.metadata.get(METADATA_KEY, {}).get("geometry")
    if not isinstance(geometry, Geometry) or geometry.display_shape != array.shape:
        geometry = None
    unit = str(layer.units[-1])
    factor = _MM_PER.get(unit, 1.0)
    source = layer.source.path
    return OpenArray(
        name=layer.name,
        array=array,
        geometry=geometry,
        scale=_three([float(one) * factor for one in layer.scale], 1.0),
        translate=_three([float(one) * factor for one in layer.translate], 0.0),
        unit="mm" if unit in _MM_PER else "",
        source=Path(source) if source else None,
    )


def _three(values: list[float], missing: float) -> tuple[float, float, float]:
    """Values of the last three axes; a single slice lacks the first."""
    first, second, third = ([missing] * 3 + values)[-3:]
    return first, second, third

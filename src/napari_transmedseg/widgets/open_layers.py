"""The image layers of the viewer that are not ours, their place, and the labels on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_transmedseg.errors import ImageReadError
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.layer_data import METADATA_KEY
from napari_transmedseg.project.adopting import OpenArray, OpenLabels, check_array

if TYPE_CHECKING:
    from napari.components import ViewerModel

_SAME_PLACE = 1e-3
"""Share of a voxel by which places that are the same may differ."""
_MM_PER = {"millimeter": 1.0, "centimeter": 10.0, "meter": 1000.0, "micrometer": 0.001}


def open_arrays(viewer: ViewerModel, ours: Sequence[Any]) -> list[OpenArray]:
    """Image layers that could become cases; colours, and what is no volume, are left out.

    Each comes with the Labels layers that lie on its voxels.

    Parameters
    ----------
    viewer
        Its layers are looked at and not changed.
    ours
        Layers of the case on screen.
    """
    found = []
    others = [layer for layer in viewer.layers if not _is_one_of(layer, ours)]
    labels = [layer for layer in others if layer.__class__.__name__ == "Labels"]
    for layer in others:
        if layer.__class__.__name__ == "Image" and not layer.rgb:
            try:
                found.append(_described(layer, [one for one in labels if lies_on(one, layer)]))
            except ImageReadError:
                continue
    return found


def lies_on(labels: Any, image: Any) -> bool:
    """Whether a Labels layer has the voxels of an image layer, at the same places."""
    if _shape(labels) != _shape(image):
        return False
    placed = [_geometry(layer, _shape(layer)) for layer in (labels, image)]
    if placed[0] is not None and placed[1] is not None:
        return placed[0].same_space(placed[1])
    step = min(float(abs(one)) for one in image.scale)
    pairs = zip(_placing(labels), _placing(image), strict=True)
    return all(np.allclose(one, other, atol=_SAME_PLACE * step) for one, other in pairs)


def _is_one_of(layer: Any, ours: Sequence[Any]) -> bool:
    return any(layer == one for one in ours)  # equal: plugins get proxies


def _shape(layer: Any) -> tuple[int, ...]:
    return tuple(_data(layer).shape)


def _data(layer: Any) -> Any:
    return layer.data[0] if layer.multiscale else layer.data


def _placing(layer: Any) -> tuple[Any, ...]:
    """Everything that moves the layer's voxels, in mm where its unit is known."""
    factor = _MM_PER.get(str(layer.units[-1]), 1.0)
    scale, translate = np.asarray(layer.scale) * factor, np.asarray(layer.translate) * factor
    return scale, translate, layer.rotate, layer.shear, layer.affine.affine_matrix


def _geometry(layer: Any, shape: tuple[int, ...]) -> Geometry | None:
    """Geometry that our reader left on a layer."""
    geometry = layer.metadata.get(METADATA_KEY, {}).get("geometry")
    is_its = isinstance(geometry, Geometry) and geometry.display_shape == shape
    return geometry if is_its else None


def _described(layer: Any, labels: Sequence[Any]) -> OpenArray:
    array = check_array(layer.name, np.asarray(_data(layer)))
    geometry = _geometry(layer, array.shape)
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
        labels=tuple(OpenLabels(name=one.name, array=_data(one)) for one in labels),
    )


def _three(values: list[float], missing: float) -> tuple[float, float, float]:
    """Values of the last three axes; a single slice lacks the first."""
    first, second, third = ([missing] * 3 + values)[-3:]
    return first, second, third

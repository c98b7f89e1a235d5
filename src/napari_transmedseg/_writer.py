"""npe2 writer: a labels layer as a NIfTI or NRRD label map, exactly on its image."""

from __future__ import annotations

from typing import Any


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write one labels layer in its image's own voxel order, affine and codes.

    Returns
    -------
    list of str
        The path that was written.

    Raises
    ------
    napari_transmedseg.errors.GeometryError
        When the layer does not carry the geometry of an image.
    """
    from napari_transmedseg.imaging.io import write_labels as write
    from napari_transmedseg.layer_data import label_map_of_layer_data

    write(path, label_map_of_layer_data(data, attributes))
    return [path]

"""npe2 sample data: one case of the heart phantom with its reference labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_transmedseg.layer_data import LayerData


def sample_case() -> list[LayerData]:
    """Image and reference labels of the first sample case, in mm."""
    from napari_transmedseg.imaging.io import read_labels, read_volume
    from napari_transmedseg.layer_data import image_layer_data, labels_layer_data
    from napari_transmedseg.project.sample_cases import (
        SAMPLE_CLASSES,
        sample_images,
        sample_labels,
    )

    volume, labels = read_volume(sample_images()[0]), read_labels(sample_labels()[0])
    labels.names = dict(enumerate(SAMPLE_CLASSES, start=1))
    return [
        image_layer_data(volume),
        labels_layer_data(labels, name=f"{volume.name} reference"),
    ]

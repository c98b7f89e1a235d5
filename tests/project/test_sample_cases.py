"""The sample cohort comes with the package."""

from pathlib import Path

import numpy as np
import pytest

from napari_transmedseg.errors import ProjectError
from napari_transmedseg.imaging.io import open_image, read_labels
from napari_transmedseg.project import sample_cases
from napari_transmedseg.project.sample_cases import SAMPLE_CLASSES, sample_images, sample_labels

from .conftest import assert_is_one_sentence


def test_every_sample_image_has_labels_of_the_sample_classes_on_its_grid():
    images, labels = sample_images(), sample_labels()
    assert len(images) == len(labels) > 1
    for image, reference in zip(images, labels, strict=True):
        assert image.name == reference.name
        found = read_labels(reference)
        assert found.geometry.shape == open_image(image).geometry.shape
        assert set(np.unique(found.array)) <= set(range(len(SAMPLE_CLASSES) + 1))


def test_an_installation_without_them_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sample_cases, "__file__", str(tmp_path / "a" / "b" / "c" / "d.py"))
    with pytest.raises(ProjectError, match="install the package again") as caught:
        sample_images()
    assert_is_one_sentence(caught.value)

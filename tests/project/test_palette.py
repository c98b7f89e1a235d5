"""Default colours of classes differ for every kind of sight."""

from itertools import combinations

import numpy as np
import pytest

from napari_transmedseg.project.schema import default_color

# Full loss of one kind of cone, in linear RGB (Machado, Oliveira and Fernandes, 2009).
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
DIFFERENT = 15.0
"""Distance in CIELAB; 2.3 is just noticeable side by side."""


def lab(color: str, sight: str) -> np.ndarray:
    rgb = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(SIGHTS[sight]) @ linear, 0, 1)
    ratio = TO_XYZ @ seen / (TO_XYZ @ np.ones(3))
    f = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("sight", SIGHTS)
def test_eighteen_classes_can_be_told_apart(sight: str) -> None:
    seen = [lab(default_color(value), sight) for value in range(1, 19)]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > DIFFERENT


def test_colours_are_bright_enough_for_dark_images() -> None:
    assert min(lab(default_color(value), "normal")[0] for value in range(1, 19)) > 30

"""Which way a slice lies in the patient: letters for its edges, and words for oblique images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from napari_transmedseg.imaging.geometry import AXIS_LETTERS, PLANE_AXES, Geometry

_OPPOSITE = {"I": "S", "P": "A", "L": "R"}
_SHEARED = 0.1
"""Degrees; what headers round away is less."""
_PLANE_NAMES = {axis: name for name, axis in PLANE_AXES.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeLetters:
    """Patient direction that each edge of a slice points to."""

    top: str
    bottom: str
    left: str
    right: str


def edge_letters(
    rows: int, columns: int, *, rows_run_down: bool = True, columns_run_right: bool = True
) -> EdgeLetters:
    """Letters for a slice whose rows and columns lie along two display axes.

    Parameters
    ----------
    rows, columns
        Display axis (0 I, 1 P, 2 L) that the row index and the column index run along.
    rows_run_down, columns_run_right
        False where the camera shows that axis the other way round.
    """
    down, right = AXIS_LETTERS[rows], AXIS_LETTERS[columns]
    up, left = _OPPOSITE[down], _OPPOSITE[right]
    if not rows_run_down:
        up, down = down, up
    if not columns_run_right:
        left, right = right, left
    return EdgeLetters(top=up, bottom=down, left=left, right=right)


def plane_name(axis: int) -> str:
    """Plane that cuts a display axis: axial, coronal or sagittal."""
    return _PLANE_NAMES[axis]


def plane_axes(axis: int) -> tuple[int, int]:
    """Display axes of a plane's rows and columns, head up and radiological."""
    rows, columns = (other for other in range(3) if other != axis)
    return rows, columns


def oblique_degrees(geometry: Geometry) -> float:
    """Largest angle in degrees between a voxel axis and the patient axis next to it."""
    directions = np.abs(geometry.affine[:3, :3]) / np.array(geometry.spacing)
    cosines = np.clip(directions.max(axis=0), -1.0, 1.0)
    return float(np.degrees(np.arccos(cosines)).max())


def shear_degrees(geometry: Geometry) -> float:
    """Largest angle in degrees by which two voxel axes miss the right angle."""
    directions = geometry.affine[:3, :3] / np.array(geometry.spacing)
    cosines = np.abs(directions.T @ directions)[np.triu_indices(3, k=1)]
    return float(np.degrees(np.arcsin(np.clip(cosines, 0.0, 1.0))).max())


def shear_in_words(geometry: Geometry) -> str:
    """What is odd about a grid without right angles; empty for all others."""
    degrees = shear_degrees(geometry)
    if degrees < _SHEARED:
        return ""
    return (
        f"Sheared grid: voxel axes are {degrees:.2g}° off right angles, which is kept exactly; "
        "some viewers refuse masks on it."
    )


def orientation_in_words(geometry: Geometry) -> str:
    """What a person must know before trusting the letters; empty where they are exact."""
    if not geometry.known:
        return "The file does not say how the image lies in the patient: the letters are a guess."
    if not geometry.is_oblique:
        return ""
    return (
        f"Oblique image, up to {oblique_degrees(geometry):.0f}° off the patient's axes: the "
        "letters are the nearest directions. Exported masks keep the exact position."
    )

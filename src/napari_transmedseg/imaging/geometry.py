"""Where voxels lie in the patient, and how to get from file order to display order and back.

Source order is the order of the file's voxel axes. Display order is (I, P, L): the first axis
runs towards inferior, the second towards posterior, the third towards left. World coordinates
are RAS+ in millimetres.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import nibabel as nib
import numpy as np
import numpy.typing as npt

from napari_transmedseg.errors import GeometryError

AXIS_LETTERS = ("I", "P", "L")
"""Directions in which the display axes run."""
PLANE_AXES = {"axial": 0, "coronal": 1, "sagittal": 2}
"""Display axis that is cut by each anatomical plane."""

_RAS_TO_IPL = np.array(
    [[0.0, 0.0, -1.0, 0.0], [0.0, -1.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
_ANISOTROPY = 1.5
_SAME_VOXEL = 0.05
_LARGEST = 1e9  # mm; NaN and infinity are not below it either

Affine = npt.NDArray[np.float64]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Geometry:
    """Grid of one image: shape and affine, plus what its file said about them.

    Raises
    ------
    GeometryError
        If the shape is not 3-D or the affine is not finite or cannot be inverted.
    """

    shape: tuple[int, int, int]
    """Number of voxels along each axis, source order."""
    affine: Affine
    """(4, 4): source voxel index to RAS+ world coordinates in mm."""
    known: bool = True
    """False: the file carries no position or orientation, the affine is a guess."""
    qform_code: int = 1
    """NIfTI code of the qform (0: none)."""
    sform_code: int = 1
    """NIfTI code of the sform (0: none)."""
    units: str = "mm"
    """Unit of length in the file; the affine here is in mm whatever the file uses."""
    header: bytes | None = None
    """NIfTI header of the source, written back with its masks; None for other formats."""

    def __post_init__(self) -> None:
        shape = tuple(int(n) for n in self.shape)
        if len(shape) != 3 or min(shape) < 1:
            raise GeometryError(
                f"Expected three axes with at least one voxel each, found shape {shape}; "
                "give a 3-D volume."
            )
        affine = np.array(self.affine, dtype=np.float64)
        if affine.shape != (4, 4):
            raise GeometryError(
                f"Expected a 4×4 affine, found shape {affine.shape}; give a 4×4 matrix."
            )
        affine.flags.writeable = False
        object.__setattr__(self, "shape", shape)
        object.__setattr__(self, "affine", affine)
        _orientation_of(affine.tobytes())

    @classmethod
    def from_spacing(
        cls,
        shape: Sequence[int],
        spacing: Sequence[float] = (1.0, 1.0, 1.0),
        *,
        orientation: str = "RAS",
        origin: Sequence[float] = (0.0, 0.0, 0.0),
    ) -> Geometry:
        """Make an axis-aligned geometry.

        Parameters
        ----------
        shape, spacing
            Voxels and mm along each axis, source order.
        orientation
            Directions in which the source axes run, e.g. "RAS" or "IPL".
        origin
            World position of voxel (0, 0, 0), RAS+ mm.
        """
        affine = np.eye(4)
        ornt = nib.orientations.axcodes2ornt(tuple(orientation))
        affine[:3, :3] = 0.0
        for axis, (world_axis, direction) in enumerate(ornt):
            affine[int(world_axis), axis] = direction * float(spacing[axis])
        affine[:3, 3] = origin
        return cls(shape=(int(shape[0]), int(shape[1]), int(shape[2])), affine=affine)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm along each axis, source order."""
        sizes = np.linalg.norm(self.affine[:3, :3], axis=0)
        return (float(sizes[0]), float(sizes[1]), float(sizes[2]))

    @property
    def orientation(self) -> str:
        """Directions in which the source axes run, nearest anatomical ones, e.g. "RAS"."""
        return "".join(str(code) for code in nib.aff2axcodes(self.affine))

    @property
    def display_axes(self) -> tuple[int, int, int]:
        """Source axis behind each display axis (I, P, L)."""
        return _orientation_of(self.affine.tobytes())[0]

    @property
    def display_shape(self) -> tuple[int, int, int]:
        """Number of voxels along I, P, L."""
        i, p, left = self.display_axes
        return (self.shape[i], self.shape[p], self.shape[left])

    @property
    def display_spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm along I, P, L."""
        i, p, left = self.display_axes
        spacing = self.spacing
        return (spacing[i], spacing[p], spacing[left])

    @property
    def display_affine(self) -> Affine:
        """(4, 4): display voxel index to display world (I, P, L) in mm."""
        axes, flips = _orientation_of(self.affine.tobytes())
        to_source = np.zeros((4, 4))
        to_source[3, 3] = 1.0
        for display_axis, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
            to_source[axis, display_axis] = -1.0 if flip else 1.0
            to_source[axis, 3] = self.shape[axis] - 1 if flip else 0.0
        affine: Affine = _RAS_TO_IPL @ self.affine @ to_source
        return affine

    @property
    def display_translate(self) -> tuple[float, float, float]:
        """World position (I, P, L) in mm of the display voxel (0, 0, 0)."""
        i, p, left = self.display_affine[:3, 3]
        return (float(i), float(p), float(left))

    @property
    def is_oblique(self) -> bool:
        """Whether the voxel axes lie off the patient's axes by more than rounding."""
        directions = np.abs(self.affine[:3, :3] / np.array(self.spacing))
        return bool(np.any(np.minimum(directions, 1.0 - np.minimum(directions, 1.0)) > 1e-3))

    def to_display(self, array: npt.NDArray[T]) -> npt.NDArray[T]:
        """Turn an array from source order to (I, P, L); a view."""
        self._check(array, self.shape, "the file's order")
        axes, flips = _orientation_of(self.affine.tobytes())
        view = array.transpose(axes)
        return view[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]

    def to_source(self, array: npt.NDArray[T]) -> npt.NDArray[T]:
        """Turn an array from (I, P, L) to source order; a view and the inverse of `to_display`."""
        self._check(array, self.display_shape, "I, P, L order")
        axes, flips = _orientation_of(self.affine.tobytes())
        view = array[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
        return view.transpose(tuple(int(axis) for axis in np.argsort(axes)))

    def same_space(self, other: Geometry, *, atol: float = 1e-3) -> bool:
        """Whether both grids put every voxel at the same place, up to rounding.

        Parameters
        ----------
        other
            Geometry to compare with.
        atol
            Allowed distance between corresponding corners in mm; at least 5 % of the
            smallest voxel size is allowed in any case, as headers store rounded numbers.
        """
        if self.shape != other.shape:
            return False
        distance = np.linalg.norm(self.corners() - other.corners(), axis=1).max()
        return bool(distance <= max(atol, _SAME_VOXEL * min(self.spacing)))

    def corners(self) -> npt.NDArray[np.float64]:
        """World positions (8, 3), RAS+ mm, of the centres of the corner voxels."""
        last = np.array(self.shape) - 1
        index = np.array(list(np.ndindex(2, 2, 2))) * last
        corners: npt.NDArray[np.float64] = index @ self.affine[:3, :3].T + self.affine[:3, 3]
        return corners

    def _check(self, array: npt.NDArray[np.generic], shape: tuple[int, ...], order: str) -> None:
        if array.shape != shape:
            raise GeometryError(
                f"Expected an array of shape {shape} ({order}), found {array.shape}; "
                "use the array that belongs to this image."
            )


def acquisition_axis(geometry: Geometry) -> int:
    """Display axis along which slices were taken.

    The axis of the largest spacing when it exceeds the smallest by more than half, else 0
    (axial).
    """
    spacing = geometry.display_spacing
    if max(spacing) / min(spacing) > _ANISOTROPY:
        return int(np.argmax(spacing))
    return 0


def require_same_space(expected: Geometry, found: Geometry, what: str, image: str) -> None:
    """Check that a label map lies on its image.

    Raises
    ------
    GeometryError
        Naming shapes, or the distance between the two places in mm.
    """
    if expected.display_shape != found.display_shape:
        raise GeometryError(
            f"Expected {what} to have the {_times(expected.display_shape)} voxels (I×P×L) of "
            f"{image}, found {_times(found.display_shape)}; use the label map made on this image."
        )
    if expected.orientation != found.orientation:
        raise GeometryError(
            f"Expected {what} to have its voxels in the order of {image} "
            f"({expected.orientation}), found {found.orientation}; "
            "use the label map made on this image or resample it onto it."
        )
    if not expected.same_space(found):
        distance = np.linalg.norm(expected.corners() - found.corners(), axis=1).max()
        raise GeometryError(
            f"Expected {what} to lie on {image}, found it up to {distance:.3g} mm away; "
            "use the label map made on this image or resample it onto it."
        )


@lru_cache(maxsize=512)
def _orientation_of(affine: bytes) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Source axis of each display axis, and whether it runs the other way there."""
    matrix = np.frombuffer(affine, dtype=np.float64).reshape(4, 4)
    if not (np.abs(matrix) < _LARGEST).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-12:
        raise GeometryError(
            "Expected an affine that gives every voxel its own place, found one with missing or "
            "collapsed axes; repair the image's header or convert the original again."
        )
    source = nib.io_orientation(matrix)
    wanted = nib.orientations.axcodes2ornt(AXIS_LETTERS)
    ornt = nib.orientations.ornt_transform(source, wanted)
    axes = [int(axis) for axis in np.argsort(ornt[:, 0])]
    flips = [bool(ornt[axis, 1] < 0) for axis in axes]
    return (axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2])


def _times(shape: Sequence[int]) -> str:
    return "×".join(str(n) for n in shape)

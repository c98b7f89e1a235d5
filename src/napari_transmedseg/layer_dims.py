"""The viewer's axes and ours: a case has the last three; others may come before them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_transmedseg.imaging.orientation import plane_axes

if TYPE_CHECKING:
    from napari.components import Dims


def go_to(dims: Dims, axes: Sequence[int], world: Sequence[float]) -> None:
    """Move the viewer along display axes, to places in mm."""
    dims.set_point([axis + dims.ndim - 3 for axis in axes], world)


def place_along(dims: Dims, axis: int) -> float:
    """Where the viewer is along a display axis in mm; 0 when the layers went before the case."""
    return float(dims.point[axis - 3]) if dims.ndim >= 3 else 0.0


def order_for(dims: Dims, axis: int) -> tuple[int, ...]:
    """Order of the viewer's axes that shows the plane which cuts a display axis."""
    extra = dims.ndim - 3
    return (*range(extra), *(one + extra for one in (axis, *plane_axes(axis))))


def plane_of(dims: Dims) -> int | None:
    """Display axis that the plane on screen cuts; None in three dimensions and outside a case."""
    if dims.ndim < 3:
        return None
    axes = [axis - dims.ndim + 3 for axis in dims.order[-3:]]
    return axes[0] if dims.ndisplay == 2 and min(axes) >= 0 else None


def displayed_axes(dims: Dims) -> list[int]:
    """Display axes on screen: of rows and columns, in two dimensions."""
    return [axis - dims.ndim + 3 for axis in dims.displayed]

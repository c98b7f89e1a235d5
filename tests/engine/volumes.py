"""A cohort of near-cubic volumes, small enough to train a 3-D network on in seconds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from tiny_cohort import case, config, whole_slices

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.plan import TrainingPlan, plan_training
from napari_transmedseg.imaging.geometry import Geometry

SIDES = (24, 16, 16)
ORGAN = ("organ",)


def ball(sides: Sequence[int] = SIDES, at: Sequence[float] = (0.5, 0.5, 0.5)) -> np.ndarray:
    """Class 1 in a ball around a place given as shares of the sides."""
    axes = np.ogrid[tuple(slice(n) for n in sides)]
    distance = sum(
        ((axis + 0.5) / n - centre) ** 2 for axis, n, centre in zip(axes, sides, at, strict=True)
    )
    return (distance < 0.3**2).astype(np.uint8)


def near_cubic(sides: Sequence[int] = SIDES) -> Geometry:
    """Display shape `sides`, 1 mm."""
    return Geometry.from_spacing(tuple(reversed(sides)), (1.0, 1.0, 1.0), orientation="LPS")


def volume_case(name: str, slices: Sequence[int] | None = None, **more: Any) -> TrainingCase:
    """A ball, a little elsewhere in each case, known on some slices (None: everywhere)."""
    shift = (ord(name[-1]) % 3 - 1) * 0.05
    classes = ball(at=(0.5, 0.5 + shift, 0.5 - shift))
    known = None if slices is None else whole_slices(slices, SIDES)
    return case(name, classes, known, place=near_cubic(), **more)


def whole_cohort() -> list[TrainingCase]:
    """Three whole annotations, two cases without."""
    return [
        *(volume_case(name) for name in "abc"),
        *(volume_case(name, annotated=False) for name in "de"),
    ]


def sparse_cohort() -> list[TrainingCase]:
    """Four cases of three known slices each, spread over the stack anew in each, two without.

    At other places in each: a network that never saw an organ's ends guesses them from the place.
    """
    return [
        volume_case("a", [2, 8, 17]),
        volume_case("b", [5, 12, 21]),
        volume_case("c", [0, 10, 15]),
        volume_case("d", [6, 14, 19]),
        *(volume_case(name, annotated=False) for name in "ef"),
    ]


def settings(**changes: Any) -> TrainingConfig:
    """3-D on one CPU thread."""
    return config(**({"dimensions": "3d", "steps": 20} | changes))


def volume_plan(cases: Sequence[TrainingCase], **changes: Any) -> TrainingPlan:
    """The plan of a cohort of balls."""
    return plan_training(settings(**changes), cases, ORGAN, 0)

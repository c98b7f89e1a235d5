"""A cohort of bright ellipses in memory, small enough to train on in seconds."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.images import ImageStore, build_store
from napari_transmedseg.engine.plan import TrainingPlan, plan_training
from napari_transmedseg.engine.sampling import Sampler
from napari_transmedseg.engine.state import TrainingState, make_state
from napari_transmedseg.engine.step import train_step
from napari_transmedseg.imaging.geometry import Geometry
from napari_transmedseg.imaging.volume import LabelMap, Volume

CLASSES = ("ring", "core")
SHAPE_IPL = (6, 24, 24)
SPACING_IPL = (4.0, 1.0, 1.0)


def geometry(
    shape_IPL: Sequence[int] = SHAPE_IPL, spacing_IPL: Sequence[float] = SPACING_IPL
) -> Geometry:
    """An LPS file, whose voxel order is the reverse of the display order (up to flips)."""
    return Geometry.from_spacing(
        tuple(reversed(shape_IPL)), tuple(reversed(spacing_IPL)), orientation="LPS"
    )


def ellipses(shape_IPL: Sequence[int] = SHAPE_IPL, shift: float = 0.0) -> np.ndarray:
    """A ring (1) around a core (2) along axis 0, absent on the first and last slice."""
    z, y, x = np.ogrid[tuple(slice(n) for n in shape_IPL)]
    rows, columns = shape_IPL[1:]
    radius = np.hypot(
        (y - rows / 2 + 0.5 - shift) / rows, (x - columns / 2 + 0.5 + shift) / columns
    )
    inside = (z > 0) & (z < shape_IPL[0] - 1)
    classes = np.where(inside & (radius < 0.36), 1, 0)
    return np.where(inside & (radius < 0.2), 2, classes).astype(np.uint8)


def volume(classes: np.ndarray, place: Geometry, seed: int = 0) -> Volume:
    """Intensities that give the classes away, with some noise."""
    noise = np.random.default_rng(seed).normal(0, 10, classes.shape)
    levels = np.array([0.0, 200.0, 90.0])
    return Volume(array=(levels[np.minimum(classes, 2)] + noise).astype(np.float32), geometry=place)


def case(
    name: str,
    classes: np.ndarray,
    known: np.ndarray | None,
    *,
    place: Geometry | None = None,
    annotated: bool = True,
) -> TrainingCase:
    """A case whose annotation is its truth where `known` (None: everywhere)."""
    place = place or geometry(classes.shape)
    image = volume(classes, place, seed=len(name) + ord(name[-1]))
    # Where nothing is known, the array is not to be believed: it holds another class.
    array = classes if known is None else np.where(known, classes, 1).astype(np.uint8)
    return TrainingCase(
        case_id=name,
        load=lambda: image,
        annotation=LabelMap(array=array, geometry=place, known=known) if annotated else None,
    )


def whole_slices(indices: Sequence[int], shape_IPL: Sequence[int] = SHAPE_IPL) -> np.ndarray:
    """Known mask of some slices along axis 0."""
    known = np.zeros(tuple(shape_IPL), dtype=bool)
    known[list(indices)] = True
    return known


def cohort() -> list[TrainingCase]:
    """Two cases with three annotated slices each, one empty among them; two without."""
    return [
        case("a", ellipses(shift=-1), whole_slices([0, 2, 3])),
        case("b", ellipses(shift=1), whole_slices([2, 3, 5])),
        case("c", ellipses(shift=2), None, annotated=False),
        case("d", ellipses(shift=0), None, annotated=False),
    ]


def config(**changes: Any) -> TrainingConfig:
    """One thread on the CPU, every step reported."""
    settings: dict[str, Any] = {"device": "cpu", "threads": 1, "event_interval_s": 0.0}
    return TrainingConfig(**(settings | changes))


def small_plan(
    settings: TrainingConfig | None = None,
    cases: Sequence[TrainingCase] | None = None,
    **rules: Any,
) -> TrainingPlan:
    """The plan of the tiny cohort with a smaller network and batch; `rules` change its recipe."""
    plan = plan_training(settings or config(steps=40), cases or cohort(), CLASSES, 0)
    usual = {"batch_size": 4, "ramp_steps": 8, "warmup_passes": 0}
    recipe = replace(plan.recipe, **(usual | rules))
    return replace(plan, channels=(4, 8, 16, 32), recipe=recipe)


class Run:
    """A plan's store, state and sampler, stepped without the loop around it."""

    def __init__(
        self,
        plan: TrainingPlan,
        cases: Sequence[TrainingCase] | None = None,
        *,
        seed: int = 0,
        self_training: bool = True,
    ) -> None:
        torch.set_num_threads(1)
        self.plan = plan
        self.store: ImageStore = build_store(
            cases or cohort(), plan, validation_share=0, seed=seed, cache=None
        )
        num_slices = self.store.num_images * self.store.slices_per_image
        self.state: TrainingState = make_state(plan, num_slices=num_slices, seed=seed)
        if self_training:
            self.state.phase, self.state.self_training_start = "self-training", 0.0
        self.state.student.train()
        self.sampler = Sampler(
            self.store, plan.recipe.augmentation, self.state.generator, torch.device(plan.device)
        )

    def steps(self, count: int, total: int = 40) -> list[dict[str, float]]:
        """Losses of the next steps of a run of `total`."""
        taken = []
        for _ in range(count):
            terms = train_step(self.state, self.plan, self.sampler, self.state.step / total)
            taken.append({name: float(value) for name, value in terms.items()})
        return taken

    def weights(self) -> dict[str, torch.Tensor]:
        """Student and teacher, buffers included."""
        both = {"student": self.state.student, "teacher": self.state.teacher}
        return {
            f"{who}.{name}": value.clone()
            for who, network in both.items()
            for name, value in network.state_dict().items()
        }


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Bit for bit."""
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )

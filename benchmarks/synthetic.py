"""A synthetic cohort of noisy discs, and a run on it that is stepped without the loop around it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

CASES = 8
ANNOTATED = 4


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is timed."""

    dims: int = 2
    side: int = 64
    """Rows and columns; in 3-D also slices."""
    classes: int = 2
    """Foreground classes."""
    batch: int = 0
    """0: the preset's."""
    method: str = "transmedseg"
    preset: str = "default"
    network: str = "auto"
    threads: int = 1
    steps: int = 60


class SteppedRun:
    """Plan, store, state and sampler of a setting, in self-training from the first step."""

    def __init__(self, setting: Setting) -> None:
        import torch

        from napari_transmedseg.engine.images import build_store
        from napari_transmedseg.engine.plan import plan_training
        from napari_transmedseg.engine.sampling import Sampler
        from napari_transmedseg.engine.state import make_state

        torch.set_num_threads(setting.threads)
        cases, names = cohort(setting), [f"class {v}" for v in range(1, setting.classes + 1)]
        plan = plan_training(_config(setting), cases, names, 0)
        batch = setting.batch or plan.recipe.batch_size
        self.plan = replace(plan, recipe=replace(plan.recipe, batch_size=batch))
        self.store = build_store(cases, self.plan, validation_share=0, seed=0, cache=None)
        num_slices = self.store.num_images * self.store.slices_per_image
        self.state = make_state(self.plan, num_slices=num_slices, seed=0)
        self.state.phase, self.state.self_training_start = "self-training", 0.0
        self.state.student.train()
        self.sampler = Sampler(
            self.store, plan.recipe.augmentation, self.state.generator, torch.device("cpu")
        )

    def step(self, progress: float = 0.5) -> None:
        """Train on one batch."""
        from napari_transmedseg.engine.step import train_step

        train_step(self.state, self.plan, self.sampler, progress)


def cohort(setting: Setting) -> list[Any]:
    """Discs of rings (2-D: 12 slices; 3-D: balls) whose intensities give the classes away."""
    import numpy as np

    from napari_transmedseg.engine.cases import TrainingCase
    from napari_transmedseg.imaging.geometry import Geometry
    from napari_transmedseg.imaging.volume import LabelMap, Volume

    side, rng = setting.side, np.random.default_rng(0)
    depth, thickness = (12, 4.0) if setting.dims == 2 else (side, 1.0)
    geometry = Geometry.from_spacing((side, side, depth), (1.0, 1.0, thickness), orientation="LPS")
    cases = []
    for number in range(CASES):
        z, y, x = np.ogrid[:depth, :side, :side]
        radius = np.hypot(y - side / 2, x - side / 2 - number % 3) / side
        shown = (radius < 0.42) & (z > 0) & (z < depth - 1)
        rings = setting.classes - (radius / 0.42 * setting.classes).astype(int)
        classes = np.where(shown, rings, 0).astype(np.uint8)
        array = (classes * 100 + rng.normal(0, 15, classes.shape)).astype(np.float32)
        known = np.zeros(classes.shape, bool)
        known[:: max(1, depth // 3)] = True
        volume = Volume(array=array, geometry=geometry)
        annotation = LabelMap(array=classes, geometry=geometry, known=known)
        cases.append(
            TrainingCase(
                case_id=f"case_{number}",
                load=lambda volume=volume: volume,
                annotation=annotation if number < ANNOTATED else None,
            )
        )
    return cases


def _config(setting: Setting) -> Any:
    from napari_transmedseg.engine.config import TrainingConfig

    return TrainingConfig(
        steps=setting.steps, device="cpu", threads=setting.threads, method=setting.method,
        preset=setting.preset, network=setting.network,
        dimensions="2d" if setting.dims == 2 else "3d",
    )  # fmt: skip

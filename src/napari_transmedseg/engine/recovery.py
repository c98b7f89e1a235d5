"""When memory runs out or a disk is full: give back what can be, go on smaller, or say why not."""

import gc
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.images import ImageStore, build_store
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.state import TrainingState
from napari_transmedseg.errors import TrainingError, is_out_of_memory


def free_memory(state: TrainingState | None = None) -> None:
    """Give back what nothing needs any more, gradients included.

    Call it outside the `except` block: the error's traceback holds the step's tensors.
    """
    if state is not None:
        state.optimizer.zero_grad(set_to_none=True)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def smaller_batch(plan: TrainingPlan) -> TrainingPlan | None:
    """The plan with half the batch; None where it cannot be smaller.

    Copy-paste mixes the halves of a batch with each other, so it stays even.
    """
    least = 1 if plan.method == "supervised" else 2
    half = plan.recipe.batch_size // 2
    half -= half % least
    if half < least:
        return None
    return replace(plan, recipe=replace(plan.recipe, batch_size=half))


def smaller_batch_sentence(plan: TrainingPlan) -> str:
    """What a person should know about a batch that was halved."""
    return (
        f"Memory ran out, so training goes on with {plan.recipe.batch_size} images at a time "
        "instead of twice as many; close other programs if this comes again."
    )


def store_that_fits(
    cases: Sequence[TrainingCase],
    plan: TrainingPlan,
    config: TrainingConfig,
    cache: Path | None,
    control: TrainingControl,
) -> tuple[TrainingPlan, ImageStore]:
    """Take the images in; where memory runs out, again with a file that steps read from."""
    build = partial(
        build_store, cases, validation_share=config.validation_share, seed=config.seed,
        cache=cache, control=control,
    )  # fmt: skip
    try:
        return plan, build(plan)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error) or not plan.in_memory or cache is None:
            raise
    free_memory()
    note = "The images do not fit into memory, so each step reads some from a file."
    plan = replace(plan, in_memory=False, notes=(*plan.notes, note))
    return plan, build(plan)


def is_healthy(state: TrainingState) -> bool:
    """Whether all weights and statistics of student and teacher are numbers."""
    sums = [
        value.sum()
        for network in (state.student, state.teacher)
        for value in network.state_dict().values()
    ]
    return bool(state.finite & torch.isfinite(torch.stack([s.float() for s in sums])).all())


def out_of_memory(plan: TrainingPlan, state: TrainingState | None = None) -> TrainingError:
    """The error of a run that does not fit into memory, however small its batches."""
    place = "the GPU's" if plan.device == "cuda" else "this computer's"
    kept = "" if state is None or state.saved_step is None else (
        f" (the model of step {state.saved_step} is kept)"
    )  # fmt: skip
    smaller = "patches" if plan.dims == 3 else "images"
    way_out = f"close other programs, or train on smaller {smaller}"
    if plan.device == "cuda":
        way_out += " or on the CPU (--device cpu)"
    elif plan.dims == 3:
        way_out += " or in 2-D (--dimensions 2d)"
    return TrainingError(
        f"Expected the training to fit into {place} memory, found too little{kept}; {way_out}."
    )

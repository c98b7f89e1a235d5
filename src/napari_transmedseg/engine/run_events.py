"""The first and the last event of a run, in words."""

from napari_transmedseg.engine.events import StopReason, TrainingFinished, TrainingStarted
from napari_transmedseg.engine.images import ImageStore
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.state import TrainingState


def started(
    plan: TrainingPlan, store: ImageStore, state: TrainingState, run_id: str
) -> TrainingStarted:
    """What was planned and taken in."""
    parameters = sum(weight.numel() for weight in state.student.parameters())
    return TrainingStarted(
        run_id=run_id,
        device=plan.device,
        network=f"{plan.network} {plan.dims}-D, {parameters / 1e6:.2f} million weights",
        num_labeled_slices=store.num_labeled_slices,
        num_unlabeled_slices=store.num_unlabeled_slices,
        notes=(_seen(plan), *plan.notes),
    )


def finished(plan: TrainingPlan, state: TrainingState, reason: StopReason) -> TrainingFinished:
    """How the run ended, and from what it learned."""
    how = {
        "budget": "The budget is spent",
        "stopped": "Stopped on request",
        "early": "Dice on the held-out slices no longer rises",
    }[reason]
    share = f"{state.self_training_steps} of {state.step} steps learned from unlabeled slices."
    if plan.method == "supervised":
        share = f"{state.step} steps, all of them supervised."
    elif not state.step:
        share = "no step was taken."
    elif not state.self_training_steps:
        share += " They come after the warm-up: give it more time."
    return TrainingFinished(
        step=state.step,
        reason=reason,
        elapsed_s=state.elapsed_s,
        self_training_steps=state.self_training_steps,
        sentence=f"{how}: {share}",
    )


def _seen(plan: TrainingPlan) -> str:
    space = plan.space
    spacing = "×".join(f"{value:.2f}" for value in space.spacing_mm)
    size = "×".join(map(str, space.size))
    if plan.dims == 2:
        return f"Slices are seen as {size} pixels of {spacing} mm."
    parts = f", in patches of {'×'.join(map(str, space.patch))}" if space.patch else ""
    return f"Volumes are seen as {size} voxels of {spacing} mm{parts}."

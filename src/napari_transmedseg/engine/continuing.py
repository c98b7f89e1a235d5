"""Going on from another run: its network fitted to new data, and its model as the one to beat."""

import math
from dataclasses import replace

from torch import Tensor

from napari_transmedseg.engine.channels import require_same_channels
from napari_transmedseg.engine.checkpoint import load_model
from napari_transmedseg.engine.images import ImageStore
from napari_transmedseg.engine.oversight import held_out_dice
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.plan_space import rounded_up
from napari_transmedseg.engine.preprocess import NetworkSpace
from napari_transmedseg.engine.state import TrainingState, build_plan_network
from napari_transmedseg.networks import required_multiple


def adopt_plan(plan: TrainingPlan, previous: TrainingPlan, *, resumed: bool) -> TrainingPlan:
    """Fit a plan to the network that goes on.

    A resumed run keeps all that it saw. A warm start may look at another window, but at the same
    spacing: a network knows its structures at the size at which it learned them. It needs no
    warm-up.

    Raises
    ------
    TrainingError
        If the previous run saw other channels.
    """
    require_same_channels(plan.image_channels, previous.image_channels)
    plan = replace(plan, network=previous.network, channels=previous.channels)
    if resumed:
        return replace(plan, space=previous.space, recipe=previous.recipe)
    if plan.dims != previous.dims:
        recipe = replace(previous.recipe, warmup_share=0.0, warmup_passes=0)
        return replace(plan, space=previous.space, recipe=recipe)
    recipe = replace(plan.recipe, warmup_share=0.0, warmup_passes=0)
    return replace(plan, space=_at_spacing_of(previous, plan.space), recipe=recipe)


def keep_previous(
    state: TrainingState, weights: dict[str, Tensor], store: ImageStore, plan: TrainingPlan
) -> None:
    """Let the model of the run that this one starts from compete on today's held-out images."""
    model = build_plan_network(plan).to(plan.device).eval()
    load_model(model, weights)
    dice = held_out_dice(model, store, plan)
    if not math.isnan(dice):
        state.kept.offer(model, dice, step=0, progress=0.0)


def _at_spacing_of(previous: TrainingPlan, space: NetworkSpace) -> NetworkSpace:
    """Today's window at the spacing of a previous run."""
    kept = previous.space
    multiple = required_multiple(previous.network, dims=previous.dims, channels=previous.channels)
    sides = (
        length * wanted / own
        for length, wanted, own in zip(space.size, space.spacing_mm, kept.spacing_mm, strict=True)
    )
    size = rounded_up(sides, multiple)
    patch = tuple(map(min, zip(kept.patch_size, size, strict=True))) if kept.dims == 3 else size
    return replace(
        space,
        size=size,
        spacing_mm=kept.spacing_mm,
        normalisation=kept.normalisation,
        clip=kept.clip,
        channel_clips=kept.channel_clips,
        patch=() if patch == size else patch,
    )

"""Which model a run keeps: the latest, or the best one on held-out annotated images.

With enough held-out images a new model replaces the kept one only if it is better on them, also
across warm starts, and a run whose held-out Dice no longer rises may end early.
"""

import copy
import math
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

PATIENCE = 1 / 3
"""Share of the budget without a better held-out Dice after which a run ends early."""


@dataclass(kw_only=True, slots=True, eq=False)
class KeptModel:
    """Weights that predict, and how good they were."""

    weights: dict[str, Tensor] = field(default_factory=dict)
    """State of the network; empty before the first offer."""
    dice: float = float("nan")
    """Mean Dice over the classes on held-out images; NaN where too few are held out."""
    step: int = 0
    progress: float = 0.0
    """Progress of the run at which they were offered."""
    offered: float = 0.0
    """Progress at the last offer, taken or not."""

    def offer(self, model: nn.Module, dice: float, step: int, progress: float) -> bool:
        """Keep a model unless the kept one is better on held-out images; say whether it is."""
        self.offered = progress
        if self.weights and self.dice > dice:
            return False
        self.weights = copy.deepcopy(model.state_dict())
        self.dice, self.step, self.progress = dice, step, progress
        return True

    def state(self) -> dict[str, Any]:
        """Plain values for the checkpoint; the weights are kept there as the model."""
        values = ("dice", "step", "progress", "offered")
        return {name: getattr(self, name) for name in values}


def has_stalled(kept: KeptModel, progress: float, since: float = 0.0) -> bool:
    """Whether held-out Dice has not risen for long enough to end the run.

    Parameters
    ----------
    kept
        The best model so far.
    progress, since
        Share of the budget that is spent, and that at which the count begins.
    """
    if math.isnan(kept.dice):
        return False
    return progress - max(kept.progress, since) > PATIENCE

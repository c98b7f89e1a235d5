"""Budget, progress and the schedules that hang on them."""

from dataclasses import dataclass

from napari_transmedseg.engine.config import DEFAULT_MINUTES, TrainingConfig
from napari_transmedseg.engine.recipe import Recipe

_WARMUP_STEPS = 50
_FLOOR = 1e-3


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """Steps or seconds that a run may spend; pauses do not count."""

    steps: int | None
    seconds: float | None

    @classmethod
    def of(cls, config: TrainingConfig) -> "Budget":
        """Take the budget of a config; ten minutes where it has none."""
        if config.steps is not None:
            return cls(steps=config.steps, seconds=None)
        return cls(steps=None, seconds=60 * (config.minutes or DEFAULT_MINUTES))

    def progress(self, step: int, elapsed_s: float) -> float:
        """Share of the budget that is spent, in [0, 1]."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        return min(1.0, elapsed_s / (self.seconds or 1.0))

    def remaining_s(self, step: int, elapsed_s: float, steps_per_second: float) -> float:
        """Seconds left, estimated from the step rate for a budget in steps."""
        if self.steps is not None:
            return max(0, self.steps - step) / steps_per_second if steps_per_second else 0.0
        return max(0.0, (self.seconds or 0.0) - elapsed_s)


def learning_rate(base: float, progress: float, step: int) -> float:
    """Polynomial decay of power 0.9 after a short linear rise."""
    decay: float = max(_FLOOR, (1 - progress) ** 0.9)
    return base * decay * min(1.0, (step + 1) / _WARMUP_STEPS)


def scheduled_rate(recipe: Recipe, progress: float, step: int) -> float:
    """Learning rate of a step: polynomial decay, or the recipe's decay in steps."""
    if recipe.step_decay is None:
        return learning_rate(recipe.learning_rate, progress, step)
    every, factor = recipe.step_decay
    rate: float = recipe.learning_rate * factor ** (step // every)
    return rate


def early_decay(decay: float, step: int) -> float:
    """EMA decay λ, shorter at first so that the teacher soon forgets its random start.

    Averages over about the last tenth of the steps until that is as long as λ asks for.
    """
    return min(decay, (1 + step) / (10 + step))


def ramp(step: int, length: int) -> float:
    """Sigmoid-shaped rise from 0 to 1 over `length` steps (Laine and Aila, ICLR 2017)."""
    if step >= length:
        return 1.0
    rest = 1 - step / length
    return float(2.718281828459045 ** (-5 * rest * rest))


def self_training_progress(progress: float, start: float) -> float:
    """Progress of self-training alone: 0 where it began, 1 at the end of the budget."""
    return min(1.0, max(0.0, (progress - start) / max(1e-9, 1 - start)))

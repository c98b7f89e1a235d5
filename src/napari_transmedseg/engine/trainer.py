"""The training loop: a generator of frozen events, steered by a `TrainingControl`."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor

from napari_transmedseg.engine.calibration import calibrated_copy
from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.checkpoint import (
    LAST,
    load_checkpoint,
    plan_of,
    restore,
    restore_learned,
    save_checkpoint,
)
from napari_transmedseg.engine.clock import RunClock
from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.continuing import adopt_plan, keep_previous
from napari_transmedseg.engine.control import StoppedError, TrainingControl
from napari_transmedseg.engine.events import (
    CheckpointSaved,
    DiceReport,
    Notice,
    StepReport,
    StopReason,
    TrainingEvent,
)
from napari_transmedseg.engine.images import ImageStore
from napari_transmedseg.engine.keeping import has_stalled
from napari_transmedseg.engine.machine import cpu_threads
from napari_transmedseg.engine.memory import used_memory_mib
from napari_transmedseg.engine.oversight import CHECK_EVERY, held_out_dice, oversee
from napari_transmedseg.engine.plan import TrainingPlan, plan_training, supervised_plan
from napari_transmedseg.engine.recovery import (
    free_memory,
    is_healthy,
    out_of_memory,
    smaller_batch,
    smaller_batch_sentence,
    store_that_fits,
)
from napari_transmedseg.engine.run_events import finished, started
from napari_transmedseg.engine.sampling import Sampler
from napari_transmedseg.engine.schedules import Budget
from napari_transmedseg.engine.state import TrainingState, make_state
from napari_transmedseg.engine.step import not_finite, train_step
from napari_transmedseg.engine.watching import WatchedSlice
from napari_transmedseg.errors import TrainingError, is_out_of_memory

_PAUSE_POLL_S = 0.2
_OFFER_EVERY = 0.05
"""Share of the budget between two models that are measured on held-out images."""


def fit(
    cases: Sequence[TrainingCase],
    class_names: Sequence[str],
    config: TrainingConfig,
    *,
    slice_axis: int,
    folder: Path | None = None,
    run_id: str = "",
    control: TrainingControl | None = None,
    resume_from: Path | None = None,
    warm_start_from: Path | None = None,
) -> Iterator[TrainingEvent]:
    """Train on a cohort, yielding events until the budget is spent or a stop is requested.

    Images and annotation are taken in before the first event; what changes afterwards, on disk
    too, counts from the next call.

    Parameters
    ----------
    cases
        Images and what is known about them; unknown voxels are learned from, not background.
    class_names
        Foreground names in the order of their values 1…N.
    config
        Method, budget, device, seed.
    slice_axis
        Display axis (0 I, 1 P, 2 L) along which the cohort was annotated.
    folder
        The run's folder; checkpoints go to `checkpoints/last.pt` in it. None keeps nothing.
    run_id
        Passed on in the first event.
    control
        Stop, pause, resume and the slice to watch, from any thread.
    resume_from
        Checkpoint of this run: goes on as if it had never stopped.
    warm_start_from
        Checkpoint of another run with the same classes: its networks, statistics and optimizer
        go on, progress starts anew.

    Raises
    ------
    ConfigError, PlanError
        Before the first event, when nothing can be trained.
    TrainingError
        When the loss stops being a number, memory does not suffice for the smallest batch, the
        last model cannot be written, or a checkpoint does not fit.
    """
    begin = time.monotonic()
    control = control or TrainingControl()
    plan = plan_training(config, cases, class_names, slice_axis)
    try:
        yield from _fit(
            begin, plan, cases, config, control,
            folder=folder, run_id=run_id, resume_from=resume_from, warm_start_from=warm_start_from,
        )  # fmt: skip
    except StoppedError:  # before there was anything to keep
        return
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(plan) from error


def _fit(
    begin: float,
    plan: TrainingPlan,
    cases: Sequence[TrainingCase],
    config: TrainingConfig,
    control: TrainingControl,
    *,
    folder: Path | None,
    run_id: str,
    resume_from: Path | None,
    warm_start_from: Path | None,
) -> Iterator[TrainingEvent]:
    """Prepare, and train."""
    previous = resume_from or warm_start_from
    content = None if previous is None else load_checkpoint(previous, plan.device)
    if content is not None:
        plan = adopt_plan(plan, plan_of(content), resumed=resume_from is not None)
    cache = None if folder is None else folder / "cache" / "images.bin"
    with cpu_threads(plan.threads), _removed_at_the_end(cache):
        plan, store = store_that_fits(cases, plan, config, cache, control)
        if len(store.unlabeled_U) == 0:
            plan = supervised_plan(plan)
        num_slices = store.num_images * store.slices_per_image
        state = make_state(plan, num_slices=num_slices, seed=config.seed)
        if content is not None and resume_from is not None:
            restore(state, content)
        elif content is not None:
            restore_learned(state, content)
            keep_previous(state, content["model"], store, plan)
        content = None  # else twice in memory for the whole run
        yield started(plan, store, state, run_id)
        loop = _Loop(config, plan, store, state, folder, control, goes_on=previous is not None)
        if resume_from is None:
            state.elapsed_s = time.monotonic() - begin
        if warm_start_from is not None:  # a competent model need not warm up again
            yield from oversee(state, store, plan, progress=0.0, entropy=0.0)
        yield from loop.run()


@contextmanager
def _removed_at_the_end(cache: Path | None) -> Iterator[None]:
    """Let nothing be left of the images that did not fit into memory."""
    try:
        yield
    finally:
        if cache is not None:
            with suppress(OSError):  # Windows keeps a mapped file; the next run overwrites it
                cache.unlink(missing_ok=True)


class _Loop:
    """One run after its preparation: what happens every step, and every so often."""

    def __init__(
        self,
        config: TrainingConfig,
        plan: TrainingPlan,
        store: ImageStore,
        state: TrainingState,
        folder: Path | None,
        control: TrainingControl,
        *,
        goes_on: bool,
    ) -> None:
        self.config, self.plan, self.store, self.state = config, plan, store, state
        self.control = control
        self.budget = Budget.of(config)
        self.checkpoint = None if folder is None else folder / "checkpoints" / LAST
        self.sampler = Sampler(
            store, plan.recipe.augmentation, state.generator, torch.device(plan.device)
        )
        self.watched = WatchedSlice(control, state, store, plan)
        self.sums: dict[str, Tensor] = {}
        self.counts: Counter[str] = Counter()
        self.steps_summed = 0
        self.entropy = 0.0
        self.rate = 0.0
        self.clock = RunClock()
        self.last_report = self.last_overlay = self.last_checkpoint = self.clock.now
        self.left_out: set[str] = set()
        self.goes_on = goes_on

    def run(self) -> Iterator[TrainingEvent]:
        """Step until the budget is spent or a stop is requested; save; say how it ended."""
        reason: StopReason = "budget"
        self.state.student.train()
        while (progress := self._progress()) < 1.0:
            if self.control.stop_requested:
                reason = "stopped"
                break
            if self.control.paused:
                yield from self._paused()
                continue
            if self.config.early_stop and self._has_stalled(progress):
                reason = "early"
                break
            yield from self._step(progress)
            self._tick()
            yield from self._after_step()
        self._tick()
        yield from self._report()
        if self.state.step or self.goes_on:  # nobody is to predict with random weights
            yield from self._save(last=True)
        yield finished(self.plan, self.state, reason)

    def _step(self, progress: float) -> Iterator[TrainingEvent]:
        """One step; where memory runs out, again with half the batch."""
        while not self._fits(progress):
            free_memory(self.state)
            smaller = smaller_batch(self.plan)
            if smaller is None:
                yield from self._save(last=True)
                raise out_of_memory(self.plan, self.state)
            self.plan = smaller
            yield Notice(step=self.state.step, sentence=smaller_batch_sentence(smaller))

    def _fits(self, progress: float) -> bool:
        """Take one step; False where memory ran out."""
        try:
            self._add(train_step(self.state, self.plan, self.sampler, progress))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            return False
        return True

    def _after_step(self) -> Iterator[TrainingEvent]:
        now = self.clock.now
        if slept := self.clock.take_sleep():
            self.last_report = now
            sentence = f"The computer slept for {slept / 60:.0f} min; that time is not counted."
            yield Notice(step=self.state.step, sentence=sentence)
        if now - self.last_report >= self.config.event_interval_s:
            yield from self._report()
        if self.state.step % CHECK_EVERY == 0:
            yield from self._if_memory_allows("measuring the model", self._look())
        if now - self.last_overlay >= self.config.overlay_interval_s:
            self.last_overlay = now
            yield from self._if_memory_allows(
                "predicting the slice on screen", self.watched.predict()
            )
        if now - self.last_checkpoint >= self.config.checkpoint_interval_s:
            yield from self._if_memory_allows("keeping the model", self._save())

    def _look(self) -> Iterator[TrainingEvent]:
        for event in oversee(self.state, self.store, self.plan, self._progress(), self.entropy):
            if isinstance(event, DiceReport) and self.store.held_out_decides:
                self._offer_now_and_then()
            yield event

    def _if_memory_allows(
        self, what: str, events: Iterator[TrainingEvent]
    ) -> Iterator[TrainingEvent]:
        """Pass on the events of what training can do without, once or twice; say so once."""
        try:
            yield from events
            return
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        free_memory(self.state)
        if what not in self.left_out:
            self.left_out.add(what)
            sentence = f"Memory ran out while {what}: it was left out, and training goes on."
            yield Notice(step=self.state.step, sentence=sentence)

    def _tick(self) -> None:
        """Add the time since the last look at the clock to the run's own time."""
        self.state.elapsed_s += self.clock.tick()

    def _progress(self) -> float:
        return self.budget.progress(self.state.step, self.state.elapsed_s)

    def _has_stalled(self, progress: float) -> bool:
        """Whether the phase that counts goes on without a better held-out Dice."""
        if self.plan.method == "supervised":
            return has_stalled(self.state.kept, progress)
        if self.state.phase != "self-training":
            return False
        return has_stalled(self.state.kept, progress, since=self.state.self_training_start)

    def _paused(self) -> Iterator[TrainingEvent]:
        self._tick()
        yield from self._report()
        yield Notice(step=self.state.step, sentence="Training is paused.")
        what = "predicting the slice on screen"
        yield from self._if_memory_allows(what, self.watched.predict())
        while not self.control.wait_while_paused(_PAUSE_POLL_S):
            if self.watched.has_moved:  # the model stands still, only the view moves
                yield from self._if_memory_allows(what, self.watched.predict())
        self.clock.skip()
        self.last_report = self.clock.now
        if not self.control.stop_requested:
            yield Notice(step=self.state.step, sentence="Training goes on.")

    def _add(self, losses: dict[str, Tensor]) -> None:
        for name, value in losses.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] += 1
        self.steps_summed += 1

    def _report(self) -> Iterator[StepReport]:
        """Means since the last report; the only place that waits for the device."""
        if self.steps_summed == 0:
            return
        if not bool(self.state.finite):
            raise not_finite(self.state)
        means = {name: float(value) / self.counts[name] for name, value in self.sums.items()}
        share = means.pop("pseudo_label_share", 0.0)
        self.entropy = means.pop("entropy", 0.0)
        rate = self.steps_summed / max(1e-6, self.clock.now - self.last_report)
        self.rate = rate if self.rate == 0 else 0.8 * self.rate + 0.2 * rate
        self.sums, self.steps_summed, self.last_report = {}, 0, self.clock.now
        self.counts.clear()
        yield StepReport(
            step=self.state.step,
            phase=self.state.phase,
            progress=self._progress(),
            losses=means,
            learning_rate=float(self.state.optimizer.param_groups[0]["lr"]),
            steps_per_second=self.rate,
            elapsed_s=self.state.elapsed_s,
            remaining_s=self.budget.remaining_s(self.state.step, self.state.elapsed_s, self.rate),
            pseudo_label_share=share,
            memory_mib=used_memory_mib(self.plan.device),
        )

    def _save(self, *, last: bool = False) -> Iterator[CheckpointSaved | Notice]:
        """Write the checkpoint; a full disk ends the run only where it is the last one.

        Where held-out images choose the model, only its own schedule offers one: when a checkpoint
        is due hangs on the clock, and a run that goes on must choose as if it had never stopped.
        """
        self.last_checkpoint = self.clock.now
        if self.checkpoint is None:
            return
        if not is_healthy(self.state):
            raise not_finite(self.state)
        if last or not self.store.held_out_decides:
            self._offer_model()
        elif not self.state.kept.weights:
            model = calibrated_copy(self.state.teacher, self.store, self.plan)
            self.state.kept.weights = model.state_dict()
        try:
            save_checkpoint(self.checkpoint, self.state, self.plan)
        except TrainingError:
            if last:
                raise
            sentence = (
                "The checkpoint could not be written, so the one before is kept and training goes "
                "on; free some space on the disk of the project."
            )
            yield Notice(step=self.state.step, sentence=sentence)
            return
        yield CheckpointSaved(step=self.state.step, path=self.checkpoint)

    def _offer_now_and_then(self) -> None:
        """Measuring a model takes as long as some ten steps: not at every look."""
        if self._progress() - self.state.kept.offered >= _OFFER_EVERY:
            self._offer_model()

    def _offer_model(self) -> None:
        """Keep the teacher, unless the kept model is better on held-out images."""
        model = calibrated_copy(self.state.teacher, self.store, self.plan)
        dice = held_out_dice(model, self.store, self.plan)
        self.state.kept.offer(model, dice, self.state.step, self._progress())

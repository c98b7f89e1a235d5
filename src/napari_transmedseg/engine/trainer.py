"""The training loop: a generator of frozen events, steered by a `TrainingControl`."""

import copy
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor

from napari_transmedseg.engine.calibration import calibrate, spread_batches
from napari_transmedseg.engine.cases import TrainingCase
from napari_transmedseg.engine.checkpoint import (
    LAST,
    load_checkpoint,
    plan_of,
    restore,
    restore_learned,
    save_checkpoint,
)
from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.engine.continuing import adopt_plan, keep_previous
from napari_transmedseg.engine.control import TrainingControl
from napari_transmedseg.engine.events import (
    CheckpointSaved,
    DiceReport,
    Notice,
    SlicePrediction,
    StepReport,
    StopReason,
    TrainingEvent,
    TrainingFinished,
    TrainingStarted,
)
from napari_transmedseg.engine.images import ImageStore, build_store
from napari_transmedseg.engine.inference import Predictor
from napari_transmedseg.engine.keeping import has_stalled
from napari_transmedseg.engine.memory import used_memory_mib
from napari_transmedseg.engine.oversight import CHECK_EVERY, held_out_dice, oversee
from napari_transmedseg.engine.plan import TrainingPlan, plan_training, supervised_plan
from napari_transmedseg.engine.sampling import Sampler
from napari_transmedseg.engine.schedules import Budget
from napari_transmedseg.engine.state import TrainingState, make_state
from napari_transmedseg.engine.step import not_finite, train_step

_PAUSE_POLL_S = 0.2


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
        When the loss stops being a number or a checkpoint does not fit.
    """
    begin = time.monotonic()
    control = control or TrainingControl()
    plan = plan_training(config, cases, class_names, slice_axis)
    previous = resume_from or warm_start_from
    content = None if previous is None else load_checkpoint(previous, plan.device)
    if content is not None:
        plan = adopt_plan(plan, plan_of(content), resumed=resume_from is not None)
    with _threads(plan.threads):
        cache = None if folder is None else folder / "cache" / "images.bin"
        store = build_store(
            cases,
            plan,
            validation_share=config.validation_share,
            seed=config.seed,
            cache=cache,
        )
        if len(store.unlabeled_U) == 0:
            plan = supervised_plan(plan)
        num_slices = store.num_images * store.slices_per_image
        state = make_state(plan, num_slices=num_slices, seed=config.seed)
        if content is not None and resume_from is not None:
            restore(state, content)
        elif content is not None:
            restore_learned(state, content)
            keep_previous(state, content["model"], store, plan)
        yield _started(plan, store, state, run_id)
        loop = _Loop(config, plan, store, state, folder, control)
        if resume_from is None:
            state.elapsed_s = time.monotonic() - begin
        try:
            if warm_start_from is not None:  # a competent model need not warm up again
                yield from oversee(state, store, plan, progress=0.0, entropy=0.0)
            yield from loop.run()
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
    ) -> None:
        self.config, self.plan, self.store, self.state = config, plan, store, state
        self.control = control
        self.budget = Budget.of(config)
        self.checkpoint = None if folder is None else folder / "checkpoints" / LAST
        self.sampler = Sampler(
            store, plan.recipe.augmentation, state.generator, torch.device(plan.device)
        )
        self.predictor = Predictor(state.teacher, plan)
        self.sums: dict[str, Tensor] = {}
        self.counts: Counter[str] = Counter()
        self.steps_summed = 0
        self.entropy = 0.0
        self.rate = 0.0
        self.last_report = self.last_overlay = self.last_checkpoint = self._now = time.monotonic()

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
            self._add(train_step(self.state, self.plan, self.sampler, progress))
            self._tick()
            yield from self._after_step()
        self._tick()
        yield from self._report()
        yield from self._save()
        yield self._finished(reason)

    def _after_step(self) -> Iterator[TrainingEvent]:
        if self._now - self.last_report >= self.config.event_interval_s:
            yield from self._report()
        if self.state.step % CHECK_EVERY == 0:
            for event in oversee(self.state, self.store, self.plan, self._progress(), self.entropy):
                if isinstance(event, DiceReport) and event.held_out:
                    self._offer_model()
                yield event
        if self._now - self.last_overlay >= self.config.overlay_interval_s:
            self.last_overlay = self._now
            yield from self._overlay()
        if self._now - self.last_checkpoint >= self.config.checkpoint_interval_s:
            yield from self._save()

    def _tick(self) -> None:
        """Add the time since the last look at the clock to the run's own time."""
        now = time.monotonic()
        self.state.elapsed_s += now - self._now
        self._now = now

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
        shown = None
        while not self.control.wait_while_paused(_PAUSE_POLL_S):
            if self.control.watched != shown:  # the model stands still, only the view moves
                shown = self.control.watched
                yield from self._overlay()
        self._now = self.last_report = time.monotonic()
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
            raise not_finite(self.state.step)
        means = {name: float(value) / self.counts[name] for name, value in self.sums.items()}
        share = means.pop("pseudo_label_share", 0.0)
        self.entropy = means.pop("entropy", 0.0)
        rate = self.steps_summed / max(1e-6, self._now - self.last_report)
        self.rate = rate if self.rate == 0 else 0.8 * self.rate + 0.2 * rate
        self.sums, self.steps_summed, self.last_report = {}, 0, self._now
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

    def _overlay(self) -> Iterator[SlicePrediction]:
        watched = self.control.watched
        if watched is None or watched[0] not in self.store.start:
            return
        case_id, index = watched
        geometry = self.store.geometry[case_id]
        axis = self.plan.space.slice_axis
        if not 0 <= index < geometry.display_shape[axis]:
            return
        place = self.store.start[case_id] + (index if self.plan.dims == 2 else 0)
        image = self.store.image_N1HW[place]
        label, uncertainty = self.predictor.predict_slice(image, geometry, index)
        yield SlicePrediction(
            step=self.state.step,
            case_id=case_id,
            slice_axis=axis,
            slice_index=index,
            pseudo_label_YX=label,
            uncertainty_YX=uncertainty,
        )

    def _save(self) -> Iterator[CheckpointSaved]:
        self.last_checkpoint = self._now
        if self.checkpoint is None:
            return
        self._offer_model()
        save_checkpoint(self.checkpoint, self.state, self.plan)
        yield CheckpointSaved(step=self.state.step, path=self.checkpoint)

    def _offer_model(self) -> None:
        """Keep the teacher, unless the kept model is better on held-out images."""
        model = copy.deepcopy(self.state.teacher)
        images = 8 * self.plan.recipe.calibration_images
        calibrate(model, spread_batches(self.store, images, self.plan.device))
        dice = held_out_dice(model, self.store, self.plan)
        self.state.kept.offer(model, dice, self.state.step, self._progress())

    def _finished(self, reason: StopReason) -> TrainingFinished:
        state = self.state
        how = {
            "budget": "The budget is spent",
            "stopped": "Stopped on request",
            "early": "Dice on the held-out slices no longer rises",
        }[reason]
        share = f"{state.self_training_steps} of {state.step} steps learned from unlabeled slices"
        if self.plan.method == "supervised":
            share = f"{state.step} steps, all of them supervised"
        return TrainingFinished(
            step=state.step,
            reason=reason,
            elapsed_s=state.elapsed_s,
            self_training_steps=state.self_training_steps,
            sentence=f"{how}: {share}.",
        )


def _started(
    plan: TrainingPlan, store: ImageStore, state: TrainingState, run_id: str
) -> TrainingStarted:
    parameters = sum(weight.numel() for weight in state.student.parameters())
    return TrainingStarted(
        run_id=run_id,
        device=plan.device,
        network=f"{plan.network} {plan.dims}-D, {parameters / 1e6:.2f} million weights",
        num_labeled_slices=store.num_labeled_slices,
        num_unlabeled_slices=store.num_unlabeled_slices,
        notes=(_seen(plan), *plan.notes),
    )


def _seen(plan: TrainingPlan) -> str:
    space = plan.space
    spacing = "×".join(f"{value:.2f}" for value in space.spacing_mm)
    size = "×".join(map(str, space.size))
    if plan.dims == 2:
        return f"Slices are seen as {size} pixels of {spacing} mm."
    parts = f", in patches of {'×'.join(map(str, space.patch))}" if space.patch else ""
    return f"Volumes are seen as {size} voxels of {spacing} mm{parts}."


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Use `count` CPU threads while training."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)

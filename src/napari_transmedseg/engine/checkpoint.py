"""Checkpoints: tensors and plain values only, written atomically, loaded without executing code."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from napari_transmedseg.engine.augment import AugmentationRanges
from napari_transmedseg.engine.checkpoint_checks import check_archive, check_parts, check_sizes
from napari_transmedseg.engine.keeping import KeptModel
from napari_transmedseg.engine.plan import TrainingPlan
from napari_transmedseg.engine.preprocess import NetworkSpace
from napari_transmedseg.engine.recipe import Recipe
from napari_transmedseg.engine.state import TrainingState
from napari_transmedseg.errors import TrainingError, is_out_of_memory

FORMAT = 2
LAST = "last.pt"

_COUNTERS = (
    "phase",
    "step",
    "averaged_steps",
    "self_training_steps",
    "self_training_start",
    "elapsed_s",
    "trusted",
)


def save_checkpoint(path: Path, state: TrainingState, plan: TrainingPlan) -> None:
    """Write everything needed to go on, to a temporary file first.

    Parameters
    ----------
    path
        File to write or replace.
    state, plan
        The run. What predicts is its kept model, or the teacher where none was kept yet.

    Raises
    ------
    TrainingError
        When the folder cannot be written; the previous checkpoint stays.
    """
    content = {
        "format": FORMAT,
        "plan": asdict(plan),
        "student": state.student.state_dict(),
        "teacher": state.teacher.state_dict(),
        "model": state.kept.weights or state.teacher.state_dict(),
        "kept": state.kept.state(),
        "graph": None if state.graph is None else state.graph.state_dict(),
        "optimizer": state.optimizer.state_dict(),
        "source": state.source.state_dict(),
        "targets": [target.state_dict() for target in state.targets],
        "scaler": state.scaler.state_dict(),
        "generator": state.generator.get_state(),
        "sampling_generator": state.sampling_generator.get_state(),
        "global_generator": torch.get_rng_state(),
        "bank": state.saved_bank if state.bank is None else state.bank.state_dict(),
        "predicted_share": state.predicted_share,
        "counters": {name: getattr(state, name) for name in _COUNTERS},
    }
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            _write(content, file)
        os.replace(temporary, path)
        state.saved_step = state.step
    except OSError as error:
        raise TrainingError(
            f"Expected to write the checkpoint {path}, found that it is not possible "
            f"({(error.strerror or 'no access').lower()}); free some space or make the folder "
            "writable, then resume from the last checkpoint."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write(content: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(content, file)
    except RuntimeError as error:  # how PyTorch's archive ends when the disk is full
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
    file.flush()
    os.fsync(file.fileno())


def load_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any]:
    """Read a checkpoint; only tensors and plain values are accepted, and nothing is executed.

    Raises
    ------
    TrainingError
        When the file is missing, damaged (by one flipped bit), of an absurd size, or of another
        format.
    """
    try:
        check_archive(path)
        content: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise TrainingError(
            f"Expected a checkpoint at {path}, found no file; train the run first."
        ) from None
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise _damaged(path, error) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else type(content).__name__
        raise TrainingError(
            f"Expected a checkpoint of format {FORMAT} at {path}, found {found}; "
            "open it with the version that wrote it."
        )
    try:
        check_parts(content)
    except ValueError as error:
        raise _damaged(path, error) from error
    return content


def plan_of(content: dict[str, Any]) -> TrainingPlan:
    """Rebuild the plan that a checkpoint was trained with.

    Raises
    ------
    TrainingError
        When another version of the program, with other settings, wrote it.
    """
    try:
        plan = dict(content["plan"])
        recipe = dict(plan["recipe"])
        recipe["augmentation"] = AugmentationRanges(**recipe["augmentation"])
        plan["recipe"] = Recipe(**recipe)
        plan["space"] = NetworkSpace(**plan["space"])
        if isinstance(plan["largest_component"], bool):  # before it was chosen class by class
            every = range(1, len(plan["class_names"]) + 1)
            plan["largest_component"] = tuple(every) if plan["largest_component"] else ()
        made = TrainingPlan(**plan)
        check_sizes(made)
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(
            f"Expected the settings of this version in the checkpoint, found others ({error}); "
            "open it with the version that wrote it or train a new run."
        ) from error
    return made


def load_model(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Put the kept model of a checkpoint into a network.

    Raises
    ------
    TrainingError
        When it is of another network.
    """
    with _same_network():
        network.load_state_dict(weights)


def restore(state: TrainingState, content: dict[str, Any]) -> None:
    """Put a run back where its checkpoint was written."""
    restore_learned(state, content)
    with _same_network():
        state.generator.set_state(content["generator"].cpu())
        state.sampling_generator.set_state(content["sampling_generator"].cpu())
        if content["plan"]["recipe"]["dropout"]:
            torch.set_rng_state(content["global_generator"].cpu())
        for name in _COUNTERS:
            setattr(state, name, content["counters"][name])
        state.bank, state.saved_bank = None, content["bank"]
        state.predicted_share = content["predicted_share"]
        state.kept = KeptModel(weights=content["model"], **content["kept"])
    state.saved_step = state.step


def restore_learned(state: TrainingState, content: dict[str, Any]) -> None:
    """Take over networks, statistics and optimizer, not the counters (warm start).

    Raises
    ------
    TrainingError
        When the checkpoint's network has other classes or channels.
    """
    with _same_network():
        state.student.load_state_dict(content["student"])
        state.teacher.load_state_dict(content["teacher"])
        state.source.load_state_dict(content["source"])
        if len(state.targets) == len(content["targets"]):
            for target, kept in zip(state.targets, content["targets"], strict=True):
                target.load_state_dict(kept)
        state.scaler.load_state_dict(content["scaler"])
        state.averaged_steps = content["counters"]["averaged_steps"]
        if state.graph is not None and content["graph"] is not None:
            state.graph.load_state_dict(content["graph"])
        if (state.graph is None) == (content["graph"] is None):
            state.optimizer.load_state_dict(content["optimizer"])


@contextmanager
def _same_network() -> Iterator[None]:
    try:
        yield
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        if is_out_of_memory(error):
            raise
        raise TrainingError(
            "Expected a checkpoint of the same classes and network, found another one; "
            "train from scratch instead of a warm start."
        ) from error


def _damaged(path: Path, error: Exception) -> TrainingError:
    reason = str(error) if type(error) is ValueError else type(error).__name__
    return TrainingError(
        f"Expected a checkpoint at {path}, found a damaged or foreign file ({reason}); choose "
        "another run or train again."
    )

"""Which classes are one compact piece, so that pseudo-labels keep their largest component only.

BCP and TransMedSeg keep the largest component of every class; kidneys and lesions lose half of
themselves by it. Here the annotation decides, class by class.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from napari_transmedseg.engine.config import TrainingConfig
from napari_transmedseg.errors import ConfigError
from napari_transmedseg.imaging.volume import LabelArray, LabelMap

_SEVERAL_SHARE = 0.2
"""A class that is in several pieces on this share of what is annotated is no single organ."""
_PIECE_SHARE = 0.05
_PIECE_VOXELS = 4
"""A piece counts if it has so many voxels and that share of the largest one; less is a slip."""
_MOST_IMAGES = 400
"""Slices or blocks that are looked at; more would say the same."""


def one_piece_classes(
    config: TrainingConfig,
    annotations: Sequence[LabelMap],
    class_names: Sequence[str],
    *,
    slice_axis: int,
    dims: int,
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Values of the classes in one piece, and what was decided in plain sentences.

    For `auto`, slices that are annotated as a whole are looked at one by one in 2-D, and as
    blocks of neighbours in 3-D; preset `paper` keeps the published recipe.

    Raises
    ------
    ConfigError
        When the setting names a class that there is none of.
    """
    every = tuple(range(1, len(class_names) + 1))
    asked = config.largest_component.strip()
    if asked == "none":
        return (), ()
    if asked == "all" or (asked == "auto" and config.preset == "paper"):
        return every, ()
    if asked != "auto":
        return _named(asked, class_names), ()
    seen, several = _count_pieces(annotations, len(class_names), slice_axis, dims)
    loose = [v for v in every if seen[v] and several[v] >= _SEVERAL_SHARE * seen[v]]
    what = "slices" if dims == 2 else "blocks of slices"
    notes = tuple(
        f"'{class_names[value - 1]}' may be in several pieces: so it is in {several[value]} of the "
        f"{seen[value]} annotated {what} that show it. All its pieces are kept in what the model "
        "proposes."
        for value in loose
    )
    return tuple(value for value in every if value not in loose), notes


def class_word(name: str, value: int) -> str:
    """What the setting calls a class: its name, or its value where a name would be misread."""
    plain = name.strip()
    is_taken = plain.isdigit() or plain.casefold() in ("auto", "all", "none")
    return str(value) if is_taken or "," in plain else plain


def with_names_of_now(asked: str, before: Sequence[str], now: Sequence[str | None]) -> str:
    """Setting `largest_component` after classes were renamed or removed.

    Parameters
    ----------
    asked
        The setting; where it names none of the classes it is left alone.
    before
        Names of the classes by their values.
    now
        What each of these is called now; None where it is gone.
    """
    if asked.strip() in ("auto", "all", "none"):
        return asked
    try:
        values = _named(asked, before)
    except ConfigError:  # told before the next training
        return asked
    left = [name for name in now if name is not None]
    chosen = [name for value in values if (name := now[value - 1]) is not None]
    return ", ".join(class_word(name, left.index(name) + 1) for name in chosen) or "none"


def _named(asked: str, class_names: Sequence[str]) -> tuple[int, ...]:
    """Values of classes given by name or value, separated by commas."""
    values = {name.strip().casefold(): value for value, name in enumerate(class_names, 1)}
    values |= {str(value): value for value in values.values()}
    found = []
    for word in (part.strip() for part in asked.split(",") if part.strip()):
        if word.casefold() not in values:
            raise ConfigError(
                "Expected 'largest_component' to be auto, all, none, or classes of "
                f"{', '.join(class_names)}, found '{word}'; correct its spelling."
            )
        found.append(values[word.casefold()])
    return tuple(sorted(set(found)))


def _count_pieces(
    annotations: Sequence[LabelMap], num_classes: int, slice_axis: int, dims: int
) -> tuple[list[int], list[int]]:
    """Images that show each class, and those that show it in several pieces, by value."""
    seen, several = [0] * (num_classes + 1), [0] * (num_classes + 1)
    images = [image for one in annotations for image in _images(one, slice_axis, dims)]
    step = max(1, -(-len(images) // _MOST_IMAGES))
    for image in images[::step]:
        for value, sizes in _pieces(image):
            if value <= num_classes:
                seen[value] += 1
                needed = max(_PIECE_VOXELS, _PIECE_SHARE * max(sizes))
                several[value] += sum(size >= needed for size in sizes) > 1
    return seen, several


def _images(annotation: LabelMap, slice_axis: int, dims: int) -> Iterator[LabelArray]:
    """Slices annotated as a whole; in 3-D each run of neighbours as one block."""
    labels_SYX = np.moveaxis(annotation.array, slice_axis, 0)
    indices = np.arange(len(labels_SYX))
    if annotation.known is not None:
        indices = indices[np.moveaxis(annotation.known, slice_axis, 0).all(axis=(1, 2))]
    if dims == 2:
        runs = [indices[place : place + 1] for place in range(len(indices))]
    else:
        runs = np.split(indices, np.flatnonzero(np.diff(indices) > 1) + 1)
    for run in runs:
        if len(run):
            yield labels_SYX[run[0] : run[-1] + 1]


def _pieces(image_SYX: LabelArray) -> Iterator[tuple[int, list[int]]]:
    """Sizes in voxels of the connected components of each class that occurs."""
    import cc3d

    components = cc3d.connected_components(np.ascontiguousarray(image_SYX))
    sizes = np.bincount(components.reshape(-1))
    values = np.zeros(len(sizes), np.int64)
    values[components.reshape(-1)] = image_SYX.reshape(-1)
    for value in np.unique(values[1:]):
        if value > 0:
            yield int(value), sizes[1:][values[1:] == value].tolist()
